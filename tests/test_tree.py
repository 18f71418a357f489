"""Trees: maps keep the structure, differences are named by path, equality is of bits."""

from typing import Any, NamedTuple

from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from fnmlp.errors import StructureError
from fnmlp.tree import (
    Tree,
    tree_equal,
    tree_flatten,
    tree_leaves,
    tree_map,
    tree_paths,
    tree_reduce,
    tree_sha256,
)
from tests.steps import same_bits


@frozen(eq=False)
class One:
    """A node of one field."""

    only: Any


@frozen(eq=False)
class Two:
    """A node of two fields."""

    weight: Any
    bias: Any


@frozen(eq=False)
class Empty:
    """A node without fields."""


class Named(NamedTuple):
    """A tuple that is built in another way than tuples."""

    first: int


trees = st.recursive(
    st.integers(-9, 9),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.builds(Two, inner, inner), st.builds(One, inner), st.builds(Empty)
    ),
    max_leaves=8,
)


@given(trees)
def test_a_map_with_the_identity_gives_the_same_tree(tree: Tree) -> None:
    assert tree_equal(tree_map(lambda leaf: leaf, tree), tree)


@given(trees)
def test_a_map_of_a_composition_is_the_composition_of_maps(tree: Tree) -> None:
    together = tree_map(lambda leaf: 2 * leaf + 1, tree)
    apart = tree_map(lambda leaf: leaf + 1, tree_map(lambda leaf: 2 * leaf, tree))
    assert tree_equal(together, apart)


@given(trees)
def test_a_map_over_several_trees_meets_leaves_of_the_same_path(tree: Tree) -> None:
    paths = iter([path for path, _ in tree_paths(tree)])
    met = tree_map(lambda a, b, path: (a == b, next(paths) == path), tree, tree, _tree_of_paths(tree))
    assert all(same and placed for same, placed in zip(*[iter(tree_leaves(met))] * 2, strict=True))


def _tree_of_paths(tree: Tree) -> Tree:
    return tree_flatten(tree)[1]([path for path, _ in tree_paths(tree)])


@given(trees)
def test_flatten_gives_the_leaves_and_the_way_back(tree: Tree) -> None:
    leaves, rebuild = tree_flatten(tree)
    assert leaves == tree_leaves(tree) == tuple(leaf for _, leaf in tree_paths(tree))
    assert tree_equal(rebuild(leaves), tree)
    assert tree_reduce(lambda total, leaf: total + leaf, tree, 0) == sum(leaves)
    with pytest.raises(StructureError, match="one value for each leaf"):
        rebuild([*leaves, 0])


@given(trees, trees)
def test_trees_are_equal_only_where_their_leaves_and_paths_are(left: Tree, right: Tree) -> None:
    assert tree_equal(left, left)
    if tree_equal(left, right):
        assert tree_paths(left) == tree_paths(right)
    if tree_paths(left) != tree_paths(right):
        assert not tree_equal(left, right)


@given(trees)
def test_a_path_is_the_python_expression_that_reaches_its_leaf(tree: Tree) -> None:
    for path, leaf in tree_paths(tree, root="tree"):
        assert eval(path, {"tree": tree}) == leaf  # noqa: S307 (the path of our own tree)


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ((1, (Two(1, 2), 3)), (1, (Two(1, (5,)), 3)), r"tree\[1\]\[0\]\.bias: expected a leaf, got a tuple of 1"),
        ((1, 2), (1,), r"tree: expected a tuple of 2, got a tuple of 1"),
        ((1, (2, 3)), (1, (2,)), r"tree\[1\]: expected a tuple of 2, got a tuple of 1"),
        ((Two(1, ()),), (One(1),), r"tree\[0\]: expected Two, got One"),
        (1, (1,), r"tree: expected a leaf, got a tuple of 1"),
        ((One(1), One(2)), (One(1), One(())), r"tree\[1\]\.only: expected a leaf, got a tuple of 0"),
    ],
)
def test_a_difference_of_structure_is_named_by_its_path(left: Tree, right: Tree, said: str) -> None:
    with pytest.raises(StructureError, match=said):
        tree_map(lambda *leaves: leaves, left, right)
    assert not tree_equal(left, right)
    assert not tree_equal(right, left)


@pytest.mark.parametrize("node", [{}, [], set(), frozenset(), None, Named(1)], ids=repr)
@pytest.mark.parametrize("wrap", [lambda node: node, lambda node: (1, Two(node, 2))], ids=["bare", "inside"])
def test_what_a_tree_may_not_hold_is_refused_by_name(node: Any, wrap: Any) -> None:
    for use in (tree_leaves, tree_paths, tree_flatten, lambda tree: tree_map(lambda leaf: leaf, tree)):
        with pytest.raises(StructureError, match=type(node).__name__):
            use(wrap(node))


def test_an_error_of_the_mapped_function_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        tree_map(lambda leaf: 1 / leaf, (1, 0))


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (np.array([np.nan]), np.array([np.nan]), True),
        (np.array([0.0]), np.array([-0.0]), False),
        (float("nan"), float("nan"), True),
        (np.zeros(2, np.float32), np.zeros(2, np.float64), False),
        (np.zeros((1, 2)), np.zeros((2, 1)), False),
        (np.zeros(2), np.zeros(2)[::-1], True),
        (1, 1.0, False),
        (True, 1, False),
        ("a", "a", True),
        (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3)), True),
    ],
)
def test_leaves_are_equal_where_kind_shape_and_bits_are(left: Any, right: Any, equal: bool) -> None:
    assert tree_equal((left,), (right,)) is equal


def test_the_digest_is_of_values_in_tree_order_whatever_their_layout() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    tree = Two(x, np.ones(3, np.float32))
    digest = tree_sha256(tree)
    assert tree_sha256(Two(np.asfortranarray(x), tree.bias)) == digest
    assert tree_sha256(Two(x.astype(">f4"), tree.bias)) == digest
    assert tree_sha256(Two(tree.bias, x)) != digest
    assert tree_sha256(Two(x, np.array([1, 1, np.nextafter(np.float32(1), np.float32(2))]))) != digest
    assert len(tree_sha256((np.zeros((0, 3)),))) == 64


def test_a_map_builds_new_nodes_and_leaves_the_old_ones() -> None:
    x = np.ones(2)
    tree = (Two(x, ()), 1)
    doubled = tree_map(lambda leaf: leaf * 2, tree)
    assert same_bits(tree, (Two(np.ones(2), ()), 1))
    assert type(doubled[0]) is Two
    assert doubled[0].weight.tolist() == [2, 2]
