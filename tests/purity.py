"""A pure function leaves its arguments as they were and keeps nothing of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fnmlp.tree import Tree, tree_leaves, tree_map
from tests.steps import same_bits


def forbid_writing(tree: Tree) -> Tree:
    def frozen(leaf: NDArray[Any]) -> NDArray[Any]:
        copy = leaf.copy()
        copy.setflags(write=False)
        return copy

    return tree_map(frozen, tree)


def snapshot(tree: Tree) -> list[tuple[bytes, bool]]:
    return [(leaf.tobytes(), leaf.flags.writeable) for leaf in tree_leaves(tree)]


def assert_pure(function: Callable[..., Tree], *arguments: Tree) -> None:
    """Claim that calls leave their arguments as they were, share no memory with them and have the same results."""
    before = snapshot(arguments)
    first = function(*arguments)
    kept = [np.array(leaf) for leaf in tree_leaves(first)]
    second = function(*arguments)
    assert snapshot(arguments) == before
    assert same_bits(first, second)
    for leaf in tree_leaves(first):
        assert not any(np.shares_memory(leaf, given) for given in tree_leaves(arguments) if given.flags.writeable)
    for argument in tree_leaves(arguments):
        if argument.flags.writeable:
            argument[...] = 1
    assert same_bits(first, tuple(kept))
