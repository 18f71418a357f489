"""The type of a layer: three pure functions over a parameter tree, and a name."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from attrs import field, frozen

from fnmlp.arrays import Array, Shape
from fnmlp.checks import as_shape, check_kind
from fnmlp.errors import ShapeError
from fnmlp.key import Key

__all__ = ["Layer", "Pullback", "gradients"]

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)


class Pullback(Protocol[P_co]):
    """Carries a gradient backwards: dy -> (gradient of the parameters, a function that computes dx).

    The gradient of the input is delayed, because training never needs the first layer's. It would be a third of the
    work of a small network.
    """

    def __call__(self, dy: Array, /) -> tuple[P_co, Callable[[], Array]]:
        """Return the gradient of the parameters, and a function that computes the gradient of the input."""
        ...


@frozen(repr=False, eq=False)
class Layer(Generic[P]):
    """A layer: three pure functions and a name. It holds options, never parameters.

    `name`    the expression that constructs it, such as `linear(10)`.
    `init`    (key, shape of an example) -> (parameters, shape of an output example).
    `apply`   (parameters, x) -> y: inference.
    `vjp`     (parameters, x, key) -> (y, pullback): training. There is noise only if you pass a key, not None.

    Functions that walk through a model also use:
    `parts`      the layers that it is made of; a combinator only joins, passes on and adds up their results.
    `deal`       parameters -> the parameters of each part; every layer with parts has `deal` and `remake`.
    `remake`     new parts -> the same combinator, made of them.
    `rows`       (parameters, x, dy) -> each row's gradient of the parameters, as a tree of `Rows`.
    `pointwise`  True if it maps each number by itself, without parameters.

    >>> from fnmlp.layers import relu
    >>> relu()
    relu()
    """

    name: str
    init: Callable[[Key, Shape], tuple[P, Shape]]
    apply: Callable[[P, Array], Array]
    vjp: Callable[[P, Array, Key | None], tuple[Array, Pullback[P]]]
    parts: "tuple[Layer[Any], ...]" = field(default=(), kw_only=True)
    deal: Callable[[P], tuple[Any, ...]] | None = field(default=None, kw_only=True)
    remake: "Callable[[tuple[Layer[Any], ...]], Layer[P]] | None" = field(default=None, kw_only=True)
    rows: Callable[[P, Array, Array], P] | None = field(default=None, kw_only=True)
    pointwise: bool = field(default=False, kw_only=True)

    def __repr__(self) -> str:
        return self.name


def combinator(
    name: str,
    parts: "tuple[Layer[Any], ...]",
    init: Callable[..., tuple[P, Shape]],
    apply: Callable[..., Array],
    vjp: Callable[..., tuple[Array, Pullback[P]]],
    *options: object,
    deal: Callable[[P], tuple[Any, ...]],
) -> Layer[P]:
    """Make a layer of layers; its functions take the name, the parts and the options before a layer's own arguments.

    `deal` gives each part its parameters. Use `own_params` if the parameters are a tuple of the parts' own.

    >>> from fnmlp.layers import relu
    >>> def apply(name, parts, params, x):
    ...     return parts[0].apply(params, parts[0].apply(params, x))
    >>> combinator("twice(relu())", (relu(),), print, apply, print, deal=alone).parts
    (relu(),)
    """
    bound = name, parts, *options
    return Layer(
        name,
        partial(init, *bound),
        partial(apply, *bound),
        partial(vjp, *bound),
        parts=parts,
        deal=deal,
        remake=partial(_remade, name, (init, apply, vjp), options, deal),
    )


def _remade(
    name: str,
    rules: tuple[Callable[..., Any], ...],
    options: tuple[object, ...],
    deal: Callable[[Any], tuple[Any, ...]],
    parts: tuple[Layer[Any], ...],
) -> Layer[Any]:
    init, apply, vjp = rules
    return combinator(name, parts, init, apply, vjp, *options, deal=deal)


def own_params(params: tuple[Any, ...]) -> tuple[Any, ...]:
    """Deal out parameters that are a tuple of the parts' own: the `deal` of most combinators."""
    return params


def alone(params: Any) -> tuple[Any, ...]:
    """Deal all parameters to the only part: the `deal` of a combinator of one layer.

    >>> alone((1, 2))
    ((1, 2),)
    """
    return (params,)


def with_parts(layer: Layer[P], parts: Iterable[Layer[Any]]) -> Layer[P]:
    """Make the same combinator, with the same name, of other parts; return a layer without parts unchanged.

    >>> from fnmlp.combinators import residual
    >>> from fnmlp.layers import linear, relu
    >>> with_parts(residual(linear(2)), [relu()]).parts
    (relu(),)
    """
    return layer if layer.remake is None else layer.remake(tuple(parts))


def walk(layer: Layer[P], params: P, path: str = "") -> "Iterator[tuple[str, Layer[Any], Any]]":
    """Yield (path, layer, parameters) for a layer and all layers inside it, outer ones first.

    >>> from fnmlp.combinators import chain
    >>> from fnmlp.layers import relu
    >>> [*walk(chain(relu()), ((),))]
    [('', chain(relu()), ((),)), ('[0]', relu(), ())]
    """
    yield path, layer, params
    for place in parts_of(layer, params, path):
        yield from walk(*place)


def parts_of(layer: Layer[P], params: P, path: str = "") -> "list[tuple[Layer[Any], Any, str]]":
    """Return each part of a layer, its parameters and their path; an only part has the layer's own path.

    >>> from fnmlp.combinators import residual
    >>> from fnmlp.layers import relu
    >>> parts_of(residual(relu()), (), "[3]")
    [(relu(), (), '[3]')]
    """
    if layer.deal is None:
        return []
    dealt = layer.deal(params)
    if len(dealt) == 1 and not (isinstance(params, tuple) and params and params[0] is dealt[0]):
        return [(layer.parts[0], dealt[0], path)]
    return [(part, own, f"{path}[{place}]") for place, (part, own) in enumerate(zip(layer.parts, dealt, strict=True))]


def gradients(layer: Layer[P], params: P, x: Array, dy: Array, key: Key | None = None) -> tuple[P, Array]:
    """Return the gradients of the parameters and of the input, if you need both.

    Shapes:   as `params` and `x`; `dy` has the shape of the layer's output.

    >>> import numpy as np
    >>> from fnmlp.layers import relu
    >>> gradients(relu(), (), np.array([[-1.0, 2.0]]), np.array([[5.0, 5.0]]))
    ((), array([[0., 5.]]))
    """
    check_kind("gradients(layer)", layer, Layer, "linear(10)")
    y, pullback = layer.vjp(params, x, key)
    if getattr(dy, "shape", y.shape) != y.shape:
        remedy = "pass a gradient of the output's shape"
        raise ShapeError("gradients(dy)", f"shape {tuple(y.shape)}", tuple(dy.shape), remedy)
    dparams, delayed_dx = pullback(dy)
    return dparams, delayed_dx()


def no_parameters(key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    """Return no parameters and the same shape: the `init` of many layers.

    >>> no_parameters(Key(0), (3,))
    ((), (3,))
    """
    return (), as_shape("init(key, shape)", shape)


def input_pullback(pull: Callable[[Any], Array]) -> Pullback[tuple[()]]:
    """Make the pullback of a layer without parameters from its function dy -> dx.

    >>> gradient, delayed_dx = input_pullback(lambda dy: 2 * dy)(3)
    >>> gradient, delayed_dx()
    ((), 6)
    """
    return lambda dy: ((), partial(pull, dy))
