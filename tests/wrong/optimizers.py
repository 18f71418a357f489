"""Wrong optimisers, and the rule in plain Python that each of them wanted to be."""

from functools import partial
from math import sqrt
from typing import Any

import numpy as np

import fnmlp as fn
from fnmlp.optimizers.core import Sums
from fnmlp.testing import each_number
from fnmlp.tree import tree_map
from tests.oracles import optimizers as rules
from tests.wrong.steps import Array, WrongStep, of_leaves, slips, update, zeros

VELOCITIES: dict[tuple[int, ...], Array] = {}
"""Where a tired author keeps them."""


def adam(slip: str) -> fn.Optimizer:
    return of_leaves(partial(_adam, slip), 2)


def _adam(slip: str, step: int, p: Array, g: Array, m: Array, v: Array) -> tuple[Array, ...]:
    b1, b2 = (0.999, 0.9) if "betas" in slip else (0.9, 0.999)
    t = step + (0 if "step before" in slip else 1)
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * (g * g).mean() if "one scale" in slip else b2 * v + (1 - b2) * g * g
    c1, c2 = (1 - b1 ** max(t, 1)), (1 - b2 ** max(t, 1))
    if "no bias" in slip:
        c1 = c2 = 1
    if "only the first" in slip:
        c2 = 1
    if "after 20" in slip and t > 20:
        c1 = c2 = 1
    spread = np.sqrt(v / c2) + 1e-8
    if "inside" in slip:
        spread = np.sqrt(v / c2 + 1e-8)
    if "before the correction" in slip:
        spread = (np.sqrt(v) + 1e-8) / np.sqrt(c2)
    if "no gradient" in slip and not g.any():
        return p + 0, m, v
    if "promotes" in slip:
        return p - np.float64(0.1) * (m / c1) / spread, m, v
    return p - 0.1 * (m / c1) / spread, m, v


def adamw(slip: str) -> fn.Optimizer:
    return of_leaves(partial(_adamw, slip), 2)


def _adamw(slip: str, step: int, p: Array, g: Array, m: Array, v: Array) -> tuple[Array, ...]:
    if "coupled" in slip:
        g = g + 0.1 * p
    new, m, v = _adam("", step, p, g, m, v)
    if "coupled" in slip:
        return new, m, v
    if "after" in slip:
        return new - 0.1 * 0.1 * new, m, v
    return new - (1 if "rate" in slip else 0.1) * 0.1 * p, m, v


def amsgrad(slip: str) -> fn.Optimizer:
    return of_leaves(partial(_amsgrad, slip), 3)


def _amsgrad(slip: str, step: int, p: Array, g: Array, m: Array, v: Array, top: Array) -> tuple[Array, ...]:
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    c1, c2 = 1 - 0.9 ** (step + 1), 1 - 0.999 ** (step + 1)
    if "corrected" in slip:
        top = np.maximum(top, v / c2)
        return p - 0.1 * (m / c1) / (np.sqrt(top) + 1e-8), m, v, top
    top = np.maximum(top, v)
    return p - 0.1 * (m / c1) / (np.sqrt(top / c2) + 1e-8), m, top if "overwrites" in slip else v, top


def momentum(slip: str) -> fn.Optimizer:
    return of_leaves(partial(_momentum, slip), 1)


def _momentum(slip: str, step: int, p: Array, g: Array, v: Array) -> tuple[Array, ...]:
    if "state" in slip:
        v *= 0.9
        v += g
        return p - 0.1 * v, v
    v = 0.9 * v + (0.1 if "dampening" in slip else 1) * g
    if "twice" in slip:
        v = v * 0.1
    if "in place" in slip:
        p -= 0.1 * v
        return p, v
    if "into the gradient" in slip:
        g *= 0.1
    if "itself" in slip and step == 0:
        return p - 0.1 * g, g
    if "module" in slip:
        v = VELOCITIES[p.shape] = 0.9 * VELOCITIES.get(p.shape, 0) + g
    if "warms up" in slip and step == 0:
        return p + 0, v
    if "first step" in slip and step == 0:
        v = v * 0.1
    return p - 0.1 * v, v


def nesterov(slip: str) -> fn.Optimizer:
    return of_leaves(partial(_nesterov, slip), 1)


def _nesterov(slip: str, step: int, p: Array, g: Array, v: Array) -> tuple[Array, ...]:
    before, v = v, 0.9 * v + g
    return p - 0.1 * (g + 0.9 * (before if "off by one" in slip else v)), v


def rmsprop(slip: str) -> fn.Optimizer:
    return of_leaves(partial(_rmsprop, slip), 1)


def _rmsprop(slip: str, step: int, p: Array, g: Array, v: Array) -> tuple[Array, ...]:
    before, v = v, 0.99 * v + 0.01 * (np.abs(g) if "|g|" in slip else g * g)
    if "noise" in slip:
        g = np.where(np.abs(g) < 1e-8, 0 * g, g)
    return p - 0.1 * g / (np.sqrt(before if "last step" in slip else v) + 1e-8), v


def adagrad(slip: str) -> fn.Optimizer:
    return of_leaves(partial(_adagrad, slip), 1)


def _adagrad(slip: str, step: int, p: Array, g: Array, total: Array) -> tuple[Array, ...]:
    total = total + g * g
    spread = (total if "root" in slip else np.sqrt(total)) + 1e-10
    rate = 0.1 / (1 + 0.1 * (step + ("decays" in slip)))
    return p - rate * g / spread, total


def lion(slip: str) -> fn.Optimizer:
    return of_leaves(partial(_lion, slip), 1)


def _lion(slip: str, step: int, p: Array, g: Array, m: Array) -> tuple[Array, ...]:
    if "before" in slip:
        m = 0.99 * m + 0.01 * g
        return p - 0.1 * np.sign(m), m
    if "of the gradient" in slip:
        return p - 0.1 * np.sign(0.9 * m + 0.1 * np.sign(g)), 0.99 * m + 0.01 * np.sign(g)
    c = 0.9 * m + 0.1 * g
    return p - 0.1 * (np.where(c >= 0, 1, -1).astype(p.dtype) if "of 0" in slip else np.sign(c)), 0.99 * m + 0.01 * g


def adamax(slip: str) -> fn.Optimizer:
    return of_leaves(partial(_adamax, slip), 2)


def _adamax(slip: str, step: int, p: Array, g: Array, m: Array, u: Array) -> tuple[Array, ...]:
    m = 0.9 * m + 0.1 * g
    u = np.maximum(0.999 * u, np.abs(g.max()) + 0 * g + 1e-8 if "largest" in slip else np.abs(g) + 1e-8)
    return p - 0.1 / (1 - 0.9 ** (step + 1)) * m / u, m, u


def centred(slip: str) -> fn.Optimizer:
    return of_leaves(partial(_centred, slip), 2)


def _centred(slip: str, step: int, p: Array, g: Array, v: Array, mean: Array) -> tuple[Array, ...]:
    v, mean = 0.99 * v + 0.01 * g * g, 0.99 * mean + 0.01 * g
    variance = np.maximum(v - (np.abs(mean) if "not squared" in slip else mean * mean), 0)
    return p - 0.1 * g / (np.sqrt(variance) + 1e-8), v, mean


def adadelta(slip: str) -> fn.Optimizer:
    return of_leaves(partial(_adadelta, slip), 2)


def _adadelta(slip: str, step: int, p: Array, g: Array, squares: Array, steps: Array) -> tuple[Array, ...]:
    squares = 0.9 * squares + 0.1 * g * g
    if "too late" in slip:
        along = g * np.sqrt(steps + 1e-6) / (np.sqrt(squares) + 1e-6)
    else:
        along = g * np.sqrt(steps + 1e-6) / np.sqrt(squares + 1e-6)
    kept = 0.5 * along if "the rate" in slip else along
    return p - 0.5 * along, squares, 0.9 * steps + 0.1 * kept * kept


def radam(slip: str) -> fn.Optimizer:
    return of_leaves(partial(_radam, slip), 2)


def _radam(slip: str, step: int, p: Array, g: Array, m: Array, v: Array) -> tuple[Array, ...]:
    t, longest = step + 1, 2 / (1 - 0.999) - 1
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    rho = longest - 2 * t * 0.999**t / (1 - 0.999**t)
    along = m / (1 - 0.9**t)
    if rho > (4 if "a step early" in slip else 5):
        squared = (rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho)
        along = along * (squared if "no root" in slip else sqrt(squared)) * sqrt(1 - 0.999**t) / (np.sqrt(v) + 1e-8)
    return p - 0.1 * along, m, v


def clipped(slip: str) -> fn.Optimizer:
    return fn.Optimizer(partial(zeros, 1), partial(_clipped, slip))


def _clipped(slip: str, params: Any, grads: Any, state: Sums) -> tuple[Any, Sums]:
    total = sqrt(sum(float((g * g).sum()) for g in fn.tree_leaves(grads)))

    def short(g: Array) -> Array:
        if "number by number" in slip:
            return np.clip(g, -1, 1)
        length = float(np.sqrt((g * g).sum())) if "array by array" in slip else total
        return g / (length + 1e-6) if "lengthens" in slip else g * min(1.0, 1 / (length + 1e-6))

    return update(partial(_momentum, ""), params, tree_map(short, grads), state)


OPTIMIZERS: list[WrongStep] = [
    *slips(
        adam,
        each_number(rules.adam(0.1)),
        "no bias correction",
        "betas swapped",
        "only the first moment is corrected",
        "epsilon inside the root",
        "epsilon before the correction",
        "the correction of the step before",
        "the correction ends after 20 steps",
        "one scale for each array",
        "nothing moves where there is no gradient",
        "a rate of NumPy promotes",
    ),
    *slips(
        adamw,
        each_number(rules.adam(0.1, decay=0.1)),
        "the decay is coupled to the gradient",
        "the decay knows no rate",
        "the decay after the step",
    ),
    *slips(
        amsgrad,
        each_number(rules.adam(0.1, top=True)),
        "the largest of the corrected squares",
        "the largest overwrites the mean",
    ),
    *slips(
        momentum,
        each_number(rules.sgd(0.1, momentum=0.9)),
        "dampening, unasked for",
        "the rate twice",
        "the state is written to",
        "in place",
        "the rate goes into the gradient",
        "it warms up for a step",
        "the first step has dampening",
        "the first velocity is the gradient itself",
        "the velocity lives in the module",
    ),
    *slips(nesterov, each_number(rules.sgd(0.1, momentum=0.9, nesterov=True)), "off by one step"),
    *slips(
        rmsprop,
        each_number(rules.rmsprop(0.1)),
        "|g| for its square",
        "the mean of the last step",
        "small gradients are noise",
    ),
    *slips(adagrad, each_number(rules.adagrad(0.1, 0.1, 0.0)), "no root", "the rate decays a step early"),
    *slips(
        lion,
        each_number(rules.lion(0.1)),
        "one momentum, the sign before the other",
        "signs of the gradient enter the momentum",
        "the sign of 0 is 1",
    ),
    *slips(adamax, each_number(rules.adamax(0.1, (0.9, 0.999))), "the largest of the array"),
    *slips(centred, each_number(rules.rmsprop(0.1, centered=True)), "the mean is not squared"),
    *slips(
        adadelta,
        each_number(rules.adadelta(0.5, 0.9, 1e-6)),
        "epsilon comes too late, outside the root",
        "the rate enters the mean of the steps",
    ),
    *slips(
        radam,
        each_number(rules.radam(0.1, (0.9, 0.999))),
        "it rectifies a step early",
        "no root of the rectification",
    ),
    *slips(
        clipped,
        rules.clipped_by_norm(1.0, 0.1, 0.9),
        "array by array",
        "number by number",
        "short gradients it lengthens",
    ),
]
