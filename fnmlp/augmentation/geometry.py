"""Random rotations, zooms, shears, shifts and elastic distortions, combined to one map and one interpolation.

Pixel p of the result is read at A (p - c) + c + t + e(p): c is the centre of the image, A a product of matrices, t a
shift, and e a smooth random field. Angles, slopes, shifts and logarithms of factors are drawn uniformly.
"""

from math import log

import numpy as np

from fnmlp.arrays import Array, Shape
from fnmlp.augmentation.images import check_images
from fnmlp.augmentation.warps import Warps, as_warps, resample
from fnmlp.checks import as_iterator
from fnmlp.errors import ShapeError
from fnmlp.key import Key, generator, split
from fnmlp.scalars import as_count, as_natural, as_nonnegative, as_positive

__all__ = ["elastic", "random_warps", "rotate", "shear", "shift", "warp", "zoom"]


def shift(key: Key, images: Array, *, pixels: float) -> Array:
    """Move each image by up to `pixels` down or up, and right or left.

    Shapes:   (n, height, width) -> (n, height, width); pixels from outside the image are 0.
    Units:    pixels.
    Raises:   OptionError for a negative option; ShapeError, DtypeError for anything but a stack of images.

    >>> shift(Key(0), np.full((1, 2, 2), 9, np.uint8), pixels=0.0)
    array([[[9, 9],
            [9, 9]]], dtype=uint8)
    """
    return warp(key, images, pixels=as_nonnegative("shift(pixels)", pixels))


def rotate(key: Key, images: Array, *, degrees: float) -> Array:
    """Rotate each image about its centre by up to `degrees`, in either direction.

    Shapes:   (n, height, width) -> (n, height, width); pixels from outside the image are 0.
    Units:    degrees.
    Raises:   OptionError for a negative option; ShapeError, DtypeError for anything but a stack of images.

    >>> rotate(Key(0), np.ones((1, 3, 3)), degrees=15.0)[0, 1, 1]
    np.float64(1.0)
    """
    return warp(key, images, degrees=as_nonnegative("rotate(degrees)", degrees))


def zoom(key: Key, images: Array, *, factor: float) -> Array:
    """Scale each image about its centre, by a factor between 1 / `factor` and `factor`.

    Enlarging and shrinking are equally likely.

    Shapes:   (n, height, width) -> (n, height, width); pixels from outside the image are 0.
    Raises:   OptionError unless the option is above 0; ShapeError, DtypeError for anything but a stack of images.

    >>> zoom(Key(0), np.ones((1, 3, 3)), factor=1.2)[0, 1, 1]
    np.float64(1.0)
    """
    return warp(key, images, factor=as_positive("zoom(factor)", factor))


def shear(key: Key, images: Array, *, slope: float) -> Array:
    """Shear each image: move a row y pixels from the centre sideways by up to `slope` · y.

    Shapes:   (n, height, width) -> (n, height, width); pixels from outside the image are 0.
    Units:    pixels sideways per pixel of height.
    Raises:   OptionError for a negative option; ShapeError, DtypeError for anything but a stack of images.

    >>> shear(Key(0), np.ones((1, 3, 3)), slope=0.2)[0, 1]
    array([1., 1., 1.])
    """
    return warp(key, images, slope=as_nonnegative("shear(slope)", slope))


def elastic(key: Key, images: Array, *, displacement: float, smoothing: float) -> Array:
    """Distort each image: move pixels by Gaussian noise, smoothed by a Gaussian of standard deviation `smoothing`.

    Shapes:   (n, height, width) -> (n, height, width); pixels from outside the image are 0.
    Units:    pixels; `displacement` is the standard deviation of a pixel's move, vertically and horizontally.
    Raises:   OptionError for a negative displacement, or a smoothing that is not above 0; ShapeError, DtypeError unless
              images fit.
    Source:   Simard, Steinkraus & Platt 2003, "Best practices for convolutional neural networks", section 2, where the
              noise is uniform and its strength a factor without a unit.

    >>> elastic(Key(0), np.ones((1, 9, 9)), displacement=0.5, smoothing=2.0)[0, 4, 4]
    np.float64(1.0)
    """
    strength = as_nonnegative("elastic(displacement)", displacement)
    return warp(key, images, displacement=strength, smoothing=as_positive("elastic(smoothing)", smoothing))


def warp(
    key: Key,
    images: Array,
    *,
    pixels: float = 0.0,
    degrees: float = 0.0,
    factor: float = 1.0,
    slope: float = 0.0,
    displacement: float = 0.0,
    smoothing: float = 4.5,
) -> Array:
    """Shift, rotate, zoom, shear and distort each image by its own random map, with a single interpolation.

    The options are those of `shift`, `rotate`, `zoom`, `shear` and `elastic`. The map of image i depends only on the
    key and i.
    Shapes:   (n, height, width) -> (n, height, width); pixels from outside the image are 0.
    Raises:   OptionError for options out of range; ShapeError, DtypeError for anything but a stack of images.

    >>> images = np.arange(9, dtype=np.uint8).reshape(1, 3, 3)
    >>> bool((warp(Key(0), images) == images).all())
    True
    """
    check_images("warp", images)
    warps = random_warps(
        key,
        len(images),
        images.shape[1:],
        pixels=pixels,
        degrees=degrees,
        factor=factor,
        slope=slope,
        displacement=displacement,
        smoothing=smoothing,
    )
    return resample(images, warps)


def random_warps(
    key: Key,
    number: int,
    shape: Shape,
    *,
    pixels: float = 0.0,
    degrees: float = 0.0,
    factor: float = 1.0,
    slope: float = 0.0,
    displacement: float = 0.0,
    smoothing: float = 4.5,
) -> Warps:
    """Draw random maps as in `warp`, to use them many times with `apply_warps`.

    For handwritten digits of 28 x 28 pixels, rotation by 12 degrees, a factor of 1.15, a slope of 0.14, shifts of 1.5
    pixels, and a displacement of 1.1 pixels smoothed by 4.5 work well.
    Shapes:   `shape` is that of one image, (height, width).
    Raises:   OptionError for options out of range; ShapeError unless `shape` is the shape of an image.

    >>> random_warps(Key(0), 100, (28, 28), degrees=12.0, displacement=1.1).corners.shape
    (100, 28, 28)
    """
    number = as_natural("random_warps(number)", number)
    shape = tuple(as_iterator("random_warps(shape)", shape, "two lengths"))
    if len(shape) != 2:
        raise ShapeError("random_warps", "the shape of one image, (height, width)", shape, "pass for instance (28, 28)")
    height, width = (as_count("random_warps(shape)", length) for length in shape)
    shift_key, turn_key, zoom_key, shear_key, elastic_key = split(key, 5)
    shifts = _uniform(shift_key, (number, 2), as_nonnegative("random_warps(pixels)", pixels))
    angles = _uniform(turn_key, (number,), as_nonnegative("random_warps(degrees)", degrees))
    logarithms = _uniform(zoom_key, (number,), log(as_positive("random_warps(factor)", factor)))
    slopes = _uniform(shear_key, (number,), as_nonnegative("random_warps(slope)", slope))
    points = affine_points(zooms(np.exp(logarithms)) @ rotations(angles) @ shears(slopes), shifts, (height, width))
    strength = as_nonnegative("random_warps(displacement)", displacement)
    sigma = as_positive("random_warps(smoothing)", smoothing)
    if strength:
        points += strength * smooth_noise(elastic_key, number, (height, width), sigma)
    return as_warps(points)


def _uniform(key: Key, shape: Shape, limit: float) -> Array:
    return limit * generator(key).uniform(-1, 1, shape)


def zooms(factors: Array) -> Array:
    """Return a matrix for each factor, which moves places (row, column) away from the centre."""
    return factors[:, None, None] * np.eye(2)


def rotations(degrees: Array) -> Array:
    """Return a matrix for each angle, which turns places (row, column) clockwise, and so the image anticlockwise.

    >>> rotations(np.array([90.0])).round()
    array([[[ 0.,  1.],
            [-1.,  0.]]])
    """
    cosines, sines = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.moveaxis(np.array([[cosines, sines], [-sines, cosines]]), -1, 0)


def shears(slopes: Array) -> Array:
    """Return a matrix for each slope, which moves places (row, column) to the right by slope times row."""
    ones, zeros = np.ones_like(slopes), np.zeros_like(slopes)
    return np.moveaxis(np.array([[ones, zeros], [slopes, ones]]), -1, 0)


def affine_points(matrices: Array, shifts: Array, shape: Shape) -> Array:
    """Return where each pixel is read: at A (p - c) + c + t.

    Shapes:   matrices (n, 2, 2), shifts (n, 2) -> float32 (n, 2, height, width).

    >>> affine_points(2 * np.eye(2)[None], np.array([[0.0, 0.5]]), (1, 3))
    array([[[[ 0. ,  0. ,  0. ]],
    <BLANKLINE>
            [[-0.5,  1.5,  3.5]]]], dtype=float32)
    """
    centre = (np.array(shape) - 1) / 2
    pixels = np.indices(shape).reshape(2, -1) - centre[:, None]
    points = matrices.astype(np.float32) @ pixels.astype(np.float32)
    points += (centre + shifts).astype(np.float32)[:, :, None]
    return points.reshape(-1, 2, *shape)


def smooth_noise(key: Key, number: int, shape: Shape, sigma: float) -> Array:
    """Return smooth Gaussian noise with variance 1 at every pixel; `sigma` is the smoothing in pixels.

    Shapes:   float32 (n, 2, height, width).
    """
    down, across = (_smoothing(length, sigma) for length in shape)
    return down @ generator(key).standard_normal((number, 2, *shape), np.float32) @ across.T


def _smoothing(length: int, sigma: float) -> Array:
    """Return the matrix that smooths along one axis; the squares in a row sum to 1, to keep a variance of 1.

    For images as small as an MLP's, a matrix product is several times faster than a filter, and needs no SciPy.
    """
    distances = np.subtract.outer(np.arange(length), np.arange(length))
    kernel = np.exp(-((distances / sigma) ** 2) / 2)
    return (kernel / np.linalg.norm(kernel, axis=1, keepdims=True)).astype(np.float32)
