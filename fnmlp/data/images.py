"""Pictures from files as the arrays of grey levels that models take."""

import os

import numpy as np

from fnmlp.arrays import Array, Shape, read_only
from fnmlp.errors import DataError, MissingDependencyError


def read_image(path: str | os.PathLike[str], shape: Shape, *, white: int = 255, invert: bool = False) -> Array:
    """Read a picture as grey levels from 0 (black) to `white`; `invert` turns dark strokes on light into light ones.

    Transparent places count as black before they are inverted.
    Shapes:   (height, width), which the file must have.
    Units:    grey levels, 0 to `white`.
    Raises:   DataError where the file is missing, no picture, or of another size; MissingDependencyError without
              Pillow.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingDependencyError("read_image", "Pillow", "none installed", "pip install 'fnmlp[examples]'") from error
    name = os.fspath(path)
    try:
        with Image.open(path) as image:
            if (image.height, image.width) != shape:
                expected = " x ".join(map(str, shape)) + " pixels"
                raise DataError(name, expected, f"{image.height} x {image.width}", "resize the picture")
            opaque = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image.convert("RGBA"))
            grey = np.asarray(opaque.convert("L"))
    except UnidentifiedImageError as error:
        raise DataError(name, "a picture", "a file of another kind", "give a PNG file") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, DataError):
            raise
        got = getattr(error, "strerror", None) or f"one that can't be read ({error})"
        raise DataError(name, "a picture", got, "check the path and the file") from error
    levels = (255 - grey) if invert else grey
    return read_only(np.rint(levels * (white / 255)).astype(np.uint8))
