"""Models as text: `build` reads the expression that is a layer's name; a model file holds it with the parameters."""

import ast
from collections.abc import Callable, Mapping
from inspect import getmembers, isfunction
from math import prod
import os
from types import ModuleType
from typing import Any

from attrs import frozen

from fnmlp import checkpoint, combinators, initializers, layers
from fnmlp.arrays import Shape
from fnmlp.errors import CheckpointError, FnmlpError, StructureError, one_line
from fnmlp.key import OutlineKey
from fnmlp.layer import Layer
from fnmlp.tree import Tree

Constructors = Mapping[str, Callable[..., Any]]

TEXT_LIMIT = 65_536
"""No model that a person wrote is described by more characters; a longer text is an attack or an accident."""

LAYER_LIMIT = 10_000
"""More layers than a network has; a text of one line could ask for billions."""

NO_TEXT = ("elementwise", "frozen")
"""Constructors of which an argument has no text: functions, or parameters. Their layers are no expressions."""

EXAMPLE_LIMIT = 2**24
"""More numbers than an example has: a picture of 4096 x 4096."""


def constructors() -> dict[str, Callable[..., Any]]:
    """Return the public constructors of layers, combinators and initializers by name, that take what a text can hold.

    >>> constructors()["linear"](2)
    linear(2)
    """
    rooms = (layers, combinators, initializers)
    return {name: made for room in rooms for name, made in _public(room) if name not in NO_TEXT}


def _public(room: ModuleType) -> list[tuple[str, Callable[..., Any]]]:
    """Return the public functions that a room defines, in itself or in a module of its folder."""
    members = getmembers(room, isfunction)
    inside = f"{room.__name__}."
    return [(name, made) for name, made in members if f"{made.__module__}.".startswith(inside) and name[0] != "_"]


def build(text: str, *, known: Constructors | None = None) -> Layer[Any]:
    """Construct the model that an expression describes: the inverse of a layer's name.

    Only calls of known constructors with literal arguments are read; nothing is evaluated. Give your own layers
    in `known`, beside those of `constructors()`.
    Raises:   StructureError for anything else; what the constructors raise.

    >>> build("chain(linear(4), relu(), linear(2, bias=False))")
    chain(linear(4), relu(), linear(2, bias=False))
    """
    if len(text) > TEXT_LIMIT:
        remedy = "describe the model in fewer words"
        raise StructureError("build", f"at most {TEXT_LIMIT} characters", len(text), remedy)
    try:
        expression = ast.parse(text, mode="eval").body
        if _extent(expression) > LAYER_LIMIT:
            raise StructureError("build", f"at most {LAYER_LIMIT} layers", "more", "repeat fewer of them")
        model = _construct(expression, constructors() if known is None else known)
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError) as error:
        if isinstance(error, FnmlpError):
            raise
        remedy = "write it as the constructors are called"
        raise StructureError(f"build({_short(text)})", "a model expression", one_line(error), remedy) from error
    if not isinstance(model, Layer):
        got = type(model).__name__
        raise StructureError(f"build({_short(text)})", "a layer", got, "describe a model, such as 'linear(2)'")
    return model


def _extent(node: ast.expr) -> int:
    """Count the calls of an expression, those of a repeated layer as often as it is repeated."""
    if not isinstance(node, ast.Call):
        return 0
    arguments = [*node.args, *(option.value for option in node.keywords)]
    inside = 1 + sum(map(_extent, arguments))
    if isinstance(node.func, ast.Name) and node.func.id == "repeat":
        numbers = [part.value for part in arguments if isinstance(part, ast.Constant) and isinstance(part.value, int)]
        return inside * max([1, *numbers])
    return inside


def _construct(node: ast.expr, known: Constructors) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        constructor = known.get(node.func.id)
        if constructor is None:
            remedy = f"use one of {', '.join(sorted(known))}, or give your own in `known`"
            raise StructureError("build", "a known constructor", node.func.id, remedy)
        names = [option.arg for option in node.keywords]
        if None in names or len(set(names)) < len(names):
            raise StructureError("build", "each option once, by name", ast.unparse(node)[:60], "write them out")
        options = {str(option.arg): _construct(option.value, known) for option in node.keywords}
        return constructor(*(_construct(argument, known) for argument in node.args), **options)
    return ast.literal_eval(node)


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


@frozen(eq=False)
class SavedModel:
    """What a model file holds: the model, its parameters, the shape of its examples, and the notes."""

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
) -> None:
    """Write a model, its parameters and the shape of its examples to one file, whole or not at all.

    `notes` are kept beside them as text.
    Raises:   StructureError for a model whose name is longer than `build` reads; as `fnmlp.checkpoint.save`.

    >>> import tempfile
    >>> from fnmlp.key import Key
    >>> model = layers.linear(2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(f"{folder}/m.safetensors", model, model.init(Key(0), (3,))[0], example=(3,))
    ...     load_model(f"{folder}/m.safetensors").model
    linear(2)
    """
    checkpoint.save(path, *model_parts(model, params, example=example, notes=notes))


def model_parts(
    model: Layer[Any], params: Tree, *, example: Shape, notes: Mapping[str, str] | None = None
) -> tuple[Tree, dict[str, str]]:
    """Return what a model file holds: a tree and texts, for consumers that save such files on the way.

    >>> model_parts(layers.relu(), (), example=(3,))
    ((), {'model': 'relu()', 'example': '(3,)'})
    """
    if len(model.name) > TEXT_LIMIT:
        remedy = "hold fewer numbers in it, for instance one mean for all features"
        raise StructureError("save_model", f"a name of at most {TEXT_LIMIT} characters", len(model.name), remedy)
    return params, {**(notes or {}), "model": model.name, "example": repr(tuple(example))}


def load_model(path: str | os.PathLike[str], *, known: Constructors | None = None) -> SavedModel:
    """Read what `save_model` wrote.

    Raises:   CheckpointError where the file can't be used, whatever is wrong with it.
    """
    saved = checkpoint.load(path)
    try:
        model = build(saved.description["model"], known=known)
        example = _shape(saved.description["example"])
        like, _ = model.init(OutlineKey(0), example)
    except (FnmlpError, KeyError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError) as error:
        remedy = "load it with the fnmlp that saved it; layers of your own go into `known`"
        raise CheckpointError(os.fspath(path), "the description of a model", one_line(error), remedy) from error
    return SavedModel(model, checkpoint.restore(saved, like), example, saved.description)


def _shape(text: str) -> Shape:
    shape = ast.literal_eval(text)
    if not isinstance(shape, tuple) or not all(type(size) is int and size >= 0 for size in shape):
        raise StructureError("example", "a shape such as (784,)", _short(text), "save the model anew")
    if prod(shape) > EXAMPLE_LIMIT:
        raise StructureError("example", f"at most {EXAMPLE_LIMIT} numbers", _short(text), "save the model anew")
    return shape
