"""Optimisers: pure maps of parameters and gradients to new parameters, and an algebra that puts them together.

An `Optimizer` moves parameters: `sgd`, `adam` and their kin. A `Transform` changes gradients on their way to one, and
`compose` lines them up. `scheduled`, `accumulated`, `apply_if_finite`, `averaged`, `max_norm`, `decoupled_decay` and
`partitioned` make an optimiser of optimisers. A schedule is a plain function of the step.
"""

from fnmlp.optimizers.core import Optimizer, Sums, Update
from fnmlp.optimizers.descent import lion, sgd, sgd_update
from fnmlp.optimizers.layerwise import lamb, muon
from fnmlp.optimizers.moments import NadamState, adam, adamax, adamw, nadam, radam
from fnmlp.optimizers.pacing import AccumulatedState, FiniteState, accumulated, apply_if_finite
from fnmlp.optimizers.paths import PartitionedState, PathFilter, everywhere, is_weight, partitioned
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
from fnmlp.optimizers.squares import adadelta, adagrad, rmsprop
from fnmlp.optimizers.transforms import (
    Transform,
    clip_by_global_norm,
    clip_by_value,
    compose,
    weight_decay,
)
from fnmlp.optimizers.wrappers import (
    AveragedState,
    ChosenState,
    ScheduledState,
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
    "FiniteState",
    "NadamState",
    "Optimizer",
    "PartitionedState",
    "PathFilter",
    "Schedule",
    "ScheduledState",
    "Sums",
    "Transform",
    "Update",
    "accumulated",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "apply_if_finite",
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
    "lamb",
    "linear_decay",
    "lion",
    "max_norm",
    "muon",
    "nadam",
    "one_cycle",
    "partitioned",
    "piecewise",
    "radam",
    "rmsprop",
    "scheduled",
    "sgd",
    "sgd_update",
    "step_decay",
    "warm_up",
    "weight_decay",
]
