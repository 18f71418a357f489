"""From a layer and its parameters to a module of torch's."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fnmlp.checks import as_bool, check_kind
from fnmlp.combinators.checks import shown
from fnmlp.errors import MissingDependencyError, StructureError
from fnmlp.expressions import call_of
from fnmlp.interop.torch.places import Spot, is_frozen, joined, spots
from fnmlp.interop.torch.states import named, turned
from fnmlp.interop.torch.table import TABLE, Entry
from fnmlp.layer import Layer
from fnmlp.moving import to
from fnmlp.tree import Tree

try:
    import torch
    from torch import nn

    from fnmlp.interop.torch.wrapping import CombinedModule, LayerModule
except ImportError as error:
    raise MissingDependencyError.of("fnmlp.interop.torch", "torch", error, "pip install 'fnmlp[torch]'") from error

__all__ = ["to_torch"]

SIZES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "linear": lambda params: {"in_features": params.weight.shape[0], "bias": not isinstance(params.bias, tuple)},
    "layer_norm": lambda params: {"normalized_shape": params.gain.shape},
    "rms_norm": lambda params: {"normalized_shape": params.gain.shape},
    "prelu": lambda params: {"num_parameters": params.slope.shape[0]},
}
"""By the constructor: what torch asks for, and our layers learn from the example."""

IN_SEQUENCE = ("chain", "repeat", "tied")


def to_torch(layer: Layer[Any], params: Tree, *, wrap: bool = False) -> nn.Module:
    """Return a module of torch.nn that computes what a layer does, in evaluation mode.

    A chain becomes an nn.Sequential, and layers that are tied share their parameters. Those of `frozen` need no
    gradient. torch.nn has no modules for some layers, such as `residual` and `maxout`. They are refused by name; with
    `wrap=True` they become modules that call fnmlp, with our gradients.
    Shapes:   the module takes and returns tensors of the layer's shapes. Call `.train()` on it before you train it.
    Raises:   StructureError for layers that torch.nn lacks, without `wrap`; always for `strict`, whose promise torch
              can't keep; and if the parameters are not this layer's.

    >>> from fnmlp import Key, chain, linear, relu
    >>> model = chain(linear(4), relu())
    >>> to_torch(model, model.init(Key(0), (3,))[0])
    Sequential(
      (0): Linear(in_features=3, out_features=4, bias=True)
      (1): ReLU()
    )
    """
    check_kind("to_torch(layer)", layer, Layer, "linear(10)")
    wrap = as_bool("to_torch(wrap)", wrap)
    return _module(layer, to(params, like=np.zeros(())), "", wrap=wrap).train(False)


def _module(layer: Layer[Any], params: Tree, place: str, *, wrap: bool) -> nn.Module:
    constructor = call_of(layer).constructor
    entry = TABLE.get(constructor)
    if entry is not None and entry.module:
        return _of_entry(entry, constructor, layer, params)
    if constructor == "strict":
        raise _refused(layer, place, "convert the layer inside it, layer.parts[0]")
    if layer.deal is None:
        return _wrapped(layer, params, place, wrap=wrap)
    if is_frozen(layer):
        return _module(layer.parts[0], layer.deal(params)[0], place, wrap=wrap).requires_grad_(False)
    parts = [
        _module(part, own, joined(place, str(number)), wrap=wrap)
        for number, (part, own) in enumerate(zip(layer.parts, layer.deal(params), strict=True))
    ]
    if constructor in IN_SEQUENCE:
        return nn.Sequential(*(_sharing(layer, params, place, parts) if constructor == "tied" else parts))
    if not wrap:
        raise _refused(layer, place, WRAP)
    return CombinedModule(layer, parts)


WRAP = "pass wrap=True, for a module that calls fnmlp"


def _wrapped(layer: Layer[Any], params: Tree, place: str, *, wrap: bool) -> nn.Module:
    if not wrap:
        raise _refused(layer, place, WRAP)
    return LayerModule(layer, params, _parameter)


def _refused(layer: Layer[Any], place: str, remedy: str) -> StructureError:
    where = f"to_torch: {place and f'layer {place}, '}{shown(layer.name)}"
    return StructureError(where, "a layer that torch.nn has", call_of(layer).constructor, remedy)


def _of_entry(entry: Entry, constructor: str, layer: Layer[Any], params: Tree) -> nn.Module:
    own = named(Spot("", layer, params))
    options = call_of(layer).options
    given = {theirs: options[ours] for ours, theirs in entry.options.items()} | dict(entry.fixed)
    module = _empty(entry.module, given | SIZES.get(constructor, _no_sizes)(params))
    for name, array, transposed in own:
        module.register_parameter(name, _parameter(turned(array, transposed)))
    return module


def _empty(kind: str, options: dict[str, Any]) -> nn.Module:
    """Make a module whose parameters are still to come, and leave torch's generator as it is."""
    if kind == "Embedding":  # on no device, its constructor would import torch's compiler, for seconds
        table = torch.empty(options["num_embeddings"], options["embedding_dim"])
        return nn.Embedding.from_pretrained(table)  # type: ignore[no-untyped-call]
    with torch.device("meta"):
        made: nn.Module = getattr(nn, kind)(**options)
    return made


def _no_sizes(params: Tree) -> dict[str, Any]:
    return {}


def _parameter(array: Any) -> nn.Parameter:
    native = np.array(array, array.dtype.newbyteorder("="), order="C")
    return nn.Parameter(torch.from_numpy(native))


def _sharing(layer: Layer[Any], params: Tree, place: str, modules: list[nn.Module]) -> list[nn.Module]:
    """Give all modules the parameters of the first."""
    layouts = [_layout(part, params) for part in layer.parts]
    if any(layout != layouts[0] for layout in layouts[1:]):
        raise _refused(layer, place, "tie layers that torch stores in one layout")
    shared = [*modules[0].named_parameters(remove_duplicate=False)]
    for module in modules[1:]:
        for name, parameter in shared:
            holder, _, last = name.rpartition(".")
            module.get_submodule(holder).register_parameter(last, parameter)
    return modules


def _layout(layer: Layer[Any], params: Tree) -> list[tuple[str, bool]]:
    """Return the name of each parameter among torch's, and whether it is transposed there."""
    return [(joined(spot.place, name), turn) for spot in spots(layer, params) for name, _, turn in named(spot)]
