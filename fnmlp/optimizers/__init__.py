"""Optimisers: pure maps from parameters and gradients to new parameters, and functions that combine them.

An `Optimizer` updates parameters: `sgd`, `adam` and others. A `Transform` changes gradients first, and `compose` puts
transforms before an optimiser. `scheduled`, `accumulated`, `apply_if_finite`, `averaged`, `max_norm`, `decoupled_decay`
and `partitioned` wrap optimisers. A schedule is a plain function of the step.

All of them run inside functions that JAX compiles. Rates, momenta, decays and limits may be numbers that JAX traces:
map over them with jax.vmap, or differentiate a loss by them. Such a number can't be checked when the optimiser is made.
If it turns out to be out of range, the parameters become NaN.
"""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
