"""Given the same weights and the same 200 batches of MNIST, torch's object-style model and ours stay the same."""

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


SCALED, RAW = (255, 0.5, 1), (1, 0.001, 8)
"""What pixels are divided by, the rate, and the entropy of the key."""


@pytest.mark.parametrize(
    ("dtype", "setting", "steps", "bound"),
    [
        ("float64", SCALED, 200, 1e-12),
        ("float32", SCALED, 200, 1e-5),
        ("float64", RAW, 200, 1e-12),
        ("float32", RAW, 100, 1e-4),
    ],
)
def test_steps_leave_the_parameters_that_torch_leaves(
    mnist_batches: tuple[fn.Batch, ...], dtype: str, setting: tuple[int, float, int], steps: int, bound: float
) -> None:
    # Raw pixels multiply a rounding error by 1e3 to 1e6 in 200 steps, in torch too: after 200 in float32 the two are
    # 2e-5 to 1e-3 apart, and which key is the lucky one depends on the kernel of BLAS. The next test holds every step.
    divisor, rate, entropy = setting
    batches = prepared(mnist_batches[:steps], dtype, divisor=divisor)
    start = fn.train_state(MODEL, fn.sgd(rate), key=fn.Key(entropy), example=(784,), dtype=dtype)
    end = reduce(partial(fn.train_step, MODEL, fn.mse, fn.sgd(rate)), batches, start)
    *_, oracle = torch_states(start.params, batches, rate)
    assert end.step == steps
    assert {leaf.dtype for leaf in tree_leaves(end.params)} == {np.dtype(dtype)}
    assert distance(end.params, oracle) <= bound
    assert distance(end.params, start.params) > 10 * bound, "a model that learns nothing is equal to any other"
    losses = [
        float(fn.mse(MODEL.apply(params, batches[-1].inputs), batches[-1].targets)[0])
        for params in (start.params, end.params)
    ]
    assert losses[1] < losses[0]


@pytest.mark.parametrize(("dtype", "bound"), [("float64", 1e-15), ("float32", 1e-6)])
def test_each_of_200_steps_on_raw_pixels_leaves_the_parameters_that_torch_leaves(
    mnist_batches: tuple[fn.Batch, ...], dtype: str, bound: float
) -> None:
    # Each step starts from torch's parameters. Left alone on raw pixels, 200 steps multiply a rounding error by
    # 1e3 to 1e6 in any implementation: torch in float32 is then 1e-4 to 1e-3 away from torch in float64.
    batches = prepared(mnist_batches, dtype, divisor=1)
    start = fn.train_state(MODEL, fn.sgd(0.001), key=fn.Key(0), example=(784,), dtype=dtype)
    step = partial(fn.train_step, MODEL, fn.mse, fn.sgd(0.001))
    states = torch_states(start.params, batches, 0.001)
    before = tree_map(np.array, next(states))
    assert distance(before, start.params) == 0
    moves = []
    for batch, after in zip(batches, states, strict=True):
        assert distance(step(attrs.evolve(start, params=before), batch).params, after) <= bound
        moves.append(distance(before, after))
        before = tree_map(np.array, after)
    assert min(moves) > 10 * bound, "a step that moves nothing is equal to any other"
