"""Replace the `vjp` of a model's leaves: the layers that aren't made of other layers.

A combinator only passes on, joins and adds up its parts' results, and can be made again of other parts. So a new rule
for leaves gives one for whole models, and combinators need no new rules.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from attrs import evolve

from fnmlp.arrays import Array
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, with_parts
from fnmlp.tree import Tree

LeafRule: TypeAlias = Callable[[Layer[Any], Tree, Array, Key | None], tuple[Array, Pullback[Any]]]
"""(leaf, parameters, x, key) -> (y, pullback): replaces a leaf's `vjp`."""


def vjp_by_leaf(rule: LeafRule, layer: Layer[Any], params: Tree, x: Array, key: Key | None) -> tuple[Array, Any]:
    """Run a layer's `vjp`, with a rule of yours in place of each leaf's.

    A layer without `parts` is a leaf, whatever it contains.

    >>> import numpy as np
    >>> from fnmlp.combinators import chain, residual
    >>> from fnmlp.layers import linear, relu
    >>> model = residual(chain(linear(2), relu()))
    >>> params, _ = model.init(Key(0), (2,))
    >>> named = lambda leaf, params, x, key: print(leaf) or leaf.vjp(params, x, key)
    >>> y, _ = vjp_by_leaf(named, model, params, np.ones((1, 2), np.float32), None)
    linear(2)
    relu()
    """
    if layer.remake is None:
        return rule(layer, params, x, key)
    return with_parts(layer, map(partial(_with_rule, rule), layer.parts)).vjp(params, x, key)


def _with_rule(rule: LeafRule, part: Layer[Any]) -> Layer[Any]:
    return evolve(part, vjp=partial(vjp_by_leaf, rule, part))
