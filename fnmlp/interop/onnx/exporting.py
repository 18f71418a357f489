"""Models as files of ONNX, for onnxruntime and other programs to run."""

from collections.abc import Mapping
from functools import reduce
import json
from operator import add
import os
from typing import Any

import numpy as np

import fnmlp
from fnmlp.arrays import Shape
from fnmlp.checks import FLOATS, as_choice, as_path, as_shape, check_kind
from fnmlp.combinators.checks import place_noted
from fnmlp.errors import OptionError
from fnmlp.expressions import call_of
from fnmlp.interop.onnx.layers import LAYERS, Entry, Place, no_entry
from fnmlp.interop.onnx.library import helper
from fnmlp.interop.onnx.models import End, checked, digest_of, model_of
from fnmlp.interop.onnx.values import Value, join, part_of
from fnmlp.key import OutlineKey
from fnmlp.layer import Layer, parts_of
from fnmlp.moving import to
from fnmlp.tree import Tree, tree_map, tree_paths
from fnmlp.whole_files import save_whole

__all__ = ["export_onnx"]

DTYPES = ("float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")
"""The dtypes that inputs of an exported model may have."""

SIZE_LIMIT = 2**31 - 2**24
"""The most bytes of parameters in one file: protobuf's limit, less some room for the nodes."""

MODEL, EXAMPLE, NODES, SAME, VERSION = (f"fnmlp.{name}" for name in ("model", "example", "nodes", "same", "version"))
"""The names of what the file says of the model: expression, shape of an example, digest of the nodes, shared leaves."""


def export_onnx(
    path: str | os.PathLike[str],
    layer: Layer[Any],
    params: Tree,
    *,
    example: Shape,
    dtype: str = "float32",
    notes: Mapping[str, str] | None = None,
) -> None:
    """Save a model for inference as an ONNX file, which onnxruntime and many other programs run.

    Its input is called "input" and has the shape (batch, *example), for any number of rows, and this dtype; its output
    is called "output". Dropout and noise vanish. A model that takes integers, such as pixels or row numbers of a table,
    needs the dtype of these: with `scale(1 / 255)` in front, `dtype="uint8"` gives bytes in, probabilities out.
    The model's expression is in the file too, and `import_onnx` restores the very same layer from it. `notes` are texts
    that are saved with the model. The file has opset 17 and IR version 8, which onnxruntime reads since version 1.12.
    Arrays of other libraries are saved as those of NumPy. onnxruntime lacks some operators in float64.
    Raises:   OptionError for a layer that has no counterpart in ONNX, such as your own, for another dtype, and for more
              parameters than a file holds; CheckpointError if the file can't be written; what the layer raises for
              parameters or examples that don't fit.
    Source:   https://onnx.ai/onnx/intro/concepts.html

    >>> import tempfile
    >>> from fnmlp.key import Key
    >>> from fnmlp.layers import linear
    >>> model = linear(2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(f"{folder}/model.onnx", model, model.init(Key(0), (3,))[0], example=(3,))
    ...     os.listdir(folder)
    ['model.onnx']
    """
    place = as_path(path)
    save_whole(place, onnx_bytes(layer, params, example=example, dtype=dtype, notes=notes))


def onnx_bytes(
    layer: Layer[Any],
    params: Tree,
    *,
    example: Shape,
    dtype: str = "float32",
    notes: Mapping[str, str] | None = None,
) -> bytes:
    """Return the content of the file that `export_onnx` writes.

    Raises:   as `export_onnx`.
    """
    check_kind("export_onnx(layer)", layer, Layer, "linear(10)")
    example, dtype = as_shape("export_onnx(example)", example), as_choice("export_onnx(dtype)", dtype, DTYPES)
    params = to(params, like=np.zeros(()))
    layer.apply(params, np.zeros((1, *example), dtype))  # raises unless layer, parameters and example fit together
    leaves, same = _distinct(params)
    if sum(leaf.nbytes for leaf in leaves.values()) > SIZE_LIMIT:
        raise OptionError("export_onnx", f"at most {SIZE_LIMIT} bytes of parameters", "more", "save a smaller model")
    x = Value(dtype)
    y, out = _converted(layer, params, x, example)
    model = model_of(End(x, example), End(y, out), leaves)
    texts = {MODEL: layer.name, EXAMPLE: repr(example), NODES: digest_of(model.graph.node), VERSION: fnmlp.__version__}
    helper.set_model_props(model, {**(notes or {}), **texts, **({SAME: json.dumps(same)} if same else {})})
    return checked(model)


def _distinct(params: Tree) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the leaves by their paths, each array once, and the paths of arrays that occur again."""
    leaves: dict[str, Any] = {}
    same: dict[str, str] = {}
    first: dict[int, str] = {}
    for path, leaf in tree_paths(params, "params"):
        if first.setdefault(id(leaf), path) == path:
            leaves[path] = leaf
        else:
            same[path] = first[id(leaf)]
    return leaves, same


def _converted(layer: Layer[Any], params: Any, x: Value, example: Shape) -> tuple[Value, Shape]:
    """Return what a layer makes of a tensor, and the shape of an example of that."""
    call = call_of(layer)
    entry = ENTRIES.get(call.constructor)
    if entry is None:
        raise no_entry(layer)
    return entry(Place(layer, call.options, params, example), x), layer.init(OutlineKey(0), example)[1]


def _parts(place: Place) -> list[tuple[Layer[Any], Any]]:
    return [(part, params) for part, params, _ in parts_of(place.layer, place.params)]


def _chain(place: Place, x: Value) -> Value:
    example = place.example
    for number, (part, params) in enumerate(_parts(place)):
        with place_noted(f"layer {number}", place.layer.name):
            x, example = _converted(part, params, x, example)
    return x


def _each(place: Place, inputs: list[Value], examples: list[Shape]) -> list[Value]:
    """Return what each part makes of its own tensor."""
    outputs = []
    for number, ((part, params), x, example) in enumerate(zip(_parts(place), inputs, examples, strict=True)):
        with place_noted(f"layer {number}", place.layer.name):
            outputs.append(_converted(part, params, x, example)[0])
    return outputs


def _of_same(place: Place, x: Value) -> list[Value]:
    count = len(place.layer.parts)
    return _each(place, [x] * count, [place.example] * count)


def _residual(place: Place, x: Value) -> Value:
    return x + _of_same(place, x)[0]


def _add(place: Place, x: Value) -> Value:
    return reduce(add, _of_same(place, x))


def _concat(place: Place, x: Value) -> Value:
    return join(_of_same(place, x), -1)


def _parallel(place: Place, x: Value) -> Value:
    widths = place.options["widths"]
    ends = np.cumsum(widths).tolist()
    inputs = [part_of(x, end - width, end) for width, end in zip(widths, ends, strict=True)]
    return join(_each(place, inputs, [(*place.example[:-1], width) for width in widths]), -1)


def _frozen(place: Place, x: Value) -> Value:
    """Fix the parameters in the dtype of x, as the layer does."""
    (part, held), *_ = _parts(place)
    held = tree_map(lambda leaf: leaf.astype(x.dtype) if x.dtype in FLOATS else leaf, to(held, like=np.zeros(())))
    return _converted(part, held, x, place.example)[0]


ENTRIES: dict[str, Entry] = {
    **LAYERS,
    "add": _add,
    "chain": _chain,
    "concat": _concat,
    "frozen": _frozen,
    "parallel": _parallel,
    "repeat": _chain,
    "residual": _residual,
    "strict": _chain,
    "tied": _chain,
}
"""What each layer becomes in a graph, by the name of its constructor."""
