"""A layer that centres images and straightens slanted ones.

Pixel (i, j) of the result is read at (i + u, j + v + s · i), with i and j counted from the middle of the image. The
shift (u, v) is the centre of the ink. The slope s is the covariance of its rows and columns over the variance of its
rows. As u is the same for the whole image, and v + s · i for a row, both steps move rows of pixels as a whole.
"""

from functools import partial

from attrs import frozen

from fnmlp.arrays import Array, Shape, device_of, namespace, to_dtype, widen
from fnmlp.checks import as_shape
from fnmlp.errors import ShapeError
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, input_pullback
from fnmlp.layers.checks import check_floats
from fnmlp.rules import on_numbers

__all__ = ["deskew"]

PIXEL_VARIANCE = 1 / 12
"""The variance of the rows that a single pixel covers: ink is spread evenly over a square with sides of 1."""


def deskew() -> Layer[tuple[()]]:
    """Move the ink of each image to the middle, and shear the image until rows and columns of ink are uncorrelated.

    Ink is the square of a pixel, so the ground must be 0. Handwriting then differs less in place and slant.
    Shapes:   (batch, height, width) -> (batch, height, width); pixels from outside the image are 0.
    Gradient: the pullback moves dy back, and adds what follows from how each pixel changes the centre and the slope.
    Raises:   ShapeError unless examples are images; DtypeError for integers.
    Source:   LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition", §III A;
              for the gradient of bilinear sampling, Jaderberg et al. 2015, arXiv:1506.02025, eqs. 5 to 7.

    >>> import numpy as np
    >>> deskew().apply((), np.array([[[0, 0, 0], [0, 0, 0], [0, 0, 9]]], np.float32))
    array([[[0., 0., 0.],
            [0., 9., 0.],
            [0., 0., 0.]]], dtype=float32)
    """
    return Layer("deskew()", _deskew_init, _deskew_apply, _deskew_vjp)


def _deskew_init(key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    shape = as_shape("deskew()", shape)
    if len(shape) != 2 or 0 in shape:
        remedy = "put it before flatten(), and give it images of at least one pixel"
        raise ShapeError("deskew()", "examples of shape (height, width)", shape, remedy)
    return (), shape


@on_numbers
def _deskew_apply(params: tuple[()], x: Array) -> Array:
    pose = _pose_of(x)
    return _moved(pose.along, _raised(pose, x))


@on_numbers
def _deskew_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:
    pose = _pose_of(x)
    raised = _raised(pose, x)
    return _moved(pose.along, raised), input_pullback(partial(_deskew_dx, pose, x, raised))


@frozen(eq=False)
class _Pose:
    """Hold where the ink of each image is; one number for each image has the shape (n, 1, 1).

    `i`                how far each row is below the middle of the image (height, 1).
    `rows`, `columns`  how far each row (n, height, 1) and column (n, 1, width) is from the centre of the ink.
    `mass`             the sum of the ink, or 1 without any.
    `variance`         the variance of the rows.
    `slope`            the columns that the ink moves to the right per row.
    `up`, `along`      by how much to move each image up, and each row (n, height, 1) to the left.
    """

    i: Array
    rows: Array
    columns: Array
    mass: Array
    variance: Array
    slope: Array
    up: Array
    along: Array


def _pose_of(x: Array) -> _Pose:
    check_floats("deskew", x)
    if x.ndim != 3:
        raise ShapeError("deskew", "images of shape (batch, height, width)", tuple(x.shape), "put it before flatten()")
    xp, wide = namespace(x), widen(x)
    height, width = x.shape[1:]
    i = xp.arange(height, dtype=wide.dtype, device=device_of(x))[:, None] - (height - 1) / 2
    j = xp.arange(width, dtype=wide.dtype, device=device_of(x)) - (width - 1) / 2
    ink = wide * wide
    ink_of_row = xp.sum(ink, axis=2, keepdims=True)
    moment_of_row = xp.sum(ink * j, axis=2, keepdims=True)
    mass = xp.sum(ink_of_row, axis=1, keepdims=True)
    mass = xp.where(mass == 0, xp.ones_like(mass), mass)
    down, right = (xp.sum(part, axis=1, keepdims=True) / mass for part in (ink_of_row * i, moment_of_row))
    rows = i - down
    variance = xp.sum(ink_of_row * rows * rows, axis=1, keepdims=True) / mass + PIXEL_VARIANCE
    slope = xp.sum(moment_of_row * rows, axis=1, keepdims=True) / mass / variance
    return _Pose(i, rows, j - right, mass, variance, slope, down, right + slope * i)


def _raised(pose: _Pose, x: Array) -> Array:
    return _swapped(_moved(pose.up, _swapped(x)))


def _moved(by: Array, x: Array) -> Array:
    """Move each row of pixels to the left, by a number that need not be whole; pixels from outside are 0."""
    whole = _whole(by, x)
    left, right = _neighbours(whole, x)
    return left + (right - left) * to_dtype(by - to_dtype(whole, by.dtype), x.dtype)


def _neighbours(whole: Array, x: Array) -> tuple[Array, Array]:
    """Return the pixels to the left and to the right of where each pixel of the result is read."""
    xp, (count, height, width) = namespace(x), x.shape
    margin, device = width + 1, device_of(x)
    zeros = xp.zeros((count, height, margin), dtype=x.dtype, device=device)
    line = xp.reshape(xp.concat([zeros, x, zeros], axis=2), (-1,))
    starts = xp.reshape(xp.arange(count * height, device=device) * (width + 2 * margin), (count, height, 1)) + margin
    places = starts + xp.astype(whole, starts.dtype) + xp.arange(width + 1, device=device)
    pixels = xp.reshape(xp.take(line, xp.reshape(places, (-1,)), axis=0), (count, height, width + 1))
    return pixels[:, :, :-1], pixels[:, :, 1:]


def _whole(by: Array, x: Array) -> Array:
    """Round down, to -width - 1 at least and width at most: from there on, only zeros are read.

    Complex numbers, which a derivative along a direction passes, are ordered by their real parts, and NaN comes last.
    """
    xp, width = namespace(by), x.shape[2]
    steps = xp.arange(-width, width + 1, dtype=by.dtype, device=device_of(x))
    return xp.searchsorted(steps, by, side="right") - (width + 1)


def _swapped(x: Array) -> Array:
    return namespace(x).matrix_transpose(x)


@on_numbers
def _deskew_dx(pose: _Pose, x: Array, raised: Array, dy: Array) -> Array:
    """Move dy back, and add the gradients of the centre and the slope, which depend on all pixels."""
    back = _moved(-pose.along, dy)
    of_column, of_row = _slide(pose.up, _swapped(x), _swapped(back)), _slide(pose.along, raised, dy)
    xp = namespace(x)
    up, along, slope = (xp.sum(part, axis=1, keepdims=True) for part in (of_column, of_row, of_row * pose.i))
    leaning = pose.rows * (pose.columns - pose.slope * pose.rows) - pose.slope * PIXEL_VARIANCE
    by_ink = (up * pose.rows + along * pose.columns + slope * leaning / pose.variance) / pose.mass
    direct = _swapped(_moved(-pose.up, _swapped(back)))
    return direct + 2 * x * to_dtype(by_ink, x.dtype)


def _slide(by: Array, x: Array, dy: Array) -> Array:
    """Return the gradient of how far each row of pixels moves."""
    left, right = _neighbours(_whole(by, x), x)
    return namespace(x).sum(widen(dy * (right - left)), axis=2, keepdims=True)
