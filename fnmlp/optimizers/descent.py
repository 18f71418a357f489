"""Optimisers that step along gradients, a velocity, or the sign of a mean of gradients."""

from functools import partial

from fnmlp.arrays import Array, namespace
from fnmlp.checks import as_bool
from fnmlp.conditions import choose, surely_zero
from fnmlp.errors import OptionError
from fnmlp.optimizers.arithmetic import fade, overwrite, replacing, step_along
from fnmlp.optimizers.core import Optimizer, by_leaf, check_gradient, check_no_state, copied, owning
from fnmlp.optimizers.filters import PathFilter, everywhere
from fnmlp.optimizers.wrappers import decoupled_decay
from fnmlp.options import fraction, fractions, nonnegative, positive
from fnmlp.rules import on_numbers
from fnmlp.tree import Tree, tree_map

__all__ = ["lion", "sgd", "sgd_update"]


@on_numbers
def sgd_update(params: Tree, grads: Tree, *, rate: float) -> Tree:
    """Step against the gradient: p - rate · g at every leaf.

    Shapes:   those of the parameters.
    Units:    the rate has units of p² per loss.
    Raises:   OptionError unless the rate is finite and above 0; StructureError, ShapeError, DtypeError unless the
              gradients match the parameters.
    Source:   Robbins & Monro 1951.

    >>> import numpy as np
    >>> sgd_update((np.array([1.0, 2.0]),), (np.array([1.0, -1.0]),), rate=0.5)
    (array([0.5, 2.5]),)
    """
    return tree_map(partial(_descend, "sgd_update", positive("sgd_update(rate)", rate)), params, copied(grads))


def _descend(where: str, rate: float, p: Array, g: Array) -> Array:
    check_gradient(where, p, g)
    return step_along(p, g, rate)


def sgd(rate: float, *, momentum: float = 0.0, dampening: float = 0.0, nesterov: bool = False) -> Optimizer:
    """Make stochastic gradient descent, optionally with momentum; without it the state is `()`.

    With momentum the parameters move along the velocity v = momentum · v + (1 - dampening) · g, which starts as g. With
    `nesterov` they move along g + momentum · v.

    Shapes:   those of the parameters.
    Units:    the rate has units of p² per loss.
    Raises:   OptionError unless the rate is finite and above 0, 0 <= momentum < 1 and 0 <= dampening < 1, and for
              nesterov without momentum or with dampening.
    Source:   Polyak 1964; Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning",
              eq. 1-4; torch.optim.SGD.

    >>> import numpy as np
    >>> sgd(0.5).init((1.0, 2.0))
    ()
    >>> optimizer, params, grads = sgd(0.5, momentum=0.5), (np.array([1.0]),), (np.array([1.0]),)
    >>> params, state = optimizer.update(params, grads, optimizer.init(params))
    >>> optimizer.update(params, grads, state)[0]
    (array([-0.25]),)
    """
    rate = positive("sgd(rate)", rate)
    momentum, dampening = fraction("sgd(momentum)", momentum), fraction("sgd(dampening)", dampening)
    nesterov = as_bool("sgd(nesterov)", nesterov)
    if nesterov and not (surely_zero(dampening) and not surely_zero(momentum)):
        got = f"momentum={momentum}, dampening={dampening}"
        raise OptionError(
            "sgd(nesterov)", "momentum above 0 without dampening", got, "choose for instance momentum=0.9"
        )
    if surely_zero(momentum):
        return owning(_no_state, _sgd_step, rate)
    rule = partial(_momentum_leaf, rate, momentum, None if surely_zero(dampening) else dampening, nesterov)
    return by_leaf(rule, kinds=1)


def _no_state(params: Tree) -> tuple[()]:
    return ()


def _sgd_step(rate: float, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
    check_no_state(state)
    return tree_map(partial(_descend, "sgd", rate), params, grads), state


def _momentum_leaf(
    rate: float,
    momentum: float,
    dampening: float | None,
    nesterov: bool,
    step: int,
    p: Array,
    g: Array,
    v: Array,
) -> tuple[Array, Array]:
    """Let v ← momentum · v + (1 - dampening) · g, and p ← p - rate · v, or along g + momentum · v."""
    check_gradient("sgd", p, g)
    addend = g if dampening is None else choose(step == 0, lambda: g, lambda: g * (1 - dampening))
    v = fade(v, momentum, addend, step)
    if nesterov:
        g += v * momentum
        return step_along(p, g, rate), v
    direction = overwrite(g, namespace(g).multiply, v, -rate)
    direction += p
    return replacing(p, direction), v


def lion(
    rate: float,
    *,
    betas: tuple[float, float] = (0.9, 0.99),
    weight_decay: float = 0.0,
    only: PathFilter = everywhere,
) -> Optimizer:
    """Make Lion, which steps along the sign of a mean of gradients that favours the newest one.

    The parameters also shrink by rate · weight_decay per step; `only(path)` chooses which.

    Shapes:   those of the parameters.
    Units:    the rate has those of a parameter: each moves by the rate, or not at all if the mean is 0.
    Raises:   as `adamw`.
    Source:   Chen et al. 2023, arXiv:2302.06675, program 1.

    >>> import numpy as np
    >>> params, grads = (np.array([1.0, 2.0]),), (np.array([1e-3, -1e3]),)
    >>> lion(0.5).update(params, grads, lion(0.5).init(params))[0]
    (array([0.5, 2.5]),)
    """
    rate = positive("lion(rate)", rate)
    share = rate * nonnegative("lion(weight_decay)", weight_decay)
    bare = by_leaf(partial(_lion_leaf, rate, *fractions("lion(betas)", betas)), kinds=1)
    return decoupled_decay(bare, share=share, only=only)


def _lion_leaf(
    rate: float, first: float, second: float, step: int, p: Array, g: Array, m: Array
) -> tuple[Array, Array]:
    """Take the sign of β₁ m + (1 - β₁) g, where m is 1 - β₂ times the sum."""
    check_gradient("lion", p, g)
    direction = m * (first * (1 - second))
    direction += g * (1 - first)
    moved = step_along(p, namespace(p).sign(direction), rate)
    return moved, fade(m, second, g, step)
