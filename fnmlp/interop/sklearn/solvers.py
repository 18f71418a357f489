"""Solvers: scikit-learn's SGD and Adam as pure optimisers, with the rates and the decay of the settings."""

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

from fnmlp.conditions import remaining, sqrt
from fnmlp.interop.sklearn.presets import Settings
from fnmlp.optimizers import (
    Optimizer,
    Schedule,
    Transform,
    averaged,
    compose,
    cosine_cycles,
    cosine_decay,
    decoupled_decay,
    is_weight,
    linear_decay,
    one_cycle,
    partitioned,
    scheduled,
    sgd,
    weight_decay,
)
from fnmlp.optimizers.arithmetic import scaled
from fnmlp.optimizers.core import by_leaf
from fnmlp.optimizers.moments import AdamNumbers, adam_leaf, adam_numbers, adam_options
from fnmlp.tree import Tree, tree_map

SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "linear": linear_decay,
    "cosine": cosine_decay,
    "one_cycle": one_cycle,
    "cosine_cycles": cosine_cycles,
}
"""Schedules over a whole fit, by the largest rate and the number of steps."""


def optimizer_of(settings: Settings, given: Optimizer | None, steps: int, rate: Any, penalty: Any) -> Optimizer:
    """Return the optimiser of a fit of so many steps, at one rate, with one penalty on squared weights.

    Its state has the same structure whatever the rate and the penalty are, so they may change from step to step.

    >>> optimizer_of(Settings(alpha=0.0), None, 10, 0.001, 0.0).init(())
    Sums(step=0, trees=((), ()))
    """
    if given is not None:
        optimizer = given
    else:
        plain: Callable[[Any], Optimizer] = partial(_solver, settings)
        make = reduce(_with_factor, settings.rate_factors, plain)
        schedule = SCHEDULES.get(settings.learning_rate)
        options = {"cycles": settings.cycles} if settings.learning_rate == "cosine_cycles" else {}
        optimizer = make(rate) if schedule is None else scheduled(make, schedule(rate, steps=steps, **options))
    if settings.alpha:
        optimizer = compose(weight_decay(penalty, only=is_weight), optimizer)
    return averaged(optimizer, decay=settings.average) if settings.average else optimizer


def _solver(settings: Settings, rate: Any) -> Optimizer:
    if settings.solver == "sgd":
        solver = sgd_of_rate(rate, settings.momentum, nesterov=settings.nesterovs_momentum)
    else:
        solver = adam_of_paper(rate, (settings.beta_1, settings.beta_2), settings.epsilon)
    if not settings.weight_decay:
        return solver
    return decoupled_decay(solver, share=rate * settings.weight_decay, only=is_weight)


def _with_factor(make: Callable[[Any], Optimizer], factor: tuple[str, float]) -> Callable[[Any], Optimizer]:
    """Return a constructor whose optimiser multiplies the rate of the parameters with a certain end of their path."""
    return partial(_partitioned, make, *factor)


def _partitioned(make: Callable[[Any], Optimizer], end: str, factor: float, rate: Any) -> Optimizer:
    return partitioned(make(rate * factor), make(rate), only=partial(_ends, end))


def _ends(end: str, path: str) -> bool:
    return path.endswith(end)


def sgd_of_rate(rate: Any, momentum: float, *, nesterov: bool) -> Optimizer:
    """Make SGD whose velocity contains the rate, as scikit-learn's does, so that a new rate does not change old steps.

    >>> import numpy as np
    >>> optimizer, params = sgd_of_rate(0.5, 0.5, nesterov=False), (np.array([1.0]),)
    >>> params, state = optimizer.update(params, (np.array([1.0]),), optimizer.init(params))
    >>> params, optimizer.update(params, (np.array([1.0]),), state)[0]
    ((array([0.5]),), (array([-0.25]),))
    """
    return compose(
        Transform(_no_state, partial(_times, rate)), sgd(1.0, momentum=momentum, nesterov=nesterov and momentum > 0)
    )


def _no_state(params: Tree) -> tuple[()]:
    return ()


def _times(rate: Any, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
    return tree_map(partial(scaled, rate), grads), state


def adam_of_paper(rate: Any, betas: tuple[float, float], epsilon: float) -> Optimizer:
    """Make Adam as scikit-learn does: epsilon is added to the root of v before the correction for the start.

    Source:   Kingma & Ba 2015, arXiv:1412.6980, the end of section 2.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0]),), (np.array([2.0]),)
    >>> optimizer = adam_of_paper(0.5, (0.9, 0.999), 1e-8)
    >>> optimizer.update(params, grads, optimizer.init(params))[0][0].round(4)
    array([0.5])
    """
    rate, betas, epsilon = adam_options("adam", rate, betas, epsilon)
    return by_leaf(partial(adam_leaf, rate), kinds=2, numbers=partial(_paper_numbers, betas, epsilon))


def _paper_numbers(betas: tuple[float, float], epsilon: float, step: int) -> AdamNumbers:
    return adam_numbers(betas, epsilon / sqrt(remaining(betas[1], step + 1)), step)
