"""Derivatives along a direction: of outputs, and of gradients; and the refusal of what a complex step can't see."""

from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp.derivatives.analytic import Analytic, moving, rate_of, still, value_of
from fnmlp.testing.numeric import random_like
from fnmlp.testing.strategies import chains, shapes
from fnmlp.tree import Tree, tree_leaves, tree_map
from tests.catalogue import LAYERS, LOSSES, Specimen
from tests.optional import optional
from tests.purity import assert_pure, forbid_writing
from tests.specimens import LossSpecimen
from tests.steps import assert_close, draw, point_of, same_bits, seeds
from tests.sweep import each

torch = optional("torch")
functional = optional("torch.nn.functional")

over_layers = each("specimen", LAYERS)
over_dtypes = each("dtype", [np.float32, np.float64])
over_keys = each("key", [None, fn.Key(3)])


def products(left: Tree, right: Tree) -> tuple[float, float]:
    """Return the inner product of two trees, and the size of its terms."""
    pairs = zip(tree_leaves(left), tree_leaves(right), strict=True)
    terms = [np.ravel(np.multiply(u, v, dtype=np.float64)) for u, v in pairs]
    flat = np.concatenate([np.zeros(1), *terms])
    return float(flat.sum()), float(np.abs(flat).sum())


def assert_adjoint(
    layer: fn.Layer[Any], params: Tree, x: NDArray[Any], u: NDArray[Any], key: fn.Key | None, eps: float
) -> None:
    """Claim that <J v, u> = <v, Jᵀ u> for one random v."""
    dparams, dx = random_like((params, x), fn.Key(1))
    floats = x.dtype.kind == "f"
    y, dy = fn.jvp(layer, params, x, dparams, dx if floats else None, key)
    assert same_bits(y, layer.vjp(params, x, key)[0])
    assert (dy.dtype, dy.shape) == (y.dtype, y.shape)
    gradients = fn.gradients(layer, params, x, u, key)
    left, left_size = products((dy,), (u,))
    right, right_size = products(gradients if floats else gradients[:1], (dparams, dx) if floats else (dparams,))
    assert abs(left - right) <= eps * np.finfo(u.dtype).eps * (left_size + right_size)


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


def change_of_gradient(
    model: fn.Layer[Any], loss: fn.Loss, params: Tree, batch: fn.Batch, direction: Tree, key: fn.Key | None
) -> Tree:
    """Return the derivative of the gradient by central differences."""

    def moved(step: float) -> Tree:
        at = tree_map(lambda p, v: p + step * v, params, direction)
        return fn.value_and_grad(model, loss, at, batch, key)[1]

    return tree_map(lambda up, down: (up - down) / 2e-5, moved(1e-5), moved(-1e-5))


def assert_within(found: Tree, expected: Tree, tolerance: float) -> None:
    for left, right in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        np.testing.assert_allclose(left, right, rtol=0, atol=tolerance * (1 + float(np.abs(right).max())))


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


def mapped(function: Callable[[Any], Any]) -> fn.Layer[Any]:
    """Be a layer of a user's own, that maps all numbers without the help of `elementwise`; its gradient is wrong."""
    return fn.Layer(
        "mapped()",
        fn.relu().init,
        lambda _, x: function(x),
        lambda _, x, __: (function(x), lambda dy: ((), lambda: dy)),
    )


def into_floats(z: Any) -> Any:
    buffer = np.zeros(z.shape)
    buffer[...] = z
    return buffer


LOSSY: dict[str, Callable[[Any], Any]] = {
    "a real part": lambda z: z.real * z,
    "an imaginary part": lambda z: z + z.imag,
    "numpy.real": lambda z: np.real(z) * z,
    "a cast": lambda z: z.astype(np.float64) * z,
    "a buffer of floats": into_floats,
    "a conjugate": lambda z: z * z.conj(),
    "numpy.conj in place": lambda z: np.conj(z, out=np.empty_like(z)),
    "a norm": lambda z: z / np.linalg.norm(z),
    "norms of rows": lambda z: z / np.linalg.norm(z, axis=1, keepdims=True),
    "a variance": lambda z: z / np.var(z, axis=1, keepdims=True),
    "a deviation": lambda z: z / z.std(axis=1, keepdims=True),
    "numpy.vdot": lambda z: z * np.vdot(z, z),
    "numpy.vecdot": lambda z: z * np.vecdot(z, z)[:, None],
    "a function without complex numbers": np.cbrt,
    "a conjugate element": lambda z: z * z[0, 0].conj(),
    "an array without its type": lambda z: np.abs(np.asarray(z)),
    "an absolute value in place": lambda z: np.abs(z, out=np.empty_like(z)),
}


@each("name", LOSSY)
@each("position", ["first", "later"])
def test_what_loses_the_derivative_is_refused_and_not_a_wrong_number(name: str, position: str) -> None:
    layer = mapped(LOSSY[name])
    model = fn.chain(layer, fn.linear(2)) if position == "first" else fn.chain(fn.linear(4), layer, fn.linear(2))
    params, x, u = point_of(model, (4,), 0, 3)
    with pytest.raises(fn.DtypeError, match="derivative along a direction: expected what is analytic"):
        fn.jvp(model, params, x, params, x)
    if position == "later":
        with pytest.raises(fn.DtypeError, match="derivative along a direction: expected what is analytic"):
            fn.hessian_vector_product(model, fn.mse, params, fn.Batch(x, u), params)


def strips(part: str) -> fn.Layer[Any]:
    """Be a layer of a user's own whose pullback takes the type from its gradient, or from dx."""

    def vjp(weight: fn.Array, x: fn.Array, _: fn.Key | None) -> Any:
        def pull(dy: fn.Array) -> Any:
            gradient, dx = (dy * x).sum(axis=0), dy * weight
            return (np.asarray(gradient), lambda: dx) if part == "gradient" else (gradient, lambda: np.asarray(dx))

        return x * weight, pull

    return fn.Layer(f"strips({part})", lambda _, shape: (np.ones(shape), shape), lambda weight, x: x * weight, vjp)


@each("part", ["gradient", "dx"])
def test_a_pullback_that_strips_the_type_is_refused(part: str) -> None:
    model = fn.chain(fn.linear(3), strips(part))
    params, x, u = point_of(model, (4,), 0, 3)
    fn.jvp(model, params, x, params)
    with pytest.raises(fn.DtypeError, match=rf"got a plain array from strips\({part}\)"):
        fn.hessian_vector_product(model, fn.mse, params, fn.Batch(x, u), params)


def test_a_loss_that_strips_the_type_or_makes_a_float_is_refused() -> None:
    model = fn.linear(2)
    params, x, u = point_of(model, (4,), 0, 3)
    for strip, got in ((np.asarray, "a plain array from the loss"), (float, "float")):

        def loss(y: fn.Array, t: fn.Array, strip: Any = strip) -> tuple[Any, fn.Array]:
            return strip((y * t).sum()), t

        with pytest.raises(fn.DtypeError, match=f"derivative along a direction: .* got {got};"):
            fn.hessian_vector_product(model, loss, params, fn.Batch(x, u), params)


ANALYTIC: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "abs": (np.abs, np.sign),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "sign": (lambda x: x * np.sign(x), np.sign),
    "where": (lambda x: np.where(x > 0, x * x, -x), lambda x: np.where(x > 0, 2 * x, -1)),
    "constant pieces": (lambda x: x * (x > 0), lambda x: (x > 0) * 1.0),
    "einsum": (lambda x: np.einsum("ij,ij->ij", x, x), lambda x: 2 * x),
    "concat": (lambda x: np.concat([x[:1] ** 2, x[1:] ** 2]), lambda x: 2 * x),
    "in place": (lambda x: np.exp(x, out=np.empty_like(x)), np.exp),
    "sorted by": (
        lambda x: np.take_along_axis(x * x, np.argsort(np.argsort(x)) * 0, 1) * 0 + x**3,
        lambda x: 3 * x * x,
    ),
    "counted": (lambda x: x / (1 + x.argmax(axis=1)[:, None] * 0 + np.argmax(x) * 0 / 2), lambda x: 1 + 0 * x),
}


@each("name", ANALYTIC)
def test_what_is_analytic_piece_by_piece_has_its_derivative(name: str) -> None:
    function, slope = ANALYTIC[name]
    x, dx = draw(0, (3, 4)), draw(1, (3, 4))
    y, dy = fn.jvp(mapped(function), (), x, (), dx)
    assert same_bits(y, function(x))
    assert_close(dy, slope(x) * dx)


def test_an_activation_of_a_users_own_needs_complex_numbers_for_its_curvature_alone() -> None:
    cube_root = fn.elementwise(np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2))
    model = fn.chain(fn.linear(2), cube_root)
    params, x, u = point_of(model, (4,), 0, 3)
    assert_adjoint(model, params, x, u, None, eps=64)
    with pytest.raises(fn.DtypeError, match=r"got numpy\.cbrt; write it in operators") as caught:
        fn.hessian_vector_product(model, fn.mse, params, fn.Batch(x, u), params)
    assert isinstance(caught.value.__cause__, TypeError)


def test_softsign_of_absolute_values_has_its_curvature() -> None:
    softsign = fn.elementwise(lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2)
    model = fn.chain(fn.linear(3), softsign, fn.linear(2))
    params, x, u = point_of(model, (4,), 0, 3)
    direction = random_like(params, fn.Key(0))
    found = fn.hessian_vector_product(model, fn.mse, params, fn.Batch(x, u), direction)
    assert_within(found, change_of_gradient(model, fn.mse, params, fn.Batch(x, u), direction, None), 1e-8)


def test_what_moves_is_taken_apart_as_it_was_put_together() -> None:
    x, rate = draw(0, (3,)), draw(1, (3,))
    z = moving(x, rate)
    assert isinstance(z, Analytic)
    assert same_bits((value_of(z), rate_of(z)), (x, rate))
    assert still(z) is z
    assert not rate_of(still(x)).any()
    assert same_bits(still(np.arange(3)), np.arange(3))
