"""The images that `predict` classifies: files, and images of a test set."""

from collections.abc import Iterator
from pathlib import Path

from attrs import frozen
import click

import fnmlp as fn
from image_models import ImageModel


@frozen
class Asked:
    """Hold the images to classify: files and how to read them, and images of the test set by `index`."""

    images: tuple[Path, ...]
    index: tuple[int, ...]
    invert: bool
    fit: bool
    data_dir: Path | None


def check_asked(asked: Asked) -> None:
    """Raise without any image, and for options that would do nothing."""
    if not asked.images and not asked.index:
        raise click.UsageError("give at least one IMAGE, or --index N")
    if not asked.images and (asked.invert or asked.fit):
        raise click.UsageError("--invert and --fit need an IMAGE; they have no effect on images of the test set")
    if not asked.index and asked.data_dir:
        raise click.UsageError("--data-dir needs --index N; without it no data set is read")


@frozen(eq=False)
class Picture:
    """What a line says it is about, and a drawing in few letters, and its pixels."""

    name: str
    title: str
    pixels: fn.Array


def pictures_of(known: ImageModel, asked: Asked) -> Iterator[Picture]:
    """Read the image files."""
    for path in asked.images:
        pixels = known.read(path, invert=asked.invert, fit=asked.fit)
        yield Picture(str(path), path.stem[:12].encode(errors="backslashreplace").decode(), pixels)


def test_images_of(known: ImageModel, asked: Asked) -> Iterator[Picture]:
    """Load the chosen images of the test set."""
    if not asked.index:
        return
    test = known.test_set(None, asked.data_dir)
    if max(asked.index) >= len(test):
        raise click.UsageError(f"--index {max(asked.index)}: the test images are 0 to {len(test) - 1}")
    for place in asked.index:
        name = f"test image {place}, label {known.classes[test.targets[place]]}"
        yield Picture(name, f"no. {place}", test.inputs[place])
