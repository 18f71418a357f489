"""Run the laws: every law that applies, on as many random trials as are wanted."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fnmlp.arrays import Shape
from fnmlp.expressions import spell
from fnmlp.key import Key
from fnmlp.layer import Layer
from fnmlp.losses import Loss
from fnmlp.optimizers import Optimizer
from fnmlp.testing.cases import Draw, LayerCase
from fnmlp.testing.layers import LAYER_LAWS
from fnmlp.testing.losses import LOSS_LAWS, DrawTarget, LossCase
from fnmlp.testing.magnitudes import trial_of
from fnmlp.testing.numeric import normal
from fnmlp.testing.optimizers import OPTIMIZER_LAWS, OptimizerCase
from fnmlp.testing.references import Reference
from fnmlp.testing.report import DifferenceFound, Law, LawBrokenError

__all__ = ["TRIALS", "check_layer", "check_loss", "check_optimizer", "laws"]

TRIALS = 10
"""How many random trials a check makes unless it is told otherwise."""


def laws() -> tuple[Law[Any], ...]:
    """List every law of this kit: of layers, of losses, of optimisers.

    >>> print(laws()[2])
    layer: training without a key is inference: `vjp(params, x, None)[0]` has the bits of `apply(params, x)`.
    """
    return (*LAYER_LAWS, *LOSS_LAWS, *OPTIMIZER_LAWS)


def check_layer(
    layer: Layer[Any],
    example: Shape,
    *,
    seed: int = 0,
    trials: int = TRIALS,
    draw: Draw = normal,
    kinks: Iterable[float] = (),
    noisy: bool = False,
    rowwise: bool = True,
    laws: Iterable[Law[LayerCase]] = LAYER_LAWS,
) -> None:
    """Check every law of a layer on random parameters, inputs and cotangents.

    `example` is the shape of one input; `draw(key, shape)` gives inputs, for layers that take other numbers than
    normally distributed ones. Say `noisy=True` of a layer that draws noise where a key is given, and `rowwise=False`
    of one that mixes the rows of a batch. Trial i uses the seed `seed + i`. `laws` are all that there are, unless you
    leave some out.
    Raises:   LawBrokenError, naming the law, the place, both values, and the call that shows it again.

    >>> from fnmlp.layers import linear
    >>> check_layer(linear(3), (4,), trials=2)
    """
    options = {"noisy": noisy, "rowwise": rowwise}
    said = "".join(f", {name}={value}" for name, value in options.items() if value != (name == "rowwise"))
    said += "" if draw is normal else f", draw={spell(draw)}"
    kinks = tuple(kinks)
    said += f", kinks={kinks}" if kinks else ""
    for one in range(seed, seed + trials):
        trial = trial_of(one)
        case = LayerCase(
            layer,
            tuple(example),
            Key(one),
            trial.rows,
            draw,
            noisy,
            rowwise,
            kinks,
            trial.spread,
            trial.repeats and rowwise,
        )
        call = f"check_layer({layer}, {tuple(example)}, seed={one}, trials=1{said})"
        _run(laws, case, str(layer), call)


def check_loss(
    loss: Loss,
    example: Shape,
    *,
    seed: int = 0,
    trials: int = TRIALS,
    draw: Draw = normal,
    draw_target: DrawTarget = normal,
    kinks: Iterable[float] = (),
) -> None:
    """Check every law of a loss on random outputs and targets.

    `example` is the shape of one output; `draw_target(key, shape of y)` gives targets where they are not numbers
    like y, for instance labels.
    Raises:   as `check_layer`.

    >>> from fnmlp.losses import mse
    >>> check_loss(mse, (4,), trials=2)
    """
    said = "" if draw_target is normal else f", draw_target={spell(draw_target)}"
    kinks = tuple(kinks)
    said += f", kinks={kinks}" if kinks else ""
    for one in range(seed, seed + trials):
        trial = trial_of(one)
        rows = 2 * trial.rows if trial.spread else trial.rows  # of a row of outputs little but the label's may count
        case = LossCase(loss, tuple(example), Key(one), rows, draw, draw_target, kinks, trial.spread)
        call = f"check_loss({spell(loss)}, {tuple(example)}, seed={one}, trials=1{said})"
        _run(LOSS_LAWS, case, spell(loss), call)


def check_optimizer(
    optimizer: Optimizer,
    *,
    seed: int = 0,
    trials: int = TRIALS,
    steps: int = 1,
    reference: Reference | None = None,
) -> None:
    """Check every law of an optimiser on random parameters and gradients.

    `steps` says how many updates it takes until the parameters move, of an optimiser that gathers gradients first.
    `reference` says where the steps should lead: no other law knows the formula. `each_number` makes one of a rule for
    a single number; a rule that looks at whole arrays is given a dict of them, and sent one of gradients at each step.
    Raises:   as `check_layer`.

    >>> from fnmlp.optimizers import sgd
    >>> from fnmlp.testing import each_number
    >>> def descent(p):
    ...     while True:
    ...         g = yield p
    ...         p -= 0.1 * g
    >>> check_optimizer(sgd(0.1), trials=2, reference=each_number(descent))
    """
    name, said = spell(optimizer.update), "" if steps == 1 else f", steps={steps}"
    said += "" if reference is None else ", reference=reference"
    for one in range(seed, seed + trials):
        call = f"check_optimizer(optimizer, seed={one}, trials=1{said})"
        _run(OPTIMIZER_LAWS, OptimizerCase(optimizer, Key(one), steps, reference), name, call)


def _run(laws: Iterable[Law[Any]], case: Any, subject: str, reproduce: str) -> None:
    for law in laws:
        _run_one(law, case, subject, reproduce)


def _run_one(law: Law[Any], case: Any, subject: str, reproduce: str) -> None:
    check: Callable[[Any], None] = law.check
    try:
        with np.errstate(all="ignore"):  # what overflows on the way may still come out right
            check(case)
    except DifferenceFound as found:
        raise LawBrokenError(law.name, subject, found.where, found.expected, found.got, reproduce) from None
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise LawBrokenError(law.name, subject, "while it ran", "no exception", got, reproduce) from error
