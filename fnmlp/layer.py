"""The type of a layer: three pure functions over a parameter tree, and a name."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from attrs import frozen

from fnmlp.arrays import Array, Shape
from fnmlp.key import Key
from fnmlp.options import example_shape, of_kind

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)


class Pullback(Protocol[P_co]):
    """Carries a gradient backwards: dy -> (gradient of the parameters, a function that computes dx).

    The gradient of the input is delayed because the first layer's is never needed, and is a third of the
    work of training a small network.
    """

    def __call__(self, dy: Array, /) -> tuple[P_co, Callable[[], Array]]:
        """Return the gradient of the parameters, and the function that computes that of the input."""
        ...


@frozen(repr=False, eq=False)
class Layer(Generic[P]):
    """A layer: a value made of pure functions. It holds options, never parameters.

    `name`    the expression that constructs it, such as `linear(10)`.
    `init`    (key, shape of an example) -> (parameters, shape of an output example).
    `apply`   (parameters, x) -> y: inference.
    `vjp`     (parameters, x, key) -> (y, pullback): training. Noise exists only where a key is given.

    >>> from fnmlp.layers import relu
    >>> relu()
    relu()
    """

    name: str
    init: Callable[[Key, Shape], tuple[P, Shape]]
    apply: Callable[[P, Array], Array]
    vjp: Callable[[P, Array, Key | None], tuple[Array, Pullback[P]]]

    def __repr__(self) -> str:
        return self.name


def gradients(layer: Layer[P], params: P, x: Array, dy: Array, key: Key | None = None) -> tuple[P, Array]:
    """Return the gradients of the parameters and of the input at once, where both are wanted.

    Shapes:   those of `params` and of `x`; `dy` has the shape of the layer's output.

    >>> import numpy as np
    >>> from fnmlp.layers import relu
    >>> gradients(relu(), (), np.array([[-1.0, 2.0]]), np.array([[5.0, 5.0]]))
    ((), array([[0., 5.]]))
    """
    of_kind("gradients(layer)", layer, Layer, "linear(10)")
    _, pullback = layer.vjp(params, x, key)
    dparams, delayed_dx = pullback(dy)
    return dparams, delayed_dx()


def expression(name: str, arguments: Iterable[object] = (), options: Mapping[str, object] | None = None) -> str:
    """Write the call that constructs something, for names that `fnmlp.build` reads back.

    >>> expression("linear", [512], {"bias": False})
    'linear(512, bias=False)'
    """
    words = [spell(argument) for argument in arguments]
    words += [f"{option}={spell(value)}" for option, value in (options or {}).items()]
    return f"{name}({', '.join(words)})"


def spell(value: Any) -> str:
    """Write one argument of a construction: a literal, a layer, or a function bound to its options.

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
    name: str = getattr(value, "__name__", repr(value))
    return name


def no_parameters(key: Key, shape: Shape) -> tuple[tuple[()], Shape]:  # noqa: ARG001 (an init takes a key)
    """Be the `init` of a layer without parameters that keeps the shape.

    >>> no_parameters(Key(0), (3,))
    ((), (3,))
    """
    return (), example_shape("init(key, shape)", shape)


def input_pullback(pull: Callable[[Any], Array]) -> Pullback[tuple[()]]:
    """Make the pullback of a layer without parameters from dy -> dx.

    >>> gradient, delayed_dx = input_pullback(lambda dy: 2 * dy)(3)
    >>> gradient, delayed_dx()
    ((), 6)
    """
    return lambda dy: ((), partial(pull, dy))
