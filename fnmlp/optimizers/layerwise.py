"""Optimisers that treat each array of parameters as a whole, by its norm or its singular values."""

from functools import partial
from math import sqrt
from typing import Any

from fnmlp.arrays import Array, namespace
from fnmlp.checks import as_bool, check_function
from fnmlp.conditions import pick, surely_zero
from fnmlp.errors import OptionError, ShapeError
from fnmlp.optimizers.arithmetic import fade, step_along
from fnmlp.optimizers.core import Optimizer, Sums, by_leaf, check_gradient, owning, sums_update, zeros_leaf
from fnmlp.optimizers.filters import PathFilter, everywhere, flags
from fnmlp.optimizers.moments import AdamNumbers, adam_direction, adam_numbers
from fnmlp.optimizers.wrappers import decoupled_decay
from fnmlp.options import finite, fraction, fractions, nonnegative, positive
from fnmlp.scalars import as_count
from fnmlp.tree import Tree, tree_map

__all__ = ["lamb", "muon"]


def lamb(
    rate: float,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-6,
    weight_decay: float = 0.0,
    only: PathFilter = everywhere,
) -> Optimizer:
    """Make LAMB, which scales Adam's step for each array to the array's norm; suits large batches and rates.

    The step is rate · ‖p‖ / ‖u‖ · u, where u = m̂ / (√v̂ + ε) + weight_decay · p, and the norms are over the whole
    array. If either norm is 0, the step is rate · u. `only(path)` chooses which parameters decay.

    Shapes:   those of the parameters.
    Units:    the rate is the share of its norm by which an array moves; epsilon has the units of a gradient.
    Raises:   OptionError unless rate and epsilon are finite and above 0, both betas at least 0 and below 1, and
              weight_decay finite and at least 0.
    Source:   You et al. 2020, arXiv:1904.00962, algorithm 2.

    >>> import numpy as np
    >>> params, grads = (np.array([3.0, 4.0]),), (np.array([1e-3, 0.0]),)
    >>> lamb(0.25, epsilon=1e-12).update(params, grads, lamb(0.25).init(params))[0][0].round(4)
    array([1.75, 4.  ])
    """
    check_function("lamb(only)", only, 1, "is_weight")
    checked = fractions("lamb(betas)", betas), positive("lamb(epsilon)", epsilon)
    decay = nonnegative("lamb(weight_decay)", weight_decay)
    rule = partial(_lamb_leaf, positive("lamb(rate)", rate), decay)
    return owning(partial(_lamb_init, only), sums_update, 3, rule, partial(adam_numbers, *checked))


def _lamb_init(only: PathFilter, params: Tree) -> Sums:
    return Sums(0, (flags(only, params), tree_map(zeros_leaf, params), tree_map(zeros_leaf, params)))


def _lamb_leaf(
    rate: float,
    decay: float,
    now: AdamNumbers,
    p: Array,
    g: Array,
    decays: bool,
    m: Array,
    v: Array,
) -> tuple[Any, ...]:
    """Let u = m̂ / (√v̂ + ε) + decay · p, and p ← p - rate · ‖p‖ / ‖u‖ · u."""
    check_gradient("lamb", p, g)
    u, *kept = adam_direction(now, g, m, v)
    u *= now.factor
    if decays is not False and not surely_zero(decay):
        u += p * pick(decays, decay, 0.0)
    xp = namespace(p)
    length, stride = _norm(p), _norm(u)
    usable = (length > 0) & (stride > 0)
    one = xp.ones_like(length)
    u *= xp.where(usable, length, one) / xp.where(usable, stride, one)
    return (step_along(p, u, rate), decays, *kept)


def _norm(x: Array) -> Array:
    xp = namespace(x)
    flat = xp.reshape(x, (-1,))
    return xp.sqrt(xp.vecdot(flat, flat))


def muon(
    rate: float,
    *,
    momentum: float = 0.95,
    nesterov: bool = True,
    weight_decay: float = 0.1,
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
    ns_steps: int = 5,
    epsilon: float = 1e-7,
) -> Optimizer:
    """Make Muon, which moves matrices along their velocity with its singular values brought near 1.

    The velocity is V = momentum · V + (1 - momentum) · G, or with `nesterov` the look-ahead from it. It is divided by
    its norm, or by epsilon if that is larger. Then `ns_steps` steps X ← a X + (b A + c A²) X, with A = X Xᵀ, bring its
    singular values between 0.7 and 1.2. The rate for a matrix (in, out) is rate · √max(1, out / in). All parameters
    shrink by rate · weight_decay per step. Only matrices have singular values. Give the other parameters an optimiser
    of their own with `partitioned`.

    Shapes:   those of the parameters, which must all be matrices.
    Units:    the rate has those of a parameter; epsilon has those of a gradient.
    Raises:   ShapeError for a parameter that is not a matrix; OptionError unless rate and epsilon are finite and above
              0, 0 <= momentum < 1, ns_steps is an integer of at least 1, and 0 <= rate · weight_decay < 1.
    Source:   Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; torch.optim.Muon, which
              computes these steps in bfloat16, and has matrices (out, in).

    >>> import numpy as np
    >>> from fnmlp.optimizers import adam, is_weight, partitioned
    >>> optimizer = partitioned(muon(0.02), adam(0.001), only=is_weight)
    >>> alone, params, grads = muon(0.5, weight_decay=0.0), (np.zeros((2, 2)),), (np.diag([1e3, 1e3]),)
    >>> alone.update(params, grads, alone.init(params))[0][0].round(1)
    array([[-0.6,  0. ],
           [ 0. , -0.6]])
    """
    rate, fading = positive("muon(rate)", rate), fraction("muon(momentum)", momentum)
    share = rate * nonnegative("muon(weight_decay)", weight_decay)
    if not isinstance(ns_coefficients, tuple) or len(ns_coefficients) != 3:
        remedy = "choose for instance (3.4445, -4.775, 2.0315)"
        raise OptionError("muon(ns_coefficients)", "three numbers", repr(ns_coefficients), remedy)
    a, b, c = (finite("muon(ns_coefficients)", number) for number in ns_coefficients)
    checked = (a, b, c), as_count("muon(ns_steps)", ns_steps), positive("muon(epsilon)", epsilon)
    bare = by_leaf(partial(_muon_leaf, rate, fading, as_bool("muon(nesterov)", nesterov), *checked), kinds=1)
    return decoupled_decay(bare, share=share)


def _muon_leaf(
    rate: float,
    momentum: float,
    nesterov: bool,
    coefficients: tuple[float, float, float],
    steps: int,
    epsilon: float,
    step: int,
    p: Array,
    g: Array,
    m: Array,
) -> tuple[Array, Array]:
    """Let p ← p - rate · √max(1, out / in) · orthogonal(V)."""
    if p.ndim != 2:
        remedy = "give it to another optimizer: partitioned(muon(0.02), adamw(0.001), only=is_weight)"
        raise ShapeError("muon", "a matrix", p.shape, remedy)
    check_gradient("muon", p, g)
    g *= 1 - momentum
    m = fade(m, momentum, g, step, beside=epsilon)
    velocity = g + m * momentum if nesterov else m
    direction = _orthogonal(velocity, coefficients, steps, epsilon)
    rows, columns = p.shape
    return step_along(p, direction, rate * sqrt(max(1.0, columns / rows))), m


def _orthogonal(velocity: Array, coefficients: tuple[float, float, float], steps: int, epsilon: float) -> Array:
    """Bring the singular values near 1 by Newton and Schulz's iteration, on the side where A is smaller."""
    xp = namespace(velocity)
    tall = velocity.shape[0] > velocity.shape[1]
    x = velocity.T if tall else velocity
    x = x / xp.clip(_norm(velocity), epsilon, None)
    a, b, c = coefficients
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if tall else x
