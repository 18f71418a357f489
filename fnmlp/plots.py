"""Pictures of training: curves, a confusion matrix, a grid of images. Each returns a matplotlib figure.

Figures are made without pyplot, so that nothing global remembers them.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fnmlp.arrays import Array
from fnmlp.errors import DataError, MissingDependencyError, OptionError, ShapeError
from fnmlp.files import write_whole
from fnmlp.options import one_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def curves(history: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw the losses and the accuracy of each epoch, side by side.

    `history` has one mapping an epoch with `epoch`, `train_loss`, and, where it was evaluated, `test_loss` and
    `test_accuracy`.
    Raises:   DataError for an empty history; MissingDependencyError without matplotlib.
    """
    if not history:
        raise DataError("curves", "at least one epoch", "an empty history", "train first")
    figure = _figure(9.0, 3.6)
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    for name, style in (("train_loss", "o-"), ("test_loss", "s--")):
        _line(loss_axes, history, name, style)
    _line(accuracy_axes, history, "test_accuracy", "s--")
    loss_axes.set(xlabel="epoch", ylabel="loss", title="Loss")
    accuracy_axes.set(xlabel="epoch", ylabel="accuracy", title="Accuracy on the test set")
    for axes in (loss_axes, accuracy_axes):
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
        else:
            axes.text(0.5, 0.5, "not evaluated", ha="center", transform=axes.transAxes)
    return figure


def _line(axes: Any, history: Sequence[Mapping[str, Any]], name: str, style: str) -> None:
    points = [(entry["epoch"], entry[name]) for entry in history if entry.get(name) is not None]
    if points:
        axes.plot(*zip(*points, strict=True), style, markersize=4, label=name.replace("_", " "))


def confusion(matrix: Array, classes: Sequence[str]) -> "Figure":
    """Draw a confusion matrix: true classes down, predicted ones across, counts in the cells.

    Shapes:   matrix (classes, classes), as `fnmlp.confusion_matrix` counts it.
    Raises:   ShapeError where matrix and classes differ; MissingDependencyError without matplotlib.
    """
    size = len(classes)
    if not size or matrix.shape != (size, size):
        raise ShapeError("confusion", f"a matrix of shape {(size, size)}", matrix.shape, "pass its own classes")
    figure = _figure(1.6 + 0.55 * size, 1.2 + 0.5 * size)
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(size, size):
        if matrix[row, column]:
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(matrix[row, column]), ha="center", va="center", color=colour, fontsize=8)
    axes.set(xlabel="predicted", ylabel="true", title="Confusion matrix")
    rotation = 45 if max(map(len, classes)) > 2 else 0
    ha = "right" if rotation else "center"
    axes.set_xticks(range(size), classes, rotation=rotation, ha=ha, parse_math=False)
    axes.set_yticks(range(size), classes, parse_math=False)
    return figure


def samples(images: Array, titles: Sequence[str], *, columns: int = 8) -> "Figure":
    """Draw a grid of images, each under its title (for instance the label and the prediction).

    Shapes:   images (n, height, width), n titles.
    Raises:   ShapeError where they differ in number; MissingDependencyError without matplotlib.
    """
    if images.ndim != 3 or not len(images) or len(images) != len(titles):
        got = f"images {images.shape} and {len(titles)} titles"
        raise ShapeError("samples", "images (n, height, width) and n titles", got, "pass one title for each image")
    if columns < 1:
        raise OptionError("samples(columns)", "at least 1", columns, "choose for instance 8")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    figure = _figure(1.5 * columns, 1.75 * rows)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, image, title in zip(figure.axes, images, titles, strict=False):
        axes.imshow(image, cmap="gray")
        axes.set_title(title, fontsize=8, parse_math=False)
    return figure


def save_figure(path: str | os.PathLike[str], figure: "Figure") -> None:
    """Write a figure to a file whose ending names the format, whole or not at all.

    Raises:   OptionError for an ending other than .png, .pdf or .svg; DataError where the file can't be written.
    """
    ending = one_of(f"{os.fspath(path)}: ending", Path(path).suffix.lower(), (".png", ".pdf", ".svg"))
    content = BytesIO()
    figure.savefig(content, format=ending[1:], dpi=120)
    try:
        write_whole(path, content.getvalue())
    except OSError as error:
        remedy = "choose a file in a folder that exists and may be written to"
        raise DataError(os.fspath(path), "a place for a picture", error.strerror or error, remedy) from error


def _figure(width: float, height: float) -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        remedy = "pip install 'fnmlp[examples]'"
        raise MissingDependencyError("plots", "matplotlib", "none installed", remedy) from error
    return Figure(figsize=(width, height), layout="constrained")
