"""Read image files as the arrays of grey levels that models take."""

import os
from typing import TYPE_CHECKING
import warnings

import numpy as np

from fnmlp.arrays import Array, Shape, read_only
from fnmlp.checks import as_bool, as_path, as_shape, check_kind
from fnmlp.data.drawings import Fit, fit_drawing
from fnmlp.errors import DataError, MissingDependencyError
from fnmlp.files import absent
from fnmlp.scalars import as_count

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["read_image"]

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM")
"""The formats that are read. Pillow knows more, but hands some of them to other programs."""

MOST_PIXELS = 2**25
"""The most pixels of an image with `fit`: unpacked, they take up to half a gibibyte."""


def read_image(
    path: str | os.PathLike[str], shape: Shape, *, white: int = 255, invert: bool = False, fit: Fit | None = None
) -> Array:
    """Read an image file as grey levels from 0 (black) to `white`.

    Pass `invert=True` for dark strokes on a light ground. The EXIF orientation is applied. Transparent pixels become
    ground: black, or white with `invert`. Files with more than 8 bits may use levels up to 255 or 65535, and floats
    also up to 1; the lightest pixel decides. With `fit`, a drawing of any size is fitted by `fit_drawing`, for instance
    with `Fit(box=20)` for MNIST's shape.
    Shapes:   (height, width); the file must have this shape unless you pass `fit`.
    Units:    grey levels, 0 to `white`.
    Raises:   DataError if the file is missing, isn't exactly one image, has another size, or has levels of unknown
              range; with `fit`, for strokes darker than the ground; MissingDependencyError without Pillow.
    """
    name = as_path(path)
    invert, white = as_bool("read_image(invert)", invert), as_count("read_image(white)", white)
    if fit is not None:
        check_kind("read_image(fit)", fit, Fit, "Fit(box=20)")
    shape = as_shape("read_image(shape)", shape)
    grey = _read(name, shape if fit is None else None, "white" if invert else "black")
    levels = (255 - grey) if invert else grey
    if fit is not None:
        try:
            levels = fit_drawing(levels, shape, fit)
        except DataError as error:
            remedy = "leave out invert (--invert)" if invert else "pass invert=True (--invert)"
            raise DataError(name, error.expected, error.got, remedy) from error
    return read_only(np.rint(levels * (white / 255)).astype(np.uint8))


def _read(name: str, shape: Shape | None, ground: str) -> Array:
    """Return the grey levels of an image file, 0 to 255; check its shape if one is given."""
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        remedy = "pip install 'fnmlp[examples]'"
        raise MissingDependencyError.of("read_image", "Pillow", error, remedy) from error
    if os.path.exists(name) and not os.path.isfile(name):  # reading a pipe would wait for its writer
        raise DataError(name, "a picture", "a folder, pipe or device", "give a PNG file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes, which are checked here, and of damaged notes on the camera
            with Image.open(name, formats=FORMATS) as image:
                # Before anything is unpacked; an image on its side is turned later.
                size = (image.height, image.width)
                _check_size(name, size[::-1] if size[::-1] == shape else size, shape)
                image.verify()  # verify checksums, which reading skips; then the file must be opened again
            with Image.open(name, formats=FORMATS) as image:
                _check_single(name, image)
                grey = _grey(name, ImageOps.exif_transpose(image), ground)
    except UnidentifiedImageError as error:
        raise DataError(name, "a picture", "a file of another kind", f"give one of {', '.join(FORMATS)}") from error
    except DataError:
        raise
    except FileNotFoundError as error:
        raise absent(name, DataError) from error
    except Exception as error:  # for damaged files Pillow raises many errors, such as KeyError and struct.error
        got = getattr(error, "strerror", None) or f"one that can't be read ({error or type(error).__name__})"
        raise DataError(name, "a picture", got, "check the path and the file") from error
    _check_size(name, grey.shape, shape)
    return grey


def _check_size(name: str, size: Shape, shape: Shape | None) -> None:
    got = " x ".join(map(str, size))
    if shape is None and size[0] * size[1] > MOST_PIXELS:
        raise DataError(name, f"at most {MOST_PIXELS} pixels", got, "resize the picture")
    if shape is not None and size != shape:
        remedy = "resize the picture, or let a drawing be fitted (predict --fit)"
        raise DataError(name, " x ".join(map(str, shape)) + " pixels", got, remedy)


def _check_single(name: str, image: "Image") -> None:
    """Raise for animations and files with several pages; a photo (MPO) may contain small copies of itself."""
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        raise DataError(
            name, "one picture", f"{frames} frames or pages", "save the one that you mean as a file of its own"
        )


def _grey(name: str, image: "Image", ground: str) -> Array:
    """Convert any image to grey levels, 0 to 255, on a black or white ground."""
    from PIL import Image

    if image.mode == "F" or image.mode.startswith("I"):  # Pillow would clip rather than scale them
        values = np.asarray(image)
        clear = image.info.get("transparency")
        return np.where(values == clear, 255.0 * (ground == "white"), _scaled(name, values))
    opaque = Image.alpha_composite(Image.new("RGBA", image.size, ground), image.convert("RGBA"))
    return np.asarray(opaque.convert("L"))


def _scaled(name: str, values: Array) -> Array:
    """Scale levels of more than 8 bits to 0 to 255; their dtype and the lightest pixel tell the level of white."""
    low, high = float(values.min()), float(values.max())
    if not 0 <= low <= high <= 65535:  # neither is NaN
        expected = "levels from 0 to 1, 255 or 65535"
        raise DataError(name, expected, f"{low:g} to {high:g}", "save the picture with 8 bits a pixel")
    white = 1 if values.dtype.kind == "f" and high <= 1 else 255 if high <= 255 else 65535
    return values * (255 / white)
