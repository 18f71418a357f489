"""What holds for every augmentation: image i depends on the key and i, dtypes are kept, bad options are refused."""

from collections.abc import Callable
from functools import partial
import pickle
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp.augmentation import (
    apply_warps,
    cutout,
    elastic,
    mirror,
    rotate,
    shear,
    shift,
    warp,
    zoom,
)
from fnmlp.errors import DtypeError, FnmlpError, OptionError, ShapeError
from fnmlp.key import Key
from tests.images import ALL_OPTIONS, WARPS, pictures
from tests.steps import same_bits, seeds
from tests.sweep import each

KEY = Key(5)
AUGMENTATIONS: dict[str, Callable[[Key, NDArray[Any]], NDArray[Any]]] = {
    "shift": partial(shift, pixels=2.0),
    "rotate": partial(rotate, degrees=30.0),
    "zoom": partial(zoom, factor=1.5),
    "shear": partial(shear, slope=0.5),
    "elastic": partial(elastic, displacement=1.0, smoothing=2.0),
    "warp": partial(warp, **ALL_OPTIONS),
    "apply_warps": partial(apply_warps, WARPS),
    "cutout": partial(cutout, size=3),
    "mirror": mirror,
}
over_augmentations = each("augment", AUGMENTATIONS.values())
over_dtypes = each("dtype", ["uint8", "float32", "float64", ">f4", ">f8"])
lengths = st.integers(1, 12)


@over_augmentations
@given(seed=seeds, count=st.integers(0, 5))
def test_image_i_depends_on_the_key_and_i_alone(
    augment: Callable[[Key, NDArray[Any]], NDArray[Any]], seed: int, count: int
) -> None:
    images = pictures(seed, (5, 9, 8))
    result = augment(Key(seed), images)
    assert result.shape == images.shape
    assert same_bits(augment(Key(seed), images[:count]), result[:count])


@over_augmentations
def test_the_key_decides_what_happens_and_each_image_has_its_own_share_of_it(
    augment: Callable[[Key, NDArray[Any]], NDArray[Any]],
) -> None:
    images = np.repeat(pictures(0, (1, 9, 8)), 6, axis=0)
    result = augment(KEY, images)
    assert same_bits(result, augment(KEY, images))
    assert not same_bits(result, augment(Key(6), images))
    assert len({image.tobytes() for image in result}) > (1 if augment is mirror else 3)


@over_augmentations
@over_dtypes
def test_the_dtype_is_kept_and_the_result_read_only_and_apart(
    augment: Callable[[Key, NDArray[Any]], NDArray[Any]], dtype: str
) -> None:
    images = pictures(0, (4, 9, 8), dtype)
    before = images.copy()
    result = augment(KEY, images)
    assert result.dtype == np.dtype(dtype)
    assert not result.flags.writeable
    assert not np.shares_memory(result, images)
    assert same_bits(images, before)
    images.setflags(write=False)
    assert same_bits(augment(KEY, images), result)


@over_augmentations
def test_it_does_not_matter_how_images_lie_in_memory(
    augment: Callable[[Key, NDArray[Any]], NDArray[Any]],
) -> None:
    images = pictures(0, (4, 9, 8))
    expected = augment(KEY, images)
    wide = np.zeros((4, 18, 16), np.uint8)
    wide[:, ::2, ::-2] = images
    for other in (np.asfortranarray(images), images[::-1].copy()[::-1], wide[:, ::2, ::-2]):
        assert same_bits(augment(KEY, other), expected)


@over_augmentations
def test_whole_grey_levels_are_those_of_floats_rounded(augment: Callable[[Key, NDArray[Any]], NDArray[Any]]) -> None:
    images = pictures(0, (4, 9, 8))
    exact = augment(KEY, images.astype(float))
    assert same_bits(augment(KEY, images), np.rint(exact).astype(np.uint8))


@over_augmentations
def test_a_pickled_augmentation_does_the_same(augment: Callable[[Key, NDArray[Any]], NDArray[Any]]) -> None:
    images = pictures(0, (4, 9, 8))
    copied = pickle.loads(pickle.dumps(augment))  # noqa: S301 (our own bytes)
    assert same_bits(copied(KEY, images), augment(KEY, images))


@over_augmentations
@each(
    ("images", "kind", "text"),
    [
        (np.zeros((9, 8)), ShapeError, r"images \(n, height, width\), got \(9, 8\)"),
        (np.zeros((2, 1, 9, 8)), ShapeError, "images"),
        (np.zeros((2, 0, 8)), ShapeError, "images"),
        (np.zeros((2, 9, 8), np.int64), DtypeError, "uint8, float32 or float64, got int64"),
        (np.zeros((2, 9, 8), np.float16), DtypeError, "float16"),
        (np.zeros((2, 9, 8), bool), DtypeError, "bool"),
        ([[[1.0]]], DtypeError, "a NumPy( or JAX)? array, got list; convert with numpy.asarray"),
    ],
)
def test_what_is_no_stack_of_images_is_refused(
    augment: Callable[[Key, Any], NDArray[Any]], images: Any, kind: type[FnmlpError], text: str
) -> None:
    with pytest.raises(kind, match=text):
        augment(KEY, images)


IMAGES = np.zeros((2, 9, 8), np.uint8)


@each("value", [-1.0, np.inf, np.nan, "1", None])
@each(
    ("function", "option"),
    [
        (shift, "pixels"),
        (rotate, "degrees"),
        (shear, "slope"),
        (partial(elastic, smoothing=4.0), "displacement"),
        (zoom, "factor"),
        (partial(elastic, displacement=1.0), "smoothing"),
    ],
)
def test_an_option_out_of_range_is_refused_by_its_name(function: Any, option: str, value: Any) -> None:
    name = getattr(function, "func", function).__name__
    with pytest.raises(OptionError, match=rf"^{name}\({option}\): expected a finite number"):
        function(KEY, IMAGES, **{option: value})
    with pytest.raises(OptionError, match=rf"\({option}\): expected a finite number"):
        warp(KEY, IMAGES, **{option: value})
