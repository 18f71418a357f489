"""The axis of members of an ensemble in one network: `tile` adds it after that of the batch, `mean_members` ends it."""

from functools import partial
from typing import SupportsIndex

from fnmlp.arrays import Array, Shape, namespace
from fnmlp.checks import as_shape
from fnmlp.errors import ShapeError
from fnmlp.expressions import expression
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, input_pullback
from fnmlp.rules import on_numbers
from fnmlp.scalars import as_count

__all__ = ["mean_members", "tile"]


def tile(members: SupportsIndex) -> Layer[tuple[()]]:
    """Give each of several members a copy of the example.

    Shapes:   (batch, …) -> (batch, members, …).
    Gradient: the pullback adds up dy over the members.
    Raises:   OptionError unless members is an integer of at least 1.
    Source:   Gorishniy, Kotelnikov & Babenko 2024, arXiv:2410.24210, section 3.

    >>> tile(2).init(Key(0), (3,))[1]
    (2, 3)
    """
    count = as_count("tile(members)", members)
    rules = partial(_tile_init, count), partial(_tile_apply, count), partial(_tile_vjp, count)
    return Layer(expression("tile", [count]), *rules)


def _tile_init(members: int, key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    return (), (members, *as_shape("tile", shape))


@on_numbers
def _tile_apply(members: int, params: tuple[()], x: Array) -> Array:
    return _copies(members, x)


def _tile_vjp(members: int, params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:
    return _tile_apply(members, params, x), input_pullback(_over_members)


def _copies(members: int, x: Array) -> Array:
    copies: Array = namespace(x).repeat(x[:, None, ...], members, axis=1)
    return copies


@on_numbers
def _over_members(dy: Array) -> Array:
    total: Array = namespace(dy).sum(dy, axis=1)
    return total


def mean_members() -> Layer[tuple[()]]:
    """Average over the members: the prediction of an ensemble. For classes, put `softmax` before it.

    Train without it, by `over_members(loss)`: an ensemble is better if each member learns for itself.
    Shapes:   (batch, members, …) -> (batch, …).
    Gradient: the pullback gives each member an equal part of dy.
    Raises:   ShapeError at init unless an example has an axis of members.
    Source:   Gorishniy, Kotelnikov & Babenko 2024, arXiv:2410.24210, section 3.

    >>> import numpy as np
    >>> mean_members().apply((), np.array([[[1.0, 3.0], [2.0, 5.0]]]))
    array([[1.5, 4. ]])
    """
    return Layer("mean_members()", _mean_init, _mean_apply, _mean_vjp)


def _mean_init(key: Key, shape: Shape) -> tuple[tuple[()], Shape]:
    shape = as_shape("mean_members()", shape)
    if not shape or not shape[0]:
        raise ShapeError("mean_members()", "examples with an axis of members", shape, "put tile(members) first")
    return (), shape[1:]


@on_numbers
def _mean_apply(params: tuple[()], x: Array) -> Array:
    mean: Array = namespace(x).mean(x, axis=1)
    return mean


def _mean_vjp(params: tuple[()], x: Array, key: Key | None) -> tuple[Array, Pullback[tuple[()]]]:
    return _mean_apply(params, x), input_pullback(partial(_mean_pull, x.shape[1]))


@on_numbers
def _mean_pull(members: int, dy: Array) -> Array:
    return _copies(members, dy / members)
