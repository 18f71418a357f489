"""Optimisers: pure maps of parameters and gradients to new parameters, and an algebra that puts them together.

An `Optimizer` moves parameters: `sgd`, `adam` and their kin. A `Transform` changes gradients on their way to one, and
`compose` lines them up. `scheduled`, `accumulated`, `averaged`, `max_norm` and `decoupled_decay` make an optimiser of
an optimiser. A schedule is a plain function of the step.
"""

from fnmlp.optimizers.adaptive import adagrad, adam, adamw, lion, rmsprop
from fnmlp.optimizers.core import Optimizer, Sums, Update, sgd, sgd_update
from fnmlp.optimizers.paths import PathFilter, everywhere, is_weight
from fnmlp.optimizers.schedules import (
    Schedule,
    constant_rate,
    cosine_decay,
    cosine_restarts,
    exponential_decay,
    linear_decay,
    one_cycle,
    piecewise,
    step_decay,
    warm_up,
)
from fnmlp.optimizers.transforms import (
    Transform,
    clip_by_global_norm,
    clip_by_value,
    compose,
    weight_decay,
)
from fnmlp.optimizers.wrappers import (
    AccumulatedState,
    AveragedState,
    ChosenState,
    ScheduledState,
    accumulated,
    averaged,
    averaged_params,
    decoupled_decay,
    max_norm,
    scheduled,
)

__all__ = [
    "AccumulatedState",
    "AveragedState",
    "ChosenState",
    "Optimizer",
    "PathFilter",
    "Schedule",
    "ScheduledState",
    "Sums",
    "Transform",
    "Update",
    "accumulated",
    "adagrad",
    "adam",
    "adamw",
    "averaged",
    "averaged_params",
    "clip_by_global_norm",
    "clip_by_value",
    "compose",
    "constant_rate",
    "cosine_decay",
    "cosine_restarts",
    "decoupled_decay",
    "everywhere",
    "exponential_decay",
    "is_weight",
    "linear_decay",
    "lion",
    "max_norm",
    "one_cycle",
    "piecewise",
    "rmsprop",
    "scheduled",
    "sgd",
    "sgd_update",
    "step_decay",
    "warm_up",
    "weight_decay",
]
