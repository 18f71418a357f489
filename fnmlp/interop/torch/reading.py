"""From a module of torch's to a layer and its parameters."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fnmlp import layers
from fnmlp.arrays import Array, read_only
from fnmlp.checks import check_kind
from fnmlp.combinators import chain, tied
from fnmlp.combinators.checks import place_noted
from fnmlp.errors import DtypeError, MissingDependencyError, ShapeError, StructureError
from fnmlp.interop.batch_norm import as_rescale
from fnmlp.interop.torch.places import joined, of_parts
from fnmlp.interop.torch.states import turned
from fnmlp.interop.torch.table import MODULES, TABLE
from fnmlp.layer import Layer, with_parts
from fnmlp.layers import rescale
from fnmlp.tree import Tree, tree_map

try:
    import torch
    from torch import nn

    from fnmlp.interop.torch.tracing import steps
    from fnmlp.interop.torch.wrapping import CombinedModule, LayerModule
except ImportError as error:
    raise MissingDependencyError.of("fnmlp.interop.torch", "torch", error, "pip install 'fnmlp[torch]'") from error

__all__ = ["from_torch"]

Pair = tuple[Layer[Any], Tree]


def from_torch(module: nn.Module) -> Pair:
    """Return the layer that computes what a module does, and its parameters as NumPy arrays.

    It takes an nn.Sequential, the modules in torch.nn that have a counterpart, and modules of your own whose `forward`
    applies these, and functions such as `F.relu`, one after another. torch.fx traces `forward` to find out. Modules in
    sequence that share all parameters become `tied`. BatchNorm1d in evaluation mode becomes `rescale`.
    Shapes:   weights are transposed to (in, out). float16 and bfloat16 become float32, exactly.
    Units:    dropout needs no mode: `apply` never drops, and `vjp` with a key does.
    Raises:   StructureError for a module without a counterpart, with its place; for options and hooks that a layer
              lacks; and for parameters that modules share in another way.
    Source:   torch.nn; torch.fx.

    >>> module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 2)))
    >>> from_torch(module)[0]
    chain(linear(4), relu(), chain(dropout(0.5), linear(2)))
    """
    check_kind("from_torch(module)", module, nn.Module, "nn.Linear(3, 2)")
    floats = (parameter for parameter in module.parameters() if parameter.is_floating_point())
    like = next(floats, torch.zeros(()))
    return _read(module, "", _wide(like).dtype)


def _read(module: nn.Module, place: str, dtype: torch.dtype) -> Pair:
    """Read a module at a place; `dtype` is that of parameters which torch leaves out."""
    where = f"from_torch: {place and f'{place}: '}{type(module).__name__}"
    forward = type(module).forward
    if module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module):  # noqa: SLF001
        raise StructureError(where, "a module without hooks", "one whose results they change", "remove them first")
    if isinstance(module, LayerModule):
        return module.layer, tree_map(partial(_array, where), module.params())
    if isinstance(module, CombinedModule):
        pairs = [_read(part, joined(place, name), dtype) for name, part in _children(module)]
        layer = with_parts(module.layer, [part for part, _ in pairs])
        return layer, of_parts(layer, tuple(own for _, own in pairs))
    if forward is nn.Sequential.forward:
        return _sequence(where, _children(module), place, dtype)
    constructor = _constructor_of(module)
    if constructor:
        return _known(where, constructor, module, dtype)
    if forward is nn.BatchNorm1d.forward:
        return _batch_norm(where, module)
    if type(module).__module__.partition(".")[0] == "torch":
        remedy = "leave it out, or take the parameters with from_state_dict"
        raise StructureError(where, "a module with a counterpart in fnmlp", " ".join(f"{module}".split())[:100], remedy)
    return _sequence(where, steps(module, where), place, dtype)


def _children(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the modules in a module with their names; `named_children` would leave out one that is there twice."""
    return [pair for pair in module.named_modules(remove_duplicate=False) if pair[0] and "." not in pair[0]]


def _constructor_of(module: nn.Module) -> str | None:
    """Return our constructor for a module of the table; a subclass counts if it keeps the `forward`."""
    for kind in type(module).__mro__:
        if kind is getattr(nn, kind.__name__, None) and kind.__name__ in MODULES:
            return MODULES[kind.__name__] if type(module).forward is kind.forward else None
    return None


def _sequence(where: str, children: list[tuple[str, nn.Module]], place: str, dtype: torch.dtype) -> Pair:
    """Read modules that are applied one after another."""
    pairs = [_read(child, joined(place, name), dtype) for name, child in children]
    parts = [part for part, _ in pairs]
    tensors = [tuple(map(id, child.parameters())) for _, child in children]
    owners: dict[int, str] = {}
    if len(tensors) > 1 and tensors[0] and all(own == tensors[0] for own in tensors):
        return tied(*parts), pairs[0][1]
    for (name, _), own in zip(children, tensors, strict=True):
        other = next((owners[tensor] for tensor in own if tensor in owners), None)
        if other is not None:
            remedy = "fnmlp shares all parameters of layers that follow one another; give each its own copy"
            raise StructureError(
                where, "parameters that belong to one module", f"{other} and {name} share some", remedy
            )
        owners |= dict.fromkeys(own, name)
    return chain(*parts), tuple(own for _, own in pairs)


def _known(where: str, constructor: str, module: nn.Module, dtype: torch.dtype) -> Pair:
    entry = TABLE[constructor]
    for option, only in entry.fixed.items():
        if getattr(module, option) != only:
            remedy = f"{constructor} has no other"
            raise StructureError(where, f"{option}={only}", getattr(module, option), remedy)
    options = {ours: getattr(module, theirs) for ours, theirs in entry.options.items()}
    if constructor in OWN:
        options |= OWN[constructor](where, module)
    with place_noted("it", where):
        layer: Layer[Any] = getattr(layers, constructor)(**options)
    if entry.record is None:
        return layer, ()
    values: list[Any] = []
    own: Any = module
    for field in entry.fields.values():
        tensor = getattr(own, field.name, None)
        if tensor is None and field.optional:
            values.append(())
        elif tensor is None:  # what a normalization multiplies by and adds
            made = torch.ones if field.name == "weight" else torch.zeros
            values.append(_array(where, made(own.normalized_shape, dtype=dtype)))
        else:
            values.append(_array(where, turned(tensor, field.turned)))
    return layer, entry.record(*values)


def _options_of_linear(where: str, module: Any) -> dict[str, Any]:
    return {"bias": module.bias is not None}


def _options_of_prelu(where: str, module: Any) -> dict[str, Any]:
    return {"per_feature": module.num_parameters != 1}


def _options_of_norm(where: str, module: Any) -> dict[str, Any]:
    if len(module.normalized_shape) != 1:
        remedy = "fnmlp normalizes the features of examples with one axis"
        raise ShapeError(where, "a normalized_shape of one axis", tuple(module.normalized_shape), remedy)
    if module.eps is None:
        raise StructureError(where, "eps as a number", None, "set the module's eps, whose default depends on the dtype")
    return {}


OWN: dict[str, Callable[[str, Any], dict[str, Any]]] = {
    "linear": _options_of_linear,
    "prelu": _options_of_prelu,
    "layer_norm": _options_of_norm,
    "rms_norm": _options_of_norm,
}
"""Options that torch keeps in another way, and what it allows and fnmlp doesn't."""


def _batch_norm(where: str, module: Any) -> Pair:
    """Return `rescale` for a BatchNorm1d whose mean and variance are fixed."""
    if module.training or module.running_mean is None:
        got = "one that takes them from each batch"
        remedy = "call .eval() first, on a module with running statistics"
        raise StructureError(where, "a module with a fixed mean and variance", got, remedy)
    mean, variance = _array(where, module.running_mean), _array(where, module.running_var)
    gain = np.ones_like(mean) if module.weight is None else _array(where, module.weight)
    offset = np.zeros_like(mean) if module.bias is None else _array(where, module.bias)
    found = as_rescale(mean=mean, variance=variance, epsilon=module.eps, gain=gain, offset=offset)
    if found is None:
        remedy = "leave out the features that it sets to a constant"
        raise StructureError(where, "weights other than 0", "a weight of 0 or NaN", remedy)
    return rescale(), found


def _wide(tensor: Any) -> Any:
    """Return a tensor of NumPy's dtypes with at least 32 bits."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def _array(where: str, tensor: Any) -> Array:
    """Return a read-only copy of a tensor's numbers."""
    if tensor.device.type == "meta" or tensor.dtype not in FLOATS:
        got = "a tensor without data" if tensor.device.type == "meta" else str(tensor.dtype)
        raise DtypeError(where, "parameters of floats", got, "load its weights, or convert them with .float(), first")
    return read_only(np.array(_wide(tensor.detach()).cpu().numpy(), order="C"))


FLOATS = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
