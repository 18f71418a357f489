"""Adam and its kin: steps along the mean of gradients, divided by what the gradients were like.

The paper's v is kept as it stands: Σ βᵏ h², where h = √(1 - β₂) g. Scaling g first keeps the square finite wherever v
is. The paper's m is kept as Σ βᵏ h, in which its factor is missing: that, and the corrections for the start, go into
two numbers a step, which saves a pass over the parameters.
"""

from functools import partial

from attrs import frozen

from fnmlp.arrays import Array, namespace
from fnmlp.checks import as_bool
from fnmlp.conditions import choose, larger, remaining, sqrt
from fnmlp.optimizers.arithmetic import fade, overwrite, replacing, step_along
from fnmlp.optimizers.core import Optimizer, by_leaf, check_gradient
from fnmlp.optimizers.filters import PathFilter, everywhere
from fnmlp.optimizers.wrappers import decoupled_decay
from fnmlp.options import fractions, nonnegative, positive

__all__ = ["adam", "adamax", "adamw", "radam"]


def adam(
    rate: float, *, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8, amsgrad: bool = False
) -> Optimizer:
    """Make Adam, which divides the mean of recent gradients by the root of the mean of their squares.

    With `amsgrad` it divides by the largest such mean so far, so no parameter's rate grows again.

    Shapes:   those of the parameters.
    Units:    the rate has those of a parameter: at first each moves by about the rate; epsilon has those of a gradient.
    Raises:   OptionError unless rate and epsilon are finite and above 0, and both betas at least 0 and below 1.
    Source:   Kingma & Ba 2015, arXiv:1412.6980, algorithm 1; Reddi, Kale & Kumar 2018, arXiv:1904.09237, algorithm 2;
              torch.optim.Adam.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0, 2.0]),), (np.array([1e-3, -1e3]),)
    >>> adam(0.5).update(params, grads, adam(0.5).init(params))[0][0].round(4)
    array([0.5, 2.5])
    """
    rate, betas, epsilon = adam_options("adam", rate, betas, epsilon)
    kinds = 2 + as_bool("adam(amsgrad)", amsgrad)
    return by_leaf(partial(adam_leaf, rate), kinds, numbers=partial(adam_numbers, betas, epsilon))


def adam_options(
    name: str, rate: float, betas: tuple[float, float], epsilon: float
) -> tuple[float, tuple[float, float], float]:
    """Return the options that Adam and its kin share, checked.

    >>> adam_options("adam", 1, (0.5, 0.75), 1e-8)
    (1.0, (0.5, 0.75), 1e-08)
    """
    checked = fractions(f"{name}(betas)", betas)
    return positive(f"{name}(rate)", rate), checked, positive(f"{name}(epsilon)", epsilon)


@frozen
class AdamNumbers:
    """Hold the numbers of a step of Adam and its kin, which are the same for all parameters.

    `step`     the number of steps taken before.
    `betas`    β₁ and β₂.
    `share`    √(1 - β₂), by which gradients are scaled.
    `epsilon`  ε on the scale of √v at the end: times √(1 - β₂ᵗ).
    `beside`   ε on the scale of the sums, beside which they are seen.
    `factor`   what m / (√v + epsilon) takes to become m̂ / (√v̂ + ε).
    `mean`     what m takes to become m̂.
    """

    step: int
    betas: tuple[float, float]
    share: float
    epsilon: float
    beside: float
    factor: float
    mean: float


def adam_numbers(betas: tuple[float, float], epsilon: float, step: int) -> AdamNumbers:
    """Return the numbers of the step after so many.

    >>> adam_numbers((0.5, 0.75), 1e-8, 0)
    AdamNumbers(step=0, betas=(0.5, 0.75), share=0.5, epsilon=5e-09, beside=5e-09, factor=1.0, mean=2.0)
    """
    first, second = betas
    share, b = sqrt(1 - second), sqrt(remaining(second, step + 1))
    a = (1 - first) / remaining(first, step + 1) / share
    # m̂ / (√v̂ + ε) = a m / (√v / b + ε) = a b · m / (√v + b ε)
    return AdamNumbers(step, betas, share, epsilon * b, epsilon * share, a * b, a)


def adam_leaf(rate: float, now: AdamNumbers, p: Array, g: Array, *sums: Array) -> tuple[Array, ...]:
    """Let p ← p - rate · m̂ / (√v̂ + ε), and return it with the sums: Adam's rule for one array."""
    check_gradient("adam", p, g)
    direction, *kept = adam_direction(now, g, *sums)
    return (step_along(p, direction, rate * now.factor), *kept)


def adam_direction(now: AdamNumbers, g: Array, m: Array, v: Array, *largest: Array) -> tuple[Array, ...]:
    """Return m̂ / (√v̂ + ε) but for the factor, and the sums after this step.

    The array lies in the memory of the gradient, which the caller must own. A third sum, if there is one, is the
    largest v so far, and divides in its place.
    """
    m, v = faded(now, g, m, v)
    xp = namespace(g)
    kept = m, v, *(replacing(most, xp.maximum(most, v)) for most in largest)
    root = overwrite(g, xp.sqrt, kept[-1])
    root += now.epsilon
    return overwrite(root, xp.divide, m, root), *kept


def faded(now: AdamNumbers, g: Array, m: Array, v: Array) -> tuple[Array, Array]:
    """Let m ← β₁ m + h and v ← β₂ v + h², with h = √(1 - β₂) g; the memory of g is free then."""
    first, second = now.betas
    g *= now.share
    m = fade(m, first, g, now.step, beside=now.beside)
    g *= g
    return m, fade(v, second, g, now.step, beside=now.beside, degree=2)


def adamw(
    rate: float,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
    amsgrad: bool = False,
    only: PathFilter = everywhere,
) -> Optimizer:
    """Make AdamW: Adam that also shrinks the parameters, by rate · weight_decay per step, without rescaling that.

    It is `decoupled_decay` around `adam`. `only(path)` chooses which parameters shrink; `is_weight` excludes biases.

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
    share = positive("adamw(rate)", rate) * nonnegative("adamw(weight_decay)", weight_decay)
    return decoupled_decay(adam(rate, betas=betas, epsilon=epsilon, amsgrad=amsgrad), share=share, only=only)


def radam(rate: float, *, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8) -> Optimizer:
    """Make RAdam: Adam that starts to divide by its mean of squares only after enough gradients, and then gradually.

    Until then it steps along the mean of the gradients; with the usual betas that takes 5 steps.

    Shapes:   those of the parameters.
    Units:    as `adam`; in the first steps, the rate has units of p² per loss.
    Raises:   as `adam`.
    Source:   Liu et al. 2020, arXiv:1908.03265, algorithm 2; torch.optim.RAdam.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0, 2.0]),), (np.array([1.0, -2.0]),)
    >>> radam(0.5).update(params, grads, radam(0.5).init(params))[0][0].round(4)
    array([0.5, 3. ])
    """
    rate, betas, epsilon = adam_options("radam", rate, betas, epsilon)
    return by_leaf(partial(_radam_leaf, rate, epsilon), kinds=2, numbers=partial(_radam_numbers, betas, epsilon))


def _radam_numbers(betas: tuple[float, float], epsilon: float, step: int) -> tuple[AdamNumbers, tuple[float, float]]:
    return adam_numbers(betas, epsilon, step), rectified_divisor(betas[1], step + 1)


def _radam_leaf(
    rate: float, epsilon: float, now: tuple[AdamNumbers, tuple[float, float]], p: Array, g: Array, m: Array, v: Array
) -> tuple[Array, Array, Array]:
    """Let p ← p - rate · m̂ r / (√v̂ + ε), or p - rate · m̂ as long as the variance has no bound."""
    check_gradient("radam", p, g)
    numbers, (slope, offset) = now
    m, v = faded(numbers, g, m, v)
    xp = namespace(p)
    root = overwrite(g, xp.sqrt, v)
    root += epsilon
    root *= slope
    root += offset
    return step_along(p, overwrite(root, xp.divide, m, root), rate * numbers.mean), m, v


def rectified_divisor(second: float, t: int) -> tuple[float, float]:
    """Return a and b of the divisor a · (√v + ε) + b: (0, 1) as long as the variance of the rate has no bound.

    >>> rectified_divisor(0.999, 5), [round(number, 3) for number in rectified_divisor(0.999, 6)]
    ((0.0, 1.0), [500.602, 0.0])
    """
    left = remaining(second, t)
    longest = 2 / (1 - second) - 1
    length = longest - 2 * t * second**t / left

    def rectified() -> tuple[float, float]:
        long = larger(length, 5.0)
        most = (longest - 4) * (longest - 2) / longest
        return sqrt(most * long / ((long - 4) * (long - 2)) / left), 0.0

    # The length is below t, which decides near 5 where rounding could not.
    return choose((t > 5) & (length > 5), rectified, lambda: (0.0, 1.0))


def adamax(rate: float, *, betas: tuple[float, float] = (0.9, 0.999), epsilon: float = 1e-8) -> Optimizer:
    """Make Adamax: Adam that divides by the largest recent gradient, with fading, instead of the mean of squares.

    Shapes:   those of the parameters.
    Units:    as `adam`.
    Raises:   as `adam`.
    Source:   Kingma & Ba 2015, arXiv:1412.6980, algorithm 2; torch.optim.Adamax.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0, 2.0]),), (np.array([1e-3, -1e3]),)
    >>> adamax(0.5).update(params, grads, adamax(0.5).init(params))[0][0].round(4)
    array([0.5, 2.5])
    """
    rate, betas, epsilon = adam_options("adamax", rate, betas, epsilon)
    return by_leaf(partial(_adamax_leaf, rate, betas, epsilon), kinds=2, numbers=partial(_adamax_numbers, betas[0]))


def _adamax_numbers(first: float, step: int) -> tuple[int, float]:
    return step, (1 - first) / remaining(first, step + 1)


def _adamax_leaf(
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
    now: tuple[int, float],
    p: Array,
    g: Array,
    m: Array,
    u: Array,
) -> tuple[Array, Array, Array]:
    """Let u ← max(β₂ u, |g| + ε), and p ← p - rate · m̂ / u; here m is Σ β₁ᵏ g."""
    check_gradient("adamax", p, g)
    (first, second), (step, mean) = betas, now
    m = fade(m, first, g, step, beside=epsilon)
    xp = namespace(p)
    size = overwrite(g, xp.abs, g)
    size += epsilon
    u = replacing(u, xp.maximum(u * second, size))
    return step_along(p, overwrite(size, xp.divide, m, u), rate * mean), m, u
