"""Optimisers: pure maps from parameters and gradients to new parameters, and functions that combine them.

An `Optimizer` updates parameters: `sgd`, `adam` and others. A `Transform` changes gradients first, and `compose` puts
transforms before an optimiser. `scheduled`, `accumulated`, `apply_if_finite`, `averaged`, `max_norm`, `decoupled_decay`
and `partitioned` wrap optimisers. A schedule is a plain function of the step.
"""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
