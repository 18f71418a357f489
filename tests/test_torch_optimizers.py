"""Optimisers against torch.optim: 200 steps in float64, gradients of every size, and Muon's own arithmetic."""

from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp.tree import Tree, tree_leaves, tree_map
from tests.catalogue import OPTIMIZERS
from tests.optional import optional
from tests.specimens import OptimizerSpecimen
from tests.steps import draw
from tests.sweep import each

torch = optional("torch")
optim = optional("torch.optim")
swa_utils = optional("torch.optim.swa_utils")

STEPS = 200
BOUND = 1e-10
Numbers = NDArray[np.float64]
Clip = Callable[[Any], object]


def start() -> tuple[Numbers, Numbers]:
    return draw(0, (4, 3)), draw(1, (3,))


@cache
def noise(step: int) -> tuple[Numbers, Numbers]:
    return draw(step + 7, (4, 3)), 0.1 * draw(step + 9, (3,))


def slopes(params: Tree, step: int) -> tuple[Numbers, Numbers]:
    """Return gradients of a bumpy bowl; some elements get none for long, and one never gets any."""
    weight, bias = (np.asarray(leaf) for leaf in params)
    of_weight, of_bias = noise(step)
    grads = np.sin(3 * weight) + weight + of_weight, 2 * bias + of_bias
    grads[0][1] *= step % 40 < 10
    grads[0][2, 2] = 0.0
    return grads


def ours(optimizer: fn.Optimizer) -> Iterator[tuple[Tree, Tree]]:
    params: Tree = start()
    state = optimizer.init(params)
    for step in range(STEPS):
        params, state = optimizer.update(params, slopes(params, step), state)
        yield params, state


def torchs(make: Callable[..., Any], clip: Clip, schedule: Callable[[Any], Any] | None = None) -> Iterator[Tree]:
    leaves = [torch.nn.Parameter(torch.from_numpy(leaf)) for leaf in start()]
    optimizer = make(leaves)
    scheduler = schedule(optimizer) if schedule else None
    for step in range(STEPS):
        for leaf, grad in zip(leaves, slopes([leaf.detach().numpy() for leaf in leaves], step), strict=True):
            leaf.grad = torch.from_numpy(grad)
        clip(leaves)
        optimizer.step()
        if scheduler:
            scheduler.step()
        yield tuple(leaf.detach().numpy().copy() for leaf in leaves)


def no_clip(leaves: Any) -> None:
    """Leave gradients as they are."""


def assert_same_path(optimizer: fn.Optimizer, oracle: Iterator[Tree]) -> None:
    found = [np.stack(leaves) for leaves in zip(*(params for params, _ in ours(optimizer)), strict=True)]
    expected = [np.stack(leaves) for leaves in zip(*oracle, strict=True)]
    assert len(found[0]) == STEPS
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        astray = ~(np.abs(a - b) <= BOUND).reshape(STEPS, -1).all(axis=1)
        assert not astray.any(), f"after step {astray.argmax()}: {a[astray][0]} for {b[astray][0]}"


PAIRS: dict[str, tuple[fn.Optimizer, Callable[..., Any]]] = {
    "sgd": (fn.sgd(0.1), partial(optim.SGD, lr=0.1)),
    "momentum": (fn.sgd(0.1, momentum=0.9), partial(optim.SGD, lr=0.1, momentum=0.9)),
    "dampening": (
        fn.sgd(0.1, momentum=0.9, dampening=0.5),
        partial(optim.SGD, lr=0.1, momentum=0.9, dampening=0.5),
    ),
    "nesterov": (
        fn.sgd(0.1, momentum=0.9, nesterov=True),
        partial(optim.SGD, lr=0.1, momentum=0.9, nesterov=True),
    ),
    "sgd, weight decay": (
        fn.compose(fn.weight_decay(0.1), fn.sgd(0.1, momentum=0.9)),
        partial(optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.1),
    ),
    "adam": (fn.adam(0.05), partial(optim.Adam, lr=0.05)),
    "adam, options": (
        fn.adam(0.05, betas=(0.5, 0.8), epsilon=1e-3),
        partial(optim.Adam, lr=0.05, betas=(0.5, 0.8), eps=1e-3),
    ),
    "adam, no memory": (fn.adam(0.05, betas=(0.0, 0.0)), partial(optim.Adam, lr=0.05, betas=(0.0, 0.0))),
    "adam, weight decay": (
        fn.compose(fn.weight_decay(0.1), fn.adam(0.05)),
        partial(optim.Adam, lr=0.05, weight_decay=0.1),
    ),
    "adamw": (fn.adamw(0.05), partial(optim.AdamW, lr=0.05)),
    "adamw, options": (
        fn.adamw(0.05, betas=(0.9, 0.99), weight_decay=0.5),
        partial(optim.AdamW, lr=0.05, betas=(0.9, 0.99), weight_decay=0.5),
    ),
    "rmsprop": (fn.rmsprop(0.05), partial(optim.RMSprop, lr=0.05)),
    "rmsprop, momentum": (
        fn.rmsprop(0.05, decay=0.9, momentum=0.5),
        partial(optim.RMSprop, lr=0.05, alpha=0.9, momentum=0.5),
    ),
    "rmsprop, centered": (fn.rmsprop(0.05, centered=True), partial(optim.RMSprop, lr=0.05, centered=True)),
    "rmsprop, both": (
        fn.rmsprop(0.05, momentum=0.5, centered=True),
        partial(optim.RMSprop, lr=0.05, momentum=0.5, centered=True),
    ),
    "amsgrad": (fn.adam(0.05, amsgrad=True), lambda p: optim.Adam(p, lr=0.05, amsgrad=True)),
    "adamw, amsgrad": (
        fn.adamw(0.05, betas=(0.8, 0.9), amsgrad=True),
        lambda p: optim.AdamW(p, lr=0.05, betas=(0.8, 0.9), amsgrad=True),
    ),
    "nadam": (fn.nadam(0.05), lambda p: optim.NAdam(p, lr=0.05)),
    "nadam, options": (
        fn.nadam(0.05, betas=(0.5, 0.8), epsilon=1e-3, momentum_decay=0.1),
        lambda p: optim.NAdam(p, lr=0.05, betas=(0.5, 0.8), eps=1e-3, momentum_decay=0.1),
    ),
    "nadam, decoupled decay": (
        fn.decoupled_decay(fn.nadam(0.05), share=0.05 * 0.1),
        lambda p: optim.NAdam(p, lr=0.05, weight_decay=0.1, decoupled_weight_decay=True),
    ),
    "radam": (fn.radam(0.05), lambda p: optim.RAdam(p, lr=0.05)),
    "radam, options": (
        fn.radam(0.05, betas=(0.5, 0.8), epsilon=1e-3),
        lambda p: optim.RAdam(p, lr=0.05, betas=(0.5, 0.8), eps=1e-3),
    ),
    "radam, never rectified": (fn.radam(0.05, betas=(0.9, 0.5)), lambda p: optim.RAdam(p, lr=0.05, betas=(0.9, 0.5))),
    "adamax": (fn.adamax(0.05), lambda p: optim.Adamax(p, lr=0.05)),
    "adamax, options": (
        fn.adamax(0.05, betas=(0.5, 0.8), epsilon=1e-3),
        lambda p: optim.Adamax(p, lr=0.05, betas=(0.5, 0.8), eps=1e-3),
    ),
    "adadelta": (fn.adadelta(), optim.Adadelta),
    "adadelta, options": (
        fn.adadelta(0.5, decay=0.5, epsilon=1e-3),
        lambda p: optim.Adadelta(p, lr=0.5, rho=0.5, eps=1e-3),
    ),
    "adagrad": (fn.adagrad(0.05), partial(optim.Adagrad, lr=0.05)),
    "adagrad, options": (
        fn.adagrad(0.05, rate_decay=0.01, initial=0.5, epsilon=1e-3),
        partial(optim.Adagrad, lr=0.05, lr_decay=0.01, initial_accumulator_value=0.5, eps=1e-3),
    ),
}


@pytest.mark.usefixtures("torch_in_float64")
@pytest.mark.parametrize("name", PAIRS)
def test_200_steps_are_torchs(name: str) -> None:
    optimizer, oracle = PAIRS[name]
    assert_same_path(optimizer, torchs(oracle, no_clip))


@each(
    ("transform", "clip"),
    [
        (fn.clip_by_value(0.3), lambda leaves: torch.nn.utils.clip_grad_value_(leaves, 0.3)),
        (fn.clip_by_global_norm(2.0), lambda leaves: torch.nn.utils.clip_grad_norm_(leaves, 2.0)),
        (fn.clip_by_global_norm(1e9), lambda leaves: torch.nn.utils.clip_grad_norm_(leaves, 1e9)),
    ],
)
def test_clipped_gradients_are_torchs(transform: fn.Transform, clip: Clip) -> None:
    optimizer = fn.compose(transform, fn.sgd(0.1, momentum=0.5))
    assert_same_path(optimizer, torchs(partial(optim.SGD, lr=0.1, momentum=0.5), clip))


schedulers = optim.lr_scheduler
SCHEDULES: dict[str, tuple[fn.Schedule, Callable[[Any], Any]]] = {
    "step": (fn.step_decay(0.1, every=30, factor=0.5), lambda o: schedulers.StepLR(o, 30, 0.5)),
    "piecewise": (
        fn.piecewise((0.1, 0.05, 0.025), at=(50, 120)),
        lambda o: schedulers.MultiStepLR(o, [50, 120], 0.5),
    ),
    "exponential": (fn.exponential_decay(0.1, factor=0.99), lambda o: schedulers.ExponentialLR(o, 0.99)),
    "cosine": (
        fn.cosine_decay(0.1, steps=STEPS, last=0.01),
        lambda o: schedulers.CosineAnnealingLR(o, STEPS, 0.01),
    ),
    "restarts": (
        fn.cosine_restarts(0.1, period=20, growth=2, last=0.01),
        lambda o: schedulers.CosineAnnealingWarmRestarts(o, 20, 2, 0.01),
    ),
    "equal restarts": (
        fn.cosine_restarts(0.1, period=30),
        lambda o: schedulers.CosineAnnealingWarmRestarts(o, 30),
    ),
    "one cycle": (
        fn.one_cycle(0.1, steps=STEPS),
        lambda o: schedulers.OneCycleLR(o, 0.1, total_steps=STEPS, cycle_momentum=False),
    ),
    "linear": (
        fn.linear_decay(0.1, steps=150, last=0.02),
        lambda o: schedulers.LinearLR(o, 1.0, 0.2, total_iters=150),
    ),
    "warm-up": (
        fn.warm_up(fn.constant_rate(0.1), steps=49),
        lambda o: schedulers.LinearLR(o, 1 / 50, 1.0, total_iters=49),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
@each(("make", "oracle"), [(fn.sgd, optim.SGD), (fn.adamw, optim.AdamW)])
def test_scheduled_steps_are_torchs(name: str, make: Any, oracle: Any) -> None:
    schedule, scheduler = SCHEDULES[name]
    assert_same_path(fn.scheduled(make, schedule), torchs(partial(oracle, lr=0.1), no_clip, scheduler))


def test_the_average_is_torchs() -> None:
    model = torch.nn.Linear(4, 3, dtype=torch.float64)
    average: Any = swa_utils.AveragedModel(model, multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.9))
    first = fn.averaged(fn.adam(0.05), decay=0.9)
    for params, state in [(start(), first.init(start())), *ours(first)]:
        with torch.no_grad():
            model.weight.copy_(torch.tensor(params[0].T))
            model.bias.copy_(torch.tensor(params[1]))
        average.update_parameters(model)
        found = fn.averaged_params(state)
        np.testing.assert_allclose(found[0].T, average.module.weight.detach().numpy(), rtol=0, atol=BOUND)
        np.testing.assert_allclose(found[1], average.module.bias.detach().numpy(), rtol=0, atol=BOUND)


def muon_step(grad: Numbers, **options: Any) -> Numbers:
    """Return torch's first step of Muon from 0, of a matrix (in, out)."""
    if not hasattr(optim, "Muon"):
        pytest.skip("torch has no Muon before 2.9")
    leaf = torch.nn.Parameter(torch.zeros(grad.T.shape, dtype=torch.float64))
    leaf.grad = torch.from_numpy(grad.T.copy())
    optim.Muon([leaf], lr=1.0, **options).step()
    step: Numbers = leaf.detach().numpy().T
    return step


@each("shape", [(4, 3), (3, 7), (5, 5), (1, 4)])
@each("nesterov", [True, False])
def test_muon_is_no_farther_from_torchs_than_torchs_from_itself_with_gradients_rounded_otherwise(
    shape: tuple[int, int], nesterov: bool
) -> None:
    # torch computes in bfloat16, whose numbers are a 2⁻⁷ of themselves apart.
    grad = draw(5, shape)
    options = {"momentum": 0.9, "nesterov": nesterov}
    expected = muon_step(grad, **options)
    apart = [
        np.linalg.norm(muon_step(grad * (1 + draw(seed, shape) * 2.0**-8), **options) - expected) for seed in range(20)
    ]
    params = (np.zeros(shape),)
    optimizer = fn.muon(1.0, weight_decay=0.5, **options)  # type: ignore[arg-type]
    found, _ = optimizer.update(params, (grad,), optimizer.init(params))
    assert np.linalg.norm(found[0] - expected) <= 2 * max(apart)


def test_muon_is_the_program_of_its_author() -> None:
    rate, momentum, decay = 0.02, 0.95, 0.1
    theta = draw(0, (3, 4))
    params, buffer = (theta,), np.zeros((3, 4))
    optimizer = fn.muon(rate)
    state = optimizer.init(params)
    for step in range(50):
        grad = draw(step + 7, (3, 4))
        params, state = optimizer.update(params, (grad,), state)
        buffer = momentum * buffer + (1 - momentum) * grad
        x = (1 - momentum) * grad + momentum * buffer
        x = x / np.sqrt((x**2).sum())
        for _ in range(5):
            x = 3.4445 * x - 4.7750 * x @ x.T @ x + 2.0315 * x @ x.T @ x @ x.T @ x
        theta = theta * (1 - rate * decay) - rate * np.sqrt(4 / 3) * x
        np.testing.assert_allclose(params[0], theta, rtol=0, atol=BOUND)


def test_lion_is_the_program_of_its_paper() -> None:
    rate, first, second, decay = 0.01, 0.9, 0.99, 0.1
    theta = list(start())
    mean = [np.zeros_like(leaf) for leaf in theta]
    for step, (found, _) in enumerate(ours(fn.lion(rate, weight_decay=decay))):
        for place, grad in enumerate(slopes(theta, step)):
            update = np.sign(mean[place] * first + grad * (1 - first)) + decay * theta[place]
            mean[place] = mean[place] * second + grad * (1 - second)
            theta[place] = theta[place] - rate * update
            np.testing.assert_allclose(found[place], theta[place], rtol=0, atol=BOUND)


@each("specimen", OPTIMIZERS)
def test_the_same_lines_run_on_tensors(specimen: OptimizerSpecimen) -> None:
    optimizer, params = specimen.optimizer, (draw(0, (3, 2)), (draw(1, (2,)),))
    tensors = tree_map(torch.from_numpy, params)
    state, torch_state = optimizer.init(params), optimizer.init(tensors)
    for _ in range(3):
        params, state = optimizer.update(params, params, state)
        tensors, torch_state = optimizer.update(tensors, tensors, torch_state)
    for found, expected in zip(tree_leaves(tensors), tree_leaves(params), strict=True):
        assert type(found) is torch.Tensor
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
