"""Curves of training as a picture in a page: losses and accuracies by epoch, with their numbers below."""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any, TypeAlias

from attrs import frozen

from fnmlp.drawn import as_history
from fnmlp.reports.pages import Html, escaped, table

__all__ = ["curves"]

Points: TypeAlias = list[tuple[float, float]]
"""Pairs of an epoch and a number."""

WIDTH, HEIGHT = 360, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 348, 12, 196
"""The size of a chart and the sides of its frame. A phone shows it at this size, so its letters can be read."""
DOTS = 60
"""Curves of more points have no dots, which would hide the line."""
LARGEST = 1e300
"""Larger numbers, and NaN, have no place in a chart."""
LINES = ("train", "validation", "test")


def curves(history: Sequence[Mapping[str, Any]]) -> Html:
    """Return charts of the losses and of the accuracies of each epoch, and the numbers as a table to unfold.

    `history` is as for `fnmlp.plots.curves`. The charts leave out numbers that are missing or not finite.
    Raises:   DataError for an empty history; StructureError for anything but mappings.

    >>> html = curves([{"epoch": 1, "train_loss": 0.5}, {"epoch": 2, "train_loss": 0.25}])
    >>> "epoch 2: train loss 0.25" in html, "not evaluated" in html
    (True, True)
    """
    entries = as_history("curves(history)", history)
    charts = [_chart(entries, measure) for measure in ("loss", "accuracy")]
    names = [f"{line}_{measure}" for measure in ("loss", "accuracy") for line in LINES]
    known = ["epoch", *(name for name in names if any(entry.get(name) is not None for entry in entries))]
    rows = [[_written(entry.get(name)) for name in known] for entry in entries]
    numbers = table([name.replace("_", " ") for name in known], rows)
    return Html(
        f'<div class="charts">\n{charts[0]}\n{charts[1]}\n</div>\n'
        f"<details>\n<summary>Numbers of each epoch</summary>\n{numbers}\n</details>"
    )


def _chart(entries: Sequence[Mapping[str, Any]], measure: str) -> str:
    """Draw the curves of one measure, on training images and on those held out."""
    found = {f"{line} {measure}": _points(entries, f"{line}_{measure}") for line in LINES}
    lines = {name: points for name, points in found.items() if points}
    if not lines:
        return f"<figure>\n<figcaption>{measure.capitalize()}: not evaluated</figcaption>\n</figure>"
    plane = _plane_of([point for points in lines.values() for point in points])
    styles = {name: "first" if name.startswith("train") else "second" for name in lines}
    drawn = [_curve(name, styles[name], points, plane) for name, points in lines.items()]
    keys = [f'<span class="key {style}"></span><span>{escaped(name)}</span>' for name, style in styles.items()]
    spoken = "; ".join(f"{name} ends at {_written(points[-1][1])}" for name, points in lines.items())
    return "\n".join(
        [
            "<figure>",
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{measure} by epoch: {spoken}">',
            *_axes(plane),
            *drawn,
            "</svg>",
            f"<figcaption>{''.join(keys)}</figcaption>",
            "</figure>",
        ]
    )


def _points(entries: Sequence[Mapping[str, Any]], name: str) -> Points:
    pairs = [(float(entry["epoch"]), entry.get(name)) for entry in entries]
    return [(epoch, float(value)) for epoch, value in pairs if value is not None and abs(value) <= LARGEST]


@frozen
class _Plane:
    """Hold the marks of both axes; points between the first and the last lie inside the frame."""

    across: list[float]
    up: list[float]

    def x(self, value: float) -> float:
        return LEFT + _share(self.across, value) * (RIGHT - LEFT)

    def y(self, value: float) -> float:
        return BOTTOM - _share(self.up, value) * (BOTTOM - TOP)


def _share(marks: list[float], value: float) -> float:
    return (value - marks[0]) / (marks[-1] - marks[0])


def _plane_of(points: Points) -> _Plane:
    epochs, values = [epoch for epoch, _ in points], [value for _, value in points]
    return _Plane(
        _marks(min(epochs), max(epochs), most=8, least=1.0), _marks(min(values), max(values), most=5, least=0.0)
    )


def _marks(low: float, high: float, *, most: int, least: float) -> list[float]:
    """Return round numbers, evenly apart, from one that is at most `low` to one that is at least `high`.

    >>> _marks(0.013, 0.094, most=5, least=0.0)
    [0.0, 0.02, 0.04, 0.06, 0.08, 0.1]
    >>> _marks(3, 3, most=8, least=1.0)
    [2.0, 3.0, 4.0]
    >>> _marks(0.9721448, 0.9721448, most=5, least=0.0)  # a few digits tell them apart, which the frame has room for
    [0.9721, 0.9722]
    """
    size = max(abs(low), abs(high))
    apart = max((high - low) / most, least, size * 1e-4, 1e-300)
    power = floor(log10(apart))
    step = min(float(f"{digit}e{power}") for digit in (1, 2, 5, 10) if float(f"{digit}e{power}") >= apart)
    first, last = floor(low / step), ceil(high / step)
    if first == last:
        first, last = first - 1, last + 1
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def _axes(plane: _Plane) -> list[str]:
    """Draw the marks of both axes, with lines across for the values."""
    lines = [
        f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{plane.y(mark):.1f}" y2="{plane.y(mark):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{plane.y(mark) + 4:.1f}" text-anchor="end">{mark:.6g}</text>'
        for mark in plane.up
    ]
    below = [
        f'<text x="{plane.x(mark):.1f}" y="{BOTTOM + 16}" text-anchor="middle">{mark:.6g}</text>'
        for mark in plane.across
        if mark >= 1
    ]
    return [*lines, *below, f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 3}" text-anchor="middle">epoch</text>']


def _curve(name: str, style: str, points: Points, plane: _Plane) -> str:
    """Draw a line through points, with a dot at each that tells its number."""
    path = " ".join(f"{plane.x(epoch):.1f},{plane.y(value):.1f}" for epoch, value in points)
    shown = points if len(points) <= DOTS else points[-1:]
    dots = [
        f'<circle class="dot" cx="{plane.x(epoch):.1f}" cy="{plane.y(value):.1f}" r="3">'
        f"<title>{escaped(f'epoch {epoch:g}: {name} {_written(value)}')}</title></circle>"
        for epoch, value in shown
    ]
    return "\n".join([f'<g class="{style}">', f'<polyline class="curve" points="{path}"/>', *dots, "</g>"])


def _written(value: object) -> str:
    """Write a number with five digits.

    >>> _written(0.123456), _written(None), _written(3)
    ('0.12346', '', '3')
    """
    if value is None:
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)
