"""Adam that looks ahead. Its sums are those of `fnmlp.optimizers.moments`."""

from functools import partial

from attrs import frozen

from fnmlp.arrays import Array, namespace
from fnmlp.conditions import remaining, sqrt
from fnmlp.optimizers.arithmetic import fade, in_dtype_of, overwrite, step_along
from fnmlp.optimizers.core import Optimizer, check_gradient, check_state, map_apart, owning, zeros_leaf
from fnmlp.optimizers.moments import adam_options
from fnmlp.options import nonnegative
from fnmlp.tree import Tree, tree_map

__all__ = ["NadamState", "nadam"]


@frozen(eq=False)
class NadamState:
    """How many steps were taken, the product of the momenta so far, and trees of sums over the gradients."""

    step: int
    product: float
    trees: tuple[Tree, ...]


def nadam(
    rate: float,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    momentum_decay: float = 0.004,
) -> Optimizer:
    """Make Nadam: Adam with Nesterov's look-ahead, along an estimate of the next step's mean.

    The momentum of step t is μₜ = β₁ (1 - 0.96^(t · momentum_decay) / 2): it starts at half of β₁ and rises to it.

    Shapes:   those of the parameters.
    Units:    as `adam`.
    Raises:   as `adam`, and OptionError unless momentum_decay is finite and at least 0.
    Source:   Dozat 2016, "Incorporating Nesterov momentum into Adam", algorithm 2; torch.optim.NAdam.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0, 2.0]),), (np.array([1e-3, -1e3]),)
    >>> nadam(0.5).update(params, grads, nadam(0.5).init(params))[0][0].round(3)
    array([0.472, 2.528])
    """
    rate, betas, epsilon = adam_options("nadam", rate, betas, epsilon)
    psi = nonnegative("nadam(momentum_decay)", momentum_decay)
    return owning(_nadam_init, _nadam_step, rate, betas, epsilon, psi)


def _nadam_init(params: Tree) -> NadamState:
    return NadamState(0, 1.0, (tree_map(zeros_leaf, params), tree_map(zeros_leaf, params)))


def _nadam_step(
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
    psi: float,
    params: Tree,
    grads: Tree,
    state: NadamState,
) -> tuple[Tree, NadamState]:
    check_state(NadamState, state)
    now, ahead = (betas[0] * (1 - 0.5 * 0.96 ** ((state.step + after) * psi)) for after in (1, 2))
    product = in_dtype_of(state.product, state.product * now)
    shares = (1 - now) / (1 - product), ahead / (1 - product * ahead)
    roots = sqrt(1 - betas[1]), sqrt(remaining(betas[1], state.step + 1))
    rule = partial(_nadam_leaf, rate, betas, epsilon, shares, roots, state.step)
    moved, *trees = map_apart(rule, 3, params, grads, *state.trees)
    return moved, NadamState(state.step + 1, product, tuple(trees))


def _nadam_leaf(
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
    shares: tuple[float, float],
    roots: tuple[float, float],
    step: int,
    p: Array,
    g: Array,
    m: Array,
    v: Array,
) -> tuple[Array, Array, Array]:
    """Let p ← p - rate · (μ-share of g + μ-share of m) / (√v̂ + ε)."""
    check_gradient("nadam", p, g)
    (first, second), (share, b) = betas, roots
    g *= share
    m = fade(m, first, g, step, beside=epsilon * share)
    ahead = m * (shares[1] * (1 - first))
    ahead += g * shares[0]
    g *= g
    v = fade(v, second, g, step, beside=epsilon * share, degree=2)
    xp = namespace(p)
    root = overwrite(g, xp.sqrt, v)
    root += epsilon * b
    return step_along(p, overwrite(ahead, xp.divide, ahead, root), rate * b / share), m, v
