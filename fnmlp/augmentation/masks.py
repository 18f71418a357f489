"""Cutout, which hides a square of each image, and mirror."""

from fnmlp.arrays import Array, bring, namespace, read_only, to_dtype
from fnmlp.augmentation.images import LIBRARIES, check_images
from fnmlp.draws import integers, uniform
from fnmlp.key import Key
from fnmlp.scalars import as_count

__all__ = ["cutout", "mirror"]


def cutout(key: Key, images: Array, *, size: int) -> Array:
    """Set a square of each image to 0, centred at a random pixel and clipped at the border.

    Shapes:   (n, height, width) -> (n, height, width); the square of image i depends only on the key and i.
    Units:    `size` is the side of the square in pixels.
    Raises:   OptionError for a bad size; ShapeError, DtypeError for anything but a stack of images.
    Source:   DeVries & Taylor 2017, arXiv:1708.04552, section 3.

    >>> import numpy as np
    >>> cutout(Key(3), np.full((1, 3, 4), 7, np.uint8), size=2)
    array([[[0, 7, 7, 7],
            [0, 7, 7, 7],
            [7, 7, 7, 7]]], dtype=uint8)
    """
    check_images("cutout", images, libraries=(*LIBRARIES.values(),))
    side = as_count("cutout(size)", size)
    count, height, width = images.shape
    rows, columns = bring(integers(key, (count, 2), (height, width)), images).T - side // 2
    hidden = _covered(rows, side, height)[:, :, None] & _covered(columns, side, width)[:, None, :]
    return read_only(to_dtype(namespace(images).where(hidden, 0, images), images.dtype))


def _covered(starts: Array, side: int, length: int) -> Array:
    """Tell for each start which of the places 0 … length - 1 are among the next `side` places."""
    distances = namespace(starts).arange(length) - starts[:, None]
    return (distances >= 0) & (distances < side)


def mirror(key: Key, images: Array) -> Array:
    """Mirror half of the images, chosen at random, left to right; suits photos of things, not letters and digits.

    Shapes:   (n, height, width) -> (n, height, width); whether image i is mirrored depends only on the key and i.
    Raises:   ShapeError, DtypeError for anything but a stack of images.

    >>> import numpy as np
    >>> mirror(Key(4), np.array([[[1, 2, 3]], [[4, 5, 6]]], np.uint8))[:, 0]
    array([[3, 2, 1],
           [4, 5, 6]], dtype=uint8)
    """
    check_images("mirror", images, libraries=(*LIBRARIES.values(),))
    exchanged = bring(uniform(key, (images.shape[0],), 1.0) < 0, images)
    mirrored = namespace(images).where(exchanged[:, None, None], images[:, :, ::-1], images)
    return read_only(to_dtype(mirrored, images.dtype))
