"""The check of images that all augmentations share."""

import numpy as np

from fnmlp.arrays import Array, as_array, namespace
from fnmlp.errors import DtypeError, ShapeError

LIBRARIES = {"fnmlp.numpy_namespace": "NumPy", "jax.numpy": "JAX"}
"""The libraries whose images some augmentation takes, by the module that holds their functions."""


def check_images(where: str, images: Array, *, libraries: tuple[str, ...] = ("NumPy",)) -> None:
    """Raise for anything but a stack of grey images in uint8, float32 or float64, of one of the libraries.

    >>> check_images("shift", np.zeros((28, 28)))
    Traceback (most recent call last):
    fnmlp.errors.ShapeError: shift: expected images (n, height, width), got (28, 28); reshape to (-1, height, width)
    """
    own = LIBRARIES.get(namespace(as_array(where, images)).__name__)
    if own not in libraries or isinstance(images, (list, tuple, range)):
        got = "an array of JAX's" if own == "JAX" else type(images).__name__
        remedy = "convert with numpy.asarray, outside of jax.jit" if own == "JAX" else "convert with numpy.asarray"
        raise DtypeError(where, f"a {' or '.join(libraries)} array", got, remedy)
    if np.dtype(images.dtype).newbyteorder("=") not in (np.uint8, np.float32, np.float64):
        raise DtypeError(where, "uint8, float32 or float64", images.dtype, "convert with .astype('float32')")
    if images.ndim != 3 or 0 in images.shape[1:]:
        raise ShapeError(where, "images (n, height, width)", images.shape, "reshape to (-1, height, width)")
