"""Claims about drawings of any size as images of a data set: nothing but their shape counts."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp.data import Fit, digits, fit_drawing
from fnmlp.errors import DataError, OptionError, ShapeError

DIGITS = digits().test.inputs[:50].astype(np.float64) * (255 / 16)


def framed(image: NDArray[Any], height: int, width: int, row: int, column: int) -> NDArray[Any]:
    """Put an image on a larger dark ground."""
    canvas = np.zeros((height, width))
    canvas[row : row + image.shape[0], column : column + image.shape[1]] = image
    return canvas


def like_mnist(image: NDArray[Any]) -> NDArray[Any]:
    """Make an image in MNIST's form of a digit."""
    return fit_drawing(image, (28, 28), Fit(box=20))


@pytest.mark.parametrize("place", range(0, 50, 7))
def test_an_image_of_the_data_set_is_left_as_it_is(place: int) -> None:
    image = like_mnist(DIGITS[place])
    np.testing.assert_allclose(like_mnist(image), image, atol=1e-9)


@given(place=st.integers(0, 49), factor=st.integers(2, 9), row=st.integers(1, 40), column=st.integers(1, 40))
def test_an_image_drawn_larger_on_a_larger_ground_comes_back(place: int, factor: int, row: int, column: int) -> None:
    image = like_mnist(DIGITS[place])
    large = framed(np.kron(image, np.ones((factor, factor))), 300, 320, row, column)
    # Sums in another order may tip the centre of mass over the edge of a pixel, where it lies on one.
    shifted = [np.roll(image, (down, right), (0, 1)) for down in (0, 1, -1) for right in (0, 1, -1)]
    assert min(np.abs(like_mnist(large) - one).max() for one in shifted) < 1e-9


@given(
    rows=st.tuples(st.integers(1, 60), st.integers(1, 60)), columns=st.tuples(st.integers(1, 60), st.integers(1, 60))
)
def test_where_on_the_ground_the_strokes_are_makes_no_difference(
    rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    drawing = np.kron(DIGITS[3], np.ones((5, 5)))
    first, second = (framed(drawing, 101, 102, *place) for place in zip(rows, columns, strict=True))
    assert np.array_equal(like_mnist(first), like_mnist(second))


@given(height=st.integers(1, 90), width=st.integers(1, 90), box=st.integers(1, 28))
def test_the_longer_side_fills_the_box_and_the_aspect_stays(height: int, width: int, box: int) -> None:
    fitted = fit_drawing(framed(np.full((height, width), 255.0), 100, 110, 5, 7), (28, 28), Fit(box=box))
    rows, columns = (int(np.count_nonzero(fitted.any(axis=axis))) for axis in (1, 0))
    assert max(rows, columns) == box
    assert abs(min(rows, columns) - max(1, box * min(height, width) / max(height, width))) <= 0.5
    np.testing.assert_allclose(fitted[fitted > 0], 255)


def test_the_centre_of_mass_stands_in_the_middle_pixel() -> None:
    for image in map(like_mnist, DIGITS):
        places = np.arange(28) + 0.5
        for masses in (image.sum(axis=1), image.sum(axis=0)):
            assert 14 - 1e-9 <= places @ masses / masses.sum() <= 15 + 1e-9


def test_what_would_leave_the_frame_stays_in_it() -> None:
    heavy = np.zeros((40, 40))
    heavy[0:30, 18:20] = 64
    heavy[30:38] = 255
    fitted = fit_drawing(np.pad(heavy, 9), (28, 28), Fit(box=26))
    assert fitted[:26].sum() == pytest.approx(fitted.sum(), rel=1e-12)
    assert fitted[0].any()


@pytest.mark.parametrize("ground", [0, 20, 100])
def test_the_ground_is_taken_away_with_its_noise(ground: int) -> None:
    noise = np.random.default_rng(0).uniform(0, 4, (101, 102))
    plain = framed(np.kron(DIGITS[3] > 99, np.full((5, 5), 140.0)), 101, 102, 30, 20)
    fitted = like_mnist(plain + ground + noise)
    assert np.abs(fitted - like_mnist(plain)).max() < 8
    assert fitted[0].max() == 0


def test_strokes_that_cross_the_border_are_strokes() -> None:
    crossing = np.zeros((50, 40))
    crossing[:, 18:22] = 255
    fitted = fit_drawing(crossing, (28, 28), Fit(box=20))
    assert np.count_nonzero(fitted) == 40


@pytest.mark.parametrize("level", [0, 90, 255])
def test_nothing_drawn_is_a_dark_image(level: int) -> None:
    assert not like_mnist(np.full((50, 40), level)).any()


@pytest.mark.parametrize(
    ("levels", "box", "kind", "words"),
    [
        (255 - framed(DIGITS[3], 20, 20, 5, 5), 20, DataError, "expected light strokes on a dark ground, got dark"),
        (np.zeros((3, 50, 40)), 20, ShapeError, "one picture"),
        (np.zeros((0, 40)), 20, ShapeError, "one picture"),
        (np.zeros((50, 40)), 0, OptionError, "1 to 28 pixels, got 0"),
        (np.zeros((50, 40)), 29, OptionError, "1 to 28 pixels, got 29"),
    ],
)
def test_what_can_not_be_fitted_is_refused(levels: NDArray[Any], box: int, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        fit_drawing(levels, (28, 28), Fit(box=box))
