"""Images to augment, and options and maps to augment them with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmlp.augmentation import as_warps, random_warps, resample
from fnmlp.key import Key

ALL_OPTIONS: dict[str, Any] = {
    "pixels": 1.5,
    "degrees": 12.0,
    "factor": 1.15,
    "slope": 0.14,
    "displacement": 1.1,
    "smoothing": 2.0,
}

WARPS = random_warps(Key(1), 50, (9, 8), **ALL_OPTIONS)


def pictures(seed: int, shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
    """Draw images of whole grey levels, none of them 0."""
    return np.random.default_rng(seed).integers(1, 256, shape).astype(dtype)


def ramps(count: int, size: int, axis: int) -> NDArray[np.float64]:
    """Make images whose pixels hold their row or column, counted from the centre."""
    ramp = np.indices((size, size))[axis] - (size - 1) / 2
    return np.broadcast_to(ramp, (count, size, size))


def seen(image: NDArray[Any], points: NDArray[Any]) -> NDArray[Any]:
    """Return what one image shows at places."""
    (result,) = resample(image[None], as_warps(points[None]))
    return np.asarray(result)
