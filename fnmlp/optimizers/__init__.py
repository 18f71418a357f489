"""Optimisers: pure maps of parameters and gradients to new parameters, and an algebra that puts them together.

An `Optimizer` moves parameters: `sgd`, `adam` and their kin. A `Transform` changes gradients on their way to one, and
`compose` lines them up. `scheduled`, `accumulated`, `apply_if_finite`, `averaged`, `max_norm`, `decoupled_decay` and
`partitioned` make an optimiser of optimisers. A schedule is a plain function of the step.
"""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
