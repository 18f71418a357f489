"""Optimisers that divide each gradient by the root of a mean, or a sum, of its squares.

A mean of squares is Σ βᵏ h², where h = √(1 - β) g: scaling g first keeps the square finite wherever the mean is.
"""

from functools import partial
from math import sqrt

from fnmlp.arrays import Array, namespace, read_only
from fnmlp.checks import as_bool, as_fraction, as_nonnegative, as_positive
from fnmlp.optimizers.core import Optimizer, by_leaf, check_gradient, fade, overwrite, step_along

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
    rate, epsilon = as_positive("rmsprop(rate)", rate), as_positive("rmsprop(epsilon)", epsilon)
    decay, momentum = as_fraction("rmsprop(decay)", decay), as_fraction("rmsprop(momentum)", momentum)
    centered = as_bool("rmsprop(centered)", centered)
    rule = partial(_rmsprop_leaf, rate, epsilon, decay, momentum, centered)
    return by_leaf(rule, kinds=1 + centered + bool(momentum))


def _rmsprop_leaf(
    rate: float,
    epsilon: float,
    decay: float,
    momentum: float,
    centered: bool,
    step: int,
    p: Array,
    g: Array,
    *sums: Array,
) -> tuple[Array, ...]:
    """Let v ← decay · v + h², with h = √(1 - decay) g, and p ← p - rate · g / (√v + ε)."""
    check_gradient("rmsprop", p, g)
    xp, share = namespace(p), sqrt(1 - decay)
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
    if momentum:
        kept.append(fade(sums[-1], momentum, direction, step))
        direction = kept[-1] * 1.0
    return (step_along(p, direction, rate / share), *map(read_only, kept))


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
    rate, epsilon = as_positive("adagrad(rate)", rate), as_positive("adagrad(epsilon)", epsilon)
    rate_decay, initial = as_nonnegative("adagrad(rate_decay)", rate_decay), as_nonnegative("adagrad(initial)", initial)
    return by_leaf(partial(_adagrad_leaf, rate, rate_decay, epsilon, initial), kinds=1)


def _adagrad_leaf(
    rate: float,
    rate_decay: float,
    epsilon: float,
    initial: float,
    step: int,
    p: Array,
    g: Array,
    total: Array,
) -> tuple[Array, Array]:
    """Let the total of g² grow, and p ← p - rate / (1 + step · rate_decay) · g / (√total + ε)."""
    check_gradient("adagrad", p, g)
    total = g * g + total
    if initial and not step:
        total += initial
    root = namespace(p).sqrt(total)
    root += epsilon
    return step_along(p, g / root, rate / (1 + step * rate_decay)), read_only(total)


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
    rate, epsilon = as_positive("adadelta(rate)", rate), as_positive("adadelta(epsilon)", epsilon)
    rule = partial(_adadelta_leaf, rate, as_fraction("adadelta(decay)", decay), epsilon)
    return by_leaf(rule, kinds=2)


def _adadelta_leaf(
    rate: float,
    decay: float,
    epsilon: float,
    step: int,
    p: Array,
    g: Array,
    squares: Array,
    steps: Array,
) -> tuple[Array, Array, Array]:
    """Let Δ = g · √(E[Δ²] + ε) / √(E[g²] + ε); both means hold squares of what is scaled by √(1 - decay)."""
    check_gradient("adadelta", p, g)
    xp, share = namespace(p), sqrt(1 - decay)
    g *= share
    squares = fade(squares, decay, g * g, step, beside=epsilon)
    g /= xp.sqrt(squares + epsilon)
    g *= xp.sqrt(steps + epsilon)
    steps = fade(steps, decay, g * g, step, beside=epsilon)
    return step_along(p, g, rate / share), read_only(squares), read_only(steps)
