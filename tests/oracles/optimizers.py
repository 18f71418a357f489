"""Optimisers once more, as their papers write them, on plain numbers: the oracles of the catalogue."""

from collections.abc import Callable, Generator, Sequence
from itertools import count
from math import cos, log2, pi, sin, sqrt

import numpy as np

from fnmlp.testing import NumberRule, Reference, each_number
from fnmlp.testing.references import Leaves

Rate = Callable[[int], float]
"""The steps that were taken -> the rate of the next."""


def sgd(rate: float | Rate, momentum: float = 0.0, dampening: float = 0.0, nesterov: bool = False) -> NumberRule:
    def rule(p: float) -> Generator[float, float, None]:
        v = 0.0
        for t in count():
            g = yield p
            v = momentum * v + (1 - dampening) * g if t else g
            p -= (rate(t) if callable(rate) else rate) * (g + momentum * v if nesterov else v)

    return rule


def adam(
    rate: float, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8, decay: float = 0, top: bool = False
) -> NumberRule:
    """Be Adam; with `decay` AdamW, and with `top` AMSGrad as torch has it."""

    def rule(p: float) -> Generator[float, float, None]:
        m = v = most = 0.0
        for t in count(1):
            g = yield p
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g**2
            most = max(most, v) if top else v
            p -= rate * decay * p
            p -= rate * (m / (1 - betas[0] ** t)) / (sqrt(most / (1 - betas[1] ** t)) + epsilon)

    return rule


def nadam(rate: float, betas: tuple[float, float] = (0.9, 0.999), psi: float = 0.004) -> NumberRule:
    def rule(p: float) -> Generator[float, float, None]:
        m = v = 0.0
        product = 1.0
        for t in count(1):
            g = yield p
            mu, after = (betas[0] * (1 - 0.5 * 0.96 ** (i * psi)) for i in (t, t + 1))
            product *= mu
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g**2
            ahead = after * m / (1 - product * after) + (1 - mu) * g / (1 - product)
            p -= rate * ahead / (sqrt(v / (1 - betas[1] ** t)) + 1e-8)

    return rule


def radam(rate: float, betas: tuple[float, float]) -> NumberRule:
    def rule(p: float) -> Generator[float, float, None]:
        m = v = 0.0
        longest = 2 / (1 - betas[1]) - 1
        for t in count(1):
            g = yield p
            m = betas[0] * m + (1 - betas[0]) * g
            v = betas[1] * v + (1 - betas[1]) * g**2
            step = m / (1 - betas[0] ** t)
            rho = longest - 2 * t * betas[1] ** t / (1 - betas[1] ** t)
            if rho > 5:
                r = sqrt((rho - 4) * (rho - 2) * longest / ((longest - 4) * (longest - 2) * rho))
                step *= r * sqrt(1 - betas[1] ** t) / (sqrt(v) + 1e-8)
            p -= rate * step

    return rule


def adamax(rate: float, betas: tuple[float, float]) -> NumberRule:
    def rule(p: float) -> Generator[float, float, None]:
        m = u = 0.0
        for t in count(1):
            g = yield p
            m = betas[0] * m + (1 - betas[0]) * g
            u = max(betas[1] * u, abs(g) + 1e-8)
            p -= rate / (1 - betas[0] ** t) * m / u

    return rule


def adadelta(rate: float, rho: float, epsilon: float) -> NumberRule:
    def rule(p: float) -> Generator[float, float, None]:
        squares = steps = 0.0
        while True:
            g = yield p
            squares = rho * squares + (1 - rho) * g**2
            step = sqrt(steps + epsilon) / sqrt(squares + epsilon) * g
            steps = rho * steps + (1 - rho) * step**2
            p -= rate * step

    return rule


def rmsprop(rate: float, momentum: float = 0.0, centered: bool = False) -> NumberRule:
    def rule(p: float) -> Generator[float, float, None]:
        v = mean = b = 0.0
        while True:
            g = yield p
            v = 0.99 * v + 0.01 * g**2
            mean = 0.99 * mean + 0.01 * g
            b = momentum * b + g / (sqrt(v - mean**2 if centered else v) + 1e-8)
            p -= rate * b

    return rule


def adagrad(rate: float, rate_decay: float, initial: float) -> NumberRule:
    def rule(p: float) -> Generator[float, float, None]:
        total = initial
        for t in count():
            g = yield p
            total += g**2
            p -= rate / (1 + t * rate_decay) * g / (sqrt(total) + 1e-10)

    return rule


def lion(rate: float, decay: float = 0.0) -> NumberRule:
    def rule(p: float) -> Generator[float, float, None]:
        m = 0.0
        while True:
            g = yield p
            c = 0.9 * m + 0.1 * g
            p -= rate * ((c > 0) - (c < 0) + decay * p)
            m = 0.99 * m + 0.01 * g

    return rule


def feeding(change: Callable[[float, float], float], rule: NumberRule) -> NumberRule:
    """Let gradients pass change(p, g) on their way to a rule."""

    def changed(p: float) -> Generator[float, float, None]:
        run = rule(p)
        p = next(run)
        while True:
            g = yield p
            p = run.send(change(p, g))

    return changed


def in_pairs(rule: NumberRule) -> NumberRule:
    """Feed a rule the mean of every two gradients."""

    def gathered(p: float) -> Generator[float, float, None]:
        run = rule(p)
        p = next(run)
        while True:
            one = yield p
            two = yield p
            p = run.send((one + two) / 2)

    return gathered


def shrinking(share: float, rate: float) -> NumberRule:
    def rule(p: float) -> Generator[float, float, None]:
        while True:
            g = yield p
            p = p * (1 - share) - rate * g

    return rule


def only_first(chosen: NumberRule, others: NumberRule) -> Reference:
    """Apply one rule to the first parameter of a tree, and another one to the rest."""

    def rule(params: Leaves) -> Generator[Leaves, Leaves, None]:
        first = next(iter(params))
        runs = {p: each_number(chosen if p == first else others)({p: leaf}) for p, leaf in params.items()}
        now = {p: next(run)[p] for p, run in runs.items()}
        while True:
            grads = yield now
            now = {p: run.send({p: grads[p]})[p] for p, run in runs.items()}

    return rule


def norm(arrays: Sequence[np.ndarray]) -> float:
    return sqrt(sum(float((x**2).sum()) for x in arrays))


def clipped_by_norm(limit: float, rate: float, momentum: float) -> Reference:
    def rule(params: Leaves) -> Generator[Leaves, Leaves, None]:
        v = {path: 0 * p for path, p in params.items()}
        while True:
            grads = yield params
            length = norm([*grads.values()]) + 1e-6
            v = {path: momentum * v[path] + g * min(1, limit / length) for path, g in grads.items()}
            params = {path: p - rate * v[path] for path, p in params.items()}

    return rule


def lamb(rate: float, decay: float) -> Reference:
    def rule(params: Leaves) -> Generator[Leaves, Leaves, None]:
        m = v = {path: 0 * p for path, p in params.items()}
        for t in count(1):
            grads = yield params
            m = {path: 0.9 * m[path] + 0.1 * g for path, g in grads.items()}
            v = {path: 0.999 * v[path] + 0.001 * g**2 for path, g in grads.items()}
            params = {
                path: lamb_step(p, m[path] / (1 - 0.9**t), v[path] / (1 - 0.999**t)) for path, p in params.items()
            }

    def lamb_step(p: np.ndarray, m: np.ndarray, v: np.ndarray) -> np.ndarray:
        u = m / (np.sqrt(v) + 1e-6) + decay * p
        trust = norm([p]) / norm([u]) if norm([p]) and norm([u]) else 1.0
        return np.asarray(p - rate * trust * u)

    return rule


def muon_and_sgd(rate: float, others: float) -> Reference:
    """Move the first matrix of a tree by Muon, and the rest by gradient descent."""

    def rule(params: Leaves) -> Generator[Leaves, Leaves, None]:
        first = next(iter(params))
        b = 0 * params[first]
        while True:
            grads = yield params
            params = {path: p - others * grads[path] for path, p in params.items()} | {first: params[first]}
            b = 0.95 * b + 0.05 * grads[first]
            x = 0.05 * grads[first] + 0.95 * b
            x = x / max(norm([x]), 1e-7)
            for _ in range(5):
                a = x @ x.T
                x = 3.4445 * x - 4.7750 * a @ x + 2.0315 * a @ a @ x
            p = params[first]
            longer = sqrt(max(1, p.shape[1] / p.shape[0]))
            params[first] = p - rate * 0.1 * p - rate * longer * x

    return rule


def short_columns(rate: float, limit: float) -> Reference:
    """Bring columns of matrices that gradient descent made longer than the limit back to it."""

    def rule(params: Leaves) -> Generator[Leaves, Leaves, None]:
        while True:
            grads = yield params
            params = {path: p - rate * grads[path] for path, p in params.items()}
            for p in filter(lambda p: p.ndim == 2, params.values()):
                for column in range(p.shape[1]):
                    p[:, column] *= min(1, limit / norm([p[:, column]]))

    return rule


RATES: dict[str, Rate] = {
    "constant_rate(0.25)": lambda _: 0.25,
    "piecewise((0.25, 0.125), at=(1,))": lambda t: 0.25 if t < 1 else 0.125,
    "step_decay(0.25, every=20)": lambda t: 0.25 * 0.5 ** (t // 20),
    "exponential_decay(0.25, factor=0.99)": lambda t: 0.25 * 0.99**t,
    "linear_decay(0.25, steps=50)": lambda t: max(0.0, 0.25 - 0.25 * t / 50),
    "cosine_decay(0.25, steps=50)": lambda t: 0.125 + 0.125 * (1 + cos(pi * min(t, 50) / 50)) / 2,
    "cosine_cycles(0.25, steps=50)": lambda t: 0.25 * sin(pi * log2(1 + 15 * min(t / 50, 1))) ** 2,
    "cosine_restarts(0.25, period=10)": lambda t: 0.25 * (1 + cos(pi * restarted(t, 10))) / 2,
    "warm_up(steps=10)": lambda t: 0.25 * (t + 1) / 11 if t < 10 else max(0.0, 0.25 - 0.25 * (t - 10) / 50),
    "one_cycle(0.25, steps=50)": lambda t: (
        wave(0.01, 0.25, t / 14) if t < 14 else wave(0.25, 0.25 / 250_000, min((t - 14) / 35, 1))
    ),
}


def restarted(t: int, period: int) -> float:
    """Return how much of its wave is over, where each wave is twice as long as the one before."""
    return t / period if t < period else restarted(t - period, 2 * period)


def wave(first: float, last: float, way: float) -> float:
    return last + (first - last) * (1 + cos(pi * way)) / 2
