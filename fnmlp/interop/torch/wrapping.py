"""Modules for layers that torch.nn lacks: they compute by fnmlp, under torch's autograd."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from fnmlp.interop.torch.functions import as_function
from fnmlp.interop.torch.places import Spot, whole
from fnmlp.interop.torch.states import named
from fnmlp.key import Key
from fnmlp.layer import Layer, no_parameters, with_parts
from fnmlp.tree import Tree, tree_flatten, tree_map


class LayerModule(nn.Module):
    """A layer without parts, and its parameters.

    In training mode it draws a key from torch's generator, for layers that add noise.
    """

    def __init__(self, layer: Layer[Any], params: Tree, parameter: Callable[[Any], nn.Parameter]) -> None:
        super().__init__()
        self.layer = layer
        own = [(name, leaf) for name, leaf, _ in named(Spot("", layer, params))]
        for name, leaf in own:
            *folders, last = name.split(".")
            _folder(self, folders).register_parameter(last, parameter(leaf))
        self.names = tree_flatten(params)[1]([name for name, _ in own])

    def forward(self, x: Any) -> Any:
        """Apply the layer, with noise in training mode."""
        key = Key(int(torch.randint(2**63 - 1, ()))) if self.training else None
        return as_function(self.layer)(self.params(), x, key)

    def params(self) -> Tree:
        """Return the parameters as a tree of tensors."""
        return tree_map(self.get_parameter, self.names)

    def extra_repr(self) -> str:
        """Show the layer."""
        return self.layer.name


def _folder(module: nn.Module, names: list[str]) -> nn.Module:
    """Return the module inside a module that holds parameters with dots in their names."""
    for name in names:
        if name not in dict(module.named_children()):
            module.add_module(name, nn.Module())
        module = module.get_submodule(name)
    return module


class CombinedModule(nn.ModuleList):
    """The modules of a combinator's parts, whose results it joins."""

    def __init__(self, layer: Layer[Any], parts: list[nn.Module]) -> None:
        super().__init__(parts)
        self.layer = layer

    def forward(self, x: Any) -> Any:
        """Apply the combinator to the modules."""
        layer = with_parts(self.layer, map(_as_layer, self))
        return layer.apply(whole(layer, tuple), x)


def _as_layer(module: nn.Module) -> Layer[Any]:
    """Return a module as a layer without parameters, which a combinator can apply."""
    return Layer(type(module).__name__, no_parameters, partial(_call, module), partial(_call, module))


def _call(module: nn.Module, params: Tree, x: Any, *_: object) -> Any:
    return module(x)
