"""Layers as text: `expression` writes the call that constructs something, and `build` reads it back."""

import ast
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from inspect import Parameter, isfunction, signature
from typing import Any, get_origin

from attrs import field, frozen

from fnmlp._names import NAMES
from fnmlp.checks import check_kind
from fnmlp.errors import FnmlpError, StructureError, one_line
from fnmlp.layer import Layer

__all__ = ["build"]


def expression(name: str, arguments: Iterable[object] = (), options: Mapping[str, object] | None = None) -> str:
    """Write the call that constructs something, such as "linear(2)"; `fnmlp.build` reads it back.

    >>> expression("linear", [512], {"bias": False})
    'linear(512, bias=False)'
    """
    words = [spell(argument) for argument in arguments]
    words += [f"{option}={spell(value)}" for option, value in (options or {}).items()]
    return f"{name}({', '.join(words)})"


def spell(value: Any) -> str:
    """Write one argument of such a call: a literal, a layer, or a function with its options bound.

    Numbers and arrays of other libraries are written as Python's own.

    >>> import numpy as np
    >>> spell((np.int64(1), 2.5)), spell(partial(expression, "f"))
    ('(1, 2.5)', "expression('f')")
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list):
        return f"[{', '.join(map(spell, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(spell, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, partial):
        return expression(_name_of(value.func).lstrip("_"), value.args, value.keywords)
    return repr(value) if isinstance(value, Layer) else _name_of(value)


def _name_of(value: object) -> str:
    return getattr(value, "__name__", repr(value))


Known = Mapping[str, Any]
"""The objects that names in an expression refer to: constructors of layers, and functions such as initializers."""


TEXT_LIMIT = 65_536
"""The longest expression that is read: no handwritten model needs more; a longer one is an attack or a mistake."""


LAYER_LIMIT = 10_000
"""The most layers that an expression may build: `repeat` could ask for billions in one line."""


NO_TEXT = {
    "elementwise": "give both of its functions in `known`, as in known={'sin': np.sin, 'cos': np.cos}",
    "frozen": "save the layer inside it with its parameters, and freeze that after loading",
}
"""Constructors with an argument that can't be written as text, and the remedy."""

ROOMS = ("fnmlp.layers.", "fnmlp.combinators.", "fnmlp.initializers")
"""The packages whose constructors an expression may call."""

MADE: tuple[object, ...] = (Layer, Callable)
"""The return annotations of those constructors."""


def constructors() -> dict[str, Callable[..., Any]]:
    """Return, by name, the public constructors of layers, combinators and initializers that an expression may call.

    >>> constructors()["linear"](2)
    linear(2)
    """
    names = [name for module in NAMES if module.startswith(ROOMS) for name in NAMES[module]]
    return {name: made for name in sorted(names) if name not in NO_TEXT and (made := _built_in(name))}


def _built_in(name: str) -> Callable[..., Any] | None:
    """Return the constructor with this name, or None; only its own module is loaded."""
    for module in NAMES:
        if module.startswith(ROOMS) and name in NAMES[module]:
            made: Callable[..., Any] = getattr(import_module(module), name)
            return made if isfunction(made) and get_origin(made.__annotations__["return"]) in MADE else None
    return None


@frozen
class Call:
    """Hold the name of a layer's constructor, and its options by name; layers and functions among them are left out."""

    constructor: str
    options: Mapping[str, Any] = field(factory=dict)


def call_of(layer: Layer[Any]) -> Call:
    """Return the call that constructs a layer, for a table from constructors to what they become elsewhere.

    Options that the call leaves out have their defaults. The layers in a combinator are its `parts`. A name that is no
    call of one of `constructors()` has no options, nor has a user's layer with such a name: its whole name is returned.

    >>> from fnmlp.layers import leaky_relu, linear
    >>> call_of(leaky_relu(slope=0.2))
    Call(constructor='leaky_relu', options={'slope': 0.2})
    >>> call_of(linear(3)).options
    {'bias': True, 'out': 3}
    """
    name = layer.name.partition("(")[0]
    constructor = _built_in(name)
    node = constructor and ast.parse(layer.name, mode="eval").body
    if constructor is None or not isinstance(node, ast.Call) or is_namesake(layer):
        return Call(layer.name)
    parameters = signature(constructor).parameters.values()
    named = [parameter.name for parameter in parameters if parameter.kind is Parameter.POSITIONAL_OR_KEYWORD]
    written = dict(zip(named, node.args, strict=False)) | {str(option.arg): option.value for option in node.keywords}
    given = {option: ast.literal_eval(value) for option, value in written.items() if _is_literal(value)}
    return Call(name, {one.name: one.default for one in parameters if _is_plain(one.default)} | given)


def own_of(known: Known | None) -> Known:
    """Return what is not fnmlp's own in `known`.

    >>> from fnmlp.layers import relu
    >>> own_of({"relu": relu, "mine": relu}).keys()
    dict_keys(['mine'])
    """
    return {name: value for name, value in (known or {}).items() if value is not _built_in(name)}


def is_namesake(layer: Layer[Any]) -> bool:
    """Tell whether a layer is a user's own with the name of one of `constructors()`.

    >>> from attrs import evolve
    >>> from fnmlp.layers import relu, softsign
    >>> is_namesake(relu()), is_namesake(evolve(softsign(), name="relu()"))
    (False, True)
    """
    try:
        return differs(layer, build(layer.name))
    except FnmlpError:  # no such name, or with layers or functions of the user's
        return False


def differs(layer: Layer[Any], built: Layer[Any]) -> bool:
    """Tell whether a layer's `apply` or `vjp` is another than that of the layer that `build` made from its name.

    `init` may differ: it ran already. Parts are not compared.

    >>> from fnmlp.combinators import chain
    >>> from fnmlp.layers import relu, softsign
    >>> differs(relu(), softsign()), differs(chain(relu()), chain(softsign()))
    (True, False)
    """
    return any(rule_of(own) != rule_of(other) for own, other in ((layer.apply, built.apply), (layer.vjp, built.vjp)))


def rule_of(function: Any) -> tuple[Any, ...]:
    """Return the functions that a function is made of, whatever else is bound.

    >>> rule_of(partial(expression, "linear")) == rule_of(partial(expression, "relu"))
    True
    """
    if not isinstance(function, partial):
        return (function,)
    bound = (*function.args, *function.keywords.values())
    return (rule_of(function.func), *(rule_of(one) for one in bound if callable(one)))


def _is_plain(default: object) -> bool:
    return default is not Parameter.empty and not callable(default)


def _is_literal(node: ast.expr) -> bool:
    return not any(isinstance(part, ast.Call | ast.Name) for part in ast.walk(node))


def build(text: str, *, known: Known | None = None) -> Layer[Any]:
    """Build the model that an expression describes; a layer's name is such an expression.

    Nothing is evaluated: only calls of known constructors with literal arguments are accepted. `known` adds your own
    constructors, and functions that the expression refers to by name, to those of `constructors()`.
    Raises:   StructureError for anything else; whatever the constructors raise.

    >>> build("chain(linear(4), relu(), linear(2, bias=False))")
    chain(linear(4), relu(), linear(2, bias=False))
    >>> from math import cos, sin
    >>> build("elementwise(sin, cos)", known={"sin": sin, "cos": cos})
    elementwise(sin, cos)
    """
    check_kind("build(text)", text, str, "'linear(10)'")
    if known is not None:
        check_kind("known", known, Mapping, "{'mine': mine}")
    if len(text) > TEXT_LIMIT:
        remedy = "describe the model in fewer words"
        raise StructureError("build", f"at most {TEXT_LIMIT} characters", len(text), remedy)
    try:
        expression = ast.parse(text, mode="eval").body
        if _extent(expression) > LAYER_LIMIT:
            raise StructureError("build", f"at most {LAYER_LIMIT} layers", "more", "repeat fewer of them")
        model = _construct(expression, own_of(known))
    except (SyntaxError, ValueError, RecursionError, MemoryError, TypeError) as error:
        if isinstance(error, FnmlpError):
            raise
        remedy = "write calls of constructors; give functions a name in `known`, which a lambda can't have"
        raise StructureError(f"build({shortened(text)})", "a model expression", one_line(error), remedy) from error
    if not isinstance(model, Layer):
        got = type(model).__name__
        raise StructureError(f"build({shortened(text)})", "a layer", got, "describe a model, such as 'linear(2)'")
    return model


def _extent(node: ast.expr) -> int:
    """Count the calls in an expression; those inside `repeat` count once per copy."""
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


def _construct(node: ast.expr, own: Known) -> Any:
    if isinstance(node, ast.Name):
        if node.id not in own:
            remedy = f"give it in `known`, as in known={{{node.id!r}: {node.id}}}, or call it, if it is a layer"
            raise StructureError("build", "literals, calls of constructors and names in `known`", node.id, remedy)
        return own[node.id]
    if isinstance(node, ast.Tuple | ast.List):
        parts = [_construct(part, own) for part in node.elts]
        return parts if isinstance(node, ast.List) else tuple(parts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        constructor = _constructor(node.func.id, node, own)
        names = [option.arg for option in node.keywords]
        if None in names or len(set(names)) < len(names):
            raise StructureError("build", "each option once, by name", ast.unparse(node)[:60], "write them out")
        options = {str(option.arg): _construct(option.value, own) for option in node.keywords}
        return constructor(*(_construct(argument, own) for argument in node.args), **options)
    return ast.literal_eval(node)


def _constructor(name: str, call: ast.Call, own: Known) -> Callable[..., Any]:
    of_functions = name == "elementwise" and not call.keywords and all(_is_own(argument, own) for argument in call.args)
    found: Callable[..., Any] | None = own.get(name)
    if found is None and (name not in NO_TEXT or of_functions):
        found = _built_in(name)
    if found is None:
        remedy = f"give your own in `known`, as in known={{{name!r}: {name}}}, or correct the spelling"
        raise StructureError("build", "a known constructor", name, NO_TEXT.get(name, remedy))
    return found


def _is_own(node: ast.expr, own: Known) -> bool:
    """Tell whether an argument is a user's function, or the result of one."""
    name = node.func if isinstance(node, ast.Call) else node
    return isinstance(name, ast.Name) and name.id in own


def shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
