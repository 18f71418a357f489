"""Shifts, turns, zooms, shears and elastic moves: as their matrices say, and as random as their options say."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest

from fnmlp.augmentation import (
    elastic,
    random_warps,
    resample,
    rotate,
    shear,
    shift,
    warp,
    zoom,
)
from fnmlp.augmentation.geometry import affine_points, rotations, shears, smooth_noise, zooms
from fnmlp.errors import OptionError
from fnmlp.key import Key, generator
from fnmlp.tree import tree_equal
from tests.images import ALL_OPTIONS, pictures, ramps, seen
from tests.steps import assert_close, same_bits
from tests.sweep import each

KEY = Key(5)


def looked_at(image: NDArray[Any], matrix: NDArray[Any]) -> NDArray[Any]:
    """Return what one image shows through one matrix."""
    return seen(image, affine_points(matrix, np.zeros((1, 2)), image.shape)[0])


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


def test_warps_are_read_only_small_and_a_function_of_the_key() -> None:
    warps = random_warps(KEY, 10, (28, 28), **ALL_OPTIONS)
    arrays = warps.corners, warps.down, warps.right
    assert sum(array.nbytes for array in arrays) == 10 * 28 * 28 * 4
    assert not any(array.flags.writeable for array in arrays)
    assert tree_equal(warps, random_warps(KEY, 10, (28, 28), **ALL_OPTIONS))
    assert not tree_equal(warps, random_warps(Key(6), 10, (28, 28), **ALL_OPTIONS))


@each(("number", "shape"), [(-1, (9, 8)), (1.5, (9, 8)), (1, (0, 8)), (1, (9, -8)), (1, (2.5, 8))])
def test_numbers_and_sizes_that_no_maps_have_are_refused(number: Any, shape: Any) -> None:
    with pytest.raises(OptionError, match="random_warps"):
        random_warps(KEY, number, shape)
