"""Optimisers that divide each gradient by the root of a mean, or a sum, of its squares.

A mean of squares is Σ βᵏ h², where h = √(1 - β) g: scaling g first keeps the square finite wherever the mean is.
"""

from functools import partial

from fnmlp.arrays import Array, namespace, read_only
from fnmlp.checks import as_bool
from fnmlp.conditions import sqrt, surely_zero
from fnmlp.optimizers.arithmetic import fade, overwrite, replacing, step_along
from fnmlp.optimizers.core import Optimizer, Sums, by_leaf, check_gradient, owning, sums_update
from fnmlp.options import fraction, nonnegative, positive
from fnmlp.tree import Tree, tree_map

__all__ = ["adadelta", "adagrad", "rmsprop"]


def rmsprop(
    rate: float, *, decay: float = 0.99, epsilon: float = 1e-8, momentum: float = 0.0, centered: bool = False
) -> Optimizer:
    """Make RMSprop, which divides gradients by their root mean square, or if `centered` by their deviation.

    Shapes:   those of the parameters.
    Units:    as `adam`.
    Raises:   OptionError unless rate and epsilon are finite and above 0, 0 <= decay < 1 and 0 <= momentum < 1.
    Source:   Tieleman & Hinton 2012, "Neural networks for machine learning", lecture 6.5; centered: Graves 2013,
              arXiv:1308.0850, eq. 38-41; torch.optim.RMSprop.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0]),), (np.array([3.0]),)
    >>> optimizer = rmsprop(0.25, decay=0.75)
    >>> optimizer.update(params, grads, optimizer.init(params))[0][0].round(4)
    array([0.5])
    """
    rate, epsilon = positive("rmsprop(rate)", rate), positive("rmsprop(epsilon)", epsilon)
    decay, momentum = fraction("rmsprop(decay)", decay), fraction("rmsprop(momentum)", momentum)
    centered = as_bool("rmsprop(centered)", centered)
    moves = not surely_zero(momentum)
    rule = partial(_rmsprop_leaf, rate, epsilon, decay, sqrt(1 - decay), momentum, centered, moves)
    return by_leaf(rule, kinds=1 + centered + moves)


def _rmsprop_leaf(
    rate: float,
    epsilon: float,
    decay: float,
    share: float,
    momentum: float,
    centered: bool,
    moves: bool,
    step: int,
    p: Array,
    g: Array,
    *sums: Array,
) -> tuple[Array, ...]:
    """Let v ← decay · v + h², with h = share · g, and p ← p - rate · g / (√v + ε)."""
    check_gradient("rmsprop", p, g)
    xp = namespace(p)
    g *= share
    kept = [fade(sums[0], decay, g * g, step, beside=epsilon, degree=2)]
    variance = kept[0]
    if centered:
        kept.append(fade(sums[1], decay, g, step, beside=epsilon))
        mean = kept[1] * share
        # The difference of two numbers that are almost equal may come out below 0, which has no root.
        variance = xp.clip(variance - mean * mean, 0, None)
    root = xp.sqrt(variance)
    root += epsilon
    direction = overwrite(g, xp.divide, g, root)
    if moves:
        kept.append(fade(sums[-1], momentum, direction, step))
        direction = kept[-1] * 1.0
    return (step_along(p, direction, rate / share), *kept)


def adagrad(rate: float, *, rate_decay: float = 0.0, epsilon: float = 1e-10, initial: float = 0.0) -> Optimizer:
    """Make Adagrad, which divides gradients by the root of the sum of all their squares so far.

    The rate of step t = 0, 1, … is rate / (1 + t · rate_decay). The sums start at `initial`.

    Shapes:   those of the parameters.
    Units:    as `adam`; `initial` has those of a gradient, squared.
    Raises:   OptionError unless rate and epsilon are finite and above 0, and the others finite and at least 0.
    Source:   Duchi, Hazan & Singer 2011, "Adaptive subgradient methods", fig. 1; torch.optim.Adagrad.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0, 2.0]),), (np.array([1e-3, -1e3]),)
    >>> adagrad(0.5).update(params, grads, adagrad(0.5).init(params))[0][0].round(4)
    array([0.5, 2.5])
    """
    rate, epsilon = positive("adagrad(rate)", rate), positive("adagrad(epsilon)", epsilon)
    rate_decay, initial = nonnegative("adagrad(rate_decay)", rate_decay), nonnegative("adagrad(initial)", initial)
    rule = partial(_adagrad_leaf, rate, rate_decay, epsilon)
    return owning(partial(_adagrad_init, initial), sums_update, 1, rule, None)


def _adagrad_init(initial: float, params: Tree) -> Sums:
    return Sums(0, (tree_map(partial(_filled, initial), params),))


def _filled(number: float, param: Array) -> Array:
    return read_only(namespace(param).full_like(param, number))


def _adagrad_leaf(
    rate: float,
    rate_decay: float,
    epsilon: float,
    step: int,
    p: Array,
    g: Array,
    total: Array,
) -> tuple[Array, Array]:
    """Let the total of g² grow, and p ← p - rate / (1 + step · rate_decay) · g / (√total + ε)."""
    check_gradient("adagrad", p, g)
    total = replacing(total, g * g + total)
    root = namespace(p).sqrt(total)
    root += epsilon
    return step_along(p, g / root, rate / (1 + step * rate_decay)), total


def adadelta(rate: float = 1.0, *, decay: float = 0.9, epsilon: float = 1e-6) -> Optimizer:
    """Make Adadelta, which scales gradients by the root mean square of past steps over that of gradients.

    So a step has the units of a parameter whatever those of the loss, and the rate can stay at 1.

    Shapes:   those of the parameters.
    Units:    the rate is a share of the step; epsilon has those of a gradient, squared, and of a parameter, squared.
    Raises:   OptionError unless rate and epsilon are finite and above 0, and 0 <= decay < 1.
    Source:   Zeiler 2012, arXiv:1212.5701, algorithm 1; torch.optim.Adadelta.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0]),), (np.array([4.0]),)
    >>> optimizer = adadelta(decay=0.75, epsilon=0.25)
    >>> optimizer.update(params, grads, optimizer.init(params))[0][0].round(4)
    array([0.0299])
    """
    rate, epsilon = positive("adadelta(rate)", rate), positive("adadelta(epsilon)", epsilon)
    decay = fraction("adadelta(decay)", decay)
    return by_leaf(partial(_adadelta_leaf, rate, decay, sqrt(1 - decay), epsilon), kinds=2)


def _adadelta_leaf(
    rate: float,
    decay: float,
    share: float,
    epsilon: float,
    step: int,
    p: Array,
    g: Array,
    squares: Array,
    steps: Array,
) -> tuple[Array, Array, Array]:
    """Let Δ = g · √(E[Δ²] + ε) / √(E[g²] + ε); both means hold squares of what is scaled by the share."""
    check_gradient("adadelta", p, g)
    xp = namespace(p)
    g *= share
    squares = fade(squares, decay, g * g, step, beside=epsilon)
    g /= xp.sqrt(squares + epsilon)
    g *= xp.sqrt(steps + epsilon)
    steps = fade(steps, decay, g * g, step, beside=epsilon)
    return step_along(p, g, rate / share), squares, steps
