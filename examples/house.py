"""Draw the house, which is the rooms of the library by floor: `python examples/house.py docs/house.svg`."""

import ast
from collections.abc import Iterator
from pathlib import Path
import sys
from typing import Any

from imports import import_failure

try:
    import click
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from diagrams import FILLS, FOR_TEXT, GREY, WIDTH
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")

FLOORS = Path(__file__).resolve().parents[1] / "tests" / "test_floors.py"
NOTES = {
    "errors": "where, expected, got, remedy",
    "fnmlp": "public names, loaded when used",
    "moving": "to another library, device or dtype",
    "layer": "init, apply, vjp",
    "expressions": "a layer as text, and back",
    "batching": "an epoch from a key",
    "training": "a fold and its consumers",
    "storage": "models and checkpoints in files",
    "tables": "columns as arrays",
    "interop": "other libraries and programs",
}
"""Beside some floors, in the words of the rooms' own docstrings."""

LEFT, PITCH, CHARACTER, GAP = 24, 18, 5.42, 11
"""In points: where rooms begin, the height of a row, the width of a character, and the space between two texts."""


def floors() -> tuple[tuple[str, ...], ...]:
    """Return the rooms of each floor from the ground up, as the test of the imports lists them.

    >>> floors()[0]
    ('errors', 'numpy_namespace', '_names')
    """
    statements = ast.parse(FLOORS.read_text("utf-8")).body
    assigned = [statement for statement in statements if isinstance(statement, ast.Assign)]
    (listed,) = (statement.value for statement in assigned if ast.unparse(statement.targets[0]) == "HOUSE")
    return tuple(tuple(room or "fnmlp" for room in rooms) for rooms in ast.literal_eval(listed))


def placed(rooms: tuple[str, ...]) -> Iterator[tuple[int, float, str]]:
    """Yield the row of each room of a floor, the place where its name begins, and the name.

    >>> [(row, round(place), room) for row, place, room in placed(("a" * 40, "bb", "c" * 20))]
    [(0, 24, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'), (0, 252, 'bb'), (1, 24, 'cccccccccccccccccccc')]
    """
    row, place = 0, float(LEFT)
    for room in rooms:
        if place > LEFT and place + CHARACTER * len(room) > WIDTH - GAP:
            row, place = row + 1, float(LEFT)
        yield row, place, room
        place += CHARACTER * len(room) + GAP


def draw(house: tuple[tuple[str, ...], ...]) -> Figure:
    """Draw a house, its roof on top."""
    stories = [[*placed(rooms)] for rooms in reversed(house)]
    heights = [story[-1][0] + 1 for story in stories]
    height = PITCH * (sum(heights) + 1)
    figure = Figure(figsize=(WIDTH / 72, height / 72), dpi=72)
    axes: Any = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(height, 0))
    axes.set_axis_off()
    style = {**FOR_TEXT, "ha": "left"}
    box = {"boxstyle": "round,pad=0.25", "facecolor": FILLS["value"], "edgecolor": "none"}
    for floor, story in enumerate(stories):
        top = PITCH * (sum(heights[:floor]) + 0.5)
        for row, place, room in story:
            axes.text(place, top + PITCH * row, room, color="white", bbox=box, **style)
            if room in NOTES:
                axes.text(WIDTH, top + PITCH * row, NOTES[room], color=GREY, **FOR_TEXT | {"ha": "right"})
    axes.annotate("", (8, height - PITCH * 1.2), (8, PITCH * 0.2), arrowprops={"arrowstyle": "-|>", "color": GREY})
    axes.text(LEFT - 4, height - PITCH / 2, "a room imports from the floors below its own", color=GREY, **style)
    return figure


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def main(file: Path) -> None:
    """Draw the house into a FILE, as SVG."""
    with rc_context({"svg.hashsalt": "house", "svg.fonttype": "none"}):  # the same file at each run
        draw(floors()).savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
