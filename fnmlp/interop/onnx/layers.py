"""What every other layer becomes in a graph, by the name of its constructor."""

from collections.abc import Callable, Mapping
from math import pi
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np
from numpy.typing import NDArray

from fnmlp.arrays import Shape
from fnmlp.checks import FLOATS
from fnmlp.errors import OptionError
from fnmlp.expressions import build, call_of
from fnmlp.interop.onnx.activations import ACTIVATIONS, sigmoid, silu
from fnmlp.interop.onnx.values import (
    Value,
    arithmetic,
    cast,
    constant,
    insert_axis,
    join,
    operate,
    part_of,
    reshape,
    swap,
)
from fnmlp.layer import Layer
from fnmlp.layers.deskewing import PIXEL_VARIANCE

TURN = 2 * pi
"""The angle of one period."""


@frozen(eq=False)
class Place:
    """A layer where it stands in a model: its options, its parameters, and the shape of an example before it."""

    layer: Layer[Any]
    options: Mapping[str, Any]
    params: Any
    example: Shape


Entry: TypeAlias = Callable[[Place, Value], Value]


def no_entry(layer: Layer[Any]) -> OptionError:
    """Return the error for a layer that the table doesn't have."""
    remedy = "leave it out, or write it in layers that come with fnmlp"
    return OptionError("export_onnx", "layers that have a counterpart in ONNX", layer, remedy)


def _nothing(place: Place, x: Value) -> Value:
    return x


def _linear(place: Place, x: Value) -> Value:
    weight, bias = place.params.weight, place.params.bias
    return x @ weight if isinstance(bias, tuple) else arithmetic("Gemm", x, weight, bias)


def _ntk_linear(place: Place, x: Value) -> Value:
    weight, bias = place.params.weight, place.params.bias
    y = x @ weight * float(weight.shape[0] ** -0.5)
    return y if isinstance(bias, tuple) else y + bias


def _maxout(place: Place, x: Value) -> Value:
    every = reshape(_linear(place, x), place.options["pieces"], place.options["out"])
    return arithmetic("ReduceMax", every, axes=[1], keepdims=0)


def _softmax(place: Place, x: Value) -> Value:
    return arithmetic("Softmax", x, axis=place.options["axis"])


def _log_softmax(place: Place, x: Value) -> Value:
    return arithmetic("LogSoftmax", x, axis=place.options["axis"])


def _flatten(place: Place, x: Value) -> Value:
    return operate("Flatten", x, axis=1)


def _floats(place: Place, x: Value) -> Value:
    """Convert integers to the dtype that the layer gives them."""
    return x if x.dtype in FLOATS else cast(x, place.options["dtype"])


def _scale(place: Place, x: Value) -> Value:
    y, offset = _floats(place, x) * place.options["factor"], place.options["offset"]
    return y + offset if offset else y


def _standardize(place: Place, x: Value) -> Value:
    x = _floats(place, x)
    return (x - constant(place.options["mean"], x.dtype)) / constant(place.options["deviation"], x.dtype)


def _unstandardize(place: Place, x: Value) -> Value:
    x = _floats(place, x)
    return x * constant(place.options["deviation"], x.dtype) + constant(place.options["mean"], x.dtype)


def _prelu(place: Place, x: Value) -> Value:
    return arithmetic("PRelu", x, place.params.slope)


def _halves(place: Place, x: Value) -> tuple[Value, Value]:
    width = place.example[-1]
    return part_of(x, 0, width // 2), part_of(x, width // 2, width)


def _glu(place: Place, x: Value) -> Value:
    passing, gate = _halves(place, x)
    return passing * sigmoid(gate)


def _swiglu(place: Place, x: Value) -> Value:
    gate, passing = _halves(place, x)
    return silu(gate) * passing


def _layer_norm(place: Place, x: Value) -> Value:
    gain, offset, epsilon = place.params.gain, place.params.offset, place.options["epsilon"]
    if x.dtype == "float32":
        return arithmetic("LayerNormalization", x, gain, offset, axis=-1, epsilon=epsilon)
    return _normal(x - _mean(x, -1), epsilon) * gain + offset  # its epsilon would be float32


def _rms_norm(place: Place, x: Value) -> Value:
    return _normal(x, place.options["epsilon"]) * place.params.gain


def _normal(x: Value, epsilon: float) -> Value:
    return x / arithmetic("Sqrt", _mean(x * x, -1) + epsilon)


def _mean(x: Value, axis: int, *, keepdims: int = 1) -> Value:
    return arithmetic("ReduceMean", x, axes=[axis], keepdims=keepdims)


def _embedding(place: Place, x: Value) -> Value:
    table = constant(place.params.table)
    return operate("Gather", table, cast(x, "int64"), axis=0)


def _parametric(place: Place, x: Value) -> Value:
    inner = place.layer.name.partition("(")[2][:-1]
    if inner.partition("(")[0] not in ACTIVATIONS:
        raise no_entry(place.layer)
    call, alpha = call_of(build(inner)), constant(place.params.alpha)
    return x * (1 - alpha) + ACTIVATIONS[call.constructor](x, **call.options) * alpha


def _periodic(place: Place, x: Value) -> Value:
    params = place.params
    features, outputs = params.bias.shape
    angles = insert_axis(x, 2) * (constant(params.frequency) * TURN) + params.phase
    mapped = swap(swap(arithmetic("Cos", angles)) @ params.weight) + params.bias
    return reshape(join([insert_axis(x, 2), mapped], 2), features * (outputs + 1))


def _columns(place: Place, x: Value) -> Value:
    return part_of(x, place.options["start"], place.options["stop"])


def _impute(place: Place, x: Value) -> Value:
    missing = arithmetic("IsNaN", x, dtype="bool")
    return operate("Where", missing, place.params.value, x, dtype=x.dtype)


def _rescale(place: Place, x: Value) -> Value:
    return (x - place.params.center) * place.params.factor


def _one_hot_columns(place: Place, x: Value) -> Value:
    x = _floats(place, x)
    sizes = place.options["sizes"]
    column = np.repeat(np.arange(len(sizes)), sizes)
    code = np.concatenate([np.arange(size) for size in sizes])
    given = operate("Gather", x, constant(column, "int64"), axis=1)
    return cast(operate("Equal", given, constant(code, x.dtype), dtype="bool"), x.dtype)


def _deskew(place: Place, x: Value) -> Value:
    i, j = (np.arange(length) - (length - 1) / 2 for length in place.example)
    row, column = constant(i[:, None], x.dtype), constant(j, x.dtype)
    ink = x * x
    blank = cast(operate("Equal", _mean_pixel(ink), 0.0, dtype="bool"), x.dtype)
    mass = _mean_pixel(ink) + blank
    down, right = _mean_pixel(ink * row) / mass, _mean_pixel(ink * column) / mass
    rows, columns = row - down, column - right
    slope = _mean_pixel(ink * rows * columns) / (_mean_pixel(ink * rows * rows) + mass * PIXEL_VARIANCE)
    raised = _weights(down, i) @ x
    along = insert_axis(right + slope * row, 3)
    return reshape(insert_axis(raised, 2) @ _weights(along, -j), *place.example)


def _mean_pixel(x: Value) -> Value:
    return arithmetic("ReduceMean", x, axes=[1, 2], keepdims=1)


def _weights(by: Value, places: NDArray[Any]) -> Value:
    """Return the matrix of a linear interpolation, which reads each place `by` further on."""
    distance = by + constant(places[:, None] - places, by.dtype)
    return arithmetic("Relu", 1 - arithmetic("Abs", distance))


def _tile(place: Place, x: Value) -> Value:
    shape = [place.options["members"], *(1 for _ in place.example)]
    return operate("Expand", insert_axis(x, 1), constant(shape, "int64"))


def _mean_members(place: Place, x: Value) -> Value:
    return _mean(x, 1, keepdims=0)


def _batch_ensemble(place: Place, x: Value) -> Value:
    params = place.params
    return x * params.scale_in @ params.weight * params.scale_out + params.bias


def _ensemble_linear(place: Place, x: Value) -> Value:
    return swap(swap(x) @ place.params.weight) + place.params.bias


def _activation(name: str) -> Entry:
    return lambda place, x: ACTIVATIONS[name](x, **place.options)


LAYERS: Mapping[str, Entry] = {name: _activation(name) for name in ACTIVATIONS} | {
    "batch_ensemble": _batch_ensemble,
    "columns": _columns,
    "deskew": _deskew,
    "dropout": _nothing,
    "embedding": _embedding,
    "ensemble_linear": _ensemble_linear,
    "flatten": _flatten,
    "gaussian_noise": _nothing,
    "glu": _glu,
    "impute": _impute,
    "layer_norm": _layer_norm,
    "linear": _linear,
    "log_softmax": _log_softmax,
    "maxout": _maxout,
    "mean_members": _mean_members,
    "ntk_linear": _ntk_linear,
    "one_hot_columns": _one_hot_columns,
    "parametric": _parametric,
    "periodic": _periodic,
    "prelu": _prelu,
    "rescale": _rescale,
    "rms_norm": _rms_norm,
    "scale": _scale,
    "softmax": _softmax,
    "standardize": _standardize,
    "swiglu": _swiglu,
    "tile": _tile,
    "unstandardize": _unstandardize,
}
"""(the layer where it stands, x) -> y; dropout and noise vanish."""
