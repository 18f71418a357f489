"""The check of images that all augmentations share."""

import numpy as np

from fnmlp.arrays import Array, as_array
from fnmlp.errors import DtypeError, ShapeError


def check_images(where: str, images: Array) -> None:
    """Raise for anything but a stack of grey images in uint8, float32 or float64.

    >>> check_images("shift", np.zeros((28, 28)))
    Traceback (most recent call last):
    fnmlp.errors.ShapeError: shift: expected images (n, height, width), got (28, 28); reshape to (-1, height, width)
    """
    if not isinstance(as_array(where, images), np.ndarray) or isinstance(images, (list, tuple)):
        raise DtypeError(where, "a NumPy array", type(images).__name__, "convert with numpy.asarray")
    if images.dtype.newbyteorder("=") not in (np.uint8, np.float32, np.float64):
        raise DtypeError(where, "uint8, float32 or float64", images.dtype, "convert with .astype('float32')")
    if images.ndim != 3 or 0 in images.shape[1:]:
        raise ShapeError(where, "images (n, height, width)", images.shape, "reshape to (-1, height, width)")
