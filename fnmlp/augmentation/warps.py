"""Warps: coordinate maps in a compact form for resampling images.

A map says where in the image each pixel of the result is read. Places are rounded to 1/256 pixel. This changes a grey
level of 255 by less than 1; quarter turns, shifts by whole pixels and the identity stay exact.
"""

from functools import partial

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, as_array, bring, namespace, read_only, to_dtype
from fnmlp.augmentation.images import LIBRARIES, check_images
from fnmlp.checks import check_kind
from fnmlp.draws import integers
from fnmlp.errors import DataError, ShapeError
from fnmlp.key import Key
from fnmlp.tree import tree_map

__all__ = ["Warps", "apply_warps", "as_warps", "resample"]


@frozen(eq=False)
class Warps:
    """Hold coordinate maps, made by `as_warps` or `random_warps`: 4 bytes per pixel at 28 x 28.

    A place lies between four pixels. Images are padded with one row of zeros above and one column to the left.

    `corners`  (n, height, width): the index of the upper left of the four, counted along the rows.
    `down`     (n, height, width) of uint8: the distance below that pixel, in 1/256 pixel.
    `right`    (n, height, width) of uint8: the distance to its right.
    """

    corners: Array
    down: Array
    right: Array


def as_warps(points: Array) -> Warps:
    """Make warps from the places where each pixel of each result is read; places outside the image read 0.

    Shapes:   points (n, 2, height, width): row and column in the image.
    Units:    pixels from the centre of the first one; rounded to 1/256.
    Raises:   ShapeError for points of another shape.

    >>> rows, columns = np.indices((2, 3))
    >>> resample(np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8), as_warps(np.stack([[rows, columns + 0.5]])))
    array([[[2, 2, 2],
            [4, 6, 3]]], dtype=uint8)
    """
    points = as_array("as_warps(points)", points)
    if points.ndim != 4 or points.shape[1] != 2:
        raise ShapeError("as_warps", "points (n, 2, height, width)", points.shape, "stack rows and columns on axis 1")
    _, _, height, width = points.shape
    places = np.rint(256.0 * points)
    inside = (places > -256) & (places < 256 * np.array([[[height]], [[width]]]))
    # Up to one pixel outside, a place lies between the edge and 0. Places further out, and NaN, read four zeros.
    np.copyto(places, -256, where=~inside.all(axis=1, keepdims=True))
    places = places.astype(np.int32)
    row, column = places[:, 0], places[:, 1]
    corners = ((row >> 8) + 1) * (width + 1) + (column >> 8) + 1
    compact = np.min_scalar_type((height + 1) * (width + 1))
    down, right = (row & 255).astype(np.uint8), (column & 255).astype(np.uint8)
    return Warps(read_only(corners.astype(compact)), read_only(down), read_only(right))


def resample(images: Array, warps: Warps) -> Array:
    """Apply a map to each image, with bilinear interpolation; uint8 results are rounded.

    Shapes:   (n, height, width) and n maps of that size -> (n, height, width).
    Raises:   ShapeError if images and maps differ; ShapeError, DtypeError for anything but a stack of images.

    >>> points = np.indices((2, 2))[None] + np.array([0, 1])[:, None, None]
    >>> resample(np.array([[[1.0, 2.0], [3.0, 4.0]]]), as_warps(points))
    array([[[2., 0.],
            [4., 0.]]])
    """
    check_images("resample", images, libraries=(*LIBRARIES.values(),))
    check_kind("resample(warps)", warps, Warps, "as_warps(points)")
    if warps.corners.shape != images.shape:
        remedy = "make warps of the images' own height and width, one for each image"
        raise ShapeError("resample", f"warps of shape {images.shape}", warps.corners.shape, remedy)
    xp, (count, height, width) = namespace(images), images.shape
    below, size = width + 1, (height + 1) * (width + 1)
    line = _in_one_line(images)
    warps = tree_map(partial(bring, like=images), warps)
    corners = warps.corners + xp.arange(0, count * size, size)[:, None, None]
    down, right = warps.down * np.float32(1 / 256), warps.right * np.float32(1 / 256)
    upper = _between(_read(line, corners), _read(line[1:], corners), right)
    lower = _between(_read(line[below:], corners), _read(line[below + 1 :], corners), right)
    values = _between(upper, lower, down)
    if images.dtype == xp.uint8:
        values = xp.round(values)
    return read_only(to_dtype(values, images.dtype))


def _in_one_line(images: Array) -> Array:
    """Return all pixels in one line, with a row of zeros above and a column of zeros to the left of each image.

    Zeros before a row also end the previous row, and zeros above an image the previous image.
    """
    xp, (count, height, width) = namespace(images), images.shape
    dtype, length = xp.result_type(images.dtype, xp.float32), count * (height + 1) * (width + 1)
    if not isinstance(images, np.ndarray):
        framed = xp.pad(xp.astype(images, dtype), ((0, 0), (1, 0), (1, 0)))
        return xp.pad(framed.reshape(length), (0, width + 2))
    line = np.zeros(length + width + 2, dtype)
    line[:length].reshape(count, height + 1, width + 1)[:, 1:, 1:] = images
    return line


def _read(line: Array, places: Array) -> Array:
    return namespace(line).take(line, places)


def _between(start: Array, end: Array, fraction: Array) -> Array:
    """Interpolate between four values; with 8-bit grey levels and 8-bit fractions this is exact in float32."""
    return start + (end - start) * fraction


def apply_warps(warps: Warps, key: Key, images: Array) -> Array:
    """Apply to each image one of the maps, chosen at random; several times faster than drawing new maps.

    Bind the first argument with functools.partial to get a function (key, images) -> images.
    Shapes:   (n, height, width) -> (n, height, width); the map of image i depends only on the key and i.
    Raises:   DataError without maps; ShapeError if images and maps differ in size; ShapeError, DtypeError unless images
              fit.

    >>> from fnmlp.augmentation import random_warps
    >>> warps = random_warps(Key(0), 100, (8, 8), degrees=10.0)
    >>> apply_warps(warps, Key(1), np.zeros((5, 8, 8), np.uint8)).shape
    (5, 8, 8)
    """
    check_images("apply_warps", images, libraries=(*LIBRARIES.values(),))
    check_kind("apply_warps(warps)", warps, Warps, "random_warps(key, 100, (28, 28))")
    if not warps.corners.shape[0]:
        raise DataError("apply_warps", "at least one map", "none", "make some with random_warps")
    chosen = bring(integers(key, images.shape[:1], warps.corners.shape[0]), images)
    return resample(images, tree_map(lambda maps: namespace(images).take(bring(maps, images), chosen, axis=0), warps))
