"""The pure part of a fit: steps, plans and first states, made of settings, a model and prepared rows."""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from math import nan
from typing import Any

from attrs import frozen

from fnmlp.batching import Batch
from fnmlp.interop.sklearn.engines import Steps, by_jax, by_numpy, rows_of, weight_places
from fnmlp.interop.sklearn.folding import Plan
from fnmlp.interop.sklearn.presets import Settings
from fnmlp.interop.sklearn.solvers import optimizer_of
from fnmlp.key import Key
from fnmlp.layer import Layer
from fnmlp.losses import Loss
from fnmlp.optimizers import Optimizer
from fnmlp.training import TrainState
from fnmlp.tree import Tree, tree_sha256


@frozen(eq=False)
class Work:
    """Hold what a fit trains, on what, and how: all that its result is a function of, besides the first state.

    `optimizer`  yours, or None for the one of the settings.
    `score`      parameters -> validation score, or None if no rows are held out.
    `key`        the source of the order of the rows.
    `epochs`     the number of epochs, and `done` that of epochs before this fit; `seen` is that of rows before it.
    """

    settings: Settings
    model: Layer[Any]
    loss: Loss
    optimizer: Optimizer | None
    engine: str
    data: Batch
    score: Callable[[Tree], float] | None
    key: Key
    epochs: int
    done: int = 0
    seen: int = 0

    @property
    def size(self) -> int:
        """Return the number of rows in a batch."""
        size = self.settings.batch_size
        return min(200 if size == "auto" else int(size), len(self.data))

    @property
    def make(self) -> Callable[[Any, Any], Optimizer]:
        """Return the function (rate, penalty) -> optimiser."""
        steps = self.epochs * -(-len(self.data) // self.size)
        return partial(optimizer_of, self.settings, self.optimizer, steps)


def plan_of(work: Work, params: Tree) -> Plan:
    """Return the plan of a fit, for parameters of this structure."""
    settings = work.settings
    steps = Steps(work.model, work.loss, work.make, float(settings.alpha), weight_places(params))
    rows = rows_of(work.data, size=work.size, key=work.key, shuffle=bool(settings.shuffle))
    run = (by_jax if work.engine == "jax" else by_numpy)(steps, rows, work.done)
    return Plan(settings, run, work.score, len(work.data), work.seen)


def begun(work: Work, params: Tree, key: Key) -> TrainState:
    """Return the state before the first step with some parameters, and a new state of the optimiser."""
    optimizer = work.make(float(work.settings.learning_rate_init), 0.0)
    return TrainState(0, params, optimizer.init(params), key, nan)


def fingerprint(work: Work, state: TrainState) -> str:
    """Return a hash of what a fit is a function of, to tell whether a checkpoint holds the same fit."""
    loss = getattr(work.loss, "func", work.loss)
    told = work.settings, work.model.name, getattr(loss, "__qualname__", type(loss).__name__), work.engine, work.epochs
    arrays = state.params, state.optimizer_state, state.key, work.data, work.key
    return sha256(f"{told} {tree_sha256(arrays)}".encode()).hexdigest()
