"""Files of ONNX become layers again: our own to the bit, and those of other programs to rounding."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.tree import tree_equal
from tests.catalogue import LAYERS, Specimen
from tests.sweep import each

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from fnmlp.interop.onnx.exporting import ENTRIES, onnx_bytes  # noqa: E402
from tests.onnx_graphs import agree, imported, model, node, rows  # noqa: E402
from tests.onnx_rounding import bounded  # noqa: E402

FOREIGN = (
    "batch_ensemble",
    "deskew",
    "ensemble_linear",
    "glu",
    "impute",
    "maxout",
    "mean_members",
    "one_hot_columns",
    "periodic",
    "swiglu",
    "tile",
)
"""Layers that only a file of ours gives back; as a mere graph they are refused."""

SPECIMENS = [specimen for specimen in LAYERS if specimen.layer.name.partition("(")[0] in ENTRIES]


def exported(specimen: Specimen, dtype: str = "float32") -> tuple[Any, Any, bytes]:
    params, x, _ = specimen.point(3, 5, dtype)
    if not specimen.differentiable:
        drawn = np.asarray(specimen.draw(fn.Key(1), x.shape))
        x = drawn.astype(dtype) if drawn.dtype.kind == "f" else drawn
    return params, x, onnx_bytes(specimen.layer, params, example=specimen.example, dtype=str(x.dtype))


@each("specimen", [specimen for specimen in SPECIMENS if specimen.named])
def test_a_file_of_ours_gives_back_the_very_same_layer_and_bits(tmp_path: Path, specimen: Specimen) -> None:
    params, _, content = exported(specimen)
    layer, again = imported(tmp_path, content)
    assert layer.name == specimen.layer.name
    assert tree_equal(again, params)


@each("dtype", ["float32", "float64"])
@each("specimen", SPECIMENS)
def test_a_graph_alone_gives_a_layer_that_computes_the_same_or_is_refused_by_the_name_of_a_node(
    tmp_path: Path, specimen: Specimen, dtype: str
) -> None:
    _, x, content = exported(specimen, dtype)
    graph = onnx.load_from_string(content)
    del graph.metadata_props[:]
    if any(f"{name}(" in specimen.layer.name for name in FOREIGN):
        with pytest.raises(fn.CheckpointError, match=r"import_onnx: '\w+' '\w+_\d+': expected"):
            imported(tmp_path, graph)
        return
    layer, params = imported(tmp_path, graph)
    expected = bounded(graph, x)
    scale = 1e-6 * (1 + np.abs(expected.value))  # recognised layers have constants that the file rounded to float32
    assert (np.abs(layer.apply(params, x) - expected.value) <= 4 * expected.off + scale).all()


def test_parameters_that_layers_share_are_shared_again(tmp_path: Path) -> None:
    own = fn.linear(3).init(fn.Key(0), (3,))[0]
    layer, params = imported(tmp_path, onnx_bytes(fn.chain(fn.linear(3), fn.linear(3)), (own, own), example=(3,)))
    assert layer.name == "chain(linear(3), linear(3))"
    assert tree_equal(params, (own, own))


@each("change", ["node", "leaf", "text", "example", "same"])
def test_a_file_of_ours_that_was_changed_is_read_as_a_graph(tmp_path: Path, change: str) -> None:
    layer = fn.chain(fn.linear(3), fn.tanh())
    content = onnx_bytes(layer, layer.init(fn.Key(0), (4,))[0], example=(4,))
    changed = onnx.load_from_string(content)
    texts = {entry.key: entry for entry in changed.metadata_props}
    if change == "node":
        changed.graph.node[1].op_type = "Sigmoid"
    elif change == "leaf":
        changed.graph.initializer[0].name = changed.graph.node[0].input[1] = "w"
        texts["fnmlp.nodes"].value = ""
    elif change == "text":
        texts["fnmlp.model"].value = "chain(linear(3), tanh(), sigmoid("
    elif change == "example":
        texts["fnmlp.example"].value = "(99999999999,)"
    else:
        onnx.helper.set_model_props(changed, {name: entry.value for name, entry in texts.items()} | {"fnmlp.same": "["})
    name = agree(tmp_path, changed, rows())
    assert name == ("chain(linear(3), sigmoid())" if change == "node" else "chain(linear(3), tanh())")


MATRIX = np.linspace(-1, 1, 12).reshape(4, 3)
COLUMN = np.array([0.5, -0.25, 2.0])
FOUR = np.array([0.5, -0.25, 2.0, 1.0])
SQUARE = np.linspace(-1, 1, 16).reshape(4, 4)

CASES: list[tuple[Any, str]] = [
    (model([node("Gemm", "x", "w")], {"w": MATRIX}), "linear(3, bias=False)"),
    (model([node("Gemm", "x", "w", "b", alpha=0.5, beta=2.0)], {"w": MATRIX, "b": COLUMN}), "linear(3)"),
    (model([node("Gemm", "x", "w", "b", transB=1)], {"w": MATRIX.T, "b": COLUMN[None]}), "linear(3)"),
    (model([node("Gemm", "x", "w", "b")], {"w": MATRIX, "b": 0.0 * COLUMN}), "linear(3)"),
    (model([node("Gemm", "x", "w", "b")], {"w": MATRIX, "b": 0.5}), "linear(3)"),
    (model([node("MatMul", "x", "w", out="h"), node("Add", "b", "h")], {"w": MATRIX, "b": COLUMN}), "linear(3)"),
    (model([node("MatMul", "x", "w", out="h"), node("Sub", "h", "b")], {"w": MATRIX, "b": COLUMN}), "linear(3)"),
    (
        model([node("MatMul", "x", "w", out="h"), node("Mul", "h", "b")], {"w": MATRIX, "b": COLUMN}),
        "linear(3, bias=False)",
    ),
    (model([node("Gemm", "x", "w", "b", out="h"), node("Add", "h", "b")], {"w": MATRIX, "b": COLUMN}), "linear(3)"),
    (
        model([node("Flatten", "x", out="h"), node("Cast", "h", to=1)], dtype="uint8", shape=("rows", 2, 2)),
        "chain(flatten(), scale(1.0))",
    ),
    (
        model([node("Clip", "x", "", "six", out="c"), node("Relu", "c")], {"six": 6.0}),
        "relu6()",
    ),
    (model([node("Reshape", "x", "s", allowzero=1)], {"s": np.array([-1, 4])}), "identity()"),
    (
        model(
            [
                node("Shape", "x", out="s"),
                node("Slice", "s", "one", "three", out="r"),
                node("Slice", "r", "zero", "one", out="m"),
                node("Squeeze", "m", out="n"),
                node("Unsqueeze", "n", "zero", out="o"),
                node("Squeeze", "o", "zero", out="p"),
                node("Reshape", "p", "one", out="q"),
                node("Mul", "q", "two", out="t"),
                node("Concat", "minus", "t", out="all", axis=0),
                node("Reshape", "x", "all"),
            ],
            {
                "zero": np.array([0]),
                "one": np.array([1]),
                "two": np.array([2]),
                "three": np.array([3]),
                "minus": np.array([-1]),
            },
            shape=("rows", 2, 2),
        ),
        "flatten()",
    ),
    (
        model([node("Transpose", "v", out="w", perm=[1, 0]), node("MatMul", "x", "w")], {"v": MATRIX.T}),
        "linear(3, bias=False)",
    ),
    (model([node("Mul", "x", "a", out="h"), node("Add", "h", "b")], {"a": 0.5, "b": 2.0}), "scale(0.5, offset=2.0)"),
    (model([node("Div", "a", "a", out="b"), node("Mul", "x", "b")], {"a": 0.5}), "identity()"),
    (model([node("Sub", "a", "x")], {"a": 0.5}), "scale(-1.0, offset=0.5)"),
    (model([node("Div", "x", "a")], {"a": FOUR}), "rescale()"),
    (model([node("Mul", "x", "a")], {"a": 0 * FOUR}), "rescale()"),
    (model([node("Sub", "x", "a", out="h"), node("Div", "h", "b")], {"a": FOUR, "b": 4 * FOUR}), "rescale()"),
    (
        model([node("Scaler", "x", domain="ai.onnx.ml", offset=[1.0, 2.0, 3.0, 4.0], scale=[0.5, 1.0, 2.0, 4.0])]),
        "rescale()",
    ),
    (model([node("Clip", "x", "a")], {"a": 0.0}), "relu()"),
    (model([node("Clip", "x", "a", "b")], {"a": 0.0, "b": 6.0}), "relu6()"),
    (model([node("Clip", "x", min=-1.0, max=1.0)], opset=9), "hardtanh()"),
    (model([node("LeakyRelu", "x", alpha=0.3)]), "leaky_relu(slope=0.3)"),
    (model([node("Elu", "x")]), "elu()"),
    (model([node("Celu", "x", alpha=0.5)]), "celu(alpha=0.5)"),
    (model([node("Selu", "x")]), "selu()"),
    (model([node("HardSigmoid", "x", alpha=1 / 6)]), "hardsigmoid()"),
    (model([node("HardSwish", "x")]), "hardswish()"),
    (model([node("HardSigmoid", "x")]), "chain(scale(1.2000000000000002), hardsigmoid())"),
    (model([node("Selu", "x", alpha=1.0, gamma=2.0)]), "chain(elu(), scale(2.0))"),
    (
        model([node("Clip", "x", "a", "b")], {"a": -1.0, "b": 3.0}),
        "chain(scale(0.5, offset=-0.5), hardtanh(), scale(2.0, offset=1.0))",
    ),
    (model([node("Clip", "x")]), "identity()"),
    (model([node("Swish", "x", alpha=2.0)], opset=24), "chain(scale(2.0), silu(), scale(0.5))"),
    (
        model([onnx.helper.make_node("LayerNormalization", ["x", "g"], ["y", "mean", "deviation"])], {"g": FOUR}),
        "layer_norm()",
    ),
    (model([node("Gelu", "x", approximate="tanh")], opset=20), "gelu(approximate='tanh')"),
    (model([node("Mish", "x")], opset=18), "mish()"),
    (model([node("PRelu", "x", "s")], {"s": [0.3]}), "prelu()"),
    (model([node("PRelu", "x", "s")], {"s": FOUR}), "prelu(per_feature=True)"),
    (model([node("RMSNormalization", "x", "g", epsilon=0.5)], {"g": FOUR}, opset=23), "rms_norm(epsilon=0.5)"),
    (model([node("Swish", "x")], opset=24), "silu()"),
    (model([node("Mul", "x", "a")], {"a": 1.0}), "identity()"),
    (model([node("Softmax", "x")]), "softmax()"),
    (model([node("Softmax", "x")], opset=11), "softmax()"),
    (model([node("LogSoftmax", "x", axis=1)], shape=("rows", 2, 3)), "log_softmax(axis=1)"),
    (model([node("Identity", "x")]), "identity()"),
    (model([node("Dropout", "x", "r")], {"r": 0.25}), "dropout(0.25)"),
    (model([node("Dropout", "x")]), "dropout(0.5)"),
    (model([node("Dropout", "x", "r")], {"r": 0.0}), "identity()"),
    (model([node("Cast", "x", to=1)], dtype="uint8"), "scale(1.0)"),
    (model([node("Cast", "x", to=1)]), "identity()"),
    (model([node("Cast", "x", to=1, out="h"), node("Div", "h", "a")], {"a": 4.0}, dtype="uint8"), "scale(0.25)"),
    (
        model([node("Cast", "x", to=1, out="h"), node("Div", "h", "a")], {"a": FOUR}, dtype="int32"),
        "chain(scale(1.0), rescale())",
    ),
    (model([node("Flatten", "x")], shape=("rows", 2, 2)), "flatten()"),
    (model([node("Flatten", "x", axis=-2)], shape=("rows", 2, 2)), "flatten()"),
    (model([node("Flatten", "x")]), "identity()"),
    (model([node("Reshape", "x", "s")], {"s": np.array([-1, 4])}, shape=("rows", 2, 2)), "flatten()"),
    (model([node("Reshape", "x", "s")], {"s": np.array([0, -1])}, shape=("rows", 2, 2)), "flatten()"),
    (model([node("Reshape", "x", "s")], {"s": np.array([5, 4])}, shape=(5, 2, 2)), "flatten()"),
    (model([node("Reshape", "x", "s")], {"s": np.array([0, 0, 2])}, shape=("rows", 2, 2)), "identity()"),
    (
        model(
            [
                node("Shape", "x", out="s"),
                node("Constant", out="zero", value_ints=[0]),
                node("Gather", "s", "zero", out="n"),
                node("Constant", out="rest", value=onnx.numpy_helper.from_array(np.array([-1]))),
                node("Concat", "n", "rest", out="all", axis=0),
                node("Reshape", "x", "all"),
            ],
            shape=("rows", 2, 2),
        ),
        "flatten()",
    ),
    (model([node("LayerNormalization", "x", "g", axis=-1)], {"g": FOUR}), "layer_norm()"),
    (
        model(
            [node("LayerNormalization", "x", "g", "o", epsilon=0.5, out="h"), node("Mul", "h", "g")],
            {"g": FOUR, "o": FOUR},
        ),
        "layer_norm(epsilon=0.5)",
    ),
    (
        model(
            [node("BatchNormalization", "x", "g", "o", "m", "v")],
            {"g": FOUR, "o": FOUR, "m": 2 * FOUR, "v": FOUR * FOUR},
        ),
        "rescale()",
    ),
    (
        model(
            [node("MatMul", "x", "w", out="h"), node("BatchNormalization", "h", "g", "o", "m", "v")],
            {"w": SQUARE, "g": FOUR, "o": FOUR, "m": 2 * FOUR, "v": FOUR * FOUR},
        ),
        "linear(4)",
    ),
    (model([node("Gather", "w", "x")], {"w": MATRIX}, shape=("rows",), dtype="int64"), "embedding(4, 3)"),
    (
        model([node("Slice", "x", "a", "b", "c")], {"a": np.array([1]), "b": np.array([9]), "c": np.array([1])}),
        "columns(1, 4)",
    ),
    (model([node("Slice", "x", starts=[0], ends=[-1], axes=[-1])], opset=9), "columns(0, 3)"),
    (
        model([onnx.helper.make_node("Split", ["x"], ["a", "b"], axis=1), node("Add", "a", "b")]),
        "add(columns(0, 2), columns(2, 4))",
    ),
    (
        model([onnx.helper.make_node("Split", ["x", "s"], ["a", "y"], axis=-1)], {"s": np.array([1, 3])}),
        "columns(1, 4)",
    ),
    (model([node("Tanh", "x", out="h"), node("Add", "x", "h")]), "residual(tanh())"),
    (model([node("Tanh", "x", out="h"), node("Add", "h", "x")]), "residual(tanh())"),
    (model([node("Add", "x", "x")]), "add(identity(), identity())"),
    (model([node("Tanh", "x", out="h"), node("Concat", "x", "h", axis=1)]), "concat(identity(), tanh())"),
    (
        model(
            [
                node("Mul", "x", "x", out="s"),
                node("ReduceMean", "s", axes=[-1], out="m"),
                node("Add", "m", "e", out="v"),
                node("Sqrt", "v", out="r"),
                node("Div", "x", "r", out="n"),
                node("Mul", "n", "g"),
            ],
            {"e": 1e-3, "g": FOUR},
        ),
        "rms_norm(epsilon=0.001)",
    ),
    (
        model(
            [
                node("ReduceMax", "x", axes=[1], out="m"),
                node("Sub", "x", "m", out="s"),
                node("Exp", "s", out="e"),
                node("ReduceSum", "e", "last", out="t"),
                node("Div", "e", "t"),
            ],
            {"last": np.array([-1])},
        ),
        "softmax()",
    ),
    (
        model(
            [
                node("Add", "x", "three", out="a"),
                node("Clip", "a", "zero", "six", out="c"),
                node("Mul", "x", "c", out="m"),
                node("Div", "m", "six"),
            ],
            {"three": 3.0, "zero": 0.0, "six": 6.0},
        ),
        "hardswish()",
    ),
]


@each("case", CASES)
def test_an_operator_becomes_the_layer_that_computes_what_onnxruntime_does(
    tmp_path: Path, case: tuple[Any, str]
) -> None:
    made, name = case
    kind = made.graph.input[0].type.tensor_type
    dtype = str(onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type))
    example = [axis.dim_value for axis in kind.shape.dim][1:]
    assert agree(tmp_path, made, rows(example, dtype)) == name


def test_an_output_and_the_shape_of_an_example_can_be_given(tmp_path: Path) -> None:
    nodes = [node("Tanh", "x", out="a"), node("Relu", "a"), node("Conv", "x", "x", out="unused")]
    two = model(nodes, outputs=("a", "y"))
    assert str(imported(tmp_path, two, output="a")[0]) == "tanh()"
    assert str(imported(tmp_path, two, output="y")[0]) == "chain(tanh(), relu())"
    for options, message in (({}, "expected one output, got 'a', 'y'"), ({"output": "b"}, "expected an output 'b'")):
        with pytest.raises(fn.CheckpointError, match=message):
            imported(tmp_path, two, **options)
    flat = model([node("Flatten", "x")], shape=("rows", None, 3))
    assert str(imported(tmp_path, flat, example=(2, 3))[0]) == "flatten()"
    with pytest.raises(fn.CheckpointError, match="pass example="):
        imported(tmp_path, flat)
    with pytest.raises(fn.StructureError):
        imported(tmp_path, flat, output=3)


REFUSED: list[tuple[Any, str]] = [
    (model([node("Conv", "x", "x")]), "'Conv' 'y': expected an operator that is a layer"),
    (model([node("Gemm", "x", "w", transA=1)], {"w": MATRIX}), "got transA=1"),
    (model([node("Gemm", "w", "x")], {"w": MATRIX}), "expected input 1 to be a constant"),
    (model([node("MatMul", "x", "x")]), "expected input 1 to be a constant"),
    (model([node("PRelu", "x", "x")]), "as its first, got 2"),
    (model([node("MatMul", "x", "w")], {"w": COLUMN}), "expected a matrix for rows of numbers"),
    (model([node("Gemm", "x")]), "expected input 1, got none"),
    (model([node("Add", "x", "a")], {"a": np.array([1])}), "expected floats"),
    (model([node("Add", "x", "a")], {"a": SQUARE}), "one for each feature"),
    (model([node("Div", "a", "x")], {"a": 1.0}), "a constant as divisor"),
    (model([node("Div", "x", "a")], {"a": 0.0}), "expected finite numbers"),
    (model([node("Gemm", "x", "w", "b")], {"w": MATRIX, "b": np.array([1, 2, 3])}), "expected floats, got int64"),
    (model([node("Mul", "x", "a", out="h"), node("Add", "h", "b")], {"a": [0.0, 1, 1, 1], "b": 1.0}), "other than 0"),
    (model([node("Relu", "x")], dtype="int32"), "expected floats, got int32"),
    (model([node("Swish", "x", alpha=0.0)]), "a finite alpha other than 0"),
    (model([node("Celu", "x", alpha=-1.0)]), "celu(alpha)"),
    (model([node("LeakyRelu", "x", alpha=1)]), "expected alpha to be like 0.01, got '1'"),
    (model([node("LeakyRelu", "x", alpha=2.0)]), "leaky_relu(slope)"),
    (model([node("Clip", "x", "a")], {"a": 1.0}), "two limits, or only 0 below"),
    (model([node("Clip", "x", "a")], {"a": COLUMN}), "expected min to be a number"),
    (model([node("Clip", "x", min="a")], opset=9), "expected min to be a number"),
    (model([node("Softmax", "x", axis=5)]), "expected an axis of 2, got 5"),
    (model([node("Softmax", "x")], shape=("rows", 2, 3), opset=11), "expected an axis of 3, got 1"),
    (model([node("LayerNormalization", "x", "g", axis=0)], {"g": FOUR}), "normalization of rows"),
    (model([node("LayerNormalization", "x", "g", "o")], {"g": FOUR, "o": COLUMN}), "an offset of shape (4,)"),
    (model([node("LayerNormalization", "x", "x")]), "expected input 1 to be a constant"),
    (model([node("RMSNormalization", "x", "g")], {"g": FOUR}, dtype="float64"), "expected float64, got float32"),
    (model([node("ReduceMean", "x", axes=[1], out="m"), node("Sqrt", "m")]), "got Sqrt"),
    (model([node("ReduceMean", "x", axes=[1], keepdims=0, out="m"), node("Sqrt", "m")]), "got Sqrt"),
    (model([node("BatchNormalization", "x", "g", "g", "g", "g")], {"g": COLUMN}), "four arrays of shape (4,)"),
    (model([node("BatchNormalization", "x", "g", "g", "g", "g")], {"g": -FOUR}), "expected variances above 0"),
    (model([node("BatchNormalization", "x", "g", "g", "g", "g", training_mode=1)], {"g": FOUR}), "no training"),
    (model([node("Dropout", "x", "r", "t")], {"r": 0.5, "t": np.array(True)}), "expected no training"),
    (model([onnx.helper.make_node("Dropout", ["x"], ["a", "y"])]), "an output 'y' that depends on the input"),
    (model([node("Flatten", "x", axis=0)]), "expected axis 1"),
    (model([node("Reshape", "x", "s")], {"s": np.array([2, -1])}), "expected a shape that keeps the rows"),
    (model([node("Reshape", "x", "s")], {"s": np.array([-1, 8])}), "expected a shape that keeps rows of (4,)"),
    (model([node("Reshape", "x", "s")], {"s": np.array([-1, -1, -1])}), "expected a shape that keeps rows of (4,)"),
    (model([node("Reshape", "x", "s")], {"s": np.array([-1, 2, 2])}), "stay, or become flat"),
    (model([node("Reshape", "x", "s")], {"s": FOUR}), "expected shape to be a few integers"),
    (model([node("Cast", "x", to=11)]), "expected a conversion of integers to floats, got float32 -> float64"),
    (model([node("Cast", "x", to=999)]), "expected inputs and options that fit it"),
    (model([node("Gather", "x", "i")], {"i": np.array([0])}), "expected input 0 to be a constant"),
    (model([node("Gather", "w", "x")], {"w": FOUR}, dtype="int64"), "expected rows of a table"),
    (model([node("Slice", "x", "a", "a", "a")], {"a": np.array([0])}), "features next to each other"),
    (model([node("Slice", "x", "a", "a", "b")], {"a": np.array([1]), "b": np.array([1])}), "expected some features"),
    (model([onnx.helper.make_node("Split", ["x"], ["a", "y"])]), "expected a split of the features"),
    (model([onnx.helper.make_node("Split", ["x", "s"], ["a", "y"], axis=1)], {"s": np.array([1])}), "2 sizes that add"),
    (model([node("Scaler", "x", domain="ai.onnx.ml", scale=[1.0])], dtype="float64"), "expected float32"),
    (model([node("Relu", "x", domain="com.microsoft")]), "expected operators of ONNX itself"),
    (model([node("Tanh", "x", out="h"), node("Mul", "x", "h")]), "a layer of fnmlp's in several nodes, got Mul"),
    (
        model(
            [node("Slice", "x", "a", "b", "b", out="h"), node("Add", "x", "h")],
            {"a": np.array([0]), "b": np.array([1])},
        ),
        "expected branches of one shape",
    ),
    (model([node("ReduceMean", "x", axes=[0], out="m"), node("Sub", "x", "m")]), "expected"),
    (model([node("Tanh", "x", out="h"), node("Concat", "x", "h", axis=0)]), "features of rows of the same shape"),
    (model([node("Concat", "x", "w", axis=1)], {"w": SQUARE}), "expected"),
    (
        model(
            [
                node("Exp", "x", out="h"),
                node("Add", "h", "w"),
            ],
            {"w": np.ones((7, 1, 4))},
        ),
        "one for each feature",
    ),
    (model([node("Pow", "x", "w")], {"w": np.ones((2, 1, 4))}), "an operator that is a layer"),
    (model([node("Pow", "x", "w")], {"w": FOUR}), "an operator that is a layer"),
    (model([node("Pow", "x", "t")], {"t": np.array(["a"])}), "expected float32, float64"),
    (model([node("Tanh", "x", out="h"), node("Mul", "h", "h", out="g"), node("Add", "g", "h")]), "in several nodes"),
    (
        model(
            [
                node("Gemm", "x", "w", out="a"),
                node("Tanh", "a", out="b"),
                node("Gemm", "a", "w", out="c"),
                node("Add", "b", "c", out="d"),
                node("Gemm", "b", "w", out="e"),
                node("Add", "d", "e"),
            ],
            {"w": SQUARE},
        ),
        "expected branches that share no nodes",
    ),
    (model([node("Tanh", "z")]), "expected inputs that earlier nodes compute, got 'z'"),
    (model([node("Tanh", "b", out="a"), node("Tanh", "a", out="b"), node("Add", "b", "x")]), "got 'b'"),
    (model([node("Tanh", "x", out="x"), node("Tanh", "x")]), "expected a new name for each tensor"),
    (model([node("Tanh", "c")], {"c": FOUR}), "expected an operator that is computed for constants, got Tanh"),
    (model([node("Sqrt", "c")], {"c": FOUR}), "that depends on the input, got none"),
    (model([node("Constant", out="y", value_string="a")]), "expected numbers, got value_string"),
    (model([node("Constant", out="y")]), "expected numbers, got nothing"),
    (
        model([node("Add", "a", "b", out="c"), node("Add", "x", "c")], {"a": np.ones((99, 1)), "b": np.ones((1, 99))}),
        "no more",
    ),
    (
        model([node("Gather", "a", "b", out="c"), node("Add", "x", "c")], {"a": SQUARE, "b": np.array(0)}),
        "a list of numbers",
    ),
    (
        model([node("Slice", "a", "b", "b", out="c"), node("Add", "x", "c")], {"a": SQUARE, "b": np.array([0])}),
        "a list",
    ),
    (model([node("Relu", "x")], shape=()), "an input of a known shape"),
    (model([node("Relu", "x")], shape=("rows", 2**20, 2**20)), "a shape of an example of at most"),
    (model([node("Relu", "x")] * 5000), "expected at most 4096 nodes"),
    (model([node("Relu", "x")], outputs=()), "expected one output, got none"),
    (model([]), "an output 'y' that depends on the input"),
]


@each("case", REFUSED)
def test_what_is_no_layer_is_refused_by_its_name_in_one_line(tmp_path: Path, case: tuple[Any, str]) -> None:
    made, message = case
    with pytest.raises(fn.CheckpointError) as caught:
        imported(tmp_path, made)
    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_branches_in_branches_are_read_until_they_lie_too_deep(tmp_path: Path) -> None:
    for depth in (31, 40):
        layer = fn.linear(2)
        for _ in range(depth):
            layer = fn.residual(layer)
        graph = onnx.load_from_string(onnx_bytes(layer, layer.init(fn.Key(0), (2,))[0], example=(2,)))
        del graph.metadata_props[:]
        if depth == 31:
            assert str(imported(tmp_path, graph)[0]) == layer.name
        else:
            with pytest.raises(fn.CheckpointError, match="at most 32 deep"):
                imported(tmp_path, graph)
