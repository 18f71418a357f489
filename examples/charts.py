"""Draw the charts of the site from the tables of its pages: `python examples/charts.py docs/charts`."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
import json
from math import log, log10
from pathlib import Path
import re
import sys
from typing import Any

from attrs import frozen

from imports import import_failure

try:
    import click
    from matplotlib import rc_context
    from matplotlib.figure import Figure
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")

DOCS = Path(__file__).resolve().parents[1] / "docs"

WIDTH, ROW, BAR, GAP, DIGIT = 360, 13, 9, 12, 5.8
"""In points of 1/72 inch: every chart, a row and its bar, the space between panels, and a digit.

A chart of this width is legible on a phone too.
"""

GREY, LIGHT = "#7d7d7d", "#9aa3ad"
"""Of texts, which can be read on a white and on a black page, and of the bars of other libraries."""

COLOURS = {
    "fnmlp": "#2b6cb0",
    "by hand": LIGHT,
    "PyTorch": "#d9622b",
    "JAX, jit": "#b794f4",
    "JAX, scan": "#6b46c1",
    "scikit-learn": "#c79a1b",
}
"""Of the libraries, by their columns."""

FOR_TEXT = {"family": ("DejaVu Sans", "sans-serif"), "fontsize": 9, "color": GREY, "va": "center"}
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
MARKUP = re.compile(r"[*`\\]|\[([^\]]*)\]\([^)]*\)")

Table = tuple[list[str], dict[str, list[str]]]
Numbers = Mapping[str, Mapping[str, float]]
"""By the title of a panel and the name of a row."""


def tables(text: str) -> Iterator[Table]:
    r"""Yield the tables of a Markdown page: the cells of the first line, and those of each row by its first cell.

    >>> list(tables("| µs | **a** |\n| --- | --- |\n| `one` | 1,024 |\n"))
    [(['µs', 'a'], {'one': ['1,024']})]
    """
    block: list[list[str]] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            block.append([MARKUP.sub(r"\1", cell).strip() for cell in line.strip().strip("|").split("|")])
        elif block:
            yield block[0], {row[0]: row[1:] for row in block[2:]}
            block = []


def table(page: str, *heads: str) -> Table:
    """Return the one table of a page of docs/ whose first line begins with the cells given."""
    text = (DOCS / page).read_text(encoding="utf-8")
    (found,) = (each for each in tables(text) if each[0][: len(heads)] == [*heads])
    return found


def number(cell: str) -> float:
    """Return the first number in a cell.

    >>> number("1,201 µs"), number("0.50")
    (1201.0, 0.5)
    """
    found = NUMBER.search(cell)
    if found is None:
        raise ValueError(f"no number in the cell {cell!r}")
    return float(found.group().replace(",", ""))


def of_libraries(heads: list[str], cells: list[str]) -> dict[str, float]:
    """Return the numbers of a row by library; an empty cell has none.

    >>> of_libraries(["µs", "fnmlp", "by hand", "PyTorch", "ratio"], ["1.5", "", "2 ms", "3"])
    {'fnmlp': 1.5, 'PyTorch': 2.0}
    """
    columns = zip(heads[1:], cells, strict=True)
    return {name: number(cell) for name, cell in columns if name in COLOURS and cell}


def compare() -> Numbers:
    """Return what fnmlp and other libraries need: two steps of training, a prediction, memory, and the start."""
    heads, sizes = table("speed.md", "hidden / batch")
    others, costs = table("speed.md", "", "fnmlp")
    return {
        "a step of 784-32-10, µs": of_libraries(heads, sizes["32 / 16"]),
        "a step of 784-512-10, µs": of_libraries(heads, sizes["512 / 64"]),
        "prediction of one row, µs": of_libraries(others, costs["prediction of one row, 1 thread, µs"]),
        "peak memory of training, MB": of_libraries(others, costs["peak memory of training, MB"]),
        "import, ms": of_libraries(others, costs["import, ms"]),
        "installed size, MB": of_libraries(others, costs["installed size, MB"]),
    }


def speed() -> Numbers:
    """Return the time of a step of each library at each size, divided by fnmlp's."""
    heads, rows = table("speed.md", "hidden / batch")
    times = {size: of_libraries(heads, cells) for size, cells in rows.items() if "/" in size}
    peers = [name for name in COLOURS if name != "fnmlp"]
    return {name: {size: round(took[name] / took["fnmlp"], 3) for size, took in times.items()} for name in peers}


def accuracy() -> Numbers:
    """Return the largest error of each activation and of its derivative."""
    heads, rows = table("accuracy.md", "activation")
    errors = {"largest error, ULP": "ULP", "of the derivative, ULP": "ULP of the derivative"}
    return {
        title: {name.rstrip(" *"): number(cells[heads.index(head) - 1]) for name, cells in rows.items()}
        for title, head in errors.items()
    }


def reliability() -> Numbers:
    """Return the number of trials of each experiment; the title tells how many of them failed."""
    _, rows = table("reliability.md", "what was done")
    failures = sum(number(cells[1]) for cells in rows.values())
    return {f"trials (logarithmic), {failures:g} failures": {name: number(cells[0]) for name, cells in rows.items()}}


def growth() -> Numbers:
    """Return how many times as many rows each number of ranks trains on, by what the ranks share."""
    heads, rows = table("growth.md", "ranks", "a network for each rank")
    return {
        head: {ranks: number(cells[place]) for ranks, cells in rows.items()} for place, head in enumerate(heads[1:])
    }


def bars(numbers: Numbers, margins: tuple[int, ...] = (62, 62), *, logarithmic: bool = False) -> Figure:
    """Draw a panel of bars for each title, in columns with so much space for names; 0 shares those on the left."""
    columns = len(margins)
    rows = [max(map(len, row)) for row in in_rows([*numbers.values()], columns)]
    tops = [sum(GAP + (1 + count) * ROW for count in rows[:place]) for place in range(len(rows) + 1)]
    for_number = 4 + DIGIT * max(len(written(value)) for row in numbers.values() for value in row.values())
    longest = (WIDTH - sum(margins)) / columns - for_number
    figure, axes = canvas(tops[-1] - GAP + 4)
    for place, (title, lengths) in enumerate(numbers.items()):
        row, column = divmod(place, columns)
        left = sum(margins[: column + 1]) + column * (longest + for_number)
        axes.text(left - margins[column], tops[row] + ROW / 2, title, fontweight="bold", **FOR_TEXT)
        shares = {name: (log10(value) if logarithmic else value) for name, value in lengths.items()}
        most = max(shares.values())
        for below, (name, share) in enumerate(shares.items(), start=1):
            y, length = tops[row] + (below + 0.5) * ROW, longest * share / most
            ours = name == "fnmlp" or "fnmlp" not in lengths
            axes.barh(y, length, left=left, height=BAR, color=COLOURS["fnmlp"] if ours else LIGHT)
            axes.text(left + length + 3, y, written(lengths[name]), **FOR_TEXT)
            if margins[column]:
                axes.text(left - 4, y, name, ha="right", **FOR_TEXT)
    return figure


def written(value: float) -> str:
    """Return a number as a bar shows it.

    >>> written(1e6), written(0.50)
    ('1,000,000', '0.5')
    """
    return f"{value:,.10g}"


def in_rows(panels: list[Any], columns: int) -> list[list[Any]]:
    """Cut a list into rows.

    >>> in_rows([1, 2, 3], 2)
    [[1, 2], [3]]
    """
    return [panels[start : start + columns] for start in range(0, len(panels), columns)]


TICKS = {0.5: "half", 1: "the time of fnmlp", 2: "twice"}
"""Of the ratios."""


def dots(numbers: Numbers) -> Figure:
    """Draw a dot for each number, in a row for each name and a colour for each title."""
    names = list(next(iter(numbers.values())))
    figure, axes = canvas((len(names) + 3) * ROW)
    left, right, ratios = 84, WIDTH - 12, [value for row in numbers.values() for value in row.values()]
    least, most = min(ratios), max(ratios)

    def across(ratio: float) -> float:
        return left + (right - left) * log(ratio / least) / log(most / least)

    for place, title in enumerate(numbers):
        axes.plot(10 + 70 * place, ROW / 2, "o", color=COLOURS[title], markersize=5)
        axes.text(16 + 70 * place, ROW / 2, title, **FOR_TEXT)
    bottom = (len(names) + 1) * ROW
    axes.text(left - 10, bottom + ROW, "hidden / batch", ha="right", **FOR_TEXT)
    for tick, text in TICKS.items():
        axes.plot([across(tick)] * 2, [ROW * 1.2, bottom], color=GREY, linewidth=0.8 if tick == 1 else 0.3)
        axes.text(across(tick), bottom + ROW, text, ha="center", **FOR_TEXT)
    for below, name in enumerate(names, start=1):
        y = (below + 0.5) * ROW
        axes.text(left - 10, y, name, ha="right", **FOR_TEXT)
        for title, row in numbers.items():
            axes.plot(across(row[name]), y, "o", color=COLOURS[title], markersize=5)
    return figure


LINES = "#6b46c1", "#2b6cb0", "#c79a1b", "#d9622b"
"""Of the lines of a chart, whose names stand at their ends."""


def lines(numbers: Numbers) -> Figure:
    """Draw a line for each title, over the numbers that the rows are named by; both axes are logarithmic."""
    left, top, right, bottom = 40, 2 * ROW, WIDTH - 142, 18 * ROW
    figure, axes = canvas(bottom + 3 * ROW)
    names, most = list(next(iter(numbers.values()))), max(max(row.values()) for row in numbers.values())
    last = max(map(number, names))

    def place(name: str, value: float) -> tuple[float, float]:
        across, up = log(number(name)) / log(last), log(max(value, 1)) / log(most)
        return left + (right - left) * across, bottom - (bottom - top) * up

    axes.text(left - 6, top - 1.4 * ROW, "times the rows a second of one rank", ha="left", **FOR_TEXT)
    axes.text((left + right) / 2, bottom + 2 * ROW, "ranks", ha="center", **FOR_TEXT)
    for name in names:
        axes.text(place(name, 1)[0], bottom + 0.8 * ROW, name, ha="center", **FOR_TEXT)
    for tick in (1, 10, 100, 1000):
        y = place(names[0], tick)[1]
        axes.plot([left, right], [y, y], color=GREY, linewidth=0.3)
        axes.text(left - 6, y, written(tick), ha="right", **FOR_TEXT)
    for colour, (title, row) in zip(LINES, numbers.items(), strict=True):
        points = [place(name, value) for name, value in row.items()]
        axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=3.5, linewidth=1.5)
        axes.text(points[-1][0] + 8, points[-1][1], title, **FOR_TEXT)
    return figure


def canvas(height: float) -> tuple[Figure, Any]:
    """Return a figure of the charts' width, and axes over all of it whose units are points, downwards."""
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    axes: Any = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0), autoscale_on=False)
    axes.set_axis_off()
    return figure, axes


@frozen
class Chart:
    """Where the numbers of a chart come from, and how they are drawn."""

    numbers: Callable[[], Numbers]
    draw: Callable[[Numbers], Figure]


CHARTS = {
    "compare": Chart(compare, bars),
    "speed": Chart(speed, dots),
    "accuracy": Chart(accuracy, partial(bars, margins=(134, 0))),
    "growth": Chart(growth, lines),
    "reliability": Chart(reliability, partial(bars, margins=(186,), logarithmic=True)),
}


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path))
def main(folder: Path) -> None:
    """Draw every chart into a FOLDER, as SVG with its numbers as the description."""
    for name, chart in CHARTS.items():
        numbers = chart.numbers()
        told = {"Description": json.dumps(numbers, ensure_ascii=False), "Date": None, "Creator": None}
        with rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):  # the same file at each run
            chart.draw(numbers).savefig(folder / f"{name}.svg", transparent=True, metadata=told)


if __name__ == "__main__":
    main()
