"""Model files: a model's name, which `build` turns back into the model, and its parameters."""

import ast
from collections.abc import Mapping
from math import prod
import os
from typing import Any

from attrs import frozen

from fnmlp.arrays import Shape
from fnmlp.checks import as_shape, check_kind
from fnmlp.errors import CheckpointError, FnmlpError, OptionError, StructureError, one_line
from fnmlp.expressions import TEXT_LIMIT, Known, build, shortened
from fnmlp.key import OutlineKey
from fnmlp.layer import Layer
from fnmlp.storage import format as checkpoint
from fnmlp.tree import Tree, tree_paths

__all__ = ["SavedModel", "load_model", "save_model"]

FAULTS = (FnmlpError, KeyError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError)
"""What `build` may raise for a text that does not describe a model."""

EXAMPLE_LIMIT = 2**24
"""The most numbers that an example may have: those of a 4096 x 4096 image."""


@frozen(eq=False)
class SavedModel:
    """Hold the contents of a model file: the model, its parameters, the shape of an example, and the notes."""

    model: Layer[Any]
    params: Tree
    example: Shape
    notes: Mapping[str, str]


def save_model(
    path: str | os.PathLike[str],
    model: Layer[Any],
    params: Tree,
    *,
    example: Shape,
    notes: Mapping[str, str] | None = None,
    known: Known | None = None,
) -> None:
    """Save a model, its parameters and the shape of an example to one file, atomically.

    `notes` are texts that are saved with them. Layers, initializers and functions of your own are saved by name: pass
    them in `known` here, and again to `load_model`. A model that `load_model` could not load raises here.
    Raises:   StructureError for a model that `build` can't make from its name; CheckpointError if the example or the
              parameters don't fit the model; ShapeError unless the example is a shape; OptionError for notes under
              names that the file uses itself; whatever `fnmlp.save` raises.

    >>> import tempfile
    >>> from fnmlp.key import Key
    >>> from fnmlp.layers import linear
    >>> model = linear(2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(f"{folder}/m.safetensors", model, model.init(Key(0), (3,))[0], example=(3,))
    ...     load_model(f"{folder}/m.safetensors").model
    linear(2)
    """
    checkpoint.save(path, *model_parts(model, params, example=example, notes=notes, known=known))


def model_parts(
    model: Layer[Any],
    params: Tree,
    *,
    example: Shape,
    notes: Mapping[str, str] | None = None,
    known: Known | None = None,
) -> tuple[Tree, dict[str, str]]:
    """Return the tree and the texts of a model file, as the `parts` of `checkpoints` and `best_checkpoint`.

    Raises:   as `save_model`.

    >>> from fnmlp.layers import relu
    >>> model_parts(relu(), (), example=(3,))
    ((), {'model': 'relu()', 'example': '(3,)'})
    """
    check_kind("save_model(model)", model, Layer, "linear(10)")
    if len(model.name) > TEXT_LIMIT:
        remedy = "hold fewer numbers in it, for instance one mean for all features"
        raise StructureError("save_model", f"a name of at most {TEXT_LIMIT} characters", len(model.name), remedy)
    texts = {"model": model.name, "example": repr(as_shape("save_model(example)", example))}
    if notes is not None:
        check_kind("save_model(notes)", notes, Mapping, "{'author': 'Ada'}")
    if taken := sorted(texts.keys() & (notes or {}).keys()):
        remedy = "give the note another name"
        raise OptionError("save_model(notes)", f"names other than {' and '.join(texts)}", taken[0], remedy)
    _check_loads(texts, params, known)
    return params, {**(notes or {}), **texts}


def _check_loads(texts: Mapping[str, str], params: Tree, known: Known | None) -> None:
    """Raise if `load_model` would fail: build the model from its name, and compare the parameters."""
    try:
        model = build(texts["model"], known=known)
    except FnmlpError as error:
        raise StructureError(f"save_model: {error.where}", error.expected, error.got, error.remedy) from error
    remedy = "give what init took and returned: the shape of one input without the batch axis, and the parameters"
    try:
        like, _ = model.init(OutlineKey(0), _shape(texts["example"]))
    except FAULTS as error:
        expected = f"an example that fits {shortened(model.name)}"
        raise CheckpointError("save_model", expected, one_line(error), remedy) from error
    checkpoint.check_leaves("save_model", dict(tree_paths(params)), like, remedy)


def load_model(path: str | os.PathLike[str], *, known: Known | None = None) -> SavedModel:
    """Load a model that `save_model` saved.

    `known` maps names to the layers, initializers and functions of your own that the model uses, as in `save_model`.
    Raises:   CheckpointError if the file can't be used, whatever the reason.
    """
    return read_model(checkpoint.load(path), known=known)


def read_model(saved: checkpoint.Checkpoint, *, known: Known | None = None) -> SavedModel:
    """Make the model from the contents of a file that you loaded already.

    Raises:   as `load_model`.
    """
    if "model" not in saved.description:
        got = f"a checkpoint without a model, of {len(saved.leaves)} leaves"
        remedy = "continue it with fnmlp.resume, which needs a state like it; save models with save_model"
        raise CheckpointError(saved.path, "a model file", got, remedy)
    try:
        model = build(saved.description["model"], known=known)
        example = _shape(saved.description["example"])
        like, _ = model.init(OutlineKey(0), example)
    except FAULTS as error:
        remedy = "load it with the fnmlp that saved it; layers and functions of your own go into `known`"
        raise CheckpointError(saved.path, "the description of a model", one_line(error), remedy) from error
    return SavedModel(model, checkpoint.restore(saved, like), example, saved.description)


def _shape(text: str) -> Shape:
    shape = ast.literal_eval(text)
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise StructureError("example", "a shape such as (784,)", shortened(text), "save the model again")
    if prod(shape) > EXAMPLE_LIMIT:
        raise StructureError("example", f"at most {EXAMPLE_LIMIT} numbers", shortened(text), "give smaller examples")
    return shape
