"""The oracle: torch.nn and its autograd agree with our layers, and autograd of our `apply` with our `vjp`."""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fnmlp as fn
from fnmlp.tree import Tree, tree_equal, tree_leaves, tree_map
from tests.catalogue import PORTABLE, Specimen
from tests.optional import optional
from tests.steps import assert_close, draw, point_of, same_bits
from tests.sweep import each
from tests.torch_oracle import assert_within_gamma, backward, leaf, to_torch

torch = optional("torch")
DataLoader = optional("torch.utils.data").DataLoader

BATCHES, INPUTS, OUTPUTS = (1, 2, 7, 64), (1, 3, 10, 784), (1, 2, 10)
over_batches = each("batch", BATCHES)
over_inputs = each("inputs", INPUTS)
over_dtypes = each("dtype", [np.float32, np.float64])


@over_batches
@over_inputs
@each("out", OUTPUTS)
@over_dtypes
def test_linear_is_torch_nn_linear_forward_and_backward(batch: int, inputs: int, out: int, dtype: Any) -> None:
    params, x, dy = point_of(fn.linear(out), (inputs,), batch, batch, dtype)
    oracle = torch.nn.Linear(inputs, out, dtype=to_torch(x).dtype)
    with torch.no_grad():
        oracle.weight.copy_(to_torch(params.weight.T))
        oracle.bias.copy_(to_torch(params.bias))
    torch_y, torch_dx = backward(oracle, x, dy)
    assert oracle.weight.grad is not None
    assert oracle.bias.grad is not None
    grads, dx = fn.gradients(fn.linear(out), params, x, dy)
    y = fn.linear(out).apply(params, x)
    assert_within_gamma(y, torch_y, abs(x) @ abs(params.weight) + abs(params.bias), inputs + 1)
    assert_within_gamma(grads.weight, oracle.weight.grad.T, abs(x).T @ abs(dy), batch)
    assert_within_gamma(grads.bias, oracle.bias.grad, abs(dy).sum(axis=0), batch)
    assert_within_gamma(dx, torch_dx, abs(dy) @ abs(params.weight).T, out)


def assert_is_torchs_relu(x: NDArray[Any], dy: NDArray[Any]) -> None:
    torch_y, torch_dx = backward(torch.nn.ReLU(), x, dy)
    assert np.array_equal(fn.relu().apply((), x), torch_y.detach().numpy())
    assert np.array_equal(fn.gradients(fn.relu(), (), x, dy)[1], torch_dx.numpy())


@over_batches
@over_inputs
@over_dtypes
def test_relu_is_torch_nn_relu_to_the_bit(batch: int, inputs: int, dtype: Any) -> None:
    x, dy = draw(batch, (batch, inputs), dtype), draw(inputs, (batch, inputs), dtype)
    assert_is_torchs_relu(x, dy)


@over_dtypes
def test_relu_keeps_the_convention_of_torch_at_its_kink(dtype: Any) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([-np.inf, -1, -tiny, -0.0, 0.0, tiny, 1, np.inf], dtype)
    assert_is_torchs_relu(x, np.arange(1, 9, dtype=dtype))


@over_batches
@over_inputs
@each("axis", [-1, 0, 1, -2])
@over_dtypes
def test_softmax_is_torch_nn_softmax_forward_and_backward(batch: int, inputs: int, axis: int, dtype: Any) -> None:
    x, dy = 8 * draw(batch, (batch, inputs), dtype), draw(inputs, (batch, inputs), dtype)
    torch_y, torch_dx = backward(torch.nn.Softmax(dim=axis), x, dy)
    y = fn.softmax(axis=axis).apply((), x)
    assert_within_gamma(y, torch_y, y, x.shape[axis])
    terms = y * (abs(dy) + (abs(dy) * y).sum(axis=axis, keepdims=True))
    assert_within_gamma(fn.gradients(fn.softmax(axis=axis), (), x, dy)[1], torch_dx, terms, 3 * x.shape[axis])


@over_batches
@over_inputs
@each("reduction", ["mean", "sum"])
@over_dtypes
def test_mse_is_torch_nn_mse_loss_forward_and_backward(batch: int, inputs: int, reduction: str, dtype: Any) -> None:
    y, target = draw(batch, (batch, inputs), dtype), draw(inputs, (batch, inputs), dtype)
    oracle = torch.nn.MSELoss(reduction=reduction)
    torch_value, torch_dy = backward(lambda torch_y: oracle(torch_y, to_torch(target)), y, dtype(1))
    value, dy = fn.mse(y, target, reduction=reduction)
    assert_within_gamma(value, torch_value, value, y.size)
    assert_within_gamma(dy, torch_dy, abs(dy), 0)


@each("specimen", PORTABLE)
@over_dtypes
def test_autograd_of_our_own_apply_is_our_own_vjp(specimen: Specimen, dtype: Any) -> None:
    layer = specimen.layer
    params, x, dy = specimen.point(3, 4, dtype)
    floats = x.dtype.kind == "f"  # integers have no derivative
    torch_params = tree_map(leaf, params)
    torch_x: Any = leaf(x) if floats else to_torch(x)
    y: Any = layer.apply(torch_params, torch_x)
    leaves = [*tree_leaves(torch_params), *([torch_x] if floats else [])]
    found = torch.autograd.grad(y, leaves, to_torch(dy)) if leaves else ()
    grads, dx = fn.gradients(layer, params, x, dy)
    expected = (grads, dx) if floats else (grads,)
    assert_close(tuple(gradient.numpy() for gradient in found), tree_leaves(expected), eps=256, at_least=1)


@each("specimen", PORTABLE)
@over_dtypes
def test_our_vjp_on_torch_tensors_is_our_vjp_on_numpy_arrays(specimen: Specimen, dtype: Any) -> None:
    layer = specimen.layer
    point = specimen.point(3, 4, dtype)
    found = layer.apply(*tree_map(to_torch, point[:2])), fn.gradients(layer, *tree_map(to_torch, point))
    assert all(type(tensor) is torch.Tensor for tensor in tree_leaves(found))
    assert_close(found, (layer.apply(*point[:2]), fn.gradients(layer, *point)), eps=256, at_least=1)


MODEL = fn.chain(fn.scale(1 / 255), fn.linear(5), fn.relu(), fn.linear(3), fn.softmax())
STEP = partial(fn.train_step, MODEL, fn.on_labels(fn.mse), fn.sgd(0.5))
PIXELS = np.random.default_rng(0).integers(0, 256, (22, 4), np.uint8)
LABELS = np.arange(22) % 3


def start() -> fn.TrainState:
    return fn.train_state(MODEL, fn.sgd(0.5), key=fn.Key(0), example=(4,))


def rows_in_order(data: fn.Batch) -> list[fn.Batch]:
    return [data[row : row + 4] for row in range(0, len(data), 4)]


@each("kind", [np.uint8, np.int64])
def test_a_fold_over_torchs_data_loader_is_the_fold_over_batches_to_the_bit(kind: Any) -> None:
    data = fn.Batch(PIXELS, LABELS.astype(kind))
    found = reduce(STEP, DataLoader(data, batch_size=4), start())
    assert found.step == 6
    assert tree_equal(found, reduce(STEP, rows_in_order(data), start()))


def test_a_data_loader_over_weighted_rows_yields_triples_that_are_batches() -> None:
    weights = np.arange(22) / 8
    data = fn.Batch(PIXELS, LABELS, weights)
    loader: Any = DataLoader(data, batch_size=4)
    assert [len(batch) for batch in loader] == [3] * 6
    found = reduce(STEP, loader, start())
    assert tree_equal(found, reduce(STEP, rows_in_order(data), start()))
    assert not tree_equal(found.params, reduce(STEP, rows_in_order(fn.Batch(PIXELS, LABELS)), start()).params)


def test_a_data_loader_that_samples_an_epochs_order_serves_the_epoch() -> None:
    data = fn.Batch(PIXELS.astype(np.float32), LABELS)
    order = fn.epoch_order(22, key=fn.Key(1), epoch=2).tolist()
    loader: Any = DataLoader(data, batch_size=4, sampler=order)
    expected = reduce(STEP, fn.batches(data, size=4, key=fn.Key(1), epoch=2), start())
    assert tree_equal(reduce(STEP, loader, start()), expected)


def trained_on(make: Callable[[Any], Any]) -> Tree:
    """Train on arrays of another library, from the first parameters to the last."""
    state = start()
    params = tree_map(make, state.params)
    for batch in rows_in_order(fn.Batch(PIXELS, LABELS)):
        foreign = fn.Batch(make(batch.inputs), make(batch.targets))
        _, grads = fn.value_and_grad(MODEL, fn.on_labels(fn.mse), params, foreign)
        params = fn.sgd_update(params, grads, rate=0.5)
    return params


def test_training_on_torch_tensors_leaves_the_parameters_of_training_on_numpy_arrays() -> None:
    found, expected = trained_on(to_torch), trained_on(np.array)
    assert all(type(tensor) is torch.Tensor for tensor in tree_leaves(found))
    assert_close(found, expected, eps=256, at_least=1)
    assert same_bits(expected, reduce(STEP, rows_in_order(fn.Batch(PIXELS, LABELS)), start()).params)
