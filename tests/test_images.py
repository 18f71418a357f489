"""Claims about pictures from files: their grey levels, and that whatever can't be read is a DataError."""

from collections.abc import Callable
import os
from pathlib import Path
import struct
from typing import Any
import zlib

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
from PIL import Image
import pytest

from fnmlp.data import Fit, fit_drawing, read_image
from fnmlp.errors import DataError
from tests.refusals import refusal

RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
NOISE = np.random.default_rng(0).integers(0, 256, (8, 8, 4), dtype=np.uint8)


def save(folder: Path, picture: NDArray[Any] | Image.Image, name: str = "picture.png") -> Path:
    path = folder / name
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(path)
    return path


def why_unread(path: Path) -> str:
    text = refusal(lambda: read_image(path, (8, 8)), DataError)
    assert text.startswith(str(path))
    return text


def palette() -> Image.Image:
    """Make a picture whose pixels are places in a list of colours, in reversed order of brightness."""
    picture = Image.fromarray(255 - RAMP).copy()
    picture = Image.frombytes("P", (8, 8), picture.tobytes())
    picture.putpalette([255 - place // 3 for place in range(768)])
    return picture


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param(RAMP, id="grey"),
        pytest.param(np.stack([RAMP] * 3, axis=-1), id="RGB"),
        pytest.param(np.stack([RAMP] * 3 + [np.full_like(RAMP, 255)], axis=-1), id="RGBA"),
        pytest.param(Image.merge("LA", [Image.fromarray(RAMP), Image.new("L", (8, 8), 255)]), id="grey-and-alpha"),
        pytest.param(RAMP.astype(np.uint16) * 257, id="16-bit"),
        pytest.param(palette(), id="palette"),
    ],
)
def test_every_kind_of_png_gives_the_same_grey_levels(picture: NDArray[Any] | Image.Image, tmp_path: Path) -> None:
    grey = read_image(save(tmp_path, picture), (8, 8))
    assert np.array_equal(grey, RAMP)
    assert grey.dtype == np.uint8
    assert not grey.flags.writeable


def test_a_black_and_white_png_gives_0_and_255(tmp_path: Path) -> None:
    path = save(tmp_path, RAMP > 100)
    with Image.open(path) as picture:
        assert picture.mode == "1"
    assert np.array_equal(read_image(path, (8, 8)), np.where(RAMP > 100, 255, 0))


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize(
    ("dtype", "factor"),
    [("uint16", 1), ("uint16", 257), ("int32", 1), ("int32", 257), ("float32", 1 / 255), ("float32", 1)],
)
def test_levels_of_more_bits_are_read_by_their_kind_and_the_lightest(
    dtype: str, factor: float, name: str, tmp_path: Path
) -> None:
    """Levels up to 255 in a file of 16 or 32 bits, and floats up to 1, gave a blank picture."""
    if name == "a.png" and dtype != "uint16":
        name = "b.tif"  # a PNG has at most 16 bits
    levels = RAMP.copy()
    levels[0, 0] = 255
    path = save(tmp_path, (levels * np.float64(factor)).astype(dtype), name)
    assert np.array_equal(read_image(path, (8, 8)), levels)


@pytest.mark.parametrize(
    ("levels", "words"),
    [
        ([-1.0, 1.0], "got -1 to 1"),
        ([0.0, 65536.0], "got 0 to 65536"),
        ([0.0, np.nan], "got nan to nan"),
        ([0.0, np.inf], "got 0 to inf"),
    ],
)
def test_levels_of_an_unknown_range_are_refused(levels: list[float], words: str, tmp_path: Path) -> None:
    text = why_unread(save(tmp_path, np.resize(levels, (8, 8)).astype(np.float32), "a.tif"))
    assert "expected levels from 0 to 1, 255 or 65535, " + words in text


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_camera_says(orientation: int, tmp_path: Path) -> None:
    """Photos that phones take upright were classified lying on their side."""
    upright = RAMP[:, :6]
    # As EXIF numbers them: what must be done to the stored picture to see it upright, here undone.
    stored = {2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T, 6: np.rot90(upright)}
    stored |= {1: upright, 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1)}
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "picture.png"
    Image.fromarray(np.ascontiguousarray(stored[orientation])).save(path, exif=exif)
    assert np.array_equal(read_image(path, (8, 6)), upright)
    if orientation > 4:
        with pytest.raises(DataError, match="expected 6 x 8 pixels, got 8 x 6"):
            read_image(path, (6, 8))


@pytest.mark.parametrize(("mode", "name"), [("CMYK", "a.tif"), ("CMYK", "a.jpg"), ("L", "a.jpg"), ("YCbCr", "a.tif")])
def test_other_kinds_of_pictures_give_about_the_same_grey_levels(mode: str, name: str, tmp_path: Path) -> None:
    path = save(tmp_path, Image.fromarray(np.stack([RAMP] * 3, axis=-1)).convert(mode), name)
    try:
        with Image.open(path) as written:
            written.load()
    except OSError:
        pytest.skip(f"this Pillow can't read the {mode} picture that it wrote")
    assert np.abs(read_image(path, (8, 8)).astype(int) - RAMP).max() <= 8  # JPEG rounds frequencies


@pytest.mark.parametrize("name", ["a.gif", "a.tif", "a.png", "a.webp"])
def test_an_animation_or_several_pages_are_refused(name: str, tmp_path: Path) -> None:
    """The first frame was classified in silence."""
    first, second = (Image.fromarray(levels) for levels in (RAMP, 255 - RAMP))
    first.save(tmp_path / name, save_all=True, append_images=[second])
    assert "expected one picture, got 2 frames or pages; save the one that you mean" in why_unread(tmp_path / name)


def test_a_photo_that_carries_a_copy_of_itself_is_one_picture(tmp_path: Path) -> None:
    first, second = Image.fromarray(RAMP), Image.fromarray(255 - RAMP)
    first.save(tmp_path / "photo.jpg", format="MPO", save_all=True, append_images=[second])
    assert np.abs(read_image(tmp_path / "photo.jpg", (8, 8)).astype(int) - RAMP).max() <= 8


def test_a_format_that_pillow_hands_to_another_program_is_not_opened(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "a.eps")
    assert "a file of another kind; give one of PNG, JPEG" in why_unread(tmp_path / "a.eps")


def test_16_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    wide = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    assert np.array_equal(read_image(save(tmp_path, wide), (8, 8)), np.rint(wide / 257))


def test_colours_are_weighted_as_the_eye_does(tmp_path: Path) -> None:
    """ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B."""
    colours = np.zeros((8, 8, 3), np.uint8)
    colours[0, 0], colours[0, 1], colours[0, 2] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    assert read_image(save(tmp_path, colours), (8, 8))[0, :4].tolist() == [76, 150, 29, 0]


STROKE = np.zeros((8, 8), np.uint8)
STROKE[2:6, 3:5] = 255


def transparent(mode: str, colour: int) -> Image.Image:
    """Draw the stroke in black (0) or white (255) on a transparent ground, in any kind of picture that has one."""
    clear = 128 if mode in {"RGB", "L", "I;16"} else 255 - colour
    grey = Image.fromarray(np.where(STROKE, colour, clear).astype(np.uint8))
    alpha = Image.fromarray(STROKE)
    if mode == "LA":
        return Image.merge("LA", [grey, alpha])
    if mode == "RGBA":
        return Image.merge("RGBA", [grey] * 3 + [alpha])
    if mode == "I;16":
        grey = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    elif mode == "RGB":
        grey = grey.convert("RGB")
    elif mode == "P":
        grey = Image.frombytes("P", (8, 8), np.asarray(grey).tobytes())
        grey.putpalette([place // 3 for place in range(768)])
    grey.info["transparency"] = {"RGB": (clear,) * 3, "I;16": clear * 257}.get(mode, clear)
    return grey


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "RGB", "P", "I;16"])
@pytest.mark.parametrize("invert", [False, True])
def test_transparent_places_are_the_ground_that_invert_implies(mode: str, invert: bool, tmp_path: Path) -> None:
    """Dark strokes on a transparent ground gave a blank picture, whether inverted or not."""
    picture = transparent(mode, 0 if invert else 255)
    path = tmp_path / "picture.png"
    picture.save(path, transparency=picture.info.get("transparency"))
    assert np.array_equal(read_image(path, (8, 8), invert=invert), STROKE)


def test_what_shines_through_a_little_counts_a_little(tmp_path: Path) -> None:
    veiled = np.full((8, 8, 4), 255, np.uint8)
    veiled[..., 3] = 51
    assert set(read_image(save(tmp_path, veiled), (8, 8)).flat) == {51}


@pytest.mark.parametrize("white", [1, 16, 255])
def test_levels_go_from_0_to_white_and_inversion_turns_them_round(white: int, tmp_path: Path) -> None:
    path = save(tmp_path, RAMP)
    for invert, levels in ((False, RAMP), (True, 255 - RAMP)):
        grey = read_image(path, (8, 8), white=white, invert=invert)
        assert np.array_equal(grey, np.rint(levels * (white / 255)))


def test_the_first_number_of_a_shape_is_the_height(tmp_path: Path) -> None:
    path = save(tmp_path, np.zeros((4, 6), np.uint8))
    assert read_image(path, (4, 6)).shape == (4, 6)
    with pytest.raises(DataError, match=r"expected 6 x 4 pixels, got 4 x 6; resize the picture, or .* --fit"):
        read_image(path, (6, 4))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(lambda path: save(path.parent, NOISE[:7]), "expected 8 x 8 pixels, got 7 x 8", id="size"),
        pytest.param(lambda path: path.write_text("a text"), "a file of another kind", id="text"),
        pytest.param(lambda path: path.write_bytes(b""), "a file of another kind", id="empty"),
        pytest.param(lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n"), "expected a picture", id="nothing-inside"),
        pytest.param(lambda path: path.mkdir(), "a folder, pipe or device", id="folder"),
        pytest.param(os.mkfifo, "a folder, pipe or device", id="pipe"),
        pytest.param(lambda path: path.symlink_to("nowhere"), "expected a file, got none", id="dangling-link"),
        pytest.param(lambda path: path.symlink_to(path), "symbolic links", id="link-to-itself"),
        pytest.param(lambda path: path.symlink_to("/dev/zero"), "a folder, pipe or device", id="device"),
    ],
)
def test_what_is_no_picture_of_that_size_is_refused(make: Callable[[Path], object], words: str, tmp_path: Path) -> None:
    make(tmp_path / "picture.png")
    assert words in why_unread(tmp_path / "picture.png")


@pytest.mark.parametrize("name", ["nowhere.png", "x" * 300])
def test_a_missing_file_is_refused(name: str, tmp_path: Path) -> None:
    assert "name too long" in why_unread(tmp_path / name) or "expected a file, got none" in why_unread(tmp_path / name)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


@pytest.mark.parametrize("size", [12_000, 50_000, 2**31 - 1])
def test_a_small_file_that_claims_a_huge_picture_is_refused(size: int, tmp_path: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">2I5B", size, size, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)
    assert "bomb.png" in why_unread(tmp_path / "bomb.png")


def outcome(path: Path, content: bytes) -> NDArray[Any] | None:
    """Read damaged bytes as a picture: its levels, or None where they are refused; nothing else may happen."""
    path.write_bytes(content)
    try:
        return read_image(path, (8, 8))
    except DataError:
        return None


@pytest.mark.parametrize("picture", [RAMP, NOISE, NOISE[..., 0] > 99, palette()], ids=["L", "RGBA", "1", "P"])
def test_a_truncated_png_is_refused_at_every_length(picture: NDArray[Any] | Image.Image, tmp_path: Path) -> None:
    path = save(tmp_path, picture)
    content = path.read_bytes()
    # The end mark may lose its own check sum: nothing that is seen.
    assert [length for length in range(len(content) - 4) if outcome(path, content[:length]) is not None] == []


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7), kind=st.sampled_from(["L", "RGB", "P", "I;16"]))
def test_a_flipped_bit_is_refused_or_does_no_harm(
    place: int, bit: int, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    picture = Image.fromarray(RAMP.astype(np.uint16) * 257 if kind == "I;16" else RAMP)
    path = save(tmp_path_factory.getbasetemp(), picture if kind == "I;16" else picture.convert(kind), "flipped.png")
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    grey = outcome(path, bytes(content))
    assert grey is None or np.array_equal(grey, RAMP)


# Pictures of any size.


def drawn(size: int = 80, place: tuple[int, int] = (10, 30), level: int = 255) -> NDArray[np.uint8]:
    """Draw a thick L on a large dark ground."""
    picture = np.zeros((size, size + 20), np.uint8)
    row, column = place
    picture[row : row + 40, column : column + 10] = level
    picture[row + 30 : row + 40, column : column + 30] = level
    return picture


@pytest.mark.parametrize("invert", [False, True])
def test_a_drawing_of_any_size_is_fitted(invert: bool, tmp_path: Path) -> None:
    picture = drawn()
    path = save(tmp_path, 255 - picture if invert else picture)
    grey = read_image(path, (28, 28), invert=invert, fit=Fit(box=20), white=16)
    assert np.array_equal(grey, np.rint(fit_drawing(picture, (28, 28), Fit(box=20)) * (16 / 255)))
    assert grey.dtype == np.uint8
    assert not grey.flags.writeable


@pytest.mark.parametrize(("invert", "remedy"), [(False, "pass invert=True"), (True, "leave out invert")])
def test_dark_strokes_are_not_fitted_as_light_ones(invert: bool, remedy: str, tmp_path: Path) -> None:
    path = save(tmp_path, drawn() if invert else 255 - drawn())
    with pytest.raises(DataError, match=f"picture.png: expected light strokes .* {remedy}"):
        read_image(path, (28, 28), invert=invert, fit=Fit(box=20))


@pytest.mark.parametrize("size", [(6000, 6000), (12_000, 12_000), (50_000, 50_000)])
def test_a_huge_picture_is_not_unpacked_to_be_fitted(size: tuple[int, int], tmp_path: Path) -> None:
    header = chunk(b"IHDR", struct.pack(">2I5B", *size, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + body)
    with pytest.raises(DataError) as caught:
        read_image(path, (28, 28), fit=Fit(box=20))
    assert "bomb.png: expected " in str(caught.value)
    assert "pixels" in str(caught.value)
