# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.optimizers.core import (Optimizer as Optimizer, Sums as Sums)
from fnmlp.optimizers.descent import (lion as lion, sgd as sgd, sgd_update as sgd_update)
from fnmlp.optimizers.filters import (
    PartitionedState as PartitionedState,
    PathFilter as PathFilter,
    everywhere as everywhere,
    is_weight as is_weight,
    partitioned as partitioned,
)
from fnmlp.optimizers.layerwise import (lamb as lamb, muon as muon)
from fnmlp.optimizers.lookahead import (NadamState as NadamState, nadam as nadam)
from fnmlp.optimizers.moments import (adam as adam, adamax as adamax, adamw as adamw, radam as radam)
from fnmlp.optimizers.pacing import (
    AccumulatedState as AccumulatedState,
    FiniteState as FiniteState,
    accumulated as accumulated,
    apply_if_finite as apply_if_finite,
)
from fnmlp.optimizers.schedules import (
    Schedule as Schedule,
    constant_rate as constant_rate,
    cosine_cycles as cosine_cycles,
    cosine_decay as cosine_decay,
    cosine_restarts as cosine_restarts,
    exponential_decay as exponential_decay,
    linear_decay as linear_decay,
    one_cycle as one_cycle,
    piecewise as piecewise,
    step_decay as step_decay,
    warm_up as warm_up,
)
from fnmlp.optimizers.squares import (adadelta as adadelta, adagrad as adagrad, rmsprop as rmsprop)
from fnmlp.optimizers.transforms import (
    Transform as Transform,
    clip_by_global_norm as clip_by_global_norm,
    clip_by_value as clip_by_value,
    compose as compose,
    weight_decay as weight_decay,
)
from fnmlp.optimizers.wrappers import (
    AveragedState as AveragedState,
    ChosenState as ChosenState,
    ScheduledState as ScheduledState,
    averaged as averaged,
    averaged_params as averaged_params,
    decoupled_decay as decoupled_decay,
    max_norm as max_norm,
    scheduled as scheduled,
)

__all__: list[str]
