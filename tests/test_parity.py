"""From the same weights, over the same batches, torch's object-style model and ours are the same but for rounding."""

from collections.abc import Iterator
from functools import partial, reduce
from typing import Any

import attrs
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.layers import Linear
from fnmlp.tree import Tree, tree_leaves, tree_map
from tests.optional import optional
from tests.rounding import step_bound

torch = optional("torch")

MODEL = fn.chain(fn.linear(512), fn.relu(), fn.linear(10), fn.softmax())


def prepared(batches: tuple[fn.Batch, ...], dtype: str, *, divisor: int) -> list[fn.Batch]:
    """Make floats of the pixels, and one-hot rows of the labels."""
    return [
        fn.Batch(batch.inputs.astype(dtype) / divisor, fn.one_hot(batch.targets, 10, dtype=dtype)) for batch in batches
    ]


def torch_states(params: Any, batches: list[fn.Batch], rate: float) -> Iterator[Tree]:
    """Train torch's own model, and yield its parameters in our layout before the first step and after each."""
    hidden, output = (_torch_linear(params[place]) for place in (0, 2))
    model = torch.nn.Sequential(hidden, torch.nn.ReLU(), output, torch.nn.Softmax(dim=1))
    loss, optimizer = torch.nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=rate)
    yield _our_params(hidden, output)
    for batch in batches:
        optimizer.zero_grad()
        loss(model(torch.from_numpy(batch.inputs)), torch.from_numpy(batch.targets)).backward()
        optimizer.step()
        yield _our_params(hidden, output)


def _torch_linear(params: Any) -> Any:
    module = torch.nn.Linear(*params.weight.shape).to(torch.tensor(params.weight).dtype)
    with torch.no_grad():
        module.weight.copy_(torch.tensor(params.weight.T))
        module.bias.copy_(torch.tensor(params.bias))
    return module


def _our_params(*modules: Any) -> Tree:
    """Return views that follow the model as it is trained."""
    hidden, output = (Linear(module.weight.detach().numpy().T, module.bias.detach().numpy()) for module in modules)
    return hidden, (), output, ()


def distance(left: Tree, right: Tree) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(tree_leaves(left), tree_leaves(right), strict=True))


def nudged(params: Tree, seed: int) -> Tree:
    """Change the last three bits of every parameter, up or down."""
    random = np.random.default_rng(seed)
    return tree_map(lambda p: p + np.spacing(p) * random.choice([-8, 8], p.shape).astype(p.dtype), params)


SCALED, RAW = (255, 0.5), (1, 0.001)
"""What pixels are divided by, and the rate."""

NUDGES = 2
"""How often torch runs from nudged parameters."""

FACTOR = 10
"""How many times farther from torch our run may end than torch from itself; runs from different nudges differ by 2."""


def norm(tree: Tree) -> float:
    return float(np.sqrt(sum(np.sum(np.square(leaf, dtype=np.float64)) for leaf in tree_leaves(tree))))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("setting", [SCALED, RAW], ids=["scaled", "raw"])
def test_50_free_steps_end_no_farther_from_torch_than_torch_from_itself_after_a_change_in_the_last_bits(
    mnist_batches: tuple[fn.Batch, ...], dtype: str, setting: tuple[int, float]
) -> None:
    # A bound in numbers would hold for one kernel of BLAS and one key: each time that rounding decides whether a unit
    # of ReLU is on, the runs part by a step of that unit, and raw pixels multiply any difference by 1e3 to 1e6.
    divisor, rate = setting
    batches = prepared(mnist_batches[:50], dtype, divisor=divisor)
    start = fn.train_state(MODEL, fn.sgd(rate), key=fn.Key(1), example=(784,), dtype=dtype)
    end = reduce(partial(fn.train_step, MODEL, fn.mse, fn.sgd(rate)), batches, start)
    *_, oracle = torch_states(start.params, batches, rate)
    oracle = tree_map(np.array, oracle)
    spread = 0.0
    for seed in range(NUDGES):
        *_, other = torch_states(nudged(start.params, seed), batches, rate)
        spread = max(spread, distance(oracle, other))
    assert end.step == len(batches)
    assert {leaf.dtype for leaf in tree_leaves(end.params)} == {np.dtype(dtype)}
    assert distance(end.params, oracle) <= FACTOR * spread
    losses = [
        float(fn.mse(MODEL.apply(params, batches[-1].inputs), batches[-1].targets)[0])
        for params in (start.params, end.params)
    ]
    assert losses[1] < losses[0]


@pytest.mark.parametrize(
    ("dtype", "setting"),
    [("float64", SCALED), ("float32", SCALED), ("float64", RAW)],
    ids=["scaled, float64", "scaled, float32", "raw, float64"],
)
def test_each_of_12_steps_leaves_the_parameters_that_torch_leaves_but_for_rounding(
    mnist_batches: tuple[fn.Batch, ...], dtype: str, setting: tuple[int, float]
) -> None:
    # Each step starts from torch's parameters. On raw pixels in float32 the bound is wider than the step.
    divisor, rate = setting
    batches = prepared(mnist_batches[:12], dtype, divisor=divisor)
    start = fn.train_state(MODEL, fn.sgd(rate), key=fn.Key(0), example=(784,), dtype=dtype)
    step = partial(fn.train_step, MODEL, fn.mse, fn.sgd(rate))
    states = torch_states(start.params, batches, rate)
    before = tree_map(np.array, next(states))
    assert distance(before, start.params) == 0
    for batch, after in zip(batches, states, strict=True):
        ours, bound = step(attrs.evolve(start, params=before), batch).params, step_bound(before, batch, rate)
        excess = tree_map(lambda a, b, most: np.abs(a.astype(np.float64) - b) - most, ours, after, bound)
        assert max(float(leaf.max()) for leaf in tree_leaves(excess)) <= 0
        move = tree_map(lambda a, b: a - b, after, before)
        assert norm(bound) <= norm(move) / 4, "a bound as large as the step would let any step pass"
        before = tree_map(np.array, after)
