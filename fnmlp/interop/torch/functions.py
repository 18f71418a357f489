"""Layers under torch's autograd: `vjp` on tensors, as one of torch's functions."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from fnmlp.checks import check_kind
from fnmlp.errors import MissingDependencyError
from fnmlp.key import Key
from fnmlp.layer import Layer
from fnmlp.tree import Tree, tree_flatten, tree_leaves

try:
    import torch
    from torch.autograd.function import once_differentiable
except ImportError as error:
    raise MissingDependencyError.of("fnmlp.interop.torch", "torch", error, "pip install 'fnmlp[torch]'") from error

__all__ = ["as_function"]

Rebuild: TypeAlias = Callable[[Sequence[Any]], Tree]


def as_function(layer: Layer[Any]) -> Callable[..., Any]:
    """Return a function of tensors, (params, x, key=None) -> y, whose gradients torch's autograd takes from our vjp.

    So you can use a layer in a model of torch's, or check one against the other. `params` is a tree of tensors, such as
    `fnmlp.to(params, like=x)`. A key adds noise, as in `vjp`.
    Shapes:   those of the layer, on the tensors' device.
    Gradient: the layer's own, once; a second derivative raises.
    Raises:   whatever the layer raises; DtypeError for `strict`, which computes by NumPy alone.
    Source:   torch.autograd.Function.

    >>> from fnmlp.layers import tanh
    >>> x = torch.zeros(1, 2, requires_grad=True)
    >>> as_function(tanh())((), x).sum().backward()
    >>> x.grad
    tensor([[1., 1.]])
    """
    check_kind("as_function(layer)", layer, Layer, "linear(10)")

    def function(params: Tree, x: Any, key: Key | None = None) -> Any:
        leaves, rebuild = tree_flatten(params)
        return _Function.apply(layer, rebuild, key, x, *leaves)  # type: ignore[no-untyped-call]

    return function


class _Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, layer: Layer[Any], rebuild: Rebuild, key: Key | None, x: Any, *leaves: Any) -> Any:
        y: Any
        y, ctx.pullback = layer.vjp(rebuild(leaves), x, key)
        handed_out = y.view_as(y)  # the pullback may hold y, which must not hold the pullback
        ctx.save_for_backward(x, handed_out, *leaves)  # so that torch notices who changes them in place
        return handed_out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_outputs: Any) -> tuple[Any, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        _ = ctx.saved_tensors
        gradient, delayed_dx = ctx.pullback(*grad_outputs)
        dx = delayed_dx() if ctx.needs_input_grad[3] else None
        return None, None, None, dx, *tree_leaves(gradient)
