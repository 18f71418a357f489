"""Adam and its kin: steps along the mean of gradients, divided by what the gradients were like.

The paper's v is kept as it stands: Σ βᵏ h², where h = √(1 - β₂) g. Scaling g first keeps the square finite wherever v
is. The paper's m is kept as Σ βᵏ h, in which its factor is missing: that, and the corrections for the start, go into
two numbers a step, which saves a pass over the parameters.
"""

from functools import partial
from math import sqrt

from attrs import frozen

from fnmlp.arrays import Array, namespace, read_only
from fnmlp.checks import as_bool, as_fractions, as_nonnegative, as_positive
from fnmlp.optimizers.core import (
    Optimizer,
    by_leaf,
    check_gradient,
    check_state,
    fade,
    map_apart,
    overwrite,
    owning,
    step_along,
    zeros_leaf,
)
from fnmlp.optimizers.filters import PathFilter, everywhere
from fnmlp.optimizers.wrappers import decoupled_decay
from fnmlp.tree import Tree, tree_map

__all__ = ["NadamState", "adam", "adamax", "adamw", "nadam", "radam"]


def adam(
    rate: float, *, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8, amsgrad: bool = False
) -> Optimizer:
    """Step along the mean of the last gradients, divided by the root of the mean of their squares.

    With `amsgrad` the largest such mean so far divides in its place, so that no parameter's rate grows again.

    Shapes:   those of the parameters.
    Units:    the rate has those of a parameter: at first each moves by about as much; epsilon has those of a gradient.
    Raises:   OptionError unless rate and epsilon are finite and above 0, and both betas at least 0 and below 1.
    Source:   Kingma & Ba 2015, arXiv:1412.6980, algorithm 1; Reddi, Kale & Kumar 2018, arXiv:1904.09237, algorithm 2;
              torch.optim.Adam.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0, 2.0]),), (np.array([1e-3, -1e3]),)
    >>> adam(0.5).update(params, grads, adam(0.5).init(params))[0][0].round(4)
    array([0.5, 2.5])
    """
    rule = partial(_adam_leaf, *_options("adam", rate, betas, epsilon))
    return by_leaf(rule, kinds=2 + as_bool("adam(amsgrad)", amsgrad))


def _options(
    name: str, rate: float, betas: tuple[float, float], epsilon: float
) -> tuple[float, tuple[float, float], float]:
    checked = as_fractions(f"{name}(betas)", betas)
    return as_positive(f"{name}(rate)", rate), checked, as_positive(f"{name}(epsilon)", epsilon)


def _adam_leaf(
    rate: float, betas: tuple[float, float], epsilon: float, step: int, param: Array, grad: Array, *sums: Array
) -> tuple[Array, ...]:
    check_gradient("adam", param, grad)
    direction, factor, *kept = adam_direction(betas, epsilon, step, grad, *sums)
    return (step_along(param, direction, rate * factor), *kept)


def adam_direction(
    betas: tuple[float, float], epsilon: float, step: int, grad: Array, total: Array, squares: Array, *largest: Array
) -> tuple[Array, float, *tuple[Array, ...]]:
    """Return what Adam steps along, m̂ / (√v̂ + ε), as an array and a factor, and the sums after this step.

    The array lies in the memory of the gradient, which the caller must own. A third sum, if there is one, is the
    largest v so far.
    """
    first, second = betas
    share, total, squares = _faded(betas, epsilon, step, grad, total, squares)
    xp = namespace(grad)
    kept = total, squares, *(xp.maximum(most, squares) for most in largest)
    root = sqrt(1 - second ** (step + 1))
    spread = overwrite(grad, xp.sqrt, kept[-1])
    spread += epsilon * root
    direction = overwrite(spread, xp.divide, total, spread)
    mean = (1 - first) / (1 - first ** (step + 1)) / share
    return direction, mean * root, *map(read_only, kept)


def _faded(
    betas: tuple[float, float], epsilon: float, step: int, grad: Array, total: Array, squares: Array
) -> tuple[float, Array, Array]:
    """Return the factor of h = √(1 - β₂) g, and both sums with h and h² in them; the memory of g is free then."""
    first, second = betas
    share = sqrt(1 - second)
    grad *= share
    total = fade(total, first, grad, step, beside=epsilon * share)
    grad *= grad
    return share, total, fade(squares, second, grad, step, beside=epsilon * share, degree=2)


def adamw(
    rate: float,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
    amsgrad: bool = False,
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
    share = as_positive("adamw(rate)", rate) * as_nonnegative("adamw(weight_decay)", weight_decay)
    return decoupled_decay(adam(rate, betas=betas, epsilon=epsilon, amsgrad=amsgrad), share=share, only=only)


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
    """Adam with Nesterov's look ahead: each step goes along the mean that the next step will hold.

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
    rate, betas, epsilon = _options("nadam", rate, betas, epsilon)
    psi = as_nonnegative("nadam(momentum_decay)", momentum_decay)
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
    product = state.product * now
    shares = (1 - now) / (1 - product), ahead / (1 - product * ahead)
    rule = partial(_nadam_leaf, rate, betas, epsilon, shares, state.step)
    moved, *trees = map_apart(rule, 3, params, grads, *state.trees)
    return moved, NadamState(state.step + 1, product, tuple(trees))


def _nadam_leaf(
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
    shares: tuple[float, float],
    step: int,
    param: Array,
    grad: Array,
    total: Array,
    squares: Array,
) -> tuple[Array, Array, Array]:
    """Step along (μ-share of g, μ-share of m) / (√v̂ + ε)."""
    check_gradient("nadam", param, grad)
    first, second = betas
    share, root = sqrt(1 - second), sqrt(1 - second ** (step + 1))
    grad *= share
    total = fade(total, first, grad, step, beside=epsilon * share)
    ahead = total * (shares[1] * (1 - first))
    ahead += grad * shares[0]
    grad *= grad
    squares = fade(squares, second, grad, step, beside=epsilon * share, degree=2)
    xp = namespace(param)
    spread = overwrite(grad, xp.sqrt, squares)
    spread += epsilon * root
    direction = overwrite(ahead, xp.divide, ahead, spread)
    return step_along(param, direction, rate * root / share), read_only(total), read_only(squares)


def radam(rate: float, *, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8) -> Optimizer:
    """Adam that divides by its mean of squares only once enough of them were seen, and then by degrees.

    Until then it steps along the mean of the gradients alone; with the usual betas that is for 5 steps.

    Shapes:   those of the parameters.
    Units:    as `adam`; of the steps before, the rate has units of p² per loss.
    Raises:   as `adam`.
    Source:   Liu et al. 2020, arXiv:1908.03265, algorithm 2; torch.optim.RAdam.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0, 2.0]),), (np.array([1.0, -2.0]),)
    >>> radam(0.5).update(params, grads, radam(0.5).init(params))[0][0].round(4)
    array([0.5, 3. ])
    """
    return by_leaf(partial(_radam_leaf, *_options("radam", rate, betas, epsilon)), kinds=2)


def _radam_leaf(
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
    step: int,
    param: Array,
    grad: Array,
    total: Array,
    squares: Array,
) -> tuple[Array, Array, Array]:
    check_gradient("radam", param, grad)
    first, second = betas
    share, total, squares = _faded(betas, epsilon, step, grad, total, squares)
    xp = namespace(param)
    slope, offset = _rectified(second, step + 1)
    spread = overwrite(grad, xp.sqrt, squares)
    spread += epsilon
    spread *= slope
    spread += offset
    direction = overwrite(spread, xp.divide, total, spread)
    mean = (1 - first) / (1 - first ** (step + 1)) / share
    return step_along(param, direction, rate * mean), read_only(total), read_only(squares)


def _rectified(second: float, t: int) -> tuple[float, float]:
    """Return a and b of the divisor a · (√v + ε) + b: (0, 1) as long as the variance of the rate has no bound.

    >>> _rectified(0.999, 5), [round(number, 3) for number in _rectified(0.999, 6)]
    ((0.0, 1.0), [500.602, 0.0])
    """
    faded = second**t
    longest = 2 / (1 - second) - 1
    length = longest - 2 * t * faded / (1 - faded)
    if length <= 5:
        return 0.0, 1.0
    most = (longest - 4) * (longest - 2) / longest
    return sqrt(most * length / ((length - 4) * (length - 2)) / (1 - faded)), 0.0


def adamax(rate: float, *, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8) -> Optimizer:
    """Adam that divides by the largest of the last gradients, older ones fading, in place of the mean of squares.

    Shapes:   those of the parameters.
    Units:    as `adam`.
    Raises:   as `adam`.
    Source:   Kingma & Ba 2015, arXiv:1412.6980, algorithm 2; torch.optim.Adamax.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0, 2.0]),), (np.array([1e-3, -1e3]),)
    >>> adamax(0.5).update(params, grads, adamax(0.5).init(params))[0][0].round(4)
    array([0.5, 2.5])
    """
    return by_leaf(partial(_adamax_leaf, *_options("adamax", rate, betas, epsilon)), kinds=2)


def _adamax_leaf(
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
    step: int,
    param: Array,
    grad: Array,
    total: Array,
    largest: Array,
) -> tuple[Array, Array, Array]:
    check_gradient("adamax", param, grad)
    first, second = betas
    total = fade(total, first, grad, step, beside=epsilon)
    xp = namespace(param)
    size = overwrite(grad, xp.abs, grad)
    size += epsilon
    largest = xp.maximum(largest * second, size)
    direction = overwrite(size, xp.divide, total, largest)
    mean = (1 - first) / (1 - first ** (step + 1))
    return step_along(param, direction, rate * mean), read_only(total), read_only(largest)
