"""Gradients example by example, and of the input."""

from collections.abc import Callable
from functools import partial
import tracemalloc
from typing import Any

import array_api_strict as strict
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray

from custom_layer import power
import fnmlp as fn
from fnmlp.derivatives.by_layer import vjp_by_leaf
from fnmlp.testing.strategies import chains
from fnmlp.tree import Tree, tree_leaves, tree_map
from tests.catalogue import LAYERS, LOSSES, Specimen
from tests.optional import optional
from tests.specimens import LossSpecimen
from tests.steps import assert_close, draw, point_of, same_bits, seeds
from tests.sweep import each
from tests.torch_oracle import to_torch

torch = optional("torch")
functional = optional("torch.nn.functional")

BY_ROW = [specimen for specimen in LAYERS if specimen.by_row]
over_layers = each("specimen", BY_ROW)
over_dtypes = each("dtype", [np.float32, np.float64])
over_keys = each("key", [None, fn.Key(3)])
ROW_ENTROPY = partial(fn.cross_entropy, reduction="none")


def inner_product(y: fn.Array, u: fn.Array) -> tuple[fn.Array, fn.Array]:
    """Be a loss whose gradient is u: the inner product of each row with u's."""
    return (y * u).sum(axis=tuple(range(1, y.ndim))), u


def norms_of(gradients: Tree) -> NDArray[Any]:
    squares = [(leaf.astype(np.float64) ** 2).reshape(len(leaf), -1).sum(axis=1) for leaf in tree_leaves(gradients)]
    return np.asarray(np.sqrt(np.sum(squares, axis=0)))


def sums_of(gradients: Tree) -> Tree:
    return tree_map(lambda leaf: leaf.sum(axis=0), gradients)


def size_of(gradients: Tree) -> float:
    return max((float(np.abs(leaf).sum(0).max(initial=0)) for leaf in tree_leaves(gradients)), default=0.0)


@over_layers
@over_keys
@over_dtypes
@each("seed", range(2))
def test_gradients_of_examples_add_up_to_that_of_the_batch(
    specimen: Specimen, seed: int, key: fn.Key | None, dtype: Any
) -> None:
    params, x, u = specimen.point(seed, 5, dtype)
    found = fn.per_example_gradients(specimen.layer, inner_product, params, fn.Batch(x, u), key)
    expected, _ = fn.gradients(specimen.layer, params, x, u, key)
    assert_close(sums_of(found), expected, at_least=size_of(found))
    norms = fn.per_example_norms(specimen.layer, inner_product, params, fn.Batch(x, u), key)
    assert norms.dtype == specimen.layer.apply(params, x).dtype
    if tree_leaves(params):
        np.testing.assert_allclose(norms, norms_of(found), rtol=16 * np.finfo(dtype).eps)
    else:
        assert same_bits(norms, np.zeros(5, norms.dtype))


@over_layers
@each("seed", range(3))
def test_the_gradient_of_an_example_is_that_of_a_batch_of_it_alone(specimen: Specimen, seed: int) -> None:
    params, x, u = specimen.point(seed, 3)
    batch = fn.Batch(x, u)
    found = fn.per_example_gradients(specimen.layer, inner_product, params, batch)
    for row in range(3):
        _, expected = fn.value_and_grad(specimen.layer, inner_product, params, batch[row : row + 1])
        assert_close(tree_map(lambda leaf, row=row: leaf[row], found), expected, at_least=1)


@given(data=st.data(), seed=seeds)
def test_random_chains_give_each_example_its_own_gradient(data: st.DataObject, seed: int) -> None:
    model = data.draw(chains((3,), noise=True))
    params, x, u = point_of(model, (3,), seed, 4)
    found = fn.per_example_gradients(model, inner_product, params, fn.Batch(x, u), fn.Key(seed))
    expected, _ = fn.gradients(model, params, x, u, fn.Key(seed))
    assert_close(sums_of(found), expected, at_least=max(1.0, size_of(found)), eps=256)


@each("specimen", LOSSES)
def test_each_example_has_the_loss_of_a_batch_of_it_alone_whatever_the_reduction(specimen: LossSpecimen) -> None:
    model = fn.chain(fn.linear(5), fn.tanh(), fn.linear(4))
    params, x, _ = point_of(model, (3,), 0, 6)
    batch = fn.Batch(x, specimen.targets(model.apply(params, x), 1))
    found = fn.per_example_gradients(model, specimen.loss, params, batch)
    for row in range(6):
        _, expected = fn.value_and_grad(model, specimen.loss, params, batch[row : row + 1])
        assert_close(tree_map(lambda leaf, row=row: leaf[row], found), expected)


def test_a_loss_with_a_number_for_each_row_is_asked_once_and_keeps_its_weights() -> None:
    model = fn.linear(3)
    params, x, _ = point_of(model, (4,), 0, 3)
    asked = []

    def loss(y: fn.Array, labels: fn.Array) -> tuple[Any, fn.Array]:
        asked.append(y.shape)
        return fn.cross_entropy(y, labels, sample_weights=(0.0, 1.0, 2.0), reduction="none")

    batch = fn.Batch(x, np.array([0, 1, 2]))
    norms = fn.per_example_norms(model, loss, params, batch)
    assert asked == [(3, 3)]
    np.testing.assert_allclose(norms, fn.per_example_norms(model, ROW_ENTROPY, params, batch) * [0, 1, 2])


@over_dtypes
def test_per_example_gradients_are_those_of_torch_func(dtype: Any) -> None:
    model = fn.chain(fn.linear(5), fn.layer_norm(), fn.relu(), fn.linear(4))
    params, x, _ = point_of(model, (6,), 1, 7, dtype)
    labels = np.arange(7) % 4
    ours = fn.per_example_gradients(model, fn.cross_entropy, params, fn.Batch(x, labels))

    def of_one(tree: Any, row: Any, label: Any) -> Any:
        (first, norm, last) = tree
        hidden = functional.layer_norm(row @ first[0] + first[1], (5,), *norm)
        return functional.cross_entropy(functional.relu(hidden) @ last[0] + last[1], label)

    leaves = [torch.tensor(leaf) for leaf in tree_leaves(params)]
    tree = (tuple(leaves[:2]), tuple(leaves[2:4]), tuple(leaves[4:]))
    oracle = torch.func.vmap(torch.func.grad(of_one), (None, 0, 0))(tree, torch.tensor(x), torch.tensor(labels))
    assert_close(tree_leaves(ours), tuple(leaf.numpy() for part in oracle for leaf in part), at_least=1)
    norms = fn.per_example_norms(model, fn.cross_entropy, params, fn.Batch(x, labels))
    theirs = torch.stack([(leaf.double() ** 2).flatten(1).sum(1) for part in oracle for leaf in part]).sum(0).sqrt()
    np.testing.assert_allclose(norms, theirs, rtol=64 * np.finfo(dtype).eps)


def test_norms_of_a_linear_layer_need_no_memory_for_the_gradients() -> None:
    model = fn.chain(fn.linear(256), fn.relu(), fn.maxout(256, 2), fn.tied(fn.linear(256), fn.linear(256)))
    params, x, u = point_of(model, (256,), 0, 64)
    tracemalloc.start()
    fn.per_example_norms(model, inner_product, params, fn.Batch(x, u), fn.Key(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 64 * 256 * 256 * 8 / 4  # a quarter of the gradients of one of the five weights


@over_dtypes
def test_what_cancels_between_two_uses_of_a_parameter_leaves_no_nan(dtype: Any) -> None:
    # Reflections have eigenvalues 1 and -1: for x along one, and dy along the other, the two terms cancel.
    model = fn.tied(fn.linear(8, bias=False), fn.linear(8, bias=False))
    normal = draw(0, (8,))
    normal /= np.sqrt(normal @ normal)
    beside = draw(1, (20, 8))
    beside -= np.outer(beside @ normal, normal)
    params = fn.Linear((np.eye(8) - 2 * np.outer(normal, normal)).astype(dtype), ())
    u = np.tile(normal, (20, 1)).astype(dtype)
    norms = fn.per_example_norms(model, inner_product, params, fn.Batch(beside.astype(dtype), u))
    assert norms.max() < 4 * np.sqrt(np.finfo(dtype).eps)
    assert norms.min() >= 0


def test_norms_in_float32_do_not_overflow_before_they_must() -> None:
    params, batch = fn.Linear(np.ones((1, 1), np.float32), ()), np.full((1, 1), 1e15, np.float32)
    norms = fn.per_example_norms(fn.linear(1, bias=False), inner_product, params, fn.Batch(batch, batch))
    np.testing.assert_allclose(norms, 1e30, rtol=1e-6)


@over_keys
def test_an_example_that_is_not_a_number_spoils_no_other(key: fn.Key | None) -> None:
    model = fn.chain(fn.linear(4), fn.layer_norm(), fn.linear(2))
    params, x, _ = point_of(model, (3,), 0, 4)
    x[1] = np.nan
    gradients = fn.per_example_gradients(model, ROW_ENTROPY, params, fn.Batch(x, np.zeros(4, int)), key)
    for leaf in tree_leaves(gradients[:2]):
        assert np.isnan(leaf).any(axis=tuple(range(1, leaf.ndim))).tolist() == [False, True, False, False]


@over_keys
def test_a_layer_of_a_users_own_has_gradients_of_examples(key: fn.Key | None) -> None:
    model = fn.chain(power(), fn.linear(2))
    params, x, u = point_of(model, (3,), 0, 4)
    x = abs(x)
    found = fn.per_example_gradients(model, inner_product, params, fn.Batch(x, u), key)
    np.testing.assert_allclose(found[0], (u @ params[1].weight.T) * x * np.log(x), rtol=1e-12)


@over_layers
def test_no_examples_have_no_gradients(specimen: Specimen) -> None:
    params, x, u = specimen.point(0, 0)
    batch = fn.Batch(x, u)
    for loss in (inner_product, partial(fn.mse, reduction="sum")):
        gradients = fn.per_example_gradients(specimen.layer, loss, params, batch)
        assert all(leaf.shape == (0, *param.shape) for leaf, param in _pairs(gradients, params))
        assert fn.per_example_norms(specimen.layer, loss, params, batch).shape == (0,)


def _pairs(left: Tree, right: Tree) -> list[tuple[Any, Any]]:
    return list(zip(tree_leaves(left), tree_leaves(right), strict=True))


def halved(layer: fn.Layer[Any]) -> fn.Layer[Any]:
    """Make a user's combinator from closures, which treats gradients as no combinator here does."""

    def vjp(params: Tree, x: fn.Array, key: fn.Key | None) -> Any:
        y, pullback = layer.vjp(params, x, key)

        def pull(dy: fn.Array) -> Any:
            gradient, delayed_dx = pullback(dy)
            return tree_map(lambda leaf: leaf / 2, gradient), lambda: delayed_dx() / 2

        return y / 2, pull

    return fn.Layer(f"halved({layer})", layer.init, lambda params, x: layer.apply(params, x) / 2, vjp)


@over_keys
def test_a_users_combinator_is_a_leaf_and_gives_each_example_its_gradient_with_its_noise(key: fn.Key | None) -> None:
    inner = fn.chain(fn.linear(4), fn.dropout(0.5), fn.linear(3))
    plain, model = fn.chain(fn.linear(5), inner, fn.scale(0.5)), fn.chain(fn.linear(5), halved(inner))
    params, x, u = point_of(model, (3,), 0, 6)
    batch = fn.Batch(x, u)
    found = fn.per_example_gradients(model, inner_product, params, batch, key)
    expected = fn.per_example_gradients(plain, inner_product, (*params, ()), batch, key)
    assert_close(found, expected[:2])
    np.testing.assert_allclose(
        fn.per_example_norms(model, inner_product, params, batch, key), norms_of(found), rtol=1e-13
    )


def test_layers_of_different_kinds_that_share_a_parameter_add_up_their_gradients() -> None:
    model = fn.tied(fn.linear(3), halved(fn.linear(3)), fn.linear(3))
    params, x, u = point_of(model, (3,), 0, 4)
    found = fn.per_example_gradients(model, inner_product, params, fn.Batch(x, u))
    assert_close(sums_of(found), fn.gradients(model, params, x, u)[0])
    np.testing.assert_allclose(
        fn.per_example_norms(model, inner_product, params, fn.Batch(x, u)), norms_of(found), rtol=1e-13
    )


COMBINED = (
    (fn.residual(fn.linear(3)), 1),
    (fn.add(fn.linear(2), fn.linear(2)), 2),
    (fn.concat(fn.linear(2), fn.linear(1)), 2),
    (fn.parallel(fn.linear(2), fn.linear(1), widths=(1, 2)), 2),
    (fn.repeat(fn.linear(3), 3), 3),
    (fn.tied(fn.linear(3), fn.linear(3)), 2),
    (fn.chain(fn.chain(fn.linear(3)), fn.residual(fn.chain(fn.linear(3)))), 2),
    (fn.frozen(fn.linear(3), fn.linear(3).init(fn.Key(0), (3,))[0]), 1),
)


@each(("model", "leaves"), COMBINED)
def test_leaves_are_found_in_every_combinator(model: fn.Layer[Any], leaves: int) -> None:
    params, x, _ = point_of(model, (3,), 0, 2)
    found = []

    def rule(leaf: fn.Layer[Any], params: Tree, x: fn.Array, key: fn.Key | None) -> Any:
        found.append(leaf.name)
        return leaf.vjp(params, x, key)

    y, _ = vjp_by_leaf(rule, model, params, x, None)
    assert len(found) == leaves
    assert all(name.startswith("linear") for name in found)
    assert same_bits(y, model.apply(params, x))


@each("convert", [to_torch, lambda leaf: strict.asarray(np.array(leaf))])
@over_keys
def test_arrays_of_other_libraries_have_the_same_gradients(convert: Callable[..., Any], key: fn.Key | None) -> None:
    model = fn.chain(fn.linear(5), fn.layer_norm(), fn.maxout(4, 2), fn.tied(fn.linear(4), fn.linear(4)))
    params, x, _ = point_of(model, (3,), 0, 6, np.float32)
    batch, foreign = fn.Batch(x, np.arange(6) % 4), fn.Batch(convert(x), convert(np.arange(6) % 4))
    strange = tree_map(convert, params)
    for function in (fn.per_example_gradients, fn.per_example_norms):
        found = function(model, fn.cross_entropy, strange, foreign, key)
        assert all(type(leaf) is type(foreign.inputs) for leaf in tree_leaves(found))
        assert_close(found, function(model, fn.cross_entropy, params, batch, key), at_least=1)
    assert_close(fn.saliency(model, strange, foreign.inputs), fn.saliency(model, params, x), at_least=1)
