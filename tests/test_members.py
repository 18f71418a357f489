"""Ensembles in one network: each member is the network that it would be alone, and the loss is the mean of theirs."""

from functools import partial
from typing import Any

import numpy as np

import fnmlp as fn
from fnmlp.tree import tree_leaves
from tests.optional import optional
from tests.steps import assert_close, draw, point_of
from tests.sweep import each
from tests.torch_oracle import backward, leaf

torch = optional("torch")

over_dtypes = each("dtype", [np.float32, np.float64])


@each("batch", [1, 7, 200])
@over_dtypes
def test_batch_ensemble_is_torchs_arithmetic(batch: int, dtype: Any) -> None:
    layer = fn.batch_ensemble(3, scale_init=fn.normal(1.0))
    params, x, dy = point_of(layer, (4, 5), 1, batch, dtype)
    weight, scale_in, scale_out, bias = leaves = [leaf(one) for one in tree_leaves(params)]
    y, dx = backward(lambda x: ((x * scale_in) @ weight) * scale_out + bias, x, dy)
    grads, our_dx = fn.gradients(layer, params, x, dy)
    found = layer.apply(params, x), our_dx, tree_leaves(grads)
    oracle = y.detach().numpy(), dx.numpy(), tuple(one.grad.numpy() for one in leaves)
    assert_close(found, oracle, eps=64 + 32 * batch, at_least=1)


@each("batch", [1, 7, 200])
@over_dtypes
def test_ensemble_linear_is_torchs_product_of_stacks_of_matrices(batch: int, dtype: Any) -> None:
    layer = fn.ensemble_linear(3)
    params, x, dy = point_of(layer, (4, 5), 1, batch, dtype)
    weight, bias = leaves = [leaf(one) for one in tree_leaves(params)]
    y, dx = backward(lambda x: torch.einsum("bki,kio->bko", x, weight) + bias, x, dy)
    grads, our_dx = fn.gradients(layer, params, x, dy)
    found = layer.apply(params, x), our_dx, tree_leaves(grads)
    oracle = y.detach().numpy(), dx.numpy(), tuple(one.grad.numpy() for one in leaves)
    assert_close(found, oracle, eps=64 + 8 * batch, at_least=1)


MODEL = fn.chain(
    fn.tile(3), fn.batch_ensemble(4, scale_init=fn.signs()), fn.relu(), fn.batch_ensemble(4), fn.ensemble_linear(2)
)


def alone(member: int, params: Any) -> tuple[fn.Layer[Any], Any]:
    """Return a member as a network by itself, with its own parameters."""
    _, first, _, second, last = params
    layers: list[fn.Layer[Any]] = [fn.linear(4), fn.relu(), fn.linear(4), fn.linear(2)]

    def own(shared: Any) -> fn.Linear:
        weight = shared.scale_in[member][:, None] * shared.weight * shared.scale_out[member]
        return fn.Linear(weight, shared.bias[member])

    return fn.chain(*layers), (own(first), (), own(second), fn.Linear(last.weight[member], last.bias[member]))


def test_each_member_is_a_network_of_its_own() -> None:
    params, _ = MODEL.init(fn.Key(0), (5,))
    x = draw(0, (6, 5), np.float32)
    y = MODEL.apply(params, x)
    members = [model.apply(own, x) for model, own in (alone(member, params) for member in range(3))]
    assert_close(y, np.stack(members, axis=1), eps=64, at_least=1)
    assert abs(members[0] - members[1]).max() > 0.1


@each("reduction", ["mean", "sum", "none"])
@each("weights", [(), np.array([1.0, 0.0, 2.0, 0.5, 1.0, 3.0])])
def test_the_loss_is_the_mean_of_the_members_own(reduction: str, weights: Any) -> None:
    y, labels = draw(1, (6, 3, 4)), np.array([0, 1, 2, 3, 0, 1])
    loss: Any = partial(fn.cross_entropy, label_smoothing=0.1, reduction=reduction)
    ensembles: Any = fn.over_members(loss)
    value, dy = ensembles(y, labels, sample_weights=weights)
    own = [loss(y[:, member], labels, sample_weights=weights) for member in range(3)]
    assert_close(np.asarray(value), np.asarray(sum(part for part, _ in own) / 3))
    assert_close(dy, np.stack([part for _, part in own], axis=1) / 3)


def test_an_ensemble_learns_and_predicts_the_mean_of_its_members() -> None:
    x = draw(3, (64, 5), np.float32)
    labels = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    optimizer = fn.adam(0.02)
    step = partial(fn.train_step, MODEL, fn.over_members(fn.cross_entropy), optimizer)
    state = fn.train_state(MODEL, optimizer, key=fn.Key(0), example=(5,))
    for _ in range(150):
        state = step(state, (x, labels))
    whole = fn.chain(MODEL, fn.softmax(), fn.mean_members())
    shares = fn.predict(whole, (state.params, (), ()), x)
    assert shares.shape == (64, 2)
    assert_close(shares.sum(axis=1), np.ones(64, np.float32))
    assert fn.accuracy(shares, labels) > 0.9


def test_the_gradient_of_each_row_is_that_of_the_row_alone() -> None:
    params, _ = MODEL.init(fn.Key(0), (5,))
    x, labels = draw(4, (6, 5), np.float32), np.array([0, 1, 1, 0, 0, 1])
    loss = fn.over_members(fn.cross_entropy)
    rows = tree_leaves(fn.per_example_gradients(MODEL, loss, params, (x, labels)))
    for row in range(6):
        own = fn.value_and_grad(MODEL, loss, params, (x[row : row + 1], labels[row : row + 1]))[1]
        assert_close(tuple(one[row] for one in rows), tree_leaves(own), at_least=1)
