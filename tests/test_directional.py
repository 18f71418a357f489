"""Derivatives along a direction: of outputs, and of gradients; and the refusal of what a complex step can't see."""

from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.testing.numeric import random_like
from fnmlp.testing.strategies import chains, shapes
from fnmlp.tree import Tree, tree_leaves, tree_map
from tests.catalogue import LAYERS, LOSSES, Specimen
from tests.derivatives import assert_adjoint, assert_within, change_of_gradient, products
from tests.optional import optional
from tests.purity import assert_pure, forbid_writing
from tests.specimens import LossSpecimen
from tests.steps import assert_close, point_of, same_bits, seeds
from tests.sweep import each
from tests.torch_oracle import to_torch

torch = optional("torch")
functional = optional("torch.nn.functional")

over_layers = each("specimen", LAYERS)
over_dtypes = each("dtype", [np.float32, np.float64])
over_keys = each("key", [None, fn.Key(3)])


@over_layers
@over_keys
@over_dtypes
@each("seed", range(2))
def test_the_derivative_of_outputs_is_the_transpose_of_the_pullback(
    specimen: Specimen, seed: int, key: fn.Key | None, dtype: Any
) -> None:
    params, x, u = specimen.point(seed, 3, dtype)
    assert_adjoint(specimen.layer, params, x, u, key, eps=64)


@given(data=st.data(), example=shapes(), seed=seeds)
def test_the_derivative_of_random_chains_is_the_transpose_of_their_pullback(
    data: st.DataObject, example: tuple[int, ...], seed: int
) -> None:
    model = data.draw(chains(example, noise=True))
    params, x, u = point_of(model, example, seed, 3)
    assert_adjoint(model, params, x, u, fn.Key(seed), eps=1000)


def test_arrays_too_large_for_one_block_keep_their_derivative() -> None:
    model = fn.chain(fn.gelu(), fn.linear(2), fn.tanh())
    params, x, u = point_of(model, (600,), 0, 40)
    assert_adjoint(model, params, x, u, None, eps=64)
    direction = random_like(params, fn.Key(0))
    found = fn.hessian_vector_product(model, fn.mse, params, fn.Batch(x, u), direction)
    assert_within(found, change_of_gradient(model, fn.mse, params, fn.Batch(x, u), direction, None), 1e-6)


def test_the_output_is_that_of_pixels_and_their_derivative_passes_a_frozen_layer_too() -> None:
    inner = fn.chain(fn.flatten(), fn.scale(1 / 255), fn.linear(4))
    model = fn.chain(fn.frozen(inner, inner.init(fn.Key(0), (2, 3))[0]), fn.tanh(), fn.linear(2))
    params, x, u = point_of(model, (2, 3), 0, 5, np.float32)
    assert_adjoint(model, params, np.abs(255 * x).astype(np.uint8), u, None, eps=64)


@over_dtypes
def test_jvp_is_that_of_torch(dtype: Any) -> None:
    model = fn.chain(fn.linear(5), fn.gelu(), fn.layer_norm(), fn.linear(3), fn.log_softmax())
    params, x, _ = point_of(model, (4,), 1, 6, dtype)
    dparams, dx = random_like((params, x), fn.Key(2))

    def forward(first: Any, bias: Any, gain: Any, offset: Any, last: Any, out: Any, x: Any) -> Any:
        hidden = functional.layer_norm(functional.gelu(x @ first + bias), (5,), gain, offset)
        return functional.log_softmax(hidden @ last + out, -1)

    primals, tangents = (tuple(map(torch.tensor, tree_leaves(tree))) for tree in ((params, x), (dparams, dx)))
    y, dy = torch.autograd.functional.jvp(forward, primals, tangents)
    assert_close(fn.jvp(model, params, x, dparams, dx), (y.numpy(), dy.numpy()), at_least=1)


STRAIGHT = (fn.relu(), fn.leaky_relu(slope=0.25), fn.hardtanh(), fn.relu6(), fn.hardsigmoid())
KINKED = (*STRAIGHT, fn.hardswish(), fn.elu(alpha=0.5), fn.selu())
SMOOTH = (
    *(fn.sigmoid(), fn.tanh(), fn.softsign(), fn.softplus(), fn.elu(), fn.celu(), fn.celu(alpha=0.5)),
    *(fn.gelu(), fn.gelu(approximate="tanh"), fn.silu(), fn.mish()),
)
KINKS = np.array([[-3.0, -1.0, -0.0, 0.0, 1.0, 3.0, 6.0]])


@each("layer", [*KINKED, *SMOOTH])
@each("sign", [1.0, -1.0])
def test_at_a_kink_the_derivative_is_what_the_pullback_says(layer: fn.Layer[Any], sign: float) -> None:
    dx = sign * np.arange(1.0, 8.0)[None, :]
    _, dy = fn.jvp(layer, (), KINKS, (), dx)
    assert_close(dy, fn.gradients(layer, (), KINKS, dx)[1])


@each("layer", STRAIGHT)
def test_at_a_kink_an_activation_in_straight_pieces_has_no_curvature(layer: fn.Layer[Any]) -> None:
    model = fn.chain(fn.linear(7), layer)
    params = (fn.Linear(np.zeros((1, 7)), KINKS[0]), ())
    direction = random_like(params, fn.Key(0))
    batch = fn.Batch(np.ones((1, 1)), np.ones((1, 7)))
    found = fn.hessian_vector_product(model, partial(fn.mse, reduction="sum"), params, batch, direction)
    slope = fn.gradients(layer, (), KINKS, np.ones((1, 7)))[1]
    moved = direction[0].weight + direction[0].bias
    assert_close(found[0].bias, (2 * slope**2 * moved)[0], at_least=1)


@over_layers
@over_keys
@over_dtypes
@each("seed", range(2))
def test_the_hessian_is_symmetric(specimen: Specimen, seed: int, key: fn.Key | None, dtype: Any) -> None:
    params, x, u = specimen.point(seed, 3, dtype)
    y = specimen.layer.apply(params, x)
    first, second = (random_like(params, fn.Key(seed, (place,))) for place in range(2))
    product = partial(fn.hessian_vector_product, specimen.layer, cubes, params, fn.Batch(x, u.astype(y.dtype)))
    left, left_size = products(product(first, key), second)
    right, right_size = products(product(second, key), first)
    assert abs(left - right) <= 256 * np.finfo(dtype).eps * (left_size + right_size)
    forms = zip(tree_leaves(product(first, key)), tree_leaves(params), strict=True)
    assert all((leaf.dtype, leaf.shape) == (param.dtype, param.shape) for leaf, param in forms)


def cubes(y: fn.Array, u: fn.Array) -> tuple[fn.Array, fn.Array]:
    """Be a loss that is curved everywhere: the sum of y³ + y² + u y."""
    return (y * y * y + y * y + u * y).sum(), 3 * y * y + 2 * y + u


@given(data=st.data(), seed=seeds)
def test_the_hessian_of_random_chains_is_symmetric(data: st.DataObject, seed: int) -> None:
    model = data.draw(chains((4,)))
    params, x, u = point_of(model, (4,), seed, 3)
    first, second = (random_like(params, fn.Key(seed, (place,))) for place in range(2))
    product = partial(fn.hessian_vector_product, model, cubes, params, fn.Batch(x, u))
    left, left_size = products(product(first), second)
    right, right_size = products(product(second), first)
    assert abs(left - right) <= 1e4 * np.finfo(np.float64).eps * (1 + left_size + right_size)


@over_layers
@over_keys
def test_the_product_is_by_how_much_the_gradient_changes(specimen: Specimen, key: fn.Key | None) -> None:
    params, x, u = specimen.point(2, 3)
    direction = random_like(params, fn.Key(0))
    batch = fn.Batch(x, u.astype(specimen.layer.apply(params, x).dtype))
    found = fn.hessian_vector_product(specimen.layer, cubes, params, batch, direction, key)
    expected = change_of_gradient(specimen.layer, cubes, params, batch, direction, key)
    assert_within(found, expected, 1e-6)


@each("specimen", LOSSES)
@over_dtypes
def test_every_loss_has_a_hessian(specimen: LossSpecimen, dtype: Any) -> None:
    model = fn.chain(fn.linear(5), fn.tanh(), fn.linear(4))
    params, x, _ = point_of(model, (3,), 0, 6)
    targets = specimen.targets(model.apply(params, x), 1)
    direction = random_like(params, fn.Key(0))
    expected = change_of_gradient(model, specimen.loss, params, fn.Batch(x, targets), direction, None)
    params, direction, x = (tree_map(lambda leaf: leaf.astype(dtype), tree) for tree in (params, direction, x))
    batch = fn.Batch(x, targets.astype(dtype) if targets.dtype.kind == "f" else targets)
    found = fn.hessian_vector_product(model, specimen.loss, params, batch, direction)
    assert all(leaf.dtype == dtype for leaf in tree_leaves(found))
    assert_within(found, expected, 1e-6 if dtype == np.float64 else 1e-5)


def test_hessian_vector_products_are_those_of_torch() -> None:
    model = fn.chain(fn.linear(5), fn.gelu(), fn.layer_norm(), fn.linear(3))
    params, x, _ = point_of(model, (4,), 1, 6)
    labels = np.arange(6) % 3
    direction = random_like(params, fn.Key(2))

    def loss(first: Any, bias: Any, gain: Any, offset: Any, last: Any, out: Any) -> Any:
        hidden = functional.layer_norm(functional.gelu(torch.tensor(x) @ first + bias), (5,), gain, offset)
        return functional.cross_entropy(hidden @ last + out, torch.tensor(labels))

    leaves, moves = (tuple(map(torch.tensor, tree_leaves(tree))) for tree in (params, direction))
    _, expected = torch.autograd.functional.hvp(loss, leaves, moves)
    found = fn.hessian_vector_product(model, fn.cross_entropy, params, fn.Batch(x, labels), direction)
    assert_close(tree_leaves(found), tuple(leaf.numpy() for leaf in expected), at_least=1)


def test_products_are_linear_in_the_direction() -> None:
    model = fn.chain(fn.linear(5), fn.relu(), fn.linear(3))
    params, x, _ = point_of(model, (4,), 0, 6, np.float32)
    direction, batch = random_like(params, fn.Key(0)), fn.Batch(x, np.arange(6) % 3)
    for function in (
        lambda v: fn.hessian_vector_product(model, fn.cross_entropy, params, batch, v),
        lambda v: fn.jvp(model, params, x, v)[1],
    ):
        once, nothing = function(direction), function(tree_map(np.zeros_like, direction))
        assert same_bits(function(tree_map(lambda v: 4 * v, direction)), tree_map(lambda leaf: 4 * leaf, once))
        assert not any(leaf.any() for leaf in tree_leaves(nothing))


def test_nothing_given_is_changed_or_shared() -> None:
    model = fn.chain(fn.linear(5), fn.relu(), fn.layer_norm(), fn.linear(3))
    params, x, u = point_of(model, (4,), 0, 6)

    def use(params: Tree, x: fn.Array, u: fn.Array, direction: Tree) -> Tree:
        batch = fn.Batch(x, u)
        return (
            fn.jvp(model, params, x, direction, x),
            fn.hessian_vector_product(model, fn.mse, params, batch, direction),
            fn.per_example_gradients(model, fn.mse, params, batch),
            fn.per_example_norms(model, fn.mse, params, batch),
            fn.saliency(model, params, x),
        )

    point = params, x, u, random_like(params, fn.Key(0))
    assert_pure(use, *forbid_writing(point))
    assert_pure(use, *tree_map(np.array, point))


@each(
    ("change", "kind", "message"),
    [
        (lambda p: fn.Linear(p.weight[:1], p.bias), fn.ShapeError, r"params\.weight: expected shape \(4, 2\)"),
        (lambda p: fn.Linear(p.weight, ()), fn.StructureError, "tree"),
    ],
)
def test_a_direction_that_does_not_fit_is_refused(
    change: Callable[[Any], Any], kind: type[Exception], message: str
) -> None:
    model = fn.linear(2)
    params, x, u = point_of(model, (4,), 0, 3)
    with pytest.raises(kind, match=message):
        fn.jvp(model, params, x, change(params))
    with pytest.raises(kind, match=message):
        fn.hessian_vector_product(model, fn.mse, params, fn.Batch(x, u), change(params))


def test_what_can_not_move_is_refused() -> None:
    model = fn.linear(2)
    params, x, _ = point_of(model, (4,), 0, 3)
    with pytest.raises(fn.ShapeError, match=r"jvp\(dx\): expected shape \(3, 4\), got \(1, 4\)"):
        fn.jvp(model, params, x, params, x[:1])
    with pytest.raises(fn.DtypeError, match=r"jvp\(dx\): expected NumPy arrays of floats to move, got uint8"):
        fn.jvp(fn.scale(0.5), (), x.astype(np.uint8), (), x)
    foreign: Any = tree_map(torch.tensor, params)
    with pytest.raises(fn.DtypeError, match=r"jvp\(dparams\): expected NumPy arrays of floats to move, got Tensor"):
        fn.jvp(model, foreign, x, foreign)


PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 4), dtype=np.uint8)


TRAINED = fn.chain(fn.flatten(), fn.scale(1 / 255), fn.linear(6), fn.relu(), fn.linear(3), fn.softmax())


@each("of", [None, np.array([0, 2, 1, 1, 0], np.uint8)])
def test_saliency_of_pixels_is_torchs_gradient_of_an_output_by_grey_level(of: fn.Array | None) -> None:
    params = TRAINED.init(fn.Key(0), (4, 4))[0]
    found = fn.saliency(TRAINED, params, PIXELS, of=of)
    assert found.shape == PIXELS.shape
    assert found.dtype == np.float32
    x = torch.tensor(PIXELS.astype(np.float32), requires_grad=True)
    y: Any = TRAINED.apply(tree_map(to_torch, params), x)
    chosen = y.argmax(axis=1) if of is None else torch.tensor(of).long()
    y[torch.arange(5), chosen].sum().backward()
    assert_close(found, x.grad.numpy())


def test_saliency_names_the_row_of_a_class_that_the_model_does_not_have() -> None:
    params = TRAINED.init(fn.Key(0), (4, 4))[0]
    with pytest.raises(fn.DataError, match=r"labels\[1\]: expected 0 to 2, got 3"):
        fn.saliency(TRAINED, params, PIXELS, of=np.array([0, 3, 0, 0, 0]))
    with pytest.raises(fn.ShapeError, match=r"saliency: expected 5 labels, got \(2,\)"):
        fn.saliency(TRAINED, params, PIXELS, of=np.array([0, 1]))
    with pytest.raises(fn.ShapeError, match=r"saliency: expected outputs of shape \(n, classes\), got \(5, 4, 4\)"):
        fn.saliency(fn.scale(0.5), (), PIXELS)
