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
from fnmlp.errors import CheckpointError, FnmlpError, OptionError, StructureError, one_line
from fnmlp.key import OutlineKey
from fnmlp.layer import Layer
from fnmlp.layers import elementwise
from fnmlp.options import example_shape, of_kind
from fnmlp.tree import Tree, tree_paths

Constructors = Mapping[str, Callable[..., Any]]

Known = Mapping[str, Any]
"""What names in an expression stand for: constructors of layers, and functions such as initializers."""

TEXT_LIMIT = 65_536
"""No model that a person wrote is described by more characters; a longer text is an attack or an accident."""

LAYER_LIMIT = 10_000
"""More layers than a network has; a text of one line could ask for billions."""

NO_TEXT = {
    "elementwise": "give both of its functions in `known`, as in known={'sin': np.sin, 'cos': np.cos}",
    "frozen": "save the layer inside it with its parameters, and freeze that after loading",
}
"""Constructors of which an argument has no text: functions, or parameters; and what to do."""

FAULTS = (FnmlpError, KeyError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError)
"""What may be raised where a text describes no model."""

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


def build(text: str, *, known: Known | None = None) -> Layer[Any]:
    """Construct the model that an expression describes: the inverse of a layer's name.

    Only calls of known constructors with literal arguments are read; nothing is evaluated. `known` adds your own
    constructors, and the functions that a bare name stands for, to those of `constructors()`.
    Raises:   StructureError for anything else; what the constructors raise.

    >>> build("chain(linear(4), relu(), linear(2, bias=False))")
    chain(linear(4), relu(), linear(2, bias=False))
    >>> from math import cos, sin
    >>> build("elementwise(sin, cos)", known={"sin": sin, "cos": cos})
    elementwise(sin, cos)
    """
    of_kind("build(text)", text, str, "'linear(10)'")
    if known is not None:
        of_kind("known", known, Mapping, "{'mine': mine}")
    if len(text) > TEXT_LIMIT:
        remedy = "describe the model in fewer words"
        raise StructureError("build", f"at most {TEXT_LIMIT} characters", len(text), remedy)
    try:
        expression = ast.parse(text, mode="eval").body
        if _extent(expression) > LAYER_LIMIT:
            raise StructureError("build", f"at most {LAYER_LIMIT} layers", "more", "repeat fewer of them")
        vocabulary = constructors()
        own = {name: value for name, value in (known or {}).items() if value is not vocabulary.get(name)}
        model = _construct(expression, vocabulary, own)
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError) as error:
        if isinstance(error, FnmlpError):
            raise
        remedy = "write calls of constructors; a function needs a name, and a place in `known`: no lambda has one"
        raise StructureError(f"build({_short(text)})", "a model expression", one_line(error), remedy) from error
    if not isinstance(model, Layer):
        got = type(model).__name__
        raise StructureError(f"build({_short(text)})", "a layer", got, "describe a model, such as 'linear(2)'")
    return model


def _extent(node: ast.expr) -> int:
    """Count the calls of an expression, those of a repeated layer as often as it is repeated."""
    if isinstance(node, ast.Tuple | ast.List):
        return sum(map(_extent, node.elts))
    if not isinstance(node, ast.Call):
        return 0
    arguments = [*node.args, *(option.value for option in node.keywords)]
    inside = 1 + sum(map(_extent, arguments))
    if isinstance(node.func, ast.Name) and node.func.id == "repeat":
        numbers = [part.value for part in arguments if isinstance(part, ast.Constant) and isinstance(part.value, int)]
        return inside * max([1, *numbers])
    return inside


def _construct(node: ast.expr, vocabulary: Constructors, own: Known) -> Any:
    if isinstance(node, ast.Name):
        if node.id not in own:
            remedy = f"give it in `known`, as in known={{{node.id!r}: {node.id}}}, or call it, if it is a layer"
            raise StructureError("build", "literals, calls of constructors and names in `known`", node.id, remedy)
        return own[node.id]
    if isinstance(node, ast.Tuple | ast.List):
        parts = [_construct(part, vocabulary, own) for part in node.elts]
        return parts if isinstance(node, ast.List) else tuple(parts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        constructor = _constructor(node.func.id, node, vocabulary, own)
        names = [option.arg for option in node.keywords]
        if None in names or len(set(names)) < len(names):
            raise StructureError("build", "each option once, by name", ast.unparse(node)[:60], "write them out")
        options = {str(option.arg): _construct(option.value, vocabulary, own) for option in node.keywords}
        return constructor(*(_construct(argument, vocabulary, own) for argument in node.args), **options)
    return ast.literal_eval(node)


def _constructor(name: str, call: ast.Call, vocabulary: Constructors, own: Known) -> Callable[..., Any]:
    found: Callable[..., Any] | None = own.get(name, vocabulary.get(name))
    if name == "elementwise" and not call.keywords and all(_is_own(argument, own) for argument in call.args):
        found = elementwise
    if found is None:
        offered = f"use one of {', '.join(sorted({*vocabulary, *own}))}, or give your own in `known`"
        raise StructureError("build", "a known constructor", name, NO_TEXT.get(name, offered))
    return found


def _is_own(node: ast.expr, own: Known) -> bool:
    """Tell whether an argument is a function of the user's, or made by one."""
    name = node.func if isinstance(node, ast.Call) else node
    return isinstance(name, ast.Name) and name.id in own


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
    known: Known | None = None,
) -> None:
    """Write a model, its parameters and the shape of its examples to one file, whole or not at all.

    `notes` are kept beside them as text. A layer, an initializer or a function of your own stands in the file by its
    name: give it in `known` here, and again to `load_model`. What `load_model` could not read is refused.
    Raises:   StructureError for a model that `build` does not make of its name; CheckpointError where the example or
              the parameters don't fit the model; ShapeError for an example that is no shape; OptionError for notes
              under the names that the file uses itself; as `fnmlp.checkpoint.save`.

    >>> import tempfile
    >>> from fnmlp.key import Key
    >>> model = layers.linear(2)
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
    """Return what a model file holds: a tree and texts, for consumers that save such files on the way.

    Raises:   as `save_model`.

    >>> model_parts(layers.relu(), (), example=(3,))
    ((), {'model': 'relu()', 'example': '(3,)'})
    """
    of_kind("save_model(model)", model, Layer, "linear(10)")
    if len(model.name) > TEXT_LIMIT:
        remedy = "hold fewer numbers in it, for instance one mean for all features"
        raise StructureError("save_model", f"a name of at most {TEXT_LIMIT} characters", len(model.name), remedy)
    texts = {"model": model.name, "example": repr(example_shape("save_model(example)", example))}
    if notes is not None:
        of_kind("save_model(notes)", notes, Mapping, "{'author': 'Ada'}")
    if taken := sorted(texts.keys() & (notes or {}).keys()):
        remedy = "give the note another name"
        raise OptionError("save_model(notes)", f"names other than {' and '.join(texts)}", taken[0], remedy)
    _check_loads(texts, params, known)
    return params, {**(notes or {}), **texts}


def _check_loads(texts: Mapping[str, str], params: Tree, known: Known | None) -> None:
    """Refuse what `load_model` could not read: build the model from its name, and compare its parameters' form."""
    try:
        model = build(texts["model"], known=known)
    except FnmlpError as error:
        raise StructureError(f"save_model: {error.where}", error.expected, error.got, error.remedy) from error
    remedy = "give what init took and returned: the shape of one input without the batch axis, and the parameters"
    try:
        like, _ = model.init(OutlineKey(0), _shape(texts["example"]))
    except FAULTS as error:
        expected = f"an example that fits {_short(model.name)}"
        raise CheckpointError("save_model", expected, one_line(error), remedy) from error
    checkpoint.check_leaves("save_model", dict(tree_paths(params)), like, remedy)


def load_model(path: str | os.PathLike[str], *, known: Known | None = None) -> SavedModel:
    """Read what `save_model` wrote.

    `known` gives the layers, initializers and functions of your own that the model is made of, by name, as to
    `save_model`.
    Raises:   CheckpointError where the file can't be used, whatever is wrong with it.
    """
    return read_model(checkpoint.load(path), known=known)


def read_model(saved: checkpoint.Checkpoint, *, known: Known | None = None) -> SavedModel:
    """Read a model from what a file holds that was loaded already.

    Raises:   as `load_model`.
    """
    if "model" not in saved.description:
        got = f"a checkpoint without a model, of {len(saved.leaves)} leaves"
        remedy = "go on from it with fnmlp.resume, which needs a state like it; save models with save_model"
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
        raise StructureError("example", "a shape such as (784,)", _short(text), "save the model anew")
    if prod(shape) > EXAMPLE_LIMIT:
        raise StructureError("example", f"at most {EXAMPLE_LIMIT} numbers", _short(text), "give smaller examples")
    return shape
