"""Pictures: curves of training, a confusion matrix, images, a decision boundary. Each returns a matplotlib figure.

Figures are made without pyplot, so no global state keeps them.
"""

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
import os
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from fnmlp.arrays import Array, as_array
from fnmlp.checks import as_choice, as_path, check_function, check_kind
from fnmlp.drawn import as_confusion, as_history, as_samples
from fnmlp.errors import DataError, MissingDependencyError, ShapeError, StructureError
from fnmlp.labels import check_labels
from fnmlp.scalars import as_count
from fnmlp.whole_files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["confusion", "curves", "decision_boundaries", "decision_boundary", "samples", "save_figure"]

GRID = 300
"""The number of points per side of the grid that shows a decision boundary."""
GREY = "#7d7d7d"
"""Of titles on a transparent ground: it can be read on a white and on a black page."""
TITLE = 20
"""The number of letters that fit over an image."""


def curves(history: Sequence[Mapping[str, Any]]) -> "Figure":
    """Draw the losses and the accuracy of each epoch, side by side.

    `history` has one mapping per epoch, with `epoch` and `train_loss`. After an evaluation it also has `test_loss` and
    `test_accuracy`, or `validation_loss` and `validation_accuracy`.
    Raises:   DataError for an empty history; MissingDependencyError without matplotlib.
    """
    history = as_history("curves(history)", history)
    figure = _figure(9.0, 3.6)
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    for name, style in (("train_loss", "o-"), ("validation_loss", "s--"), ("test_loss", "s--")):
        _line(loss_axes, history, name, style)
    for name in ("validation_accuracy", "test_accuracy"):
        _line(accuracy_axes, history, name, "s--")
    loss_axes.set(xlabel="epoch", ylabel="loss", title="Loss")
    accuracy_axes.set(xlabel="epoch", ylabel="accuracy", title="Held-out accuracy")
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
    """Draw a confusion matrix: true classes down, predicted classes across, counts in the cells.

    Shapes:   matrix (classes, classes), as `fnmlp.confusion_matrix` returns it.
    Raises:   ShapeError if the matrix does not fit the classes; MissingDependencyError without matplotlib.
    """
    matrix, classes = as_confusion("confusion", matrix, classes)
    size = len(classes)
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
    """Draw a grid of images, each under a title such as its label and the prediction.

    Long titles are broken into lines.
    Shapes:   images (n, height, width), n titles.
    Raises:   ShapeError unless there is one title per image; MissingDependencyError without matplotlib.
    """
    images, titles = as_samples("samples", images, titles)
    columns = min(as_count("samples(columns)", columns), len(images))
    rows = -(-len(images) // columns)
    figure = _figure(1.5 * columns, 1.75 * rows)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, image, title in zip(figure.axes, images, titles, strict=False):
        axes.imshow(image, cmap="gray")
        axes.set_title(_wrapped(title), fontsize=8, parse_math=False)
    return figure


def _wrapped(title: str) -> str:
    return "\n".join(fill(line, TITLE) for line in title.splitlines())


def decision_boundary(
    shares: Callable[[Array], Array], points: Array, labels: Array, *, title: str = "Decision boundary"
) -> "Figure":
    """Draw the probability of the second of two classes over the plane, with labelled points on top.

    `shares` returns the probabilities of both classes, such as `partial(fnmlp.predict, model, params)` for a model that
    ends in softmax. The line shows where both classes are equally probable.
    Shapes:   points (n, 2), labels (n,); `shares` maps (m, 2) -> (m, 2).
    Raises:   ShapeError for other shapes; DataError without points, for values that aren't probabilities, and for a
              label other than 0 and 1, naming its row; MissingDependencyError without matplotlib.
    """
    check_kind("decision_boundary(title)", title, str, "'Two moons'")
    check_function("decision_boundary(shares)", shares, 1, "partial(predict, model, params)")
    points, labels = _as_points("decision_boundary", points, labels)
    plane = _plane("decision_boundary", shares, points, side=GRID)
    figure = _figure(6.4, 5.4)
    axes = figure.subplots()
    filled = _draw_boundary(axes, plane, points, labels, size=22, edge=0.7)
    axes.set(xlabel="$x_1$", ylabel="$x_2$", aspect="equal")
    axes.set_title(title, parse_math=False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.11), ncols=2)  # below the plane, where it hides no point
    figure.colorbar(filled, ax=axes, label="probability of class 1", ticks=np.linspace(0, 1, 6))
    return figure


def decision_boundaries(frames: Mapping[str, Callable[[Array], Array]], points: Array, labels: Array) -> "Figure":
    """Draw decision boundaries side by side, such as those of several epochs, each under its title.

    `frames` maps a title to a function like the `shares` of `decision_boundary`. The ground is transparent.
    Shapes:   points (n, 2), labels (n,); each function maps (m, 2) -> (m, 2).
    Raises:   what `decision_boundary` raises; DataError without frames.
    """
    check_kind("decision_boundaries(frames)", frames, Mapping, "{'epoch 1': partial(predict, model, params)}")
    points, labels = _as_points("decision_boundaries", points, labels)
    if not frames:
        raise DataError("decision_boundaries", "at least one frame", "none", "pass a mapping of titles to functions")
    figure = _figure(2.1 * len(frames), 2.45)
    figure.set_facecolor("none")
    for axes, (title, shares) in zip(figure.subplots(1, len(frames), squeeze=False).flat, frames.items(), strict=True):
        check_kind("decision_boundaries(title)", title, str, "'epoch 1'")
        check_function(f"decision_boundaries({title})", shares, 1, "partial(predict, model, params)")
        _draw_boundary(
            axes, _plane("decision_boundaries", shares, points, side=GRID // 2), points, labels, size=6, edge=0
        )
        axes.set(xticks=(), yticks=(), aspect="equal")
        axes.set_title(title, parse_math=False, color=GREY, fontsize=15)
    return figure


def _as_points(where: str, points: Array, labels: Array) -> tuple[Array, Array]:
    points, labels = as_array(f"{where}(points)", points), as_array(f"{where}(labels)", labels)
    if points.ndim != 2 or points.shape[1] != 2 or labels.shape != points.shape[:1]:
        got = f"{points.shape} and {labels.shape}"
        raise ShapeError(where, "points (n, 2) and labels (n,)", got, "pass one label for each point")
    if not len(points):
        raise DataError(where, "at least one point", "none", "pass the points to draw")
    check_labels(labels, 2)
    return points, labels


def _draw_boundary(
    axes: Any, plane: tuple[Array, Array, Array], points: Array, labels: Array, *, size: float, edge: float
) -> Any:
    """Fill a plane with its probabilities, and draw the line of one half, and marks of `size` points² with an edge."""
    filled = axes.contourf(*plane, levels=np.linspace(0, 1, 21), cmap="RdBu_r", vmin=-0.6, vmax=1.6)
    if plane[2].min() < 0.5 < plane[2].max():
        axes.contour(*plane, levels=[0.5], colors="black", linewidths=1.2)
    for label, (marker, colour) in enumerate((("o", "#053061"), ("s", "#67001f"))):
        mark: Any = {"marker": marker, "c": colour, "s": size, "edgecolors": "white", "linewidths": edge}
        axes.scatter(*points[labels == label].T, label=f"class {label}", **mark)
    return filled


def _plane(where: str, shares: Callable[[Array], Array], points: Array, *, side: int) -> tuple[Array, Array, Array]:
    """Return the coordinates of a square grid around all points, and the second class's probability at each."""
    low, high = points.min(axis=0), points.max(axis=0)
    reach = 0.54 * (float((high - low).max()) or 1.0)
    sides = [np.linspace(middle - reach, middle + reach, side) for middle in (low + high) / 2]
    across, down = np.meshgrid(*sides)
    outputs = shares(np.stack([across.ravel(), down.ravel()], axis=1).astype(points.dtype))
    if outputs.shape != (side * side, 2):
        remedy = "end the model with linear(2), softmax()"
        raise ShapeError(where, f"shares of shape {(side * side, 2)}", outputs.shape, remedy)
    if not ((outputs >= 0) & (outputs <= 1 + 1e-3)).all():
        remedy = "end the model with softmax()"
        raise DataError(where, "shares between 0 and 1", "other numbers, or NaN", remedy)
    return across, down, np.clip(outputs[:, 1], 0, 1).reshape(side, side)


def save_figure(path: str | os.PathLike[str], figure: "Figure") -> None:
    """Write a figure to a file atomically; the ending of the name chooses the format.

    Raises:   OptionError for an ending other than .png, .pdf or .svg; DataError if the file can't be written.
    """
    place = as_path(path)
    ending = as_choice(f"{place}: ending", Path(place).suffix.lower(), (".png", ".pdf", ".svg"))
    if not hasattr(figure, "savefig"):
        raise StructureError("save_figure(figure)", "a figure", type(figure).__name__, "pass what curves(…) returns")
    content = BytesIO()
    figure.savefig(content, format=ending[1:], dpi=120)
    try:
        write_whole(place, content.getvalue())
    except OSError as error:
        remedy = "choose a file in a folder that exists and may be written to"
        raise DataError(place, "a place for a picture", error.strerror or error, remedy) from error


def _figure(width: float, height: float) -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        remedy = "pip install 'fnmlp[examples]'"
        raise MissingDependencyError.of("plots", "matplotlib", error, remedy) from error
    return Figure(figsize=(width, height), layout="constrained")
