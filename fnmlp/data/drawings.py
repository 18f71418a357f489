"""Fit drawings of any size to a data set: crop, resize into a box, and centre by mass."""

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, Shape, as_array
from fnmlp.checks import as_shape, check_kind
from fnmlp.errors import DataError, OptionError, ShapeError

__all__ = ["Fit", "fit_drawing"]


@frozen
class Fit:
    """Describe how a data set places its drawings.

    The longer side has `box` pixels. The centre of mass lies `beyond` pixels past the middle of the image, on average.
    """

    box: int
    beyond: float = 0.5


def fit_drawing(levels: Array, shape: Shape, fit: Fit) -> Array:
    """Crop, resize and centre a drawing of light strokes on a dark ground, as MNIST's digits were made.

    For MNIST pass `Fit(box=20)` and the shape (28, 28). The level of the ground, the median of the border, is
    subtracted. The strokes are cropped, and resized with anti-aliasing so that their longer side fills the box. Their
    centre of mass goes to the middle, or as near as whole pixels and the frame allow. So the position of the strokes
    makes no difference.
    Shapes:   (height, width) of any size -> `shape`.
    Units:    levels from 0 to 255, in and out.
    Raises:   DataError for strokes that are darker than the ground; OptionError for a box that the shape doesn't hold;
              ShapeError for anything but one picture.
    Source:   LeCun, Cortes & Burges 1998, "The MNIST database of handwritten digits". Measured: the centres of mass of
              all its images lie 0 to 1 pixel beyond the middle, half a pixel on average.

    >>> drawing = np.zeros((100, 60))
    >>> drawing[10:40, 20:30] = 255
    >>> fit_drawing(drawing, (6, 6), Fit(box=3))
    array([[  0.,   0.,   0.,   0.,   0.,   0.],
           [  0.,   0.,   0.,   0.,   0.,   0.],
           [  0.,   0.,   0., 255.,   0.,   0.],
           [  0.,   0.,   0., 255.,   0.,   0.],
           [  0.,   0.,   0., 255.,   0.,   0.],
           [  0.,   0.,   0.,   0.,   0.,   0.]])
    """
    check_kind("fit_drawing(fit)", fit, Fit, "Fit(box=20)")
    levels, shape = as_array("fit_drawing(levels)", levels), as_shape("fit_drawing(shape)", shape)
    if levels.ndim != 2 or not levels.size:
        raise ShapeError("fit_drawing", "one picture (height, width)", levels.shape, "pass one at a time")
    if not 1 <= fit.box <= min(shape):
        raise OptionError("fit_drawing(box)", f"1 to {min(shape)} pixels", fit.box, "choose a box that the shape holds")
    strokes, threshold = _strokes(levels)
    rows, columns = (np.flatnonzero((strokes > threshold).any(axis=axis)) for axis in (1, 0))
    frame = np.zeros(shape)
    if rows.size:
        cut = strokes[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        height, width = (max(1, round(fit.box * side / max(cut.shape))) for side in cut.shape)
        small = _averages(cut.shape[0], height) @ cut @ _averages(cut.shape[1], width).T
        top, left = (_first(small.sum(axis=1 - axis), shape[axis], fit.beyond) for axis in (0, 1))
        frame[top : top + height, left : left + width] = small
    return frame


def _strokes(levels: Array) -> tuple[Array, float]:
    """Return how much lighter than the ground each pixel is, and how much of that may be noise."""
    border = np.concatenate([levels[0], levels[-1], levels[:, 0], levels[:, -1]]).astype(np.float64)
    ground, darkest, lightest = float(np.median(border)), float(levels.min()), float(levels.max())
    if ground - darkest > lightest - ground:
        raise DataError("fit_drawing", "light strokes on a dark ground", "dark ones on a light ground", "invert it")
    strokes = np.maximum(levels.astype(np.float64) - ground, 0)
    # A few in ten million pixels of normal noise exceed three times its upper 5 %. Strokes may cross the border.
    noise = float(np.percentile(np.maximum(border - ground, 0), 95))
    return strokes, min(3 * noise, float(strokes.max()) / 4)


def _averages(old: int, new: int) -> Array:
    """Return the matrix (new, old) that resizes a line of pixels: new pixels average the old ones they cover."""
    edges = np.linspace(0, old, new + 1)
    starts, ends = edges[:-1, None], edges[1:, None]
    pixels = np.arange(old)
    covered: Array = np.minimum(pixels + 1, ends) - np.maximum(pixels, starts)
    return np.maximum(covered, 0) / (ends - starts)


def _first(masses: Array, size: int, beyond: float) -> int:
    """Return the first place in a frame of `size` that puts the centre of mass in the middle, or beyond it."""
    centre = float((np.arange(len(masses)) + 0.5) @ masses / masses.sum())
    return min(max(round(size / 2 + beyond - centre), 0), size - len(masses))
