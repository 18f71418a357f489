"""Pictures in a page: images as PNG, which rows were the worst mistakes, and a confusion matrix."""

from base64 import b64encode
from collections.abc import Sequence
from math import sqrt
import struct
import zlib

import numpy as np

from fnmlp.arrays import Array, as_array
from fnmlp.drawn import as_confusion, as_samples
from fnmlp.errors import ShapeError
from fnmlp.labels import check_labels, largest
from fnmlp.moving import as_numpy
from fnmlp.reports.pages import Html, escaped
from fnmlp.scalars import as_count

__all__ = ["confusion", "png", "samples", "worst_mistakes"]


def png(image: Array) -> bytes:
    r"""Encode an image as PNG: the smallest of its numbers black, and the largest white.

    Shapes:   (height, width). Numbers that are not finite become black.
    Raises:   ShapeError for other shapes, or without a pixel.

    >>> png(np.eye(8))[:4]
    b'\x89PNG'
    """
    image = as_numpy(as_array("png(image)", image))
    if image.ndim != 2 or not image.size:
        raise ShapeError("png(image)", "shape (height, width)", image.shape, "pass one image of grey levels")
    height, width = image.shape
    rows = np.zeros((height, width + 1), np.uint8)  # each begins with 0: it is not filtered
    rows[:, 1:] = _levels(image.astype(np.float64))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = (b"IHDR", head), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_part(kind, content) for kind, content in parts)


def _levels(image: Array) -> Array:
    """Stretch the finite numbers of an image over the levels 0 to 255."""
    finite = np.isfinite(image)
    low, high = (image[finite].min(), image[finite].max()) if finite.any() else (0.0, 0.0)
    # Halves, because the difference of two large numbers may be too large.
    span = high / 2 - low / 2
    shares = np.where(finite, image / 2 - low / 2, 0.0) / (span or 1.0)
    return np.rint(255 * shares)


def _part(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def samples(images: Array, titles: Sequence[str]) -> Html:
    """Return a grid of images, each above a title such as its label and the prediction.

    Shapes:   images (n, height, width), n titles.
    Raises:   ShapeError unless there is one title per image.

    >>> "data:image/png;base64," in samples(np.zeros((1, 8, 8)), ["3, taken for 8"])
    True
    """
    images, names = as_samples("samples", images, titles)
    items = [
        f'<li><figure><img src="data:image/png;base64,{b64encode(png(image)).decode()}" alt="{escaped(name)}">'
        f"<figcaption>{escaped(name)}</figcaption></figure></li>"
        for image, name in zip(images, names, strict=True)
    ]
    return Html("\n".join(['<ul class="pictures">', *items, "</ul>"]))


def worst_mistakes(y: Array, labels: Array, *, most: int = 24) -> Array:
    """Return the rows that a model is wrong about, the most certain ones first: those with the largest output.

    A row with NaN has no largest output, and is left out.
    Shapes:   y (batch, classes), labels (batch,) -> (mistakes,), int64.
    Raises:   ShapeError, DtypeError and DataError as `fnmlp.accuracy`; OptionError unless `most` is at least 1.

    >>> worst_mistakes(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), np.array([0, 1, 0]))
    array([2, 1])
    """
    y, labels = as_numpy(as_array("worst_mistakes(y)", y)), as_numpy(as_array("worst_mistakes(labels)", labels))
    if y.ndim != 2 or labels.shape != y.shape[:1]:
        expected = "outputs (batch, classes) and labels (batch,)"
        raise ShapeError("worst_mistakes", expected, f"{y.shape} and {labels.shape}", "pass one label for each row")
    check_labels(labels, y.shape[1])
    taken = largest(y)
    [wrong] = np.nonzero((taken != labels) & (taken >= 0))
    # Stable, so that of equally certain mistakes the first comes first.
    order = np.argsort(-y[wrong, taken[wrong]].astype(np.float64), kind="stable")
    return wrong[order][: as_count("worst_mistakes(most)", most)].astype(np.int64)


def confusion(matrix: Array, classes: Sequence[str]) -> Html:
    """Return a confusion matrix as a table: true classes down, predicted ones across, the more the darker.

    Shapes:   matrix (classes, classes), as `fnmlp.confusion_matrix` returns it.
    Raises:   ShapeError if the matrix does not fit the classes.

    >>> "<td" in confusion(np.array([[5, 1], [0, 6]]), ["no", "yes"])
    True
    """
    matrix, names = as_confusion("confusion", matrix, classes)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    rows = [
        f'<tr><th scope="row">{escaped(name)}</th>'
        + "".join(_cell(matrix[row, column], shares[row, column], row == column) for column in range(len(names)))
        + "</tr>"
        for row, name in enumerate(names)
    ]
    heads = "".join(f'<th scope="col">{escaped(name)}</th>' for name in names)
    return Html(
        "\n".join(
            [
                '<div class="wide" tabindex="0">',
                '<table class="confusion">',
                "<caption>True classes down, predicted ones across</caption>",
                f"<thead><tr><th></th>{heads}</tr></thead>",
                "<tbody>",
                *rows,
                "</tbody>",
                "</table>",
                "</div>",
            ]
        )
    )


def _cell(count: float, share: float, right: bool) -> str:
    kind = ' class="right"' if right else ""
    # The root, so that a few mistakes among many right answers are seen.
    return f'<td{kind} style="--share: {sqrt(share):.3f}">{escaped(count) if count else ""}</td>'
