"""The leaves of a model, which are the layers that no combinator made of others, and how to give them another `vjp`.

A combinator only passes on, joins and adds up what the pullbacks of its layers give, whatever it is, and it holds these
layers in the arguments of its `vjp`. So a rule for leaves is one for models, and no combinator's rule is written twice.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from fnmlp import combinators
from fnmlp.arrays import Array
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback
from fnmlp.tree import Tree

LeafRule: TypeAlias = Callable[[Layer[Any], Tree, Array, Key | None], tuple[Array, Pullback[Any]]]
"""(leaf, parameters, x, key) -> (y, pullback): what a leaf does in the place of its `vjp`."""


def vjp_by_leaf(rule: LeafRule, layer: Layer[Any], params: Tree, x: Array, key: Key | None) -> tuple[Array, Any]:
    """Be the `vjp` of a layer whose leaves follow a rule of yours.

    Combinators that users write count as leaves: nothing is known of what they do with gradients.

    >>> import numpy as np
    >>> from fnmlp.layers import linear, relu
    >>> model = combinators.residual(combinators.chain(linear(2), relu()))
    >>> params, _ = model.init(Key(0), (2,))
    >>> named = lambda leaf, params, x, key: print(leaf) or leaf.vjp(params, x, key)
    >>> y, _ = vjp_by_leaf(named, model, params, np.ones((1, 2), np.float32), None)
    linear(2)
    relu()
    """
    vjp = layer.vjp
    if isinstance(vjp, partial) and vjp.func.__module__.startswith(f"{combinators.__name__}."):
        arguments = (_with_rule(rule, argument) for argument in vjp.args)
        y, pullback = vjp.func(*arguments, params, x, key)
        return y, pullback
    return rule(layer, params, x, key)


def _with_rule(rule: LeafRule, argument: Any) -> Any:
    """Return an argument of a combinator with the rule in each layer that it holds."""
    if isinstance(argument, tuple):
        return tuple(_with_rule(rule, item) for item in argument)
    if isinstance(argument, Layer):
        return Layer(argument.name, argument.init, argument.apply, partial(vjp_by_leaf, rule, argument))
    return argument
