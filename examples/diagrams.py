"""Draw the diagrams of the pages on concepts: `python examples/diagrams.py docs/concepts`."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
import sys
from typing import Any

from attrs import frozen

from imports import import_failure

try:
    import click
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.text import Text
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")

WIDTH = 360
"""Of every diagram, in points of 1/72 inch: its text is legible on a phone too."""

GREY = "#7d7d7d"
"""Of arrows and notes: it can be read on a white and on a black page."""

FILLS = {"value": "#2b6cb0", "function": "#b45309", "key": "#6b46c1", "later": "none"}
"""The colour of a box by what it stands for; what is left for later is an outline."""

FOR_TEXT = {"family": "DejaVu Sans Mono", "fontsize": 9, "ha": "center", "va": "center", "linespacing": 1.3}


@frozen
class Box:
    """A text in a box, and the place of its centre, in points from the upper left."""

    x: float
    y: float
    text: str
    kind: str = "value"


@frozen
class Note:
    """A text without a box, and the place of its centre."""

    x: float
    y: float
    text: str


@frozen
class Diagram:
    """Boxes by their names, the ways of arrows from box to box, those that are not always taken, and notes."""

    height: float
    boxes: Mapping[str, Box]
    ways: tuple[str, ...]
    broken: tuple[str, ...] = ()
    notes: tuple[Note, ...] = ()


DIAGRAMS = {
    "overview": Diagram(
        height=224,
        boxes={
            "key": Box(34, 18, "key", "key"),
            "init": Box(34, 57, "init", "function"),
            "params": Box(34, 96, "params"),
            "batch": Box(112, 42, "batch"),
            "vjp": Box(112, 96, "vjp", "function"),
            "loss": Box(196, 42, "loss", "function"),
            "pullback": Box(196, 96, "pullback", "function"),
            "grads": Box(270, 96, "grads"),
            "update": Box(330, 96, "update", "function"),
            "state": Box(330, 164, "state"),
            "consumers": Box(318, 206, "consumers", "function"),
        },
        ways=("key init params vjp pullback grads update state consumers", "batch vjp loss pullback", "batch loss"),
        broken=("state params",),
        notes=(Note(150, 80, "y"), Note(208, 69, "dy"), Note(142, 152, "the next step")),
    ),
    "trees": Diagram(
        height=196,
        boxes={
            "params": Box(180, 18, "params"),
            "first": Box(76, 82, "Linear"),
            "second": Box(180, 82, "()"),
            "third": Box(284, 82, "Linear"),
            "weight0": Box(36, 146, "weight\n(2, 3)"),
            "bias0": Box(116, 146, "bias\n(3,)"),
            "weight2": Box(244, 146, "weight\n(3, 1)"),
            "bias2": Box(324, 146, "bias\n(1,)"),
        },
        ways=("params first weight0", "first bias0", "params second", "params third weight2", "third bias2"),
        notes=(
            Note(110, 44, "[0]"),
            Note(196, 50, "[1]"),
            Note(250, 44, "[2]"),
            Note(30, 112, ".weight"),
            Note(121, 112, ".bias"),
            Note(238, 112, ".weight"),
            Note(329, 112, ".bias"),
            Note(180, 184, "params[2].weight is the path of the third leaf"),
        ),
    ),
    "keys": Diagram(
        height=216,
        boxes={
            "root": Box(172, 18, "Key(7)", "key"),
            "initial": Box(72, 78, "path (0,)", "key"),
            "steps": Box(242, 78, "path (1,)", "key"),
            "init": Box(72, 138, "init", "function"),
            "step0": Box(172, 138, "path (1, 0)", "key"),
            "step1": Box(312, 138, "path (1, 1)", "key"),
            "vjp0": Box(172, 198, "vjp", "function"),
            "vjp1": Box(312, 198, "vjp", "function"),
        },
        ways=("root initial init", "root steps step0 vjp0", "steps step1 vjp1"),
        notes=(Note(164, 56, "split"), Note(242, 112, "fold_in"), Note(128, 198, "step 0"), Note(268, 198, "step 1")),
    ),
    "pullbacks": Diagram(
        height=214,
        boxes={
            "x": Box(18, 24, "x"),
            "linear0": Box(86, 24, "linear", "function"),
            "relu": Box(162, 24, "relu", "function"),
            "linear2": Box(238, 24, "linear", "function"),
            "loss": Box(322, 24, "loss", "function"),
            "pull0": Box(86, 104, "pullback", "function"),
            "pull1": Box(162, 104, "pullback", "function"),
            "pull2": Box(238, 104, "pullback", "function"),
            "dy": Box(322, 104, "dy"),
            "dx": Box(18, 104, "dx", "later"),
            "grads0": Box(86, 164, "grads[0]"),
            "grads1": Box(162, 164, "grads[1]"),
            "grads2": Box(238, 164, "grads[2]"),
        },
        ways=(
            "x linear0 relu linear2 loss dy pull2 pull1 pull0",
            *("linear0 pull0 grads0", "relu pull1 grads1", "linear2 pull2 grads2"),
        ),
        broken=("pull0 dx",),
        notes=(
            Note(54, 64, "vjp makes"),
            Note(280, 14, "y"),
            Note(180, 200, "dx is computed only if you call delayed_dx()"),
        ),
    ),
    "optimizers": Diagram(
        height=208,
        boxes={
            "grads": Box(26, 66, "grads"),
            "clip": Box(98, 66, "clip", "function"),
            "decay": Box(170, 66, "decay", "function"),
            "adam": Box(256, 66, "adam", "function"),
            "params": Box(332, 66, "params"),
            "schedule": Box(256, 18, "schedule", "function"),
            "clips": Box(98, 136, "()"),
            "decays": Box(170, 136, "flags"),
            "adams": Box(256, 136, "ScheduledState"),
            "state": Box(170, 190, "state"),
        },
        ways=(
            "grads clip decay adam params",
            "schedule adam",
            "state clips clip",
            "state decays decay",
            "state adams adam",
        ),
        notes=(Note(276, 42, "rate"), Note(256, 190, "a tuple of states")),
    ),
    "consumers": Diagram(
        height=250,
        boxes={
            "batches": Box(60, 18, "batches"),
            "step": Box(180, 18, "step", "function"),
            "accumulate": Box(180, 60, "accumulate", "function"),
            "state0": Box(44, 108, "state 0"),
            "state1": Box(134, 108, "state 1"),
            "state2": Box(224, 108, "state 2"),
            "state3": Box(316, 108, "state 3", "later"),
            "scored": Box(180, 156, "scored", "function"),
            "early": Box(180, 194, "early_stopping", "function"),
            "best": Box(180, 232, "best_state", "function"),
        },
        ways=(
            *("batches accumulate", "step accumulate", "accumulate state0 scored", "accumulate state1 scored"),
            *("accumulate state2 scored early best",),
        ),
        broken=("accumulate state3",),
        notes=(Note(304, 140, "computed only\nif asked for"),),
    ),
    "modes": Diagram(
        height=170,
        boxes={
            "params": Box(42, 56, "params, x"),
            "key": Box(42, 136, "key", "key"),
            "apply": Box(172, 18, "apply", "function"),
            "quiet": Box(172, 76, "vjp, key=None", "function"),
            "noisy": Box(172, 136, "vjp, key", "function"),
            "y": Box(300, 18, "y"),
            "same": Box(300, 76, "y, pullback"),
            "other": Box(300, 136, "noisy y, pullback"),
        },
        ways=("params apply y", "params quiet same", "params noisy other", "key noisy"),
        notes=(
            Note(172, 37, "inference"),
            Note(172, 95, "training"),
            Note(172, 155, "training with dropout"),
            Note(300, 47, "the same bits"),
        ),
    ),
}


def draw(diagram: Diagram) -> tuple[Figure, list[Text]]:
    """Draw a diagram; return it and its texts."""
    figure = Figure(figsize=(WIDTH / 72, diagram.height / 72), dpi=72)
    axes: Any = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(diagram.height, 0))
    axes.set_axis_off()
    boxes = {name: _boxed(axes, box) for name, box in diagram.boxes.items()}
    figure.draw_without_rendering()  # only now boxes have a size, at which arrows end
    for style, ways in (("-", diagram.ways), ("--", diagram.broken)):
        for start, end in (pair for way in ways for pair in pairwise(way.split())):
            axes.add_patch(_arrow(boxes[start], boxes[end], style))
    notes = [axes.text(note.x, note.y, note.text, color=GREY, **FOR_TEXT) for note in diagram.notes]
    return figure, [*boxes.values(), *notes]


def _boxed(axes: Any, box: Box) -> Text:
    later = box.kind == "later"
    outline = {"edgecolor": GREY if later else "none", "linestyle": "--" if later else "-"}
    style = {"boxstyle": "round,pad=0.5", "facecolor": FILLS[box.kind], **outline}
    text: Text = axes.text(box.x, box.y, box.text, color=GREY if later else "white", bbox=style, **FOR_TEXT)
    return text


def _arrow(start: Text, end: Text, style: str) -> FancyArrowPatch:
    return FancyArrowPatch(
        start.get_position(),
        end.get_position(),
        arrowstyle="-|>",
        mutation_scale=9,
        linestyle=style,
        color=GREY,
        linewidth=1.1,
        shrinkA=1,
        shrinkB=1,
        patchA=start.get_bbox_patch(),
        patchB=end.get_bbox_patch(),
    )


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path))
def main(folder: Path) -> None:
    """Draw every diagram into a FOLDER, as SVG."""
    for name, diagram in DIAGRAMS.items():
        figure, _ = draw(diagram)
        with rc_context({"svg.hashsalt": name}):  # the same file at each run
            figure.savefig(folder / f"{name}.svg", transparent=True, metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    main()
