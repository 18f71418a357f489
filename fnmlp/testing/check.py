"""Run all laws that apply, on a number of random trials."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fnmlp.arrays import Shape
from fnmlp.checks import as_bool, as_iterator, as_shape, check_function, check_kind
from fnmlp.expressions import spell
from fnmlp.key import Key
from fnmlp.layer import Layer
from fnmlp.losses import Loss
from fnmlp.optimizers import Optimizer
from fnmlp.scalars import as_count, as_finite, as_natural
from fnmlp.testing.cases import Draw, LayerCase
from fnmlp.testing.elsewhere import ELSEWHERE_LAYER_LAWS, ELSEWHERE_LOSS_LAWS, LayerElsewhere, LossElsewhere
from fnmlp.testing.layers import LAYER_LAWS
from fnmlp.testing.libraries import library
from fnmlp.testing.losses import LOSS_LAWS, DrawTarget, LossCase
from fnmlp.testing.magnitudes import trial_of
from fnmlp.testing.numeric import normal
from fnmlp.testing.optimizers import OPTIMIZER_LAWS, OptimizerCase
from fnmlp.testing.references import Reference
from fnmlp.testing.report import DifferenceFound, Law, LawBrokenError
from fnmlp.testing.structure import vjp_returns_an_output_and_a_pullback

__all__ = ["TRIALS", "check_layer", "check_loss", "check_optimizer", "laws"]

TRIALS = 10
"""The default number of random trials."""

A_DRAW = "lambda key, shape: fnmlp.generator(key).uniform(size=shape)"
"""What to write for an option that draws numbers."""


def laws() -> tuple[Law[Any], ...]:
    """List every law of this kit: of layers, of losses, of optimisers, and of layers and losses on other libraries.

    >>> print(laws()[3])
    layer: training without a key is inference: `vjp(params, x, None)[0]` has the bits of `apply(params, x)`.
    """
    return (*LAYER_LAWS, *LOSS_LAWS, *OPTIMIZER_LAWS, *ELSEWHERE_LAYER_LAWS, *ELSEWHERE_LOSS_LAWS)


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
    on: str = "numpy",
    laws: Iterable[Law[Any]] | None = None,
) -> None:
    """Check every law of a layer on random parameters, inputs and cotangents.

    `example` is the shape of one input. `draw(key, shape)` returns inputs, for layers that need other than normally
    distributed ones. Pass `noisy=True` for a layer that draws noise if it gets a key, and `rowwise=False` for one that
    mixes the rows of a batch. Trial i uses the seed `seed + i`. Pass `laws` to check only some.

    `on` names another library: "jax", "torch" or "array_api_strict". Then the results there are compared with NumPy's.
    JAX also compiles the layer, and JAX and torch also differentiate it.
    Raises:   LawBrokenError, naming the law, the place, both values, and a call that reproduces the failure;
              StructureError, ShapeError or OptionError for an argument that is no layer, shape, option or library;
              MissingDependencyError if the library is not installed.

    >>> from fnmlp.layers import linear
    >>> check_layer(linear(3), (4,), trials=2)
    """
    check_kind("check_layer(layer)", layer, Layer, "relu()")
    check_function("check_layer(draw)", draw, 2, A_DRAW)
    example, seeds = as_shape("check_layer(example)", example), _seeds("check_layer", seed, trials)
    noisy, rowwise = as_bool("check_layer(noisy)", noisy), as_bool("check_layer(rowwise)", rowwise)
    options = {"noisy": noisy, "rowwise": rowwise}
    said = "".join(f", {name}={value}" for name, value in options.items() if value != (name == "rowwise"))
    said += "" if draw is normal else f", draw={spell(draw)}"
    kinks, other = _kinks("check_layer", kinks), library("check_layer", on)
    said += f", kinks={kinks}" if kinks else ""
    said += "" if other is None else f", on={on!r}"
    those = tuple(as_iterator("check_layer(laws)", laws or (), "laws"))
    for chosen in those:
        check_kind("check_layer(laws)", chosen, Law, "laws=fnmlp.testing.laws()[:3]")
    those = those or (LAYER_LAWS if other is None else ELSEWHERE_LAYER_LAWS)
    for one in seeds:
        trial = trial_of(one)
        case = LayerCase(
            layer,
            example,
            Key(one),
            trial.rows,
            draw,
            noisy,
            rowwise,
            kinks,
            trial.spread,
            trial.repeats and rowwise,
        )
        call = f"check_layer({layer}, {example}, seed={one}, trials=1{said})"
        if other is not None:
            _run_one(vjp_returns_an_output_and_a_pullback, case, str(layer), call)
        _run(those, case if other is None else LayerElsewhere(case, other), str(layer), call)


def check_loss(
    loss: Loss,
    example: Shape,
    *,
    seed: int = 0,
    trials: int = TRIALS,
    draw: Draw = normal,
    draw_target: DrawTarget = normal,
    kinks: Iterable[float] = (),
    on: str = "numpy",
) -> None:
    """Check every law of a loss on random outputs and targets.

    `example` is the shape of one output. `draw_target(key, shape of y)` returns targets, if they are not numbers like y
    but, for instance, labels. `on` is as in `check_layer`.
    Raises:   as `check_layer`.

    >>> from fnmlp.losses import mse
    >>> check_loss(mse, (4,), trials=2)
    """
    check_function("check_loss(loss)", loss, 2, "mse")
    check_function("check_loss(draw)", draw, 2, A_DRAW)
    check_function("check_loss(draw_target)", draw_target, 2, A_DRAW)
    example, seeds = as_shape("check_loss(example)", example), _seeds("check_loss", seed, trials)
    said = "" if draw_target is normal else f", draw_target={spell(draw_target)}"
    kinks, other = _kinks("check_loss", kinks), library("check_loss", on)
    said += f", kinks={kinks}" if kinks else ""
    said += "" if other is None else f", on={on!r}"
    for one in seeds:
        trial = trial_of(one)
        rows = 2 * trial.rows if trial.spread else trial.rows  # in a row of outputs, little but the label's may count
        case = LossCase(loss, example, Key(one), rows, draw, draw_target, kinks, trial.spread)
        call = f"check_loss({spell(loss)}, {example}, seed={one}, trials=1{said})"
        if other is None:
            _run(LOSS_LAWS, case, spell(loss), call)
        else:
            _run(ELSEWHERE_LOSS_LAWS, LossElsewhere(case, other), spell(loss), call)


def check_optimizer(
    optimizer: Optimizer,
    *,
    seed: int = 0,
    trials: int = TRIALS,
    steps: int = 1,
    reference: Reference | None = None,
) -> None:
    """Check every law of an optimiser on random parameters and gradients.

    `steps` is the number of updates until the parameters move, for an optimiser that accumulates gradients. `reference`
    computes the expected steps; without it, no law checks the formula. Make one with `each_number` from a rule for a
    single number. A rule for whole arrays takes a dict of them, and receives a dict of gradients at each step.
    Raises:   as `check_layer`.

    >>> from fnmlp.optimizers import sgd
    >>> from fnmlp.testing import each_number
    >>> def descent(p):
    ...     while True:
    ...         g = yield p
    ...         p -= 0.1 * g
    >>> check_optimizer(sgd(0.1), trials=2, reference=each_number(descent))
    """
    check_kind("check_optimizer(optimizer)", optimizer, Optimizer, "sgd(0.1)")
    if reference is not None:
        check_function("check_optimizer(reference)", reference, 1, "each_number(rule)")
    steps, seeds = as_count("check_optimizer(steps)", steps), _seeds("check_optimizer", seed, trials)
    name, said = spell(optimizer.update), "" if steps == 1 else f", steps={steps}"
    said += "" if reference is None else ", reference=reference"
    for one in seeds:
        call = f"check_optimizer(optimizer, seed={one}, trials=1{said})"
        _run(OPTIMIZER_LAWS, OptimizerCase(optimizer, Key(one), steps, reference), name, call)


def _seeds(where: str, seed: int, trials: int) -> range:
    first = as_natural(f"{where}(seed)", seed)
    return range(first, first + as_count(f"{where}(trials)", trials))


def _kinks(where: str, kinks: Iterable[float]) -> tuple[float, ...]:
    return tuple(as_finite(f"{where}(kinks)", kink) for kink in as_iterator(f"{where}(kinks)", kinks, "numbers"))


def _run(laws: Iterable[Law[Any]], case: Any, subject: str, reproduce: str) -> None:
    for law in laws:
        _run_one(law, case, subject, reproduce)


def _run_one(law: Law[Any], case: Any, subject: str, reproduce: str) -> None:
    check: Callable[[Any], None] = law.check
    try:
        with np.errstate(all="ignore"):  # results may be right despite an overflow on the way
            check(case)
    except DifferenceFound as found:
        raise LawBrokenError(law.name, subject, found.where, found.expected, found.got, reproduce) from None
    except Exception as error:
        got = f"{type(error).__name__}: {error}"
        raise LawBrokenError(law.name, subject, "while it ran", "no exception", got, reproduce) from error
