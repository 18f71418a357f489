"""Gradients of every size give torch's steps: squares neither vanish nor overflow where torch's do not.

A sum of squares that was set to 0 under a root left epsilon alone in the divisor: Adam with an epsilon of 1e-30 took
steps of 1e10 after gradients of 1e-17, and a gradient of 2e19, whose square is beyond float32, left an infinity.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp.tree import tree_leaves
from tests.optional import optional

torch = optional("torch")
optim = optional("torch.optim")

STEPS = 70
SIZES = np.array([1e-22, 1e-17, 1e-14, 1e-10, 1e-5, 1.0, 1e5, 1e10, 1e15, 1e18, 1e19, 2e19])
RATE = 2.0**-10
Numbers = NDArray[Any]
Make = Callable[[float], fn.Optimizer]

PAIRS: dict[str, tuple[Make, Callable[[Any, float], Any]]] = {
    "adam": (lambda e: fn.adam(RATE, epsilon=e), lambda p, e: optim.Adam(p, lr=RATE, eps=e)),
    "amsgrad": (
        lambda e: fn.adam(RATE, epsilon=e, amsgrad=True),
        lambda p, e: optim.Adam(p, lr=RATE, eps=e, amsgrad=True),
    ),
    "adamw": (
        lambda e: fn.adamw(RATE, epsilon=e, betas=(0.5, 0.75)),
        lambda p, e: optim.AdamW(p, lr=RATE, eps=e, betas=(0.5, 0.75)),
    ),
    "nadam": (lambda e: fn.nadam(RATE, epsilon=e), lambda p, e: optim.NAdam(p, lr=RATE, eps=e)),
    "radam": (lambda e: fn.radam(RATE, epsilon=e), lambda p, e: optim.RAdam(p, lr=RATE, eps=e)),
    "adamax": (lambda e: fn.adamax(RATE, epsilon=e), lambda p, e: optim.Adamax(p, lr=RATE, eps=e)),
    "rmsprop": (lambda e: fn.rmsprop(RATE, epsilon=e), lambda p, e: optim.RMSprop(p, lr=RATE, eps=e)),
    "rmsprop, centered": (
        lambda e: fn.rmsprop(RATE, epsilon=e, centered=True),
        lambda p, e: optim.RMSprop(p, lr=RATE, eps=e, centered=True),
    ),
    "rmsprop, momentum": (
        lambda e: fn.rmsprop(RATE, epsilon=e, momentum=0.5),
        lambda p, e: optim.RMSprop(p, lr=RATE, eps=e, momentum=0.5),
    ),
    "adagrad": (lambda e: fn.adagrad(RATE, epsilon=e), lambda p, e: optim.Adagrad(p, lr=RATE, eps=e)),
    "adadelta": (lambda e: fn.adadelta(RATE, epsilon=e), lambda p, e: optim.Adadelta(p, lr=RATE, eps=e)),
}


def sequence(dtype: Any) -> list[Numbers]:
    """Return gradients with a row for each size, of both signs; in half of the columns all are 0 after 20 steps."""
    draws = np.random.default_rng(3)
    drawn = [draws.uniform(0.5, 1, (len(SIZES), 8)) * draws.choice([-1, 1], 8) for _ in range(STEPS)]
    alive = np.arange(8) < 4
    return [(grad * SIZES[:, None] * (alive | (step < 20))).astype(dtype) for step, grad in enumerate(drawn)]


def ours(optimizer: fn.Optimizer, grads: list[Numbers]) -> Numbers:
    params = (np.zeros_like(grads[0]),)
    state, path = optimizer.init(params), []
    for grad in grads:
        params, state = optimizer.update(params, (grad,), state)
        path.append(params[0])
    return np.stack(path)


def torchs(make: Callable[[Any, float], Any], epsilon: float, grads: list[Numbers]) -> Numbers:
    leaf = torch.nn.Parameter(torch.from_numpy(np.zeros_like(grads[0])))
    optimizer, path = make([leaf], epsilon), []
    for grad in grads:
        leaf.grad = torch.from_numpy(grad.copy())
        optimizer.step()
        path.append(leaf.detach().numpy().copy())
    return np.stack(path)


@pytest.mark.usefixtures("torch_in_float64")
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", PAIRS)
def test_gradients_of_every_size_give_torchs_steps(name: str, dtype: Any) -> None:
    make, oracle = PAIRS[name]
    grads = sequence(dtype)
    for epsilon in (1e-8, 1e-16, 1e-20, 1e-30):
        found, expected = ours(make(epsilon), grads), torchs(oracle, epsilon, grads)
        # A mean of squares is off by at most two roundings a step, a mean of gradients by those of its last 20 terms.
        bound = STEPS * (2 * STEPS + 40) * np.finfo(dtype).eps
        longest = np.abs(np.diff(expected, axis=0, prepend=0)).max(axis=(0, 2))
        far = np.abs(found - expected).max(axis=(0, 2)) > bound * longest
        assert SIZES[far].tolist() == [], f"gradients of these sizes, with epsilon {epsilon}"


@pytest.mark.parametrize(
    "make", [fn.adam, fn.adamw, fn.nadam, fn.radam, fn.adamax, fn.rmsprop, fn.adadelta], ids=lambda make: make.__name__
)
def test_a_gradient_whose_square_is_beyond_float32_leaves_no_infinity(make: Any) -> None:
    params, optimizer = (np.ones(1, np.float32),), make(0.1)
    params, state = optimizer.update(params, (np.array([2e19], np.float32),), optimizer.init(params))
    assert all(np.isfinite(leaf).all() for leaf in tree_leaves((params, state)))


def test_the_mean_of_squares_is_torchs_where_the_square_itself_overflows() -> None:
    leaf = torch.nn.Parameter(torch.ones(1, dtype=torch.float32))
    oracle = optim.Adam([leaf], lr=0.1)
    leaf.grad = torch.full((1,), 2e19, dtype=torch.float32)
    oracle.step()
    params, grads = (np.ones(1, np.float32),), (np.array([2e19], np.float32),)
    _, state = fn.adam(0.1).update(params, grads, fn.adam(0.1).init(params))
    np.testing.assert_allclose(state.trees[1][0], oracle.state[leaf]["exp_avg_sq"].numpy(), rtol=1e-6)
