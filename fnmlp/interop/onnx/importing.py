"""Layers and their parameters from files of ONNX."""

import ast
from collections.abc import Mapping
import json
import os
from typing import Any

import numpy as np

from fnmlp.arrays import Shape
from fnmlp.checks import as_path, as_shape, check_kind
from fnmlp.errors import CheckpointError, FnmlpError, one_line
from fnmlp.expressions import build
from fnmlp.interop.onnx.assembly import assembled
from fnmlp.interop.onnx.exporting import EXAMPLE, MODEL, NODES, SAME
from fnmlp.interop.onnx.files import array_of, read_model, refused
from fnmlp.interop.onnx.graphs import EXAMPLE_LIMIT, streams_of
from fnmlp.interop.onnx.models import digest_of
from fnmlp.key import OutlineKey
from fnmlp.layer import Layer
from fnmlp.storage.format import check_leaves
from fnmlp.tree import Tree, tree_flatten, tree_paths

__all__ = ["import_onnx"]

FAULTS = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    SyntaxError,
    RuntimeError,
    MemoryError,
    ArithmeticError,
    OSError,
)
"""What a file that is malformed may raise, apart from fnmlp's own errors."""


def import_onnx(
    path: str | os.PathLike[str], *, example: Shape | None = None, output: str | None = None
) -> tuple[Layer[Any], Tree]:
    """Read a multilayer perceptron from an ONNX file, whichever program wrote it; return the layer and its parameters.

    A file of `export_onnx` gives the very same layer and parameters. Of other files these operators are read: Gemm and
    MatMul; Add, Sub, Mul and Div with constants, which become part of the layers before them; activations, Softmax,
    LogSoftmax; LayerNormalization, BatchNormalization; Flatten, Reshape, Cast, Identity, Dropout; Gather of a table's
    rows, Slice and Split of features; and branches that Add or Concat join. Activations and normalizations that are
    written in several nodes are recognised. Give the shape of an example if the file leaves it open, and the name of
    the output if there are several.
    Raises:   CheckpointError if the file can't be read, is malformed, or has an operator that is no layer here, by the
              name of its node.

    >>> import tempfile
    >>> from fnmlp.interop.onnx import export_onnx
    >>> from fnmlp.key import Key
    >>> from fnmlp.layers import linear
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(f"{folder}/m.onnx", linear(2), linear(2).init(Key(0), (3,))[0], example=(3,))
    ...     layer, params = import_onnx(f"{folder}/m.onnx")
    >>> layer, params.weight.shape
    (linear(2), (3, 2))
    """
    place = as_path(path)
    shape = None if example is None else as_shape("import_onnx(example)", example)
    if output is not None:
        check_kind("import_onnx(output)", output, str, "'probabilities'")
    model = read_model(place)
    try:
        with np.errstate(all="ignore"):
            return _own(place, model) or _foreign(place, model, shape, output)
    except CheckpointError:
        raise
    except FnmlpError as error:
        raise refused(f"{place}: {error.where}", error.expected, error.got, error.remedy) from error
    except FAULTS as error:
        raise refused(place, "a model of ONNX", f"one that can't be read ({one_line(error)[:80]!r})") from error


def _foreign(place: str, model: Any, example: Shape | None, output: str | None) -> tuple[Layer[Any], Tree]:
    x, y = streams_of(place, model, example, output)
    made = assembled(y, x)
    check_leaves(place, dict(tree_paths(made.params)), made.layer.init(OutlineKey(0), x.example)[0], "report this")
    return made.layer, made.params


def _own(place: str, model: Any) -> tuple[Layer[Any], Tree] | None:
    """Return the layer and the parameters of a file that `export_onnx` wrote, or None if it is not of one."""
    told = {entry.key: entry.value for entry in model.metadata_props}
    if not {MODEL, EXAMPLE, NODES} <= told.keys() or told[NODES] != digest_of(model.graph.node):
        return None
    try:
        layer = build(told[MODEL])
        example = as_shape("example", ast.literal_eval(told[EXAMPLE]))
        if np.prod(example, dtype=float) > EXAMPLE_LIMIT:
            return None
        like = layer.init(OutlineKey(0), example)[0]
        same = json.loads(told.get(SAME, "{}"))
        return layer, _restored(place, model, like, same)
    except (FnmlpError, *FAULTS):  # frozen parameters and layers of a user have no text; the graph says what they do
        return None


def _restored(place: str, model: Any, like: Tree, same: Mapping[str, str]) -> Tree:
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    paths = [path for path, _ in tree_paths(like)]
    leaves = {path: array_of(place, tensors[same.get(f"params{path}", f"params{path}")]) for path in paths}
    check_leaves(place, leaves, like, "give another file")
    return tree_flatten(like)[1]([leaves[path] for path in paths])
