"""Optimisers that give each parameter a rate of its own, after what its gradients were like.

They keep sums in which older gradients fade, Σ βᵏ g, rather than means, which are those times 1 - β: that saves a pass
over the parameters each. The factors, and Adam's corrections for its start, go into two numbers a step.
"""

from functools import partial
from math import sqrt

from fnmlp.arrays import Array, namespace, read_only
from fnmlp.errors import OptionError
from fnmlp.optimizers.core import Optimizer, by_leaf, check_gradient, fade, overwrite, step_along
from fnmlp.optimizers.paths import PathFilter, everywhere
from fnmlp.optimizers.wrappers import decoupled_decay
from fnmlp.options import at_least_0, fraction, positive


def adam(rate: float, *, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8) -> Optimizer:
    """Step along the mean of the last gradients, divided by the root of the mean of their squares.

    Shapes:   those of the parameters.
    Units:    the rate has those of a parameter: at first each moves by about as much; epsilon has those of a gradient.
    Raises:   OptionError unless rate and epsilon are finite and above 0, and both betas at least 0 and below 1.
    Source:   Kingma & Ba 2015, arXiv:1412.6980, algorithm 1; torch.optim.Adam.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0, 2.0]),), (np.array([1e-3, -1e3]),)
    >>> adam(0.5).update(params, grads, adam(0.5).init(params))[0][0].round(4)
    array([0.5, 2.5])
    """
    bound = (positive("adam(rate)", rate), positive("adam(epsilon)", epsilon), *_pair("adam(betas)", betas))
    return by_leaf(partial(_adam_leaf, *bound), kinds=2)


def _pair(where: str, betas: tuple[float, float]) -> tuple[float, float]:
    if not isinstance(betas, tuple) or len(betas) != 2:
        raise OptionError(where, "a pair of numbers", repr(betas), "choose for instance (0.9, 0.99)")
    return fraction(f"{where}[0]", betas[0]), fraction(f"{where}[1]", betas[1])


def _adam_leaf(
    rate: float,
    epsilon: float,
    first: float,
    second: float,
    step: int,
    param: Array,
    grad: Array,
    total: Array,
    squares: Array,
) -> tuple[Array, Array, Array]:
    check_gradient("adam", param, grad)
    total = fade(total, first, grad, step)
    grad *= grad
    squares = fade(squares, second, grad, step)
    mean = (1 - first) / (1 - first ** (step + 1))
    root = sqrt((1 - second) / (1 - second ** (step + 1)))
    xp = namespace(param)
    spread = overwrite(grad, xp.sqrt, squares)
    spread += epsilon / root
    direction = overwrite(spread, xp.divide, total, spread)
    return step_along(param, direction, rate * mean / root), read_only(total), read_only(squares)


def adamw(
    rate: float,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
    only: PathFilter = everywhere,
) -> Optimizer:
    """Adam that also shrinks the parameters, by rate · weight_decay a step, which Adam does not rescale.

    It is `decoupled_decay` of `adam`. `only(path)` says which parameters shrink; `is_weight` spares biases.

    Shapes:   those of the parameters.
    Units:    as `adam`; weight_decay is a share for each unit of the rate.
    Raises:   as `adam` and `decoupled_decay`.
    Source:   Loshchilov & Hutter 2019, arXiv:1711.05101, algorithm 2; torch.optim.AdamW.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0]),), (np.array([0.0]),)
    >>> optimizer = adamw(0.5, weight_decay=0.5)
    >>> optimizer.update(params, grads, optimizer.init(params))[0]
    (array([0.75]),)
    """
    share = positive("adamw(rate)", rate) * at_least_0("adamw(weight_decay)", weight_decay)
    return decoupled_decay(adam(rate, betas=betas, epsilon=epsilon), share=share, only=only)


def lion(
    rate: float,
    *,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
    only: PathFilter = everywhere,
) -> Optimizer:
    """Step by the rate along the sign of a mean of gradients that leans to the newest one.

    The parameters also shrink by rate · weight_decay a step; `only(path)` says which.

    Shapes:   those of the parameters.
    Units:    the rate has those of a parameter: each moves by as much, or not at all where the mean is 0.
    Raises:   as `adamw`.
    Source:   Chen et al. 2023, arXiv:2302.06675, program 1.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0, 2.0]),), (np.array([1e-3, -1e3]),)
    >>> lion(0.5).update(params, grads, lion(0.5).init(params))[0]
    (array([0.5, 2.5]),)
    """
    rate = positive("lion(rate)", rate)
    share = rate * at_least_0("lion(weight_decay)", weight_decay)
    bare = by_leaf(partial(_lion_leaf, rate, *_pair("lion(betas)", betas)), kinds=1)
    return decoupled_decay(bare, share=share, only=only)


def _lion_leaf(
    rate: float, first: float, second: float, step: int, param: Array, grad: Array, total: Array
) -> tuple[Array, Array]:
    """Take the sign of β₁ m + (1 - β₁) g, where m is 1 - β₂ times the sum."""
    check_gradient("lion", param, grad)
    direction = total * (first * (1 - second))
    direction += grad * (1 - first)
    moved = step_along(param, namespace(param).sign(direction), rate)
    return moved, read_only(fade(total, second, grad, step))


def rmsprop(
    rate: float, *, decay: float = 0.99, epsilon: float = 1e-8, momentum: float = 0.0, centered: bool = False
) -> Optimizer:
    """Divide gradients by the root of the mean of their squares, or of their variance if `centered`.

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
    rule = partial(_rmsprop_leaf, rate, epsilon, decay, momentum, bool(centered))
    return by_leaf(rule, kinds=1 + bool(centered) + bool(momentum))


def _rmsprop_leaf(
    rate: float,
    epsilon: float,
    decay: float,
    momentum: float,
    centered: bool,
    step: int,
    param: Array,
    grad: Array,
    *sums: Array,
) -> tuple[Array, ...]:
    check_gradient("rmsprop", param, grad)
    xp = namespace(param)
    kept = [fade(sums[0], decay, grad * grad, step)]
    variance = kept[0]
    if centered:
        kept.append(fade(sums[1], decay, grad, step))
        # The difference of two numbers that are almost equal may come out below 0, which has no root.
        variance = xp.clip(variance - kept[1] * kept[1] * (1 - decay), 0, None)
    root = sqrt(1 - decay)
    spread = xp.sqrt(variance)
    spread += epsilon / root
    direction = grad / spread
    if momentum:
        kept.append(fade(sums[-1], momentum, direction, step))
        direction = kept[-1] * 1.0
    return (step_along(param, direction, rate / root), *map(read_only, kept))


def adagrad(rate: float, *, rate_decay: float = 0.0, epsilon: float = 1e-10, initial: float = 0.0) -> Optimizer:
    """Divide gradients by the root of the sum of all their squares so far.

    The rate of the step t = 0, 1, … is rate / (1 + t · rate_decay); the sums start at `initial`.

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
    rate_decay, initial = at_least_0("adagrad(rate_decay)", rate_decay), at_least_0("adagrad(initial)", initial)
    return by_leaf(partial(_adagrad_leaf, rate, rate_decay, epsilon, initial), kinds=1)


def _adagrad_leaf(
    rate: float,
    rate_decay: float,
    epsilon: float,
    initial: float,
    step: int,
    param: Array,
    grad: Array,
    squares: Array,
) -> tuple[Array, Array]:
    check_gradient("adagrad", param, grad)
    squares = grad * grad + squares
    if initial and not step:
        squares += initial
    spread = namespace(param).sqrt(squares)
    spread += epsilon
    return step_along(param, grad / spread, rate / (1 + step * rate_decay)), read_only(squares)
