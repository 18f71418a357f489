"""Mirror: left and right are exchanged."""

import numpy as np

from fnmlp.arrays import Array, read_only
from fnmlp.augmentation.images import check_images
from fnmlp.key import Key, generator


def mirror(key: Key, images: Array) -> Array:
    """Exchange left and right in half of the images, drawn at random; for things, not for letters and digits.

    Shapes:   (n, height, width) -> (n, height, width); whether image i is mirrored depends on the key and i alone.
    Raises:   ShapeError and DtypeError for what is no stack of images.

    >>> mirror(Key(4), np.array([[[1, 2, 3]], [[4, 5, 6]]], np.uint8))[:, 0]
    array([[3, 2, 1],
           [4, 5, 6]], dtype=uint8)
    """
    check_images("mirror", images)
    exchanged = generator(key).random(len(images)) < 0.5
    return read_only(np.where(exchanged[:, None, None], images[:, :, ::-1], images).astype(images.dtype, copy=False))
