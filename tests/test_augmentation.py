"""Claims about images that are warped: exact where nothing is between pixels, and as random as they say."""

from collections.abc import Callable
from functools import partial
from operator import itemgetter
import pickle
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.stats import kstest

from fnmlp.augmentation import (
    apply_warps,
    as_warps,
    cutout,
    elastic,
    mirror,
    random_warps,
    resample,
    rotate,
    shear,
    shift,
    warp,
    zoom,
)
from fnmlp.augmentation.geometry import affine_points, rotations, shears, smooth_noise, zooms
from fnmlp.errors import DataError, DtypeError, FnmlpError, OptionError, ShapeError
from fnmlp.key import Key, generator
from fnmlp.tree import tree_equal, tree_map
from tests.steps import assert_close, same_bits, seeds
from tests.sweep import each

KEY = Key(5)
ALL_OPTIONS: dict[str, Any] = {
    "pixels": 1.5,
    "degrees": 12.0,
    "factor": 1.15,
    "slope": 0.14,
    "displacement": 1.1,
    "smoothing": 2.0,
}
WARPS = random_warps(Key(1), 50, (9, 8), **ALL_OPTIONS)
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


def pictures(seed: int, shape: tuple[int, ...], dtype: Any = np.uint8) -> NDArray[Any]:
    """Draw images of whole grey levels, none of them 0."""
    return np.random.default_rng(seed).integers(1, 256, shape).astype(dtype)


def seen(image: NDArray[Any], points: NDArray[Any]) -> NDArray[Any]:
    """Return what one image shows at places."""
    (result,) = resample(image[None], as_warps(points[None]))
    return np.asarray(result)


def looked_at(image: NDArray[Any], matrix: NDArray[Any]) -> NDArray[Any]:
    """Return what one image shows through one matrix."""
    return seen(image, affine_points(matrix, np.zeros((1, 2)), image.shape)[0])


def ramps(count: int, size: int, axis: int) -> NDArray[np.float64]:
    """Make images whose pixels tell their row or column, counted from the centre: what is seen tells from where."""
    ramp = np.indices((size, size))[axis] - (size - 1) / 2
    return np.broadcast_to(ramp, (count, size, size))


# Resampling.


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


# Geometry.


@each("size", [1, 2, 5, 8, 27, 28])
@each("quarters", [-2, -1, 0, 1, 2, 3])
def test_quarter_turns_are_exact(size: int, quarters: int) -> None:
    image = pictures(size, (size, size))
    assert same_bits(looked_at(image, rotations(np.array([90.0 * quarters]))), np.rot90(image, quarters))


def test_a_zoom_by_two_looks_at_every_second_pixel() -> None:
    image = pictures(0, (9, 9))
    result = looked_at(image, zooms(np.array([2.0])))
    assert same_bits(result[2:7, 2:7], image[::2, ::2])
    assert result.sum() == result[2:7, 2:7].sum()


def test_a_shear_by_one_moves_each_row_by_its_distance_from_the_centre() -> None:
    image = pictures(0, (5, 5))
    framed = np.pad(image, ((0, 0), (2, 2)))
    expected = np.stack([framed[row, row : row + 5] for row in range(5)])
    assert same_bits(looked_at(image, shears(np.array([1.0]))), expected)


@given(st.floats(-180, 180), st.floats(-180, 180), st.floats(0.1, 9), st.floats(0.1, 9))
def test_maps_compose_as_their_matrices_multiply(a: float, b: float, factor: float, other: float) -> None:
    one, two = np.array([a]), np.array([b])
    assert_close(rotations(one) @ rotations(two), rotations(one + two))
    assert_close(shears(one) @ shears(two), shears(one + two), at_least=360)
    assert_close(zooms(np.array([factor])) @ zooms(np.array([other])), zooms(np.array([factor * other])))
    matrices, shifts = zooms(np.array([factor])) @ rotations(one), np.array([[1.0, 2.0]])
    centre = np.array([1.0, 1.5])
    points = affine_points(matrices, shifts, (3, 4))
    for row, column in np.ndindex(3, 4):
        place = matrices[0] @ (np.array([row, column]) - centre) + centre + shifts[0]
        assert_close(points[0, :, row, column], place.astype(np.float32), at_least=9)


def test_options_of_no_effect_give_back_the_images_bit_for_bit() -> None:
    images = pictures(0, (3, 9, 8))
    for result in (
        shift(KEY, images, pixels=0),
        rotate(KEY, images, degrees=0),
        zoom(KEY, images, factor=1),
        shear(KEY, images, slope=0),
        elastic(KEY, images, displacement=0, smoothing=4.0),
        warp(KEY, images),
    ):
        assert same_bits(result, images)


def test_each_kind_of_motion_is_the_warp_with_its_option_alone() -> None:
    images = pictures(0, (3, 9, 8))
    assert same_bits(shift(KEY, images, pixels=2.5), warp(KEY, images, pixels=2.5))
    assert same_bits(rotate(KEY, images, degrees=20), warp(KEY, images, degrees=20))
    assert same_bits(zoom(KEY, images, factor=1.5), warp(KEY, images, factor=1.5))
    assert same_bits(shear(KEY, images, slope=0.5), warp(KEY, images, slope=0.5))
    distorted = elastic(KEY, images, displacement=1.0, smoothing=3.0)
    assert same_bits(distorted, warp(KEY, images, displacement=1.0, smoothing=3.0))


def test_a_warp_is_a_map_drawn_for_each_image_through_which_it_is_resampled_once() -> None:
    images = pictures(0, (3, 9, 8))
    assert same_bits(warp(KEY, images, **ALL_OPTIONS), resample(images, random_warps(KEY, 3, (9, 8), **ALL_OPTIONS)))


DRAWS = 500
MEASURED: dict[str, NDArray[Any]] = {
    # Where the pixel 3 to the right of the centre, or 3 below it, looks at tells what was drawn.
    "down": shift(KEY, ramps(DRAWS, 9, 0), pixels=0.7)[:, 4, 4] / 0.7,
    "right": shift(KEY, ramps(DRAWS, 9, 1), pixels=0.7)[:, 4, 4] / 0.7,
    "angle": np.degrees(np.arcsin(rotate(KEY, ramps(DRAWS, 9, 0), degrees=40)[:, 4, 7] / 3)) / 40,
    "logarithm": np.log(zoom(KEY, ramps(DRAWS, 9, 1), factor=1.25)[:, 4, 7] / 3) / np.log(1.25),
    "slope": shear(KEY, ramps(DRAWS, 9, 1), slope=0.3)[:, 7, 4] / 3 / 0.3,
}


@each("measured", MEASURED.values())
def test_what_is_drawn_is_uniform_up_to_the_option_either_way(measured: NDArray[Any]) -> None:
    assert np.abs(measured).max() <= 1.01
    assert kstest(measured, "uniform", (-1, 2)).pvalue > 0.01


def test_a_factor_below_one_means_the_same_as_its_inverse() -> None:
    measured = np.log(zoom(KEY, ramps(DRAWS, 9, 1), factor=0.8)[:, 4, 7] / 3) / np.log(1.25)
    assert kstest(measured, "uniform", (-1, 2)).pvalue > 0.01


def test_motions_of_one_key_are_independent_of_each_other() -> None:
    assert np.abs(np.corrcoef(list(MEASURED.values())) - np.eye(5)).max() < 0.15


def test_displacement_is_the_standard_deviation_of_every_pixels_move() -> None:
    for axis in (0, 1):
        moves = elastic(KEY, ramps(2000, 15, axis), displacement=0.5, smoothing=3.0) - ramps(1, 15, axis)
        deviations = moves.std(axis=0)[4:11, 4:11]  # further out, some pixels look outside the picture
        assert np.abs(deviations - 0.5).max() < 0.04
        assert kstest(moves[:, 7, 7] / 0.5, "norm").pvalue > 0.01


def test_smooth_noise_is_what_scipys_filter_makes_of_the_same_noise_scaled_to_variance_1() -> None:
    shape, sigma = (41, 37), 2.5
    found = smooth_noise(KEY, 2, shape, sigma)
    filtered = gaussian_filter(
        generator(KEY).standard_normal((2, 2, *shape), np.float32).astype(float),
        (0, 0, sigma, sigma),
        mode="constant",
        truncate=9,
    )
    # Far from the border a Gaussian filter divides the deviation by 2 √π σ.
    expected = filtered * (2 * np.sqrt(np.pi) * sigma)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[..., 12:-12, 12:-12], expected[..., 12:-12, 12:-12], atol=2e-4)


def test_smooth_noise_has_variance_1_at_the_border_too() -> None:
    deviations = smooth_noise(KEY, 2000, (10, 7), 3.0).std(axis=(0, 1))
    assert np.abs(deviations - 1).max() < 0.08


@each("sigma", [1e-3, 1e3])
def test_smoothing_goes_from_none_to_one_number_for_the_whole_picture(sigma: float) -> None:
    field = smooth_noise(KEY, 1, (6, 5), sigma)
    if sigma < 1:
        assert same_bits(field, generator(KEY).standard_normal((1, 2, 6, 5), np.float32))
    else:
        assert np.ptp(field, axis=(2, 3)).max() < 1e-3


# Maps that are made once.


def test_each_image_is_seen_through_one_of_the_maps_and_each_map_is_used() -> None:
    image = pictures(0, (1, 9, 8))
    through_each = [resample(image, tree_map(itemgetter([i]), WARPS)) for i in range(50)]
    kinds = {picture.tobytes(): i for i, picture in enumerate(through_each)}
    used = [kinds[picture.tobytes()] for picture in apply_warps(WARPS, KEY, np.repeat(image, 1000, axis=0))]
    assert len(kinds) == 50
    assert set(used) == set(range(50))
    assert max(np.bincount(used)) < 50


def test_warps_are_read_only_small_and_a_function_of_the_key() -> None:
    warps = random_warps(KEY, 10, (28, 28), **ALL_OPTIONS)
    arrays = warps.corners, warps.down, warps.right
    assert sum(array.nbytes for array in arrays) == 10 * 28 * 28 * 4
    assert not any(array.flags.writeable for array in arrays)
    assert tree_equal(warps, random_warps(KEY, 10, (28, 28), **ALL_OPTIONS))
    assert not tree_equal(warps, random_warps(Key(6), 10, (28, 28), **ALL_OPTIONS))


# What holds for them all.


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


# Cutout.


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 8), seeds)
def test_what_is_cut_out_is_a_square_around_a_pixel_and_clipped_by_the_border(
    height: int, width: int, size: int, seed: int
) -> None:
    image = pictures(seed, (1, height, width))
    row, column = np.indices((height, width))
    candidates = set()
    for r, c in np.ndindex(height, width):
        top, left = r - size // 2, c - size // 2
        hidden = (row >= top) & (row < top + size) & (column >= left) & (column < left + size)
        candidates.add(np.where(hidden, 0, image).tobytes())
    assert cutout(Key(seed), image, size=size).tobytes() in candidates


def test_every_pixel_is_as_likely_the_centre_of_what_is_cut_out() -> None:
    centres = np.argwhere(cutout(KEY, np.ones((1200, 3, 4)), size=1) == 0)
    counts = np.bincount(centres[:, 1] * 4 + centres[:, 2], minlength=12)
    assert counts.sum() == 1200
    assert np.abs(counts - 100).max() < 40


# Errors.


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
        ([[[1.0]]], DtypeError, "a NumPy array, got list; convert with numpy.asarray"),
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


@each("size", [0, -1, 1.5, True])
def test_a_size_that_is_no_count_is_refused(size: Any) -> None:
    with pytest.raises(OptionError, match=r"cutout\(size\)"):
        cutout(KEY, IMAGES, size=size)


@each(("number", "shape"), [(-1, (9, 8)), (1.5, (9, 8)), (1, (0, 8)), (1, (9, -8)), (1, (2.5, 8))])
def test_numbers_and_sizes_that_no_maps_have_are_refused(number: Any, shape: Any) -> None:
    with pytest.raises(OptionError, match="random_warps"):
        random_warps(KEY, number, shape)


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


@given(seeds, st.sampled_from([np.uint8, np.float32, np.float64]))
def test_an_image_is_mirrored_or_as_it_was(seed: int, dtype: Any) -> None:
    images = generator(Key(seed)).integers(0, 256, (64, 3, 4)).astype(dtype)
    found = mirror(Key(seed), images)
    as_it_was = (found == images).all(axis=(1, 2))
    assert ((found == images[:, :, ::-1]).all(axis=(1, 2)) | as_it_was).all()
    assert 10 < as_it_was.sum() < 54  # 32 on the average, with a deviation of 4
