"""State dicts: parameters under torch's names and in torch's layout, as NumPy arrays; torch is not needed."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np

from fnmlp.arrays import Array, as_array, read_only
from fnmlp.checks import check_kind
from fnmlp.errors import DtypeError, FnmlpError, ShapeError, StructureError
from fnmlp.expressions import Call, call_of
from fnmlp.interop.torch.places import Spot, joined, spots, whole
from fnmlp.interop.torch.table import TABLE, Entry, Field
from fnmlp.layer import Layer
from fnmlp.moving import to
from fnmlp.tree import Tree, has_leaves, tree_flatten, tree_paths

__all__ = ["from_state_dict", "to_state_dict"]

NO_ENTRY = Entry()


def to_state_dict(layer: Layer[Any], params: Tree, *, names: Sequence[str] | None = None) -> dict[str, Array]:
    """Return a model's parameters as the state dict of the same model in torch; torch is not needed.

    The names are those of an nn.Sequential, such as `0.weight`; a chain in a chain has `2.0.weight`. If the module in
    torch calls its layers otherwise, pass its names of the layers with parameters, in order: `names=("fc1", "fc2")`.
    Shapes:   the weight of `linear` is transposed to (out, in), as torch stores it. Layers that torch lacks keep their
              layout, and the names of their parameters.
    Raises:   StructureError if the parameters are not this model's, and for another number of names.
    Source:   torch.nn.Module.state_dict.

    >>> from fnmlp import Key, chain, linear, relu
    >>> model = chain(linear(4), relu(), linear(2))
    >>> params, _ = model.init(Key(0), (3,))
    >>> {name: array.shape for name, array in to_state_dict(model, params).items()}
    {'0.weight': (4, 3), '0.bias': (4,), '2.weight': (2, 4), '2.bias': (2,)}
    >>> list(to_state_dict(model, params, names=("fc1", "fc2")))
    ['fc1.weight', 'fc1.bias', 'fc2.weight', 'fc2.bias']
    """
    check_kind("to_state_dict(layer)", layer, Layer, "linear(10)")
    params = to(params, like=np.zeros(()))
    places = [*spots(layer, params)]
    renamed = _renamed("to_state_dict", [spot for spot in places if has_leaves(spot.params)], names)
    return {
        joined(renamed.get(spot.place, spot.place), name): read_only(turned(leaf, transposed).copy(order="C"))
        for spot in places
        for name, leaf, transposed in named(spot)
    }


def from_state_dict(
    layer: Layer[Any], state: Mapping[str, Any], *, names: Sequence[str] | None = None, like: Tree = None
) -> Tree:
    """Return a model's parameters from a state dict of the same model in torch; torch is not needed.

    Every array must belong to a layer, and every layer must find its arrays, as with `strict=True` in torch. The arrays
    keep their dtype. `names` is as for `to_state_dict`. Pass `like`, parameters of this model, if it holds layers of
    your own that have parameters.
    Shapes:   those of `to_state_dict`.
    Raises:   StructureError for names that are missing or left over; ShapeError for arrays of other shapes; DtypeError
              for anything but arrays of floats.
    Source:   torch.nn.Module.load_state_dict.

    >>> from fnmlp import linear
    >>> state = {"weight": np.ones((2, 3)), "bias": np.zeros(2)}
    >>> from_state_dict(linear(2), state).weight.shape
    (3, 2)
    """
    check_kind("from_state_dict(layer)", layer, Layer, "linear(10)")
    check_kind("from_state_dict(state)", state, Mapping, "read_safetensors(path)")
    places = [*spots(layer, None if like is None else to(like, like=np.zeros(())))]
    renamed = _renamed("from_state_dict", [spot for spot in places if _wanted(spot)], names)
    places = [attrs.evolve(spot, place=renamed.get(spot.place, spot.place)) for spot in places]
    wanted = [joined(spot.place, name) for spot in places for name in _wanted(spot)]
    _check_names(wanted, state)
    found = iter([_read(spot, state) for spot in places])
    return whole(layer, found.__next__)


def named(spot: Spot) -> list[tuple[str, Any, bool]]:
    """Return torch's name of each parameter of a layer without parts, the array, and whether torch turns it.

    Raises:   StructureError if the parameters are not this layer's.

    >>> from fnmlp.layers import Prelu, prelu
    >>> named(Spot("", prelu(), Prelu(np.zeros(1))))
    [('weight', array([0.]), False)]
    """
    entry = TABLE.get(call_of(spot.layer).constructor, NO_ENTRY)
    if entry.record is None:
        return [(_name_of(path), leaf, False) for path, leaf in tree_paths(spot.params)]
    if not isinstance(spot.params, entry.record):
        got = type(spot.params).__name__
        raise StructureError(f"{spot.layer}", f"parameters {entry.record.__name__}", got, "pass what init returned")
    values = [(field, getattr(spot.params, own)) for own, field in entry.fields.items()]
    return [(field.name, value, field.turned) for field, value in values if has_leaves(value)]


def turned(x: Any, transposed: bool) -> Any:
    """Return a matrix as torch stores it, or back.

    >>> turned(np.zeros((2, 3)), True).shape
    (3, 2)
    """
    return x.T if transposed else x


def _name_of(path: str) -> str:
    """Return a name for the parameter at a path of a tree: `[0].gain` becomes `0.gain`, and the tree itself "value"."""
    return path.replace("[", ".").replace("]", "").removeprefix(".") or "value"


def _renamed(where: str, owners: list[Spot], names: Sequence[str] | None) -> dict[str, str]:
    if names is None:
        return {}
    if isinstance(names, str) or len(names) != len(owners) or len({*names}) < len(names):
        remedy = "give the name of each layer with parameters once, in order"
        raise StructureError(f"{where}(names)", f"{len(owners)} names", repr(names), remedy)
    return {spot.place: name for spot, name in zip(owners, names, strict=True)}


def _wanted(spot: Spot) -> list[str]:
    """Return the names of the arrays that a layer needs."""
    call = call_of(spot.layer)
    entry = TABLE.get(call.constructor, NO_ENTRY)
    if entry.record is not None:
        return [field.name for own, field in entry.fields.items() if _has(call, own, field)]
    return [] if spot.params is None else [name for name, *_ in named(spot)]


def _has(call: Call, own: str, field: Field) -> bool:
    return not field.optional or bool(call.options[own])


def _check_names(wanted: list[str], state: Mapping[str, Any]) -> None:
    missing, extra = [name for name in wanted if name not in state], [name for name in state if name not in {*wanted}]
    if missing or extra:
        got = f"no {missing[0]}" if missing else f"also {extra[0]!r}"
        held = "it holds " + (", ".join(map(str, [*state][:6])) or "nothing") + (" …" if len(state) > 6 else "")
        remedy = (
            f"{held}; pass names=, if torch calls the layers otherwise, or like=, for parameters of your own layers"
        )
        raise StructureError("from_state_dict(state)", ", ".join(wanted[:6]) or "no parameters", got, remedy)


def _read(spot: Spot, state: Mapping[str, Any]) -> Tree:
    call = call_of(spot.layer)
    entry = TABLE.get(call.constructor, NO_ENTRY)
    if entry.record is not None:
        return _record(entry, call, spot.place, state)
    if spot.params is None:
        return ()
    of_names = [(joined(spot.place, name), leaf.shape) for name, leaf, _ in named(spot)]
    return tree_flatten(spot.params)[1]([read_only(_shaped(name, shape, state)) for name, shape in of_names])


def _record(entry: Entry, call: Call, place: str, state: Mapping[str, Any]) -> Tree:
    """Read the parameters of a layer of the table; axes of one name must have one length."""
    lengths: dict[str, Any] = {**call.options}
    values: list[Any] = []
    for own, field in entry.fields.items():
        if not _has(call, own, field):
            values.append(())
            continue
        axes = field.shape[::-1] if field.turned else field.shape
        array = _shaped(joined(place, field.name), tuple(lengths.get(axis, axis) for axis in axes), state)
        lengths |= dict(zip(axes, array.shape, strict=True))
        values.append(read_only(np.ascontiguousarray(turned(array, field.turned))))
    return entry.record(*values) if entry.record is not None else ()


def _shaped(name: str, sizes: tuple[Any, ...], state: Mapping[str, Any]) -> Array:
    """Return an array of these lengths; an axis may have any length where a name stands for it."""
    array = _array(name, state)
    fits = zip(sizes, array.shape, strict=False)
    if array.ndim != len(sizes) or any(isinstance(size, int) and size != length for size, length in fits):
        shape = f"({', '.join(map(str, sizes))}{',' if len(sizes) == 1 else ''})"
        remedy = "give the state dict of this model"
        raise ShapeError(f"from_state_dict(state): {name}", f"shape {shape}", tuple(array.shape), remedy)
    return array


def _array(name: str, state: Mapping[str, Any]) -> Array:
    where, remedy = f"from_state_dict(state): {name}", "convert it with .astype('float32')"
    try:
        array: Array = np.array(to(as_array(where, state[name]), like=np.zeros(())))
    except FnmlpError as error:
        raise DtypeError(where, error.expected, error.got, error.remedy) from error
    if array.dtype.kind != "f":
        raise DtypeError(where, "an array of floats", array.dtype, remedy)
    return array
