"""Wrong optimisers: for each specimen, the slips that its formula invites."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import fnmlp as fn
from fnmlp.arrays import Array
from fnmlp.optimizers import Optimizer
from fnmlp.optimizers.core import by_leaf, check_gradient
from fnmlp.tree import Tree, tree_map
from tests.catalogue import is_first

Direction = Callable[..., tuple[Array, ...]]


def made(rate: float, kinds: int, direction: Direction) -> Optimizer:
    """Make an optimiser of (t, gradient, sums …) -> (direction, sums …), with t counted from 1."""

    def rule(step: int, p: Array, g: Array, *sums: Array) -> tuple[Array, ...]:
        check_gradient("mutant", p, g)
        along, *kept = direction(step + 1, g, *sums)
        return (np.asarray(p - rate * along), *map(np.asarray, kept))

    return by_leaf(rule, kinds)


def adam_like(
    rate: float = 0.1,
    betas: tuple[float, float] = (0.9, 0.999),
    square: Callable[[Array], Array] = np.square,
    late: int = 0,
    uncorrected: str = "",
    divide: Callable[[Array, Array], Array] = lambda m, v: m / (np.sqrt(v) + 1e-8),
) -> Optimizer:
    """Be Adam, except for the named slips."""

    def direction(t: int, g: Array, m: Array, v: Array) -> tuple[Array, ...]:
        m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * square(g)
        right = [1 if name in uncorrected else 1 - beta ** (t + late) for name, beta in zip("mv", betas, strict=True)]
        return divide(m / right[0], v / right[1]), m, v

    return made(rate, 2, direction)


def velocity(step: Callable[[int, Array, Array], tuple[Array, Array]]) -> Optimizer:
    return made(0.1, 1, step)


def squares(divide: Callable[[Array, Array], Array], share: float = 0.01) -> Optimizer:
    """Be RMSprop with a wrong divisor, or a wrong share of the newest square."""

    def direction(_: int, g: Array, v: Array) -> tuple[Array, Array]:
        v = 0.99 * v + share * g**2
        return divide(g, v), v

    return made(0.1, 1, direction)


def _adamax(t: int, g: Array, m: Array, u: Array) -> tuple[Array, ...]:
    m, u = 0.5 * m + 0.5 * g, np.maximum(u, abs(g) + 1e-8)
    return m / u / (1 - 0.5**t), m, u


def _adadelta(_: int, g: Array, v: Array, d: Array) -> tuple[Array, ...]:
    v = 0.9 * v + 0.1 * g**2
    step = g * (np.sqrt(d) + 0.1) / (np.sqrt(v) + 0.1)
    return step, v, 0.9 * d + 0.1 * step**2


def _without_root(_: int, g: Array, v: Array, d: Array) -> tuple[Array, ...]:
    v = 0.9 * v + 0.1 * g**2
    step = g * (d + 0.01) / (v + 0.01)
    return step, v, 0.9 * d + 0.1 * step**2


def _lion_of_mean(_: int, g: Array, m: Array) -> tuple[Array, Array]:
    m = 0.99 * m + 0.01 * g
    return np.sign(m), m


def _centered(_: int, g: Array, v: Array, m: Array, b: Array) -> tuple[Array, ...]:
    v, m = 0.99 * v + 0.01 * g**2, 0.99 * m + 0.01 * g
    b = 0.5 * b + g / (np.sqrt(v - m * abs(m) * np.sign(m) / 2) + 1e-8)
    return b, v, m, b


def clipped_by_leaf(limit: float) -> fn.Transform:
    def update(_: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        return tree_map(lambda g: g * min(1.0, limit / (float(np.sqrt((g**2).sum())) + 1e-6)), grads), state

    return fn.Transform(lambda _: (), update)


def later(schedule: Callable[[int], float], steps: int) -> Callable[[int], float]:
    return lambda step: schedule(step + steps)


LAMB = partial(fn.lamb, 0.1, weight_decay=0.1)
DECAYED = partial(fn.decoupled_decay, fn.sgd(0.1))

WRONG: dict[str, dict[str, Optimizer]] = {
    "sgd(momentum=0.5)": {
        "no momentum": fn.sgd(0.1),
        "dampening forgotten": fn.sgd(0.1, momentum=0.5),
        "the first gradient dampened": velocity(lambda _, g, v: (0.5 * v + 0.75 * g,) * 2),
        "momentum dampens too": velocity(lambda t, g, v: (0.5 * v + (0.5 if t > 1 else 1) * g,) * 2),
        "old velocity": velocity(lambda t, g, v: (v if t > 1 else g, 0.5 * v + (0.75 if t > 1 else 1) * g)),
    },
    "sgd(nesterov=True)": {
        "no look ahead": fn.sgd(0.1, momentum=0.5),
        "looks ahead from the old velocity": velocity(lambda _, g, v: (g + 0.5 * v, 0.5 * v + g)),
        "looks ahead twice": velocity(lambda _, g, v: (g + 0.5 * (g + 0.5 * (0.5 * v + g)), 0.5 * v + g)),
        "adds all of the velocity": velocity(lambda _, g, v: (g + 0.5 * v + g, 0.5 * v + g)),
    },
    "adam(0.1)": {
        "no bias correction": adam_like(uncorrected="mv"),
        "only v corrected": adam_like(uncorrected="m"),
        "only m corrected": adam_like(uncorrected="v"),
        "corrected a step late": adam_like(late=1),
        "swapped betas": fn.adam(0.1, betas=(0.999, 0.9)),
        "|g| for g²": adam_like(square=np.abs),
        "no root": adam_like(divide=lambda m, v: m / (v + 1e-8)),
        "epsilon inside the root": adam_like(divide=lambda m, v: m / np.sqrt(v + 1e-8)),
        "epsilon squared inside the root": adam_like(divide=lambda m, v: m / np.sqrt(v + 1e-16)),
        "another epsilon": fn.adam(0.1, epsilon=1e-7),
        "the gradient for its mean": fn.adam(0.1, betas=(0.0, 0.999)),
        "epsilon not corrected": adam_like(uncorrected="", divide=lambda m, v: m / (np.sqrt(v) + 2e-8)),
        "AMSGrad": fn.adam(0.1, amsgrad=True),
    },
    "adam(amsgrad=True)": {"largest forgotten": fn.adam(0.1), "AMSGrad of Adamax": fn.adamax(0.1)},
    "adamw(0.1)": {
        "decay coupled": fn.compose(fn.weight_decay(0.1), fn.adam(0.1)),
        "decay without the rate": fn.decoupled_decay(fn.adam(0.1), share=0.1),
        "no decay": fn.adam(0.1),
        "default decay": fn.adamw(0.1),
    },
    "adamw(only=is_first)": {
        "filter ignored": fn.adamw(0.1, weight_decay=0.1),
        "filter turned round": fn.adamw(0.1, weight_decay=0.1, only=lambda path: not is_first(path)),
    },
    "nadam(0.1)": {
        "Adam": fn.adam(0.1),
        "constant momentum": fn.nadam(0.1, momentum_decay=0.0),
        "default decay of momentum": fn.nadam(0.1),
    },
    "radam(0.1)": {
        "Adam": fn.adam(0.1, betas=(0.5, 0.9)),
        "never rectified": made(0.1, 1, lambda t, g, m: ((0.5 * m + 0.5 * g) / (1 - 0.5**t), 0.5 * m + 0.5 * g)),
        "swapped betas": fn.radam(0.1, betas=(0.9, 0.5)),
    },
    "adamax(0.1)": {
        "Adam": fn.adam(0.1, betas=(0.5, 0.9)),
        "the largest never fades": made(0.1, 2, _adamax),
        "another epsilon": fn.adamax(0.1, betas=(0.5, 0.9), epsilon=1e-6),
    },
    "adadelta(epsilon=0.01)": {
        "epsilon outside the roots": made(1.0, 2, _adadelta),
        "no roots": made(1.0, 2, _without_root),
        "decay turned round": fn.adadelta(decay=0.1, epsilon=0.01),
    },
    "rmsprop(0.1)": {
        "the sum for the mean": squares(lambda g, v: g / (np.sqrt(v) + 1e-8), share=1.0),
        "epsilon inside the root": squares(lambda g, v: g / np.sqrt(v + 1e-8)),
        "no root": squares(lambda g, v: g / (v + 1e-8)),
        "bias corrected": fn.adam(0.1, betas=(0.0, 0.99)),
        "decay of Adam": fn.rmsprop(0.1, decay=0.999),
        "centered": fn.rmsprop(0.1, centered=True),
    },
    "rmsprop(centered=True)": {
        "not centered": fn.rmsprop(0.1, momentum=0.5),
        "no momentum": fn.rmsprop(0.1, centered=True),
        "half of the mean": made(0.1, 3, _centered),
    },
    "adagrad(0.5)": {
        "the rate stays": fn.adagrad(0.5, initial=0.1),
        "starts at 0": fn.adagrad(0.5, rate_decay=0.01),
        "a mean": fn.rmsprop(0.5),
    },
    "lion(0.1)": {
        "swapped betas": fn.lion(0.1, betas=(0.99, 0.9), weight_decay=0.1),
        "the sign of the mean alone": fn.decoupled_decay(made(0.1, 1, _lion_of_mean), share=0.01),
        "the sign of the gradient": fn.lion(0.1, betas=(0.0, 0.99), weight_decay=0.1),
        "decay inside the sign": fn.compose(fn.weight_decay(0.1), fn.lion(0.1)),
    },
    "lamb(0.1)": {
        "no trust ratio": fn.adamw(0.1, epsilon=1e-6, weight_decay=0.1),
        "decay outside the ratio": fn.decoupled_decay(fn.lamb(0.1), share=0.01),
        "decay coupled": fn.compose(fn.weight_decay(0.1), fn.lamb(0.1)),
        "epsilon of Adam": LAMB(epsilon=1e-8),
    },
    "partitioned(muon(0.1), sgd(0.5))": {
        "no look ahead": fn.partitioned(fn.muon(0.1, nesterov=False), fn.sgd(0.5), only=is_first),
        "a step too few": fn.partitioned(fn.muon(0.1, ns_steps=4), fn.sgd(0.5), only=is_first),
        "no decay": fn.partitioned(fn.muon(0.1, weight_decay=0.0), fn.sgd(0.5), only=is_first),
        "other momentum": fn.partitioned(fn.muon(0.1, momentum=0.9), fn.sgd(0.5), only=is_first),
        "one optimiser for all": fn.sgd(0.5),
    },
    "clip_by_value(0.5)": {
        "clipped by norm": fn.compose(fn.clip_by_global_norm(0.5), fn.sgd(0.5)),
        "not clipped": fn.sgd(0.5),
    },
    "clip_by_global_norm(1.0)": {
        "each array by its own norm": fn.compose(clipped_by_leaf(1.0), fn.sgd(0.5, momentum=0.5)),
        "clipped by value": fn.compose(fn.clip_by_value(1.0), fn.sgd(0.5, momentum=0.5)),
        "the velocity misses it": fn.sgd(0.5, momentum=0.5),
        "another epsilon": fn.compose(fn.clip_by_global_norm(1.0, epsilon=0.0), fn.sgd(0.5, momentum=0.5)),
    },
    "compose(weight_decay(0.1), sgd(0.5))": {
        "times 2": fn.compose(fn.weight_decay(0.2), fn.sgd(0.5)),
        "without the rate": fn.decoupled_decay(fn.sgd(0.5), share=0.1),
    },
    "accumulated(adam(0.1), steps=2)": {
        "a step at every call": fn.adam(0.1),
        "three at a time": fn.accumulated(fn.adam(0.1), steps=3),
        "the sum in another Adam": fn.accumulated(fn.adam(0.1, epsilon=5e-9), steps=2),
    },
    "max_norm(only=everywhere)": {
        "another limit": fn.max_norm(fn.sgd(0.1), limit=0.51, only=fn.everywhere),
        "no limit": fn.sgd(0.1),
    },
    "decoupled_decay(sgd(0.1))": {
        "times the rate": DECAYED(share=0.01),
        "after the step": made(0.1, 0, lambda _, g: (0.9 * g,)),
    },
    **{
        f"scheduled(sgd, {name})": {
            "a step ahead": fn.scheduled(fn.sgd, later(schedule, 1)),
            "the first rate for ever": fn.sgd(schedule(0)),
        }
        for name, schedule in {
            "step_decay(0.25, every=20)": fn.step_decay(0.25, every=20, factor=0.5),
            "exponential_decay(0.25, factor=0.99)": fn.exponential_decay(0.25, factor=0.99),
            "linear_decay(0.25, steps=50)": fn.linear_decay(0.25, steps=50),
            "cosine_decay(0.25, steps=50)": fn.cosine_decay(0.25, steps=50, last=0.125),
            "cosine_restarts(0.25, period=10)": fn.cosine_restarts(0.25, period=10, growth=2),
            "warm_up(steps=10)": fn.warm_up(fn.linear_decay(0.25, steps=50), steps=10),
            "one_cycle(0.25, steps=50)": fn.one_cycle(0.25, steps=50),
        }.items()
    },
}


def wrong_steps(name: str) -> dict[str, Optimizer]:
    """Return the wrong optimisers that a specimen's formula invites."""
    return WRONG.get(name, {})


def fed(optimizer: Optimizer, change: Callable[[Array], Any]) -> Optimizer:
    """Feed an optimiser changed gradients."""

    def update(params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        return optimizer.update(params, tree_map(change, grads), state)

    return Optimizer(optimizer.init, update)
