"""The deskewing layer: what it leaves alone, what it undoes, and the numbers that it can't place."""

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.layers import deskew

each = pytest.mark.parametrize


def letter() -> fn.Array:
    """Return the letter L, upright, with room on all sides."""
    image = np.zeros((1, 15, 15), np.float32)
    image[0, 4:11, 6] = image[0, 10, 6:9] = 1
    return image


def upright(images: fn.Array) -> fn.Array:
    return deskew().apply((), images)


@each("down", [-3, 0, 4])
@each("right", [-2, 5])
def test_the_place_of_the_ink_makes_no_difference(down: int, right: int) -> None:
    moved = np.roll(letter(), (down, right), axis=(1, 2))
    np.testing.assert_allclose(upright(moved), upright(letter()), atol=1e-5)


@each("slant", [-1, 1])
def test_a_slanted_stroke_becomes_a_vertical_one(slant: int) -> None:
    stroke = np.zeros((1, 15, 15), np.float32)
    for row in range(-5, 6):
        stroke[0, 7 + row, 7 + slant * row] = 1
    # Its rows have the variance 10, so the slope is 10 / (10 + 1/12), and the ends stay 0.04 pixels off.
    expected = np.zeros((15, 15))
    for row in range(-5, 6):
        far = slant * row / 121
        expected[7 + row, 7], expected[7 + row, 7 + int(np.sign(far))] = 1 - abs(far), abs(far) or 1
    np.testing.assert_allclose(upright(stroke)[0], expected, atol=1e-5)


@each("power", [-100, 3, 100])
def test_the_scale_of_the_ink_makes_no_difference(power: int) -> None:
    np.testing.assert_array_equal(upright(letter() * np.float32(2.0) ** power), upright(letter()) * 2.0**power)


def test_an_image_without_ink_and_a_dot_in_the_middle_stay_as_they_are() -> None:
    dot = np.zeros((2, 3, 5))
    dot[1, 1, 2] = 7
    np.testing.assert_array_equal(upright(dot), dot)
    dx = fn.gradients(deskew(), (), dot, np.ones_like(dot))[1]
    np.testing.assert_array_equal(dx[0], 1)


def test_nan_spoils_its_own_image_alone() -> None:
    images = np.concatenate([letter(), letter()])
    images[0, 0, 0] = np.nan
    with np.errstate(all="raise"):
        y = upright(images)
    assert np.isnan(y[0]).all()
    np.testing.assert_array_equal(y[1:], upright(letter()))


def test_no_images_give_none() -> None:
    y, pullback = deskew().vjp((), np.zeros((0, 4, 3)), None)
    assert y.shape == pullback(y)[1]().shape == (0, 4, 3)
