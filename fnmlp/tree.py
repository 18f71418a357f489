"""Parameter trees: attrs instances and tuples hold subtrees, everything else is a leaf.

A tree is a value. Nothing here changes one; a map rebuilds each node with `type(node)(*children)`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, reduce
from math import isfinite
from operator import attrgetter
from typing import Any, TypeAlias

import attrs
import numpy as np
from numpy import ndarray

from fnmlp.arrays import namespace
from fnmlp.errors import DtypeError, StructureError

__all__ = ["tree_equal", "tree_flatten", "tree_leaves", "tree_map", "tree_paths", "tree_reduce", "tree_sha256"]

Tree: TypeAlias = Any
"""An attrs instance of trees, a tuple of trees, or a leaf: an array or a number."""


def tree_map(function: Callable[..., Any], tree: Tree, *rest: Tree) -> Tree:
    """Apply `function` to each leaf of a tree, or to matching leaves of several, and return a tree of the results.

    Raises:   StructureError, naming the path, if the structures differ.

    >>> tree_map(lambda p, g: p - g, (5, (3, ())), (1, (2, ())))
    (4, (1, ()))
    """
    try:
        return _map(function, (tree, *rest))
    except _MismatchError:
        raise _first_difference((tree, *rest)) from None
    except TypeError:
        _check_function("tree_map", function)
        raise


def _check_function(where: str, function: object) -> None:
    if not callable(function):
        got = type(function).__name__
        raise StructureError(f"{where}(function)", "a function of leaves", got, "pass the function first")


def tree_reduce(function: Callable[[Any, Any], Any], tree: Tree, initial: Any) -> Any:
    """Combine all leaves into one value: fold `function` over them, in tree order.

    >>> tree_reduce(lambda total, leaf: total + leaf, (1, (2, 3)), 0)
    6
    """
    _check_function("tree_reduce", function)
    return reduce(function, tree_leaves(tree), initial)


def tree_leaves(tree: Tree) -> tuple[Any, ...]:
    """Return the leaves in tree order: fields as declared, items from first to last.

    >>> tree_leaves((1, (2, (), 3)))
    (1, 2, 3)
    """
    leaves: list[Any] = []
    _collect(tree, leaves)
    return tuple(leaves)


def tree_paths(tree: Tree, root: str = "") -> tuple[tuple[str, Any], ...]:
    """Return each leaf with its path, written as a Python expression such as `params[0].weight`.

    >>> tree_paths((1, (2, 3)), root="params")
    (('params[0]', 1), ('params[1][0]', 2), ('params[1][1]', 3))
    """
    if not isinstance(root, str):
        raise StructureError("tree(root)", "a text", type(root).__name__, "pass for instance root='params'")
    children = tree_children(tree)
    if children is None:
        return ((root, tree),)
    steps = _steps(tree)
    return tuple(pair for step, child in zip(steps, children, strict=True) for pair in tree_paths(child, root + step))


def tree_flatten(tree: Tree) -> tuple[tuple[Any, ...], Callable[[Sequence[Any]], Tree]]:
    """Return the leaves, and a function that builds a tree of the same structure from new leaves.

    >>> leaves, rebuild = tree_flatten((1, (2, 3)))
    >>> rebuild([leaf * 10 for leaf in leaves])
    (10, (20, 30))
    """
    leaves = tree_leaves(tree)

    def rebuild(values: Sequence[Any]) -> Tree:
        if len(values) != len(leaves):
            raise StructureError("rebuild", f"{len(leaves)} leaves", len(values), "pass one value for each leaf")
        remaining = iter(values)
        return tree_map(lambda _: next(remaining), tree)

    return leaves, rebuild


def tree_unzip(tree: Tree, rows: Iterable[Sequence[Any]], results: int) -> list[Tree]:
    """Turn rows of results, one row per leaf in tree order, into as many trees as a row has values.

    >>> tree_unzip((1, (2, ())), [("a", "b"), ("c", "d")], 2)
    [('a', ('c', ())), ('b', ('d', ()))]
    """
    return list(_unzip(tree, iter(rows), results))


def tree_equal(left: Tree, right: Tree) -> bool:
    """Tell whether two trees have the same structure and bit-identical leaves (NaN equals NaN, 0.0 differs from -0.0).

    >>> tree_equal((1.0, (2,)), (1.0, (2,))), tree_equal((0.0,), (-0.0,)), tree_equal((1,), 1)
    (True, False, False)
    """
    left_children, right_children = tree_children(left), tree_children(right)
    if left_children is None or right_children is None:
        return left_children is right_children and _leaf_equal(left, right)
    return (
        type(left) is type(right)
        and len(left_children) == len(right_children)
        and all(map(tree_equal, left_children, right_children))
    )


def has_leaves(tree: Tree) -> bool:
    """Tell whether a tree has any leaves; `()` and `((), ())` have none.

    >>> has_leaves(((), (1,))), has_leaves(((), ()))
    (True, False)
    """
    children = tree_children(tree)
    return children is None or any(map(has_leaves, children))


def tree_sha256(tree: Tree) -> str:
    """Hash a tree: the SHA-256 of the leaves' bytes in tree order, each array in C order and little-endian.

    >>> import hashlib
    >>> tree_sha256((np.zeros(2),)) == hashlib.sha256(bytes(16)).hexdigest()
    True
    """
    from hashlib import sha256

    digest = sha256()
    for leaf in tree_leaves(tree):
        array = np.asarray(leaf)
        if array.dtype.kind not in "biufc":  # the bytes of an object would be its address
            raise DtypeError("tree_sha256", "leaves of numbers", type(leaf).__name__, "leave out the others")
        digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


class _MismatchError(Exception):
    """Two nodes differ; the outermost call finds the place."""


def _map(function: Callable[..., Any], trees: tuple[Tree, ...]) -> Tree:
    tree = trees[0]
    kind = type(tree)
    if kind is ndarray:  # same as below for leaves, in half the time
        for other in trees:
            if type(other) is not ndarray:
                break
        else:
            return function(*trees)
    children_of = _children_of(kind)
    if children_of is None:
        for other in trees:
            if _children_of(type(other)) is not None:
                raise _MismatchError
        return function(*trees)
    for other in trees:
        if type(other) is not kind or (kind is tuple and len(other) != len(tree)):
            raise _MismatchError
    if kind is tuple:
        return tuple([_map(function, column) for column in zip(*trees, strict=True)]) if tree else tree
    return kind(*[_map(function, column) for column in zip(*map(children_of, trees), strict=True)])


def _unzip(tree: Tree, rows: Iterator[Sequence[Any]], results: int) -> Sequence[Tree]:
    children = tree_children(tree)
    if children is None:
        return next(rows)
    if not children:
        return [tree] * results
    columns = zip(*[_unzip(child, rows, results) for child in children], strict=True)
    kind = type(tree)
    return list(columns) if kind is tuple else [kind(*column) for column in columns]


def _collect(tree: Tree, leaves: list[Any]) -> None:
    children_of = _children_of(type(tree))
    if children_of is None:
        leaves.append(tree)
        return
    for child in children_of(tree):
        _collect(child, leaves)


def tree_children(tree: Tree) -> tuple[Tree, ...] | None:
    """Return the subtrees of a node, or None for a leaf.

    >>> tree_children((1, (2, 3))), tree_children(1)
    ((1, (2, 3)), None)
    """
    children_of = _children_of(type(tree))
    return None if children_of is None else children_of(tree)


def _find_children(kind: type) -> Callable[[Any], tuple[Tree, ...]] | None:
    """Return a function that gets the subtrees of a type's instances, or None if they are leaves."""
    if kind is tuple:
        return tuple
    if kind in (dict, list, set, frozenset, type(None)) or issubclass(kind, tuple):
        raise StructureError("tree", "attrs instances, tuples, arrays and numbers", kind.__name__, "use a tuple")
    if not attrs.has(kind):
        return None
    names = tuple(attribute.name for attribute in attrs.fields(kind))
    if len(names) > 1:
        return attrgetter(*names)
    return lambda node: tuple(getattr(node, name) for name in names)


_children_of: Callable[[type], Callable[[Any], tuple[Tree, ...]] | None] = cache(_find_children)


def _steps(tree: Tree) -> tuple[str, ...]:
    """Return the path from a node to each of its children."""
    if isinstance(tree, tuple):
        return tuple(f"[{i}]" for i in range(len(tree)))
    return tuple(f".{attribute.name}" for attribute in attrs.fields(type(tree)))


def _first_difference(trees: Sequence[Tree], path: str = "tree") -> StructureError:
    """Return an error that names the first place where trees differ."""
    first, *rest = trees
    remedy = "pass trees of the same structure"
    for other in rest:
        if _outline(other) != _outline(first):
            return StructureError(path, _outline(first), _outline(other), remedy)
    columns = zip(*(tree_children(tree) or () for tree in trees), strict=True)
    differing = ((step, column) for step, column in zip(_steps(first), columns, strict=True) if not _alike(column))
    step, column = next(differing)
    return _first_difference(column, path + step)


def _alike(trees: Sequence[Tree]) -> bool:
    """Tell whether trees have the same structure, whatever their leaves are."""
    if len({_outline(tree) for tree in trees}) > 1:
        return False
    return all(map(_alike, zip(*(tree_children(tree) or () for tree in trees), strict=True)))


def _outline(tree: Tree) -> str:
    """Describe a node without its contents."""
    children = tree_children(tree)
    if children is None:
        return "a leaf"
    return f"a tuple of {len(children)}" if isinstance(tree, tuple) else type(tree).__name__


def _leaf_equal(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray | np.generic) and isinstance(right, np.ndarray | np.generic):
        return left.dtype == right.dtype and left.shape == right.shape and left.tobytes() == right.tobytes()
    if type(left) is not type(right):
        return False
    if isinstance(left, int | float | str | bytes):
        return repr(left) == repr(right)
    return _leaf_equal(np.asarray(left), np.asarray(right))


def first_not_finite(tree: Tree) -> str | None:
    """Return the path of the first leaf with infinities or NaN, or None if all numbers are finite.

    >>> first_not_finite((1.0, (float("nan"),))), first_not_finite(())
    ('[1][0]', None)
    """
    return next((name for name, leaf in tree_paths(tree) if not is_finite(leaf)), None)


def is_finite(leaf: Any) -> bool:
    """Return whether a leaf holds neither infinities nor NaN.

    >>> is_finite(1), is_finite(np.array([1.0, np.inf]))
    (True, False)
    """
    if isinstance(leaf, (int, float)):
        return isfinite(leaf)
    xp = namespace(leaf)
    return bool(xp.all(xp.isfinite(leaf)))
