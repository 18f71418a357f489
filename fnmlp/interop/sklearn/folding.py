"""The fold of a fit: a pure map from the state after one epoch to the state after the next, and when it ends."""

from collections.abc import Callable, Iterator
from math import isfinite, nan
import sys
from typing import TypeAlias

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, read_only
from fnmlp.errors import DivergenceError
from fnmlp.interop.sklearn.presets import Settings
from fnmlp.optimizers import averaged_params
from fnmlp.training import TrainState
from fnmlp.tree import Tree

__all__ = ["FitState"]

Run: TypeAlias = Callable[[float, TrainState, int], tuple[TrainState, float]]
"""(rate, state, number of the epoch) -> (state after the epoch, mean loss)."""

WORST = sys.float_info.max
"""The cost before the first epoch: a finite number, because a checkpoint holds no other."""

LEAST_RATE = 1e-6
"""At this rate or below, learning_rate="adaptive" stops instead of dividing the rate by 5."""


@frozen(eq=False)
class FitState:
    """Hold everything that a fit needs to continue after an epoch.

    `epoch`        the number of epochs.
    `train`        the state of training.
    `losses`       the mean loss of each epoch so far, then zeros.
    `scores`       the validation score of each epoch so far, then zeros; empty if no rows are held out.
    `best`         the lowest cost so far: of an epoch's loss, or of minus its validation score.
    `best_params`  the parameters with the highest validation score so far; () if no rows are held out.
    `waited`       the number of epochs in a row that did not lower the best cost by more than the tolerance.
    `cuts`         how often learning_rate="adaptive" divided the rate by 5.
    """

    epoch: int
    train: TrainState
    losses: Array
    scores: Array
    best: float
    best_params: Tree
    waited: int
    cuts: int

    @property
    def loss(self) -> float:
        """Return the mean loss of the last epoch; NaN before the first."""
        return float(self.losses[self.epoch - 1]) if self.epoch else nan

    @property
    def score(self) -> float:
        """Return the last validation score; NaN before the first, and if no rows are held out."""
        return float(self.scores[self.epoch - 1]) if self.epoch and len(self.scores) else nan


def first_state(
    train: TrainState, epochs: int, scored: bool, best: float = WORST, waited: int = 0, cuts: int = 0
) -> FitState:
    """Return the state before the first of so many epochs."""
    nothing = read_only(np.zeros(epochs))
    scores, kept = (nothing, train.params) if scored else (nothing[:0], ())
    return FitState(0, train, nothing, scores, best, kept, waited, cuts)


@frozen(eq=False)
class Plan:
    """Hold what stays the same during a fit.

    `run`     takes the steps of an epoch.
    `score`   (parameters) -> validation score, or None if no rows are held out.
    `rows`    the number of rows in an epoch.
    `seen`    the number of rows that were trained on before this fit.
    """

    settings: Settings
    run: Run
    score: Callable[[Tree], float] | None
    rows: int
    seen: int = 0


def states_of(plan: Plan, state: FitState) -> Iterator[FitState]:
    """Yield a state, and the state after each epoch, until the fit has converged or has no epochs left."""
    yield state
    while state.epoch < len(state.losses) and not converged(plan.settings, state):
        state = after_epoch(plan, state)
        yield state


def converged(settings: Settings, state: FitState) -> bool:
    """Tell whether the best cost has not fallen for more than `n_iter_no_change` epochs."""
    return state.waited > settings.n_iter_no_change


def after_epoch(plan: Plan, state: FitState) -> FitState:
    """Return the state after one more epoch.

    Raises:   DivergenceError if the loss is infinite or NaN; whatever a step raises.
    """
    settings = plan.settings
    seen = plan.seen + state.epoch * plan.rows
    rate = rate_of(settings, seen if state.train.step else 0, state.cuts)
    train, loss = plan.run(rate, state.train, state.epoch)
    if not isfinite(loss):
        remedy = "scale the columns, or train with a smaller learning_rate_init"
        raise DivergenceError(f"epoch {state.epoch + 1}", "a finite loss", loss, remedy)
    losses = _with(state.losses, state.epoch, loss)
    scores, best_params, cost = state.scores, state.best_params, loss
    if plan.score is not None:
        params = predicting(settings, train)
        cost = -plan.score(params)
        scores = _with(scores, state.epoch, -cost)
        best_params = params if cost < state.best else best_params
    waited = state.waited + 1 if cost > state.best - settings.tol else 0
    best, cuts = min(state.best, cost), state.cuts
    if waited > settings.n_iter_no_change and settings.learning_rate == "adaptive" and rate > LEAST_RATE:
        waited, cuts = 0, cuts + 1
    return FitState(state.epoch + 1, train, losses, scores, best, best_params, waited, cuts)


def _with(numbers: Array, place: int, number: float) -> Array:
    after = numbers.copy()
    after[place] = number
    return read_only(after)


def rate_of(settings: Settings, seen: int, cuts: int) -> float:
    """Return the rate of an epoch, after so many rows, for a rate that changes between epochs.

    >>> rate_of(Settings(learning_rate="invscaling", learning_rate_init=1.0), 99, 0)
    0.1
    """
    rate = float(settings.learning_rate_init)
    if settings.learning_rate == "invscaling" and seen:
        return rate / (seen + 1) ** settings.power_t
    return rate / 5.0**cuts


def predicting(settings: Settings, train: TrainState) -> Tree:
    """Return the parameters that predict: those of the state, or their running mean."""
    return averaged_params(train.optimizer_state) if settings.average else train.params


def chosen(settings: Settings, state: FitState) -> Tree:
    """Return the parameters that a fit ends with: those of the best epoch if rows are held out, else the last."""
    return state.best_params if len(state.scores) else predicting(settings, state.train)
