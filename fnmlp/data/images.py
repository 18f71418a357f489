"""Pictures from files as the arrays of grey levels that models take."""

import os
from typing import TYPE_CHECKING
import warnings

import numpy as np

from fnmlp.arrays import Array, Shape, read_only
from fnmlp.errors import DataError, MissingDependencyError

if TYPE_CHECKING:
    from PIL.Image import Image


def read_image(path: str | os.PathLike[str], shape: Shape, *, white: int = 255, invert: bool = False) -> Array:
    """Read a picture as grey levels from 0 (black) to `white`; `invert` turns dark strokes on light into light ones.

    Transparent places count as black before they are inverted.
    Shapes:   (height, width), which the file must have.
    Units:    grey levels, 0 to `white`.
    Raises:   DataError where the file is missing, no picture, or of another size; MissingDependencyError without
              Pillow.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        remedy = "pip install 'fnmlp[examples]'"
        raise MissingDependencyError.of("read_image", "Pillow", error, remedy) from error
    name = os.fspath(path)
    if os.path.exists(path) and not os.path.isfile(path):  # a pipe would be waited for
        raise DataError(name, "a picture", "a folder, pipe or device", "give a PNG file")
    try:
        with warnings.catch_warnings():
            # A huge picture has the wrong size, which is an error of its own; it is not unpacked.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if (image.height, image.width) != shape:
                    expected = " x ".join(map(str, shape)) + " pixels"
                    raise DataError(name, expected, f"{image.height} x {image.width}", "resize the picture")
                image.verify()  # the check sums, which reading leaves out; it needs the file to be opened again
            with Image.open(path) as image:
                grey = _grey(image)
    except UnidentifiedImageError as error:
        raise DataError(name, "a picture", "a file of another kind", "give a PNG file") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, DataError):
            raise
        got = getattr(error, "strerror", None) or f"one that can't be read ({error})"
        raise DataError(name, "a picture", got, "check the path and the file") from error
    levels = (255 - grey) if invert else grey
    return read_only(np.rint(levels * (white / 255)).astype(np.uint8))


def _grey(image: "Image") -> Array:
    """Return the grey levels of any kind of picture, 0 to 255, on black ground."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits, which Pillow would clip rather than scale
        return np.clip(np.asarray(image) / 257, 0, 255)
    opaque = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
    return np.asarray(opaque.convert("L"))
