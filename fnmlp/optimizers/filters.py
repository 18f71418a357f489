"""Choose parameters by their path in the tree."""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from attrs import frozen

from fnmlp.checks import check_function, check_kind
from fnmlp.optimizers.core import Optimizer, StepOf, around, check_state, owned
from fnmlp.tree import Tree, tree_flatten, tree_leaves, tree_map, tree_paths

__all__ = ["PartitionedState", "PathFilter", "everywhere", "is_weight", "partitioned"]

PathFilter: TypeAlias = Callable[[str], bool]
"""Path of a parameter, such as `[2].weight` -> whether to include it."""


def everywhere(path: str) -> bool:
    """Include every parameter.

    >>> everywhere("[0].bias")
    True
    """
    return True


def is_weight(path: str) -> bool:
    """Include parameters named weight, but not biases, or the gains and offsets of normalisation.

    >>> is_weight("[0].weight"), is_weight("[0].bias")
    (True, False)
    """
    check_kind("is_weight(path)", path, str, "'[0].weight'")
    return path.endswith(".weight")


def flags(only: PathFilter, params: Tree) -> Tree:
    """Call the filter once for each leaf, and return its answers as a tree.

    >>> flags(lambda path: path.startswith("[1]"), (5, (6, 7)))
    (False, (True, True))
    """
    return tree_flatten(params)[1]([bool(only(path)) for path, _ in tree_paths(params)])


@frozen(eq=False)
class PartitionedState:
    """Hold which parameters the first optimiser updates, and the states of both."""

    chosen: Tree
    first: Tree
    second: Tree


def partitioned(optimizer: Optimizer, otherwise: Optimizer, *, only: PathFilter) -> Optimizer:
    """Use one optimiser for the parameters that `only(path)` includes, and another for the rest.

    Each gets the tree with `()` in place of the other's parameters. The filter is called once, when the state is made,
    and again for an update that a compiler traces, because the structure of the trees must be known then.
    Shapes:   those of the parameters.
    Raises:   whatever the optimisers raise.

    >>> import numpy as np
    >>> from fnmlp.optimizers import sgd
    >>> optimizer = partitioned(sgd(1.0), sgd(0.5), only=lambda path: path == "[0]")
    >>> params, grads = (np.array([4.0]), np.array([4.0])), (np.array([1.0]), np.array([1.0]))
    >>> optimizer.update(params, grads, optimizer.init(params))[0]
    (array([3.]), array([3.5]))
    """
    check_kind("partitioned(optimizer)", optimizer, Optimizer, "sgd(0.1)")
    check_kind("partitioned(otherwise)", otherwise, Optimizer, "sgd(0.1)")
    check_function("partitioned(only)", only, 1, "is_weight")
    bound = only, optimizer, otherwise
    return around(partial(_partitioned_init, *bound), _partitioned_update, *bound)


def _partitioned_init(only: PathFilter, optimizer: Optimizer, otherwise: Optimizer, params: Tree) -> PartitionedState:
    chosen = flags(only, params)
    mine, rest = _split(chosen, params)
    return PartitionedState(chosen, optimizer.init(mine), otherwise.init(rest))


def _split(chosen: Tree, tree: Tree) -> tuple[Tree, Tree]:
    mine = tree_map(lambda meant, leaf: leaf if meant else (), chosen, tree)
    return mine, tree_map(lambda meant, leaf: () if meant else leaf, chosen, tree)


def _partitioned_update(
    step_of: StepOf,
    only: PathFilter,
    optimizer: Optimizer,
    otherwise: Optimizer,
    params: Tree,
    grads: Tree,
    state: PartitionedState,
) -> tuple[Tree, PartitionedState]:
    check_state(PartitionedState, state)
    # Neither optimiser sees what its gradients share with those of the other.
    known = set(map(type, tree_leaves(state.chosen))) <= {bool}
    chosen = state.chosen if known else flags(only, params)
    (mine, rest), (my_grads, rest_grads) = _split(chosen, params), _split(chosen, owned(grads))
    mine, first = step_of(optimizer)(mine, my_grads, state.first)
    rest, second = step_of(otherwise)(rest, rest_grads, state.second)
    leaves = iter(tree_leaves(mine)), iter(tree_leaves(rest))
    moved = tree_map(lambda meant: next(leaves[0] if meant else leaves[1]), chosen)
    return moved, PartitionedState(state.chosen, first, second)
