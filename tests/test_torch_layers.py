"""The oracle for the vocabulary: each layer and torch's of the same name, forward, backward, at kinks and limits."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fnmlp as fn
from tests.optional import optional
from tests.steps import assert_close, draw, point_of
from tests.sweep import each
from tests.torch_oracle import backward, leaf, to_torch

torch = optional("torch")
functional = optional("torch.nn.functional")

over_dtypes = each("dtype", [np.float32, np.float64])

ACTIVATIONS: dict[str, Callable[[Any], Any]] = {
    "sigmoid()": torch.sigmoid,
    "tanh()": torch.tanh,
    "gelu()": functional.gelu,
    "gelu(approximate='tanh')": lambda x: functional.gelu(x, approximate="tanh"),
    "silu()": functional.silu,
    "elu()": functional.elu,
    "elu(alpha=0.5)": lambda x: functional.elu(x, alpha=0.5),
    "elu(alpha=3.0)": lambda x: functional.elu(x, alpha=3.0),
    "selu()": functional.selu,
    "leaky_relu()": functional.leaky_relu,
    "leaky_relu(slope=0.25)": lambda x: functional.leaky_relu(x, 0.25),
    "leaky_relu(slope=0.0)": lambda x: functional.leaky_relu(x, 0.0),
    "exponential()": lambda x: x.exp(),
    "softplus()": lambda x: functional.softplus(x, threshold=200),
    "hardtanh()": functional.hardtanh,
    "hardswish()": functional.hardswish,
    "mish()": functional.mish,
    "softsign()": functional.softsign,
    "celu()": functional.celu,
    "celu(alpha=0.5)": lambda x: functional.celu(x, alpha=0.5),
    "celu(alpha=3.0)": lambda x: functional.celu(x, alpha=3.0),
    "relu6()": functional.relu6,
    # torch's own hardsigmoid multiplies a float64 gradient by the float32 number nearest to 1/6.
    "hardsigmoid()": lambda x: functional.hardtanh(x, -3, 3) / 6 + 0.5,
    "log_softmax()": lambda x: functional.log_softmax(x, -1),
    "log_softmax(axis=0)": lambda x: functional.log_softmax(x, 0),
    "log_softmax(axis=1)": lambda x: functional.log_softmax(x, 1),
    "identity()": lambda x: x * 1,
    "smooth_clip()": lambda x: x / (1 + (x / 3) ** 2).sqrt(),
    "smooth_clip(limit=0.5)": lambda x: x / (1 + (x / 0.5) ** 2).sqrt(),
}
over_activations = each("text", ACTIVATIONS)
KINKS = np.array([-3.0, -1.0, -0.0, 0.0, 1.0, 3.0, 6.0])


def ours(text: str, x: NDArray[Any], dy: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    layer = fn.build(text)
    y, pullback = layer.vjp((), x, None)
    return y, pullback(dy)[1]()


def torchs(text: str, x: NDArray[Any], dy: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    y, dx = backward(ACTIVATIONS[text], x, dy)
    return y.detach().numpy(), dx.numpy()


@over_activations
@each("shape", [(1, 1), (3, 7), (64, 10), (2, 3, 4), (0, 3)])
@over_dtypes
def test_an_activation_is_torchs_forward_and_backward(text: str, shape: tuple[int, ...], dtype: Any) -> None:
    x, dy = 6 * draw(1, shape, dtype), draw(2, shape, dtype)
    # torch's tanh form of gelu loses its tail, to 6 eps of 1; tests/ulp says how near ours are to the truth.
    assert_close(ours(text, x, dy), torchs(text, x, dy), eps=8, at_least=1)


@over_activations
@over_dtypes
def test_an_activation_keeps_torchs_convention_at_its_kinks(text: str, dtype: Any) -> None:
    x, dy = KINKS.astype(dtype)[:, None] + np.zeros((1, 2), dtype), np.full((7, 2), 7, dtype)
    assert_close(ours(text, x, dy), torchs(text, x, dy), eps=4, at_least=1)


@each("text", [text for text in ACTIVATIONS if "log_softmax" not in text])
@over_dtypes
def test_just_beside_a_kink_the_derivative_is_torchs(text: str, dtype: Any) -> None:
    kinks = KINKS.astype(dtype)
    beside = np.concatenate([np.nextafter(kinks, dtype(9)), np.nextafter(kinks, dtype(-9))])
    assert_close(
        ours(text, beside, np.ones_like(beside)), torchs(text, beside, np.ones_like(beside)), eps=4, at_least=1
    )


LIMITS: dict[str, tuple[float, float]] = {
    "sigmoid()": (0, 1),
    "tanh()": (-1, 1),
    "gelu()": (0, np.inf),
    "gelu(approximate='tanh')": (0, np.inf),
    "silu()": (0, np.inf),
    "elu()": (-1, np.inf),
    "elu(alpha=3.0)": (-3, np.inf),
    "leaky_relu()": (-np.inf, np.inf),
    "softplus()": (0, np.inf),
    "hardtanh()": (-1, 1),
    "hardswish()": (0, np.inf),
    "mish()": (0, np.inf),
    "softsign()": (-1, 1),
    "celu()": (-1, np.inf),
    "celu(alpha=3.0)": (-3, np.inf),
    "relu6()": (0, 6),
    "hardsigmoid()": (0, 1),
    "smooth_clip()": (-3, 3),
    "smooth_clip(limit=0.5)": (-0.5, 0.5),
}


@each("text", LIMITS)
@over_dtypes
def test_an_infinite_number_gives_the_limit_and_a_finite_derivative(text: str, dtype: Any) -> None:
    # torch's gelu, silu and hardswish of -inf are NaN.
    x = np.array([-np.inf, np.inf, np.nan], dtype)
    with np.errstate(invalid="raise", over="raise"):
        y, dx = ours(text, x, np.ones_like(x))
    assert y[:2].tolist() == list(LIMITS[text])
    assert np.isnan(y[2])
    steep = 0.01 if "leaky" in text else 0.0
    assert dx[:2].tolist() == [dtype(steep), 1.0 if LIMITS[text][1] == np.inf else 0.0]


@each("features", [1, 5])
@each("per_feature", [False, True])
@each("batch", [1, 7, 300])
@over_dtypes
def test_prelu_is_torchs(batch: int, features: int, per_feature: bool, dtype: Any) -> None:
    x, dy = 6 * draw(1, (batch, features), dtype), draw(2, (batch, features), dtype)
    x[0, 0] = 0.0
    slope = draw(3, (features if per_feature else 1,), dtype)
    oracle = torch.nn.PReLU(len(slope), dtype=to_torch(x).dtype)
    with torch.no_grad():
        oracle.weight.copy_(to_torch(slope))
    layer = fn.prelu(per_feature=per_feature)
    assert_is_module(
        layer, (fn.Prelu(slope), x, dy), oracle, lambda g: (g.slope,), dtype, size=64 + 6 * batch * features
    )


def test_prelu_begins_as_torchs_does() -> None:
    params, _ = fn.prelu(per_feature=True).init(fn.Key(0), (3,))
    assert np.array_equal(params.slope, torch.nn.PReLU(3).weight.detach().numpy())
    params, _ = fn.prelu().init(fn.Key(0), (2, 3))
    assert np.array_equal(params.slope, torch.nn.PReLU().weight.detach().numpy())


@each("activation", ["silu()", "mish()", "relu()"])
@each("batch", [1, 7, 300])
@over_dtypes
def test_parametric_mixes_torchs_activation_with_the_identity(activation: str, batch: int, dtype: Any) -> None:
    x, dy, alpha = 6 * draw(1, (batch, 5), dtype), draw(2, (batch, 5), dtype), draw(3, (5,), dtype)
    torch_alpha, bend = leaf(alpha), {**ACTIVATIONS, "relu()": functional.relu}[activation]
    y, dx = backward(lambda x: (1 - torch_alpha) * x + torch_alpha * bend(x), x, dy)
    layer = fn.parametric(fn.build(activation))
    grads, our_dx = fn.gradients(layer, fn.Parametric(alpha), x, dy)
    found = layer.apply(fn.Parametric(alpha), x), our_dx, grads.alpha
    oracle = y.detach().numpy(), dx.numpy(), torch_alpha.grad.numpy()
    assert_close(found, oracle, eps=64 + 6 * batch, at_least=6)


@each("bias", [True, False])
@each("batch", [1, 300])
@over_dtypes
def test_ntk_linear_is_torchs_linear_map_over_the_root_of_its_inputs(batch: int, bias: bool, dtype: Any) -> None:
    layer = fn.ntk_linear(3, bias=bias)
    params, x, dy = point_of(layer, (7,), 1, batch, dtype)
    leaves = [leaf(one) for one in fn.tree_leaves(params)]
    y, dx = backward(lambda x: functional.linear(x / 7**0.5, leaves[0].T, *leaves[1:]), x, dy)
    grads, our_dx = fn.gradients(layer, params, x, dy)
    found = layer.apply(params, x), our_dx, fn.tree_leaves(grads)
    oracle = y.detach().numpy(), dx.numpy(), tuple(one.grad.numpy() for one in leaves)
    assert_close(found, oracle, eps=64 + batch, at_least=1)


def test_the_outputs_of_ntk_linear_have_one_size_for_any_number_of_inputs() -> None:
    for features in (4, 1000):
        layer = fn.ntk_linear(2000, bias=False)
        params, _ = layer.init(fn.Key(0), (features,))
        y = layer.apply(params, np.ones((1, features), np.float32))
        assert abs(float(np.std(y)) - 1) < 6 / (2 * 2000) ** 0.5  # six times its standard error
        assert params.weight.std() > 0.9


@each("width", [2, 4])
@each("batch", [1, 7, 200])
@over_dtypes
def test_periodic_is_torchs_cosine_and_linear_map_for_each_feature(width: int, batch: int, dtype: Any) -> None:
    layer = fn.periodic(width, frequencies=5, deviation=0.5)
    params, x, dy = point_of(layer, (3,), 1, batch, dtype)
    frequency, phase, weight, bias = leaves = [leaf(one) for one in fn.tree_leaves(params)]

    def embedded(x: Any) -> Any:
        waves = torch.cos(2 * torch.pi * x[:, :, None] * frequency + phase)
        return torch.cat([x[:, :, None], torch.einsum("bnf,nfw->bnw", waves, weight) + bias], dim=2).flatten(1)

    y, dx = backward(embedded, x, dy)
    grads, our_dx = fn.gradients(layer, params, x, dy)
    found = layer.apply(params, x), our_dx, fn.tree_leaves(grads)
    oracle = y.detach().numpy(), dx.numpy(), tuple(one.grad.numpy() for one in leaves)
    assert_close(found, oracle, eps=64 + 8 * batch, at_least=4)


def test_periodic_begins_with_slow_waves_of_any_phase() -> None:
    params, _ = fn.periodic(3, frequencies=200, deviation=0.25).init(fn.Key(0), (10,))
    assert abs(params.frequency.std() / 0.25 - 1) < 6 / (2 * 2000) ** 0.5
    assert (np.histogram(params.phase, 4, (-np.pi, np.pi))[0] > 400).all()
    for leaf_of_map in (params.weight, params.bias):
        assert 0.5 * 200**-0.5 < np.abs(leaf_of_map).max() <= np.float32(200**-0.5)


def swiglu(x: Any) -> Any:
    gate, passing = x.chunk(2, dim=-1)
    return functional.silu(gate) * passing


@each(("layer", "oracle"), [(fn.glu(), functional.glu), (fn.swiglu(), swiglu)])
@each("shape", [(1, 2), (7, 10), (3, 2, 4), (0, 2)])
@over_dtypes
def test_a_gated_linear_unit_is_torchs(
    layer: fn.Layer[Any], oracle: Callable[[Any], Any], shape: tuple[int, ...], dtype: Any
) -> None:
    x, dy = 6 * draw(1, shape, dtype), draw(2, (*shape[:-1], shape[-1] // 2), dtype)
    y, dx = backward(oracle, x, dy)
    found = layer.apply((), x), fn.gradients(layer, (), x, dy)[1]
    assert_close(found, (y.detach().numpy(), dx.numpy()), eps=8, at_least=6)


@over_dtypes
def test_selu_has_the_constants_of_torch_at_its_limits(dtype: Any) -> None:
    x = np.array([-200.0, 0.0, 1.0], dtype)
    assert_close(ours("selu()", x, np.ones_like(x)), torchs("selu()", x, np.ones_like(x)), eps=1)


def test_log_softmax_is_not_moved_by_large_offsets() -> None:
    x = np.array([[1.0, 2.0, 4.0]], np.float32)
    near = fn.log_softmax().apply((), x)
    assert fn.log_softmax().apply((), x + np.float32(2**20)).tolist() == near.tolist()
    assert_close(near, functional.log_softmax(to_torch(x), -1).numpy(), eps=2)


def test_log_softmax_of_equal_largest_numbers_counts_all_of_them() -> None:
    assert_close(fn.log_softmax().apply((), np.full((2, 5), 3.0)), np.full((2, 5), -np.log(5)), eps=2)


def assert_is_module(
    layer: fn.Layer[Any], params: tuple[Any, Any, Any], oracle: Any, grads_of: Any, dtype: Any, size: float = 64
) -> None:
    """Claim that a layer gives torch's output, and its gradients of the input and of each parameter.

    The terms that a gradient of a parameter adds up are together no larger than `size`.
    """
    own, x, dy = params
    torch_y, torch_dx = backward(oracle, x, dy)
    y, pullback = layer.vjp(own, x, None)
    grads, delayed_dx = pullback(dy)
    assert y.dtype == dtype
    assert_close((y, delayed_dx()), (torch_y.detach().numpy(), torch_dx.numpy()), eps=64, at_least=1)
    expected = tuple(p.grad.numpy() for p in oracle.parameters())
    assert_close(grads_of(grads), expected, eps=size, at_least=1)


@each("batch", [1, 2, 64, 300])
@each("features", [4, 5, 64])
@each("epsilon", [1e-5, 0.5])
@over_dtypes
def test_layer_norm_is_torchs(batch: int, features: int, epsilon: float, dtype: Any) -> None:
    # Of one or two features the gradient is all but 0, and what is left of it is rounding, in torch as here.
    x, dy = draw(batch, (batch, features), dtype), draw(features, (batch, features), dtype)
    gain, offset = draw(1, (features,), dtype), draw(2, (features,), dtype)
    oracle = torch.nn.LayerNorm(features, eps=epsilon, dtype=to_torch(x).dtype)
    with torch.no_grad():
        oracle.weight.copy_(to_torch(gain))
        oracle.bias.copy_(to_torch(offset))
    layer = fn.layer_norm(epsilon=epsilon)
    assert_is_module(layer, (fn.LayerNorm(gain, offset), x, dy), oracle, lambda g: (g.gain, g.offset), dtype)


@each("batch", [1, 2, 64, 300])
@each("features", [1, 5, 64])
@each("epsilon", [1e-5, 0.5])
@over_dtypes
def test_rms_norm_is_torchs(batch: int, features: int, epsilon: float, dtype: Any) -> None:
    x, dy = draw(batch, (batch, features), dtype), draw(features, (batch, features), dtype)
    gain = draw(1, (features,), dtype)
    oracle = torch.nn.RMSNorm(features, eps=epsilon, dtype=to_torch(x).dtype)
    with torch.no_grad():
        oracle.weight.copy_(to_torch(gain))
    layer = fn.rms_norm(epsilon=epsilon)
    assert_is_module(layer, (fn.RmsNorm(gain), x, dy), oracle, lambda g: (g.gain,), dtype)


@each("shape", [(1,), (50,), (4, 3), (0,), (0, 3)])
@each("kind", [np.int64, np.int32, np.uint8])
@over_dtypes
def test_embedding_is_torchs(shape: tuple[int, ...], kind: Any, dtype: Any) -> None:
    ids = np.random.default_rng(0).integers(0, 7, shape).astype(kind)
    table, dy = draw(1, (7, 5), dtype), draw(2, (*shape, 5), dtype)
    torch_table = leaf(table)
    torch_y: Any = functional.embedding(to_torch(ids.astype(np.int64)), torch_table)
    torch_y.backward(to_torch(dy))
    grads, dx = fn.gradients(fn.embedding(7, 5), fn.Embedding(table), ids, dy)
    assert np.array_equal(fn.embedding(7, 5).apply(fn.Embedding(table), ids), torch_y.detach().numpy())
    assert_close(grads.table, torch_table.grad.numpy(), eps=8, at_least=1)
    assert dx.shape == shape
    assert not dx.any()


@each("pieces", [2, 5])
@each("batch", [1, 7, 200])
@over_dtypes
def test_maxout_is_the_largest_of_torchs_linear_maps(pieces: int, batch: int, dtype: Any) -> None:
    layer = fn.maxout(3, pieces)
    params, x, dy = point_of(layer, (4,), 1, batch, dtype)
    weight, bias, torch_x = leaf(params.weight), leaf(params.bias), leaf(x)
    torch_y = (torch_x @ weight + bias).reshape(batch, pieces, 3).amax(dim=1)
    torch_y.backward(to_torch(dy))
    grads, dx = fn.gradients(layer, params, x, dy)
    found = layer.apply(params, x), grads.weight, grads.bias, dx
    oracle = torch_y.detach(), weight.grad, bias.grad, torch_x.grad
    assert_close(found, tuple(tensor.numpy() for tensor in oracle), eps=256, at_least=1)


def test_equal_pieces_share_the_gradient_as_in_torch() -> None:
    params = fn.Linear(np.ones((1, 8)), np.zeros(8))
    grads, dx = fn.gradients(fn.maxout(2, 4), params, np.array([[2.0]]), np.array([[5.0, 7.0]]))
    tied = leaf(np.full((4, 2), 2.0))
    tied.amax(dim=0).backward(to_torch(np.array([5.0, 7.0])))
    assert grads.weight.tolist() == [(2 * tied.grad.numpy().ravel()).tolist()] == [[2.5, 3.5] * 4]
    assert dx.tolist() == [[12.0]]


def test_a_row_of_nan_makes_maxout_nan_without_a_warning() -> None:
    params = fn.Linear(np.ones((1, 4)), np.zeros(4))
    y, pullback = fn.maxout(2, 2).vjp(params, np.array([[np.nan], [1.0]]), None)
    assert np.isnan(y[0]).all()
    assert np.isnan(pullback(np.ones((2, 2)))[0].weight).all()


@each("rate", [0.1, 0.5])
@over_dtypes
def test_dropout_scales_what_it_keeps_as_torch_does(rate: float, dtype: Any) -> None:
    x = draw(0, (50, 40), dtype)
    y, _ = fn.dropout(rate).vjp((), x, fn.Key(0))
    torch_y = functional.dropout(to_torch(x), rate).numpy()
    both = (y != 0) & (torch_y != 0)
    assert both.mean() > (1 - rate) ** 2 - 0.1
    np.testing.assert_allclose(y[both], torch_y[both], rtol=2**-15)


@over_dtypes
def test_the_sum_over_ids_is_in_float64_whatever_comes_in(dtype: Any) -> None:
    # 60,000 rows of one id, added one after another in float32, are 67 eps off.
    dy = np.random.default_rng(0).uniform(0, 1, (60_000, 3)).astype(dtype)
    grads, _ = fn.gradients(fn.embedding(2, 3), fn.Embedding(np.zeros((2, 3), dtype)), np.ones(60_000, int), dy)
    exact = dy.astype(np.longdouble).sum(axis=0)
    assert np.abs(grads.table[1] / exact - 1).max() <= max(np.finfo(dtype).eps, 1e-12)
    assert grads.table.dtype == dtype
