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
from fnmlp.expressions import NO_TEXT, TEXT_LIMIT, Known, build, constructors, differs, own_of, shortened
from fnmlp.key import OutlineKey
from fnmlp.layer import Layer
from fnmlp.storage import format as checkpoint
from fnmlp.tree import Tree, tree_paths

__all__ = ["SavedModel", "load_model", "save_model"]

FAULTS = (FnmlpError, KeyError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError)
"""What `build` may raise for a text that does not describe a model."""

SHADOWED = "known"
"""The text of a file that names the layers for which `known` is needed, although fnmlp has layers with these names."""

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
    Raises:   StructureError for a model that `build` can't make from its name, and for a layer of your own that is not
              in `known` and has the name of one in fnmlp; CheckpointError if the example or the parameters don't fit
              the model; ShapeError unless the example is a shape; OptionError for notes under names that the file uses
              itself; whatever `fnmlp.save` raises.

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
    if taken := sorted({*texts, SHADOWED} & (notes or {}).keys()):
        remedy = "give the note another name"
        raise OptionError("save_model(notes)", f"names other than {', '.join((*texts, SHADOWED))}", taken[0], remedy)
    _check_loads(texts, model, params, known)
    if shadowed := _shadowed(model.name, known or {}):
        texts[SHADOWED] = " ".join(shadowed)
    return params, {**(notes or {}), **texts}


def _shadowed(text: str, known: Known) -> list[str]:
    """Return the names in an expression that are a user's own, although fnmlp has them too."""
    names = {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}
    return sorted(names & own_of(known).keys() & constructors().keys()) if known else []


def _check_loads(texts: Mapping[str, str], given: Layer[Any], params: Tree, known: Known | None) -> None:
    """Raise if `load_model` would fail: build the model from its name, and compare layers and parameters."""
    try:
        model = build(texts["model"], known=known)
    except FnmlpError as error:
        raise StructureError(f"save_model: {error.where}", error.expected, error.got, error.remedy) from error
    _check_namesakes(given, model, own_of(known))
    remedy = "give what init took and returned: the shape of one input without the batch axis, and the parameters"
    try:
        like, _ = model.init(OutlineKey(0), _shape(texts["example"]))
    except FAULTS as error:
        expected = f"an example that fits {shortened(model.name)}"
        raise CheckpointError("save_model", expected, one_line(error), remedy) from error
    checkpoint.check_leaves("save_model", dict(tree_paths(params)), like, remedy)


def _check_namesakes(given: Layer[Any], built: Layer[Any], known: Known) -> None:
    """Raise if a layer of a user's own has the name of one in fnmlp, which `load_model` would make instead."""
    name = given.name.partition("(")[0]
    if name in known or name in NO_TEXT:
        return
    if differs(given, built):
        remedy = f"pass known={{{name!r}: {name}}} if it is your own, also to load_model, or rename it"
        where, got = f"save_model: {shortened(given.name)}", "another layer with its name"
        raise StructureError(where, f"the {name} of fnmlp", got, remedy)
    for part, other in zip(given.parts, built.parts, strict=False):
        _check_namesakes(part, other, known)


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
    for name in saved.description.get(SHADOWED, "").split():
        if name not in (known or {}):
            remedy = "pass the constructors that save_model was given"
            raise CheckpointError(saved.path, f"your own {shortened(name)} in `known`", "none", remedy)
    try:
        model = build(saved.description["model"], known=known)
        example = _shape(saved.description["example"])
        like, _ = model.init(OutlineKey(0), example)
    except FAULTS as error:
        remedy = "load it with the fnmlp that saved it; layers and functions of your own go into `known`"
        raise CheckpointError(saved.path, "the description of a model", one_line(error), remedy) from error
    remedy = "pass layers of your own in `known`, as to save_model, also if fnmlp has one with that name"
    checkpoint.check_leaves(saved.path, saved.leaves, like, remedy)
    return SavedModel(model, checkpoint.restore(saved, like), example, saved.description)


def _shape(text: str) -> Shape:
    shape = ast.literal_eval(text)
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise StructureError("example", "a shape such as (784,)", shortened(text), "save the model again")
    if prod(shape) > EXAMPLE_LIMIT:
        raise StructureError("example", f"at most {EXAMPLE_LIMIT} numbers", shortened(text), "give smaller examples")
    return shape
