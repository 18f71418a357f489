"""Which parameters something applies to, by their path in the tree."""

from collections.abc import Callable
from typing import TypeAlias

from fnmlp.tree import Tree, tree_flatten, tree_paths

PathFilter: TypeAlias = Callable[[str], bool]
"""Path of a parameter, such as `[2].weight` -> whether it is meant."""


def everywhere(path: str) -> bool:  # noqa: ARG001 (be a filter)
    """Mean every parameter.

    >>> everywhere("[0].bias")
    True
    """
    return True


def is_weight(path: str) -> bool:
    """Mean what is called a weight, and so neither biases nor the gains and offsets of normalisation.

    >>> is_weight("[0].weight"), is_weight("[0].bias")
    (True, False)
    """
    return path.endswith(".weight")


def flags(only: PathFilter, params: Tree) -> Tree:
    """Ask the filter once for each leaf, and return its answers as a tree.

    >>> flags(lambda path: path.startswith("[1]"), (5, (6, 7)))
    (False, (True, True))
    """
    return tree_flatten(params)[1]([bool(only(path)) for path, _ in tree_paths(params)])
