"""`python -m tests.onnx_models [COUNT]` sends random models to ONNX and back, and prints how they came back."""

from contextlib import suppress
from pathlib import Path
import sys
from typing import Any

from attrs import define, field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

import fnmlp as fn
from fnmlp.interop.onnx import import_onnx
from fnmlp.interop.onnx.exporting import onnx_bytes
from fnmlp.testing.strategies import chains, models, shapes
from fnmlp.tree import tree_equal
from tests.faults.processes import new_folder
from tests.onnx_graphs import rows, session
from tests.onnx_rounding import bounded


@define
class Counts:
    """How models came back.

    `models`     how many went out; all came back as the same layer with the same bits.
    `graphs`     those whose graph alone, without our notes, gave a layer that computes the same; others were refused.
    `farthest`   by program, the largest distance between its outputs and ours, relative to 1 or to the output.
    """

    models: int = 0
    graphs: int = 0
    farthest: dict[str, float] = field(factory=dict)


def go_and_return(layer: fn.Layer[Any], example: tuple[int, ...], folder: Path, counts: Counts) -> None:
    """Export a model, compare what others compute with it, import it again, and compare the bits."""
    params, x = layer.init(fn.Key(counts.models), example)[0], rows(example, count=4)
    content = onnx_bytes(layer, params, example=example)
    (folder / "m.onnx").write_bytes(content)
    again, same = import_onnx(folder / "m.onnx")
    assert (again.name, tree_equal(same, params)) == (layer.name, True)
    counts.models += 1

    graph = onnx.load_from_string(content)
    expected, y = bounded(graph, x), layer.apply(params, x)
    evaluator: Any = ReferenceEvaluator(graph)
    with np.errstate(all="ignore"):
        outputs = {
            "fnmlp": y,
            "onnxruntime": session(content).run(None, {"input": x})[0],
            "reference": evaluator.run(None, {"input": x})[0],
        }
    del graph.metadata_props[:]
    (folder / "m.onnx").write_bytes(graph.SerializeToString())
    with suppress(fn.CheckpointError):
        foreign, own = import_onnx(folder / "m.onnx")
        counts.graphs += 1
        outputs["graph alone"] = foreign.apply(own, x)
    for program, output in outputs.items():
        assert (np.abs(output - expected.value) <= 4 * expected.off).all(), (layer, program)
        far = float((np.abs(output - y) / (1 + np.abs(y))).max(initial=0))
        counts.farthest[program] = max(counts.farthest.get(program, 0), far)


@st.composite
def specimens(draw: st.DrawFn) -> tuple[fn.Layer[Any], tuple[int, ...]]:
    """Draw a chain, or a whole classifier, and the shape of an example."""
    if draw(st.booleans()):
        model: tuple[fn.Layer[Any], tuple[int, ...]] = draw(models())
        return model
    example = draw(shapes())
    return draw(chains(example)), example


def try_models(count: int) -> Counts:
    """Send this many random models to ONNX and back."""
    counts = Counts()

    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=[*HealthCheck])
    @given(specimens())
    def one(specimen: tuple[fn.Layer[Any], tuple[int, ...]]) -> None:
        go_and_return(*specimen, folder, counts)

    with new_folder() as folder:
        one()
    return counts


if __name__ == "__main__":
    print(try_models(int([*sys.argv[1:], "500"][0])))  # noqa: T201 (what this program is for)
