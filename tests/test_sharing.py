"""Tied, repeated and frozen parameters: the identities between them, and that no step moves frozen ones."""

import pickle
from typing import Any

from attrs import evolve
from hypothesis import given
import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp.layer import input_pullback
from fnmlp.testing import check_layer
from fnmlp.tree import tree_leaves, tree_map
from tests.optional import optional
from tests.steps import assert_close, draw, everything, point_of, same_bits, seeds

torch = optional("torch")


@given(seeds)
def test_repeat_is_a_chain_of_layers_with_parameters_of_their_own(seed: int) -> None:
    layer = fn.chain(fn.linear(3), fn.tanh())
    repeated, chained = fn.repeat(layer, 3), fn.chain(layer, layer, layer)
    params, x, dy = point_of(repeated, (3,), seed, 4)
    assert fn.tree_equal(repeated.init(fn.Key(seed), (3,)), chained.init(fn.Key(seed), (3,)))
    assert not fn.tree_equal(params[0], params[1])
    assert same_bits(everything(repeated, params, x, dy), everything(chained, params, x, dy))


@given(seeds)
def test_tied_is_a_chain_of_one_tree_whose_gradients_are_added(seed: int) -> None:
    layer = fn.chain(fn.linear(3), fn.tanh())
    tied, chained = fn.tied(layer, layer, layer), fn.chain(layer, layer, layer)
    params, x, dy = point_of(tied, (3,), seed, 4)
    y, grads, dx = everything(tied, params, x, dy)
    chain_y, _, chain_dx = everything(chained, (params,) * 3, x, dy)
    parts, _ = fn.gradients(chained, (params,) * 3, x, dy)
    assert same_bits((y, dx), (chain_y, chain_dx))
    total = tree_map(lambda a, b, c: a + b + c, *parts)
    assert_close(grads, tree_leaves(total), eps=4)


def test_tied_layers_stay_tied_under_every_step() -> None:
    model, optimizer = fn.tied(fn.linear(2), fn.linear(2)), fn.sgd(0.1)
    state = fn.train_state(model, optimizer, key=fn.Key(0), example=(2,))
    batch = fn.Batch(draw(0, (8, 2), np.float32), draw(1, (8, 2), np.float32))
    after = fn.train_step(model, fn.mse, optimizer, state, batch)
    assert len(tree_leaves(after.params)) == 2
    assert after.loss > 0
    once = fn.linear(2).apply(after.params, batch.inputs)
    assert same_bits(model.apply(after.params, batch.inputs), fn.linear(2).apply(after.params, once))


def test_layers_of_other_kinds_can_be_tied_if_their_parameters_agree() -> None:
    model = fn.tied(fn.linear(4), fn.maxout(2, 2))
    params, x, dy = point_of(model, (4,), 0, 3)
    y = fn.maxout(2, 2).apply(params, fn.linear(4).apply(params, x))
    assert same_bits(model.apply(params, x), y)
    assert y.shape == dy.shape
    check_layer(model, (4,))


@pytest.mark.parametrize("optimizer", [fn.sgd(0.1, momentum=0.9), fn.adamw(0.1, weight_decay=0.5)])
def test_no_optimizer_moves_what_is_frozen(optimizer: fn.Optimizer) -> None:
    held, _ = fn.linear(4).init(fn.Key(1), (3,))
    model = fn.chain(fn.frozen(fn.linear(4), held), fn.tanh(), fn.linear(2))
    state = fn.train_state(model, optimizer, key=fn.Key(0), example=(3,))
    batch = fn.Batch(draw(0, (8, 3), np.float32), draw(1, (8, 2), np.float32))
    before = model.apply(state.params, batch.inputs)
    for _ in range(3):
        state = fn.train_step(model, fn.mse, optimizer, state, batch)
    assert state.params[0] == ()
    assert not same_bits(model.apply(state.params, batch.inputs), before)
    hidden = fn.tanh().apply((), fn.linear(4).apply(held, batch.inputs))
    assert same_bits(model.apply(state.params, batch.inputs), fn.linear(2).apply(state.params[2], hidden))


def test_a_frozen_layer_is_the_layer_and_holds_a_copy_that_nobody_can_write_to() -> None:
    params, x, dy = point_of(fn.linear(2), (3,), 0, 4)
    expected = everything(fn.linear(2), params, x, dy)
    layer = fn.frozen(fn.linear(2), params)
    y, grads, dx = everything(layer, (), x, dy)
    assert same_bits((y, dx), (expected[0], expected[2]))
    assert grads == ()
    params.weight[...] = 7
    assert same_bits(layer.apply((), x), expected[0])
    assert layer.deal is not None
    (held,) = layer.deal(())
    assert not any(leaf.flags.writeable for leaf in tree_leaves(held))
    assert same_bits(pickle.loads(pickle.dumps(layer)).apply((), x), expected[0])  # noqa: S301 (our own bytes)


def test_a_frozen_layer_computes_no_gradient_unless_dx_is_asked_for() -> None:
    asked: list[float] = []

    def pull(dy: NDArray[Any]) -> NDArray[Any]:
        asked.append(float(dy.sum()))
        return dy

    spy = evolve(fn.identity(), vjp=lambda _params, x, _key: (x, input_pullback(pull)))
    _, delayed_dx = fn.frozen(spy, ()).vjp((), np.ones((1, 2)), None)[1](np.ones((1, 2)))
    assert asked == []
    delayed_dx()
    assert asked == [2.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_frozen_parameters_follow_the_dtype_and_the_library_of_the_input(dtype: Any) -> None:
    held, _ = fn.linear(2).init(fn.Key(0), (3,))
    layer, x = fn.frozen(fn.linear(2), held), draw(0, (4, 3), dtype)
    y = layer.apply((), x)
    assert y.dtype == dtype
    torch_y: Any = layer.apply((), torch.from_numpy(x))
    assert type(torch_y) is torch.Tensor
    assert_close(torch_y.numpy(), y, eps=8)


def test_a_frozen_table_takes_integers() -> None:
    table = fn.Embedding(np.eye(3, 2, dtype=np.float32))
    assert fn.frozen(fn.embedding(3, 2), table).apply((), np.array([1, 0])).tolist() == [[0, 1], [1, 0]]


def test_a_frozen_layer_has_no_name_that_builds_it() -> None:
    held, _ = fn.linear(2).init(fn.Key(0), (3,))
    layer = fn.frozen(fn.linear(2), held)
    assert layer.name == "frozen(linear(2), params)"
    with pytest.raises(fn.StructureError):
        fn.build(layer.name)


def test_layers_of_other_structure_can_not_be_tied_or_frozen() -> None:
    with pytest.raises(fn.StructureError) as caught:
        fn.tied(fn.linear(3), fn.relu()).init(fn.Key(0), (3,))
    assert caught.value.__notes__ == [
        "in tied; tie layers whose parameters agree",
        "in layer 1 of tied(linear(3), relu())",
    ]
    held, _ = fn.linear(2).init(fn.Key(0), (4,))
    with pytest.raises(fn.ShapeError, match=r"frozen: params\.weight: expected shape \(3, 2\), got \(4, 2\)"):
        fn.frozen(fn.linear(2), held).init(fn.Key(0), (3,))
    with pytest.raises(fn.StructureError, match=r"expected Linear, got a tuple of 0"):
        fn.frozen(fn.linear(2), ()).init(fn.Key(0), (3,))


@pytest.mark.parametrize("times", [0, -1, 1.5, True])
def test_repeating_a_layer_less_than_once_is_refused(times: Any) -> None:
    with pytest.raises(fn.OptionError, match=r"repeat\(times\)"):
        fn.repeat(fn.relu(), times)
