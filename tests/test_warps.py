"""Images seen through maps of their pixels: exact where nothing is between pixels, and each map serves any image."""

from operator import itemgetter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest
from scipy.ndimage import map_coordinates

from fnmlp.augmentation import (
    apply_warps,
    as_warps,
    random_warps,
    resample,
)
from fnmlp.augmentation.geometry import affine_points
from fnmlp.errors import DataError, ShapeError
from fnmlp.key import Key
from fnmlp.tree import tree_map
from tests.images import WARPS, pictures, seen
from tests.steps import assert_close, same_bits, seeds
from tests.sweep import each

KEY = Key(5)


over_dtypes = each("dtype", ["uint8", "float32", "float64", ">f4", ">f8"])


lengths = st.integers(1, 12)


@over_dtypes
@given(height=lengths, width=lengths, seed=seeds)
def test_a_pixel_that_looks_at_itself_stays_as_it_is(dtype: str, height: int, width: int, seed: int) -> None:
    images = pictures(seed, (2, height, width), dtype)
    result = resample(images, as_warps(np.stack([np.indices((height, width))] * 2)))
    assert same_bits(result, images)
    assert result.dtype == images.dtype


@given(lengths, lengths, st.integers(-14, 14), st.integers(-14, 14), seeds)
def test_a_shift_by_whole_pixels_is_a_slice_beside_zeros(
    height: int, width: int, down: int, right: int, seed: int
) -> None:
    image = pictures(seed, (height, width))
    framed = np.pad(image, 14)
    expected = framed[14 + down : 14 + down + height, 14 + right : 14 + right + width]
    (points,) = affine_points(np.eye(2)[None], np.array([[down, right]]), image.shape)
    assert same_bits(seen(image, points), expected)


@given(lengths, lengths, seeds)
def test_between_pixels_and_across_the_border_scipy_sees_the_same(height: int, width: int, seed: int) -> None:
    image = pictures(seed, (height, width))
    points = np.random.default_rng(seed).integers(-700, 256 * 15, (2, height, width)) / 256
    expected = map_coordinates(image.astype(float), points, order=1, mode="grid-constant")
    assert same_bits(seen(image, points), np.rint(expected).astype(np.uint8))
    assert_close(seen(image.astype(float), points), expected)
    assert_close(seen(image.astype(np.float32), points), expected.astype(np.float32))


@given(seeds)
def test_places_are_rounded_to_one_part_in_256_of_a_pixel(seed: int) -> None:
    image = pictures(seed, (7, 6), float)
    points = np.random.default_rng(seed).uniform(-3, 10, (2, 7, 6))
    assert same_bits(seen(image, points), seen(image, np.rint(points * 256) / 256))
    exact = map_coordinates(image, points, order=1, mode="grid-constant")
    assert np.abs(seen(image, points) - exact).max() <= 255 * 2 / 512


@each("place", [np.nan, np.inf, -np.inf, 1e30, -1e30, -1.0, 3.0])
@each("axis", [0, 1])
def test_a_place_outside_the_picture_or_nowhere_reads_0(place: float, axis: int) -> None:
    points = np.indices((3, 3)).astype(float)
    points[axis, 1, 1] = place
    expected = np.ones((3, 3))
    expected[1, 1] = 0
    assert same_bits(seen(np.ones((3, 3)), points), expected)


def test_points_may_be_of_any_kind_of_number() -> None:
    image = pictures(0, (4, 5))
    points = np.indices((4, 5))[:, ::-1, ::-1]
    for dtype in (np.uint8, np.int64, np.float32):
        assert same_bits(seen(image, points.astype(dtype)), image[::-1, ::-1])


def test_pictures_of_many_pixels_are_counted_through() -> None:
    for size, dtype in ((8, np.uint8), (28, np.uint16), (300, np.uint32)):
        warps = random_warps(KEY, 1, (size, size), degrees=0.0)
        assert warps.corners.dtype == dtype
        image = pictures(0, (1, size, size))
        assert same_bits(resample(image, warps), image)


def test_a_number_that_is_none_stays_in_its_own_image() -> None:
    images = np.ones((3, 9, 8))
    spoilt = images.copy()
    spoilt[1] = np.nan
    result, expected = (resample(x, as_warps(points_of(3))) for x in (spoilt, images))
    assert same_bits(result[::2], expected[::2])


def points_of(count: int) -> NDArray[Any]:
    """Return points inside and outside a picture of 9 x 8."""
    return np.random.default_rng(0).uniform(-3, 12, (count, 2, 9, 8))


@given(seeds)
def test_resampling_is_linear_in_the_image(seed: int) -> None:
    x, y = pictures(seed, (2, 3, 9, 8), float)
    warps = as_warps(points_of(3))
    assert_close(resample(2 * x + y, warps), 2 * resample(x, warps) + resample(y, warps))


def test_each_image_is_seen_through_one_of_the_maps_and_each_map_is_used() -> None:
    image = pictures(0, (1, 9, 8))
    through_each = [resample(image, tree_map(itemgetter([i]), WARPS)) for i in range(50)]
    kinds = {picture.tobytes(): i for i, picture in enumerate(through_each)}
    used = [kinds[picture.tobytes()] for picture in apply_warps(WARPS, KEY, np.repeat(image, 1000, axis=0))]
    assert len(kinds) == 50
    assert set(used) == set(range(50))
    assert max(np.bincount(used)) < 50


IMAGES = np.zeros((2, 9, 8), np.uint8)


def test_maps_that_do_not_fit_the_images_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"pass for instance \(28, 28\)"):
        random_warps(KEY, 1, (784,))
    with pytest.raises(ShapeError, match="stack rows and columns"):
        as_warps(np.zeros((3, 9, 8)))
    with pytest.raises(ShapeError, match=r"resample: expected warps of shape \(2, 8, 9\), got \(2, 9, 8\)"):
        apply_warps(WARPS, KEY, np.zeros((2, 8, 9)))
    with pytest.raises(ShapeError, match="one for each image"):
        resample(IMAGES, WARPS)
    with pytest.raises(DataError, match="apply_warps: expected at least one map"):
        apply_warps(random_warps(KEY, 0, (9, 8)), KEY, IMAGES)
