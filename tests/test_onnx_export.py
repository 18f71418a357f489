"""Models exported to ONNX compute what their layers compute, in ONNX's reference evaluator and in onnxruntime."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from tests.catalogue import LAYERS, Specimen
from tests.sweep import each

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from onnx.reference import ReferenceEvaluator  # noqa: E402

from fnmlp.expressions import NO_TEXT, constructors  # noqa: E402
from fnmlp.initializers import Initializer  # noqa: E402
from fnmlp.interop.onnx import export_onnx  # noqa: E402
from fnmlp.interop.onnx.exporting import ENTRIES, onnx_bytes  # noqa: E402
from fnmlp.layers import Linear, elementwise  # noqa: E402
from tests.onnx_rounding import bounded  # noqa: E402

ROWS = 7

WITHOUT = ("elementwise",)
"""Layers that ONNX has no counterpart for."""

CASES = [
    (specimen, dtype)
    for specimen in LAYERS
    if specimen.layer.name.partition("(")[0] not in WITHOUT
    for dtype in ("float32", "float64")
]


def session(content: bytes) -> Any:
    """Return a session of onnxruntime with one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def inputs_of(specimen: Specimen, dtype: str) -> tuple[Any, NDArray[Any]]:
    params, x, _ = specimen.point(3, ROWS, dtype)
    if specimen.differentiable:
        return params, x
    drawn = np.asarray(specimen.draw(fn.Key(1), x.shape))
    return params, drawn.astype(dtype) if drawn.dtype.kind == "f" else drawn


@each("case", CASES)
def test_an_exported_layer_computes_what_the_layer_does(case: tuple[Specimen, str]) -> None:
    specimen, dtype = case
    params, x = inputs_of(specimen, dtype)
    content = onnx_bytes(specimen.layer, params, example=specimen.example, dtype=str(x.dtype))
    model = onnx.load_from_string(content)
    expected = bounded(model, x)
    assert (expected.off <= 1000 * expected.u * (1 + np.abs(expected.value))).all()
    evaluator: Any = ReferenceEvaluator(model)
    results = {"fnmlp": np.asarray(specimen.layer.apply(params, x))}
    if dtype == "float32":  # onnxruntime lacks some operators in float64
        results["onnxruntime"] = session(content).run(None, {"input": x})[0]
    if dtype == "float32" or all(node.op_type != "Erf" for node in model.graph.node):  # the evaluator's has 8 digits
        with np.errstate(all="ignore"):
            results["reference"] = evaluator.run(None, {"input": x})[0]
    for name, y in results.items():
        assert (y.dtype, y.shape) == (results["fnmlp"].dtype, expected.value.shape), name
        assert (np.abs(y - expected.value) <= expected.off).all(), name


def test_every_layer_has_an_entry_or_is_known_to_have_none() -> None:
    made = {
        name for name, constructor in constructors().items() if constructor.__annotations__["return"] != Initializer
    }
    assert ENTRIES.keys() | {*WITHOUT} == made | {*NO_TEXT}


def saved(folder: Path, layer: fn.Layer[Any], example: tuple[int, ...], **options: Any) -> Any:
    export_onnx(folder / "m.onnx", layer, layer.init(fn.Key(0), example)[0], example=example, **options)
    return onnx.load(folder / "m.onnx")


def test_the_batch_axis_is_symbolic_and_the_versions_are_those_that_two_year_old_programs_read(tmp_path: Path) -> None:
    model = saved(tmp_path, fn.chain(fn.linear(3), fn.relu(), fn.linear(2), fn.softmax()), (4,))
    ends = [*model.graph.input, *model.graph.output]
    axes = [[axis.dim_param or axis.dim_value for axis in end.type.tensor_type.shape.dim] for end in ends]
    assert (axes, [end.name for end in ends]) == ([["batch", 4], ["batch", 2]], ["input", "output"])
    assert ([opset.version for opset in model.opset_import], model.ir_version) == ([17], 8)
    runs = session(model.SerializeToString())
    for rows in (1, 2, 9, 0):
        assert runs.run(None, {"input": np.ones((rows, 4), np.float32)})[0].shape == (rows, 2)


def test_bytes_go_in_and_probabilities_come_out(tmp_path: Path) -> None:
    layer = fn.chain(fn.flatten(), fn.scale(1 / 255), fn.linear(10), fn.softmax())
    model = saved(tmp_path, layer, (4, 4), dtype="uint8")
    assert model.graph.input[0].type.tensor_type.elem_type == onnx.TensorProto.UINT8
    y = session(model.SerializeToString()).run(None, {"input": np.full((3, 4, 4), 255, np.uint8)})[0]
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-6)


def test_a_file_says_what_it_holds(tmp_path: Path) -> None:
    model = saved(tmp_path, fn.chain(fn.linear(3), fn.relu()), (4,), notes={"author": "Ada"})
    texts = {entry.key: entry.value for entry in model.metadata_props}
    assert texts["fnmlp.model"] == "chain(linear(3), relu())"
    assert (texts["fnmlp.example"], texts["fnmlp.version"], texts["author"]) == ("(4,)", fn.__version__, "Ada")
    assert [one.name for one in model.graph.initializer] == ["params[0].weight", "params[0].bias"]


def test_parameters_are_stored_once_however_often_they_are_used(tmp_path: Path) -> None:
    own = fn.linear(3).init(fn.Key(0), (3,))[0]
    for layer, params in (
        (fn.tied(fn.linear(3), fn.linear(3)), own),
        (fn.chain(fn.linear(3), fn.linear(3)), (own, own)),
    ):
        export_onnx(tmp_path / "m.onnx", layer, params, example=(3,))
        assert len(onnx.load(tmp_path / "m.onnx").graph.initializer) == 2


def test_numbers_that_occur_often_are_stored_once(tmp_path: Path) -> None:
    model = saved(tmp_path, fn.chain(fn.gelu(), fn.gelu(), fn.gelu()), (3,))
    assert len(model.graph.initializer) == 3


def test_a_thousand_layers_are_no_problem(tmp_path: Path) -> None:
    assert len(saved(tmp_path, fn.repeat(fn.relu(), 1000), (3,)).graph.node) == 1000


OWN = elementwise(np.sin, np.cos)


@each(
    ("layer", "dtype", "error", "message"),
    [
        (OWN, "float32", fn.OptionError, "got elementwise(sin, cos)"),
        (fn.parametric(OWN), "float32", fn.OptionError, "got parametric(elementwise(sin, cos))"),
        (fn.relu(), "uint8", fn.DtypeError, "Relu: expected floats, got uint8; put scale(1 / 255) before it"),
        (fn.chain(fn.embedding(5, 2), fn.flatten()), "float32", fn.DtypeError, "expected integers, got float32"),
        (fn.relu(), "float16", fn.OptionError, "got 'float16'"),
    ],
)
def test_what_has_no_counterpart_is_refused_by_name_and_place(
    tmp_path: Path, layer: fn.Layer[Any], dtype: str, error: type[fn.FnmlpError], message: str
) -> None:
    for outer, note in (
        (layer, ""),
        (fn.chain(fn.identity(), layer), "in layer 1 of chain"),
        (fn.concat(fn.identity(), layer), "in layer 1 of concat"),
    ):
        with pytest.raises(error) as caught:
            saved(tmp_path, outer, (3,), dtype=dtype)
        assert message in str(caught.value)
        assert dtype == "float16" or note in "".join(getattr(caught.value, "__notes__", ""))
    assert not [*tmp_path.iterdir()]


def test_parameters_and_examples_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    params = fn.linear(2).init(fn.Key(0), (3,))[0]
    with pytest.raises(fn.ShapeError):
        export_onnx(tmp_path / "m.onnx", fn.linear(2), params, example=(4,))
    with pytest.raises(fn.StructureError):
        export_onnx(tmp_path / "m.onnx", fn.linear, params, example=(3,))  # type: ignore[arg-type]
    with pytest.raises(fn.DtypeError):
        export_onnx(tmp_path / "m.onnx", fn.linear(2), params, example=(3,), dtype="float64")


def test_a_file_that_can_not_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(fn.CheckpointError, match="a place to save to"):
        saved(tmp_path / "nowhere", fn.relu(), (3,))


def test_more_parameters_than_a_file_holds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fnmlp.interop.onnx.exporting.SIZE_LIMIT", 31)
    with pytest.raises(fn.OptionError, match="at most 31 bytes"):
        saved(tmp_path, fn.linear(2), (3,))


def test_parameters_of_torch_are_saved_as_those_of_numpy(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    params = Linear(torch.ones((3, 2)), torch.zeros(2))
    export_onnx(tmp_path / "m.onnx", fn.linear(2), params, example=(3,))
    assert session((tmp_path / "m.onnx").read_bytes()).run(None, {"input": np.ones((1, 3), "f4")})[0].tolist() == [
        [3, 3]
    ]
