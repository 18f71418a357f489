"""Where each layer of a model stands among torch's modules, and how the parameters of parts make those of a whole."""

from collections.abc import Callable, Iterator
from typing import Any

from attrs import frozen

from fnmlp.errors import StructureError
from fnmlp.expressions import call_of
from fnmlp.layer import Layer
from fnmlp.tree import Tree, tree_equal


@frozen
class Spot:
    """A layer without parts in a model: the place of its module in torch's, such as "2.0", and its parameters."""

    place: str
    layer: Layer[Any]
    params: Tree


def joined(place: str, name: str) -> str:
    """Join the place of a module and a name in it.

    >>> joined("", "weight"), joined("0.1", "weight"), joined("0", "")
    ('weight', '0.1.weight', '0')
    """
    return f"{place}.{name}" if place and name else place or name


def spots(layer: Layer[Any], params: Tree = None, place: str = "") -> Iterator[Spot]:
    """Yield the layers of a model that have no parts, in order; without parameters, None stands for them.

    torch numbers the modules in another from 0. `frozen` and `strict` have no module of their own.

    >>> from fnmlp.combinators import chain
    >>> from fnmlp.layers import relu, tanh
    >>> [spot.place for spot in spots(chain(relu(), chain(tanh())))]
    ['0', '1.0']
    """
    if layer.deal is None:
        yield Spot(place, layer, params)
        return
    shares = (None,) * len(layer.parts) if params is None and not is_frozen(layer) else layer.deal(params)
    for number, (part, own) in enumerate(zip(layer.parts, shares, strict=True)):
        yield from spots(part, own, place if is_wrapper(layer) else joined(place, str(number)))


def is_wrapper(layer: Layer[Any]) -> bool:
    """Tell whether a layer is another, held in a special way.

    >>> from fnmlp.combinators import residual, strict
    >>> from fnmlp.layers import linear
    >>> is_wrapper(strict(linear(2))), is_wrapper(residual(linear(2)))
    (True, False)
    """
    return is_frozen(layer) or call_of(layer).constructor == "strict"


def is_frozen(layer: Layer[Any]) -> bool:
    """Tell whether a layer holds its parameters itself.

    >>> from fnmlp.layers import linear
    >>> is_frozen(linear(2))
    False
    """
    return bool(layer.parts) and layer.name.startswith("frozen(")


def whole(layer: Layer[Any], take: Callable[[], Tree]) -> Tree:
    """Return the parameters of a model, given a function that returns those of the next layer without parts.

    It is the inverse of each combinator's `deal`.
    Raises:   StructureError if layers that share parameters got others, or a frozen layer did.

    >>> from fnmlp.combinators import chain, residual, tied
    >>> from fnmlp.layers import relu
    >>> whole(chain(relu(), residual(relu())), iter((3, 4)).__next__)
    (3, 4)
    """
    return take() if layer.deal is None else of_parts(layer, tuple(whole(part, take) for part in layer.parts))


def of_parts(layer: Layer[Any], parts: tuple[Tree, ...]) -> Tree:
    """Return the parameters of a combinator, given those of its parts.

    Raises:   as `whole`.

    >>> from fnmlp.combinators import residual
    >>> from fnmlp.layers import relu
    >>> of_parts(residual(relu()), (3,))
    3
    """
    if is_frozen(layer):
        _check_same(layer, (*_dealt(layer, ()), *parts), "freeze the new parameters instead")
        return ()
    if _deals_itself(layer):
        return parts
    _check_same(layer, parts, "layers that are tied have one tree of parameters")
    return parts[0]


def _deals_itself(layer: Layer[Any]) -> bool:
    """Tell whether a combinator's parameters are a tuple of those of its parts; else they are those of each part."""
    marks = tuple(f"part {number}" for number in range(len(layer.parts)))
    if _dealt(layer, marks) == marks:
        return True
    if _dealt(layer, "all") != ("all",) * len(marks):
        remedy = "use own_params or alone as its deal"
        raise StructureError(layer.name, "a combinator whose parameters are its parts'", "one of your own", remedy)
    return False


def _dealt(layer: Layer[Any], params: Any) -> tuple[Any, ...]:
    try:
        return () if layer.deal is None else layer.deal(params)
    except (TypeError, ValueError, LookupError, AttributeError):  # a user's own may ask more of parameters
        return ()


def _check_same(layer: Layer[Any], trees: tuple[Tree, ...], remedy: str) -> None:
    if not all(tree_equal(trees[0], tree) for tree in trees[1:]):
        raise StructureError(layer.name, "the same parameters in each part", "others", remedy)
