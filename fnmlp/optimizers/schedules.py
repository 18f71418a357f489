"""Schedules: plain functions of the step, counted from 0, that return a rate as a Python float.

Use one with `scheduled`. Past its last step a schedule stays constant. For a step that JAX traces, the rate is traced.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import log, pi
from typing import TypeAlias

from fnmlp.checks import as_iterator, check_function
from fnmlp.conditions import choose, cos, larger, logarithm, pick, smaller
from fnmlp.errors import OptionError
from fnmlp.options import fraction, nonnegative, positive
from fnmlp.scalars import as_count

__all__ = [
    "Schedule",
    "constant_rate",
    "cosine_cycles",
    "cosine_decay",
    "cosine_restarts",
    "exponential_decay",
    "linear_decay",
    "one_cycle",
    "piecewise",
    "step_decay",
    "warm_up",
]

Schedule: TypeAlias = Callable[[int], float]
"""The number of steps taken -> the rate of the next step."""

MOST_CYCLES = 30
"""With more of them, the first cycles would have no step in any run."""

LAST_STEP = 2**31 - 1
"""The last step that a compiled function can count to in 32 bits."""


def constant_rate(rate: float) -> Schedule:
    """Keep the rate constant.

    Raises:   OptionError unless the rate is finite and above 0.

    >>> constant_rate(0.5)(1000)
    0.5
    """
    return partial(_constant, positive("constant_rate(rate)", rate))


def _constant(rate: float, step: int) -> float:
    return rate


def piecewise(rates: Sequence[float], *, at: Sequence[int]) -> Schedule:
    """Switch from one rate to the next at the given steps.

    Raises:   OptionError unless all rates are finite and above 0, the steps increase, and there is one rate more than
              steps.
    Source:   torch.optim.lr_scheduler.MultiStepLR.

    >>> [piecewise((0.5, 0.05), at=(100,))(step) for step in (0, 99, 100)]
    [0.5, 0.5, 0.05]
    """
    given = tuple(positive("piecewise(rates)", rate) for rate in as_iterator("piecewise(rates)", rates, "rates"))
    steps = tuple(as_count("piecewise(at)", step) for step in as_iterator("piecewise(at)", at, "steps"))
    if len(given) != len(steps) + 1 or list(steps) != sorted(set(steps)):
        got = f"{len(given)} rates at {steps}"
        raise OptionError("piecewise", "one rate more than there are rising steps", got, "name each change once")
    return partial(_piecewise, given, steps)


def _piecewise(rates: tuple[float, ...], at: tuple[int, ...], step: int) -> float:
    rate = rates[0]
    for change, later in zip(at, rates[1:], strict=True):
        rate = pick(step >= change, later, rate)
    return rate


def step_decay(rate: float, *, every: int, factor: float = 0.1) -> Schedule:
    """Multiply the rate by a factor after every `every` steps.

    Raises:   OptionError unless the rate is finite and above 0, every an integer of at least 1, and 0 <= factor < 1.
    Source:   torch.optim.lr_scheduler.StepLR.

    >>> [step_decay(0.5, every=10, factor=0.5)(step) for step in (0, 9, 10, 20)]
    [0.5, 0.5, 0.25, 0.125]
    """
    bound = positive("step_decay(rate)", rate), fraction("step_decay(factor)", factor)
    return partial(_step_decay, *bound, as_count("step_decay(every)", every))


def exponential_decay(rate: float, *, factor: float) -> Schedule:
    """Multiply the rate by a factor after every step.

    Raises:   OptionError unless the rate is finite and above 0, and 0 <= factor < 1.
    Source:   torch.optim.lr_scheduler.ExponentialLR.

    >>> [exponential_decay(0.5, factor=0.5)(step) for step in range(3)]
    [0.5, 0.25, 0.125]
    """
    return partial(
        _step_decay, positive("exponential_decay(rate)", rate), fraction("exponential_decay(factor)", factor), 1
    )


def _step_decay(rate: float, factor: float, every: int, step: int) -> float:
    return rate * factor ** (step // every)


def linear_decay(rate: float, *, steps: int, last: float = 0.0) -> Schedule:
    """Decrease the rate linearly to `last`, over `steps` steps.

    Raises:   OptionError unless the rates are finite, the first above 0 and the last at least 0, and steps is an
              integer of at least 1.
    Source:   torch.optim.lr_scheduler.LinearLR.

    >>> [linear_decay(1.0, steps=4)(step) for step in (0, 1, 4, 9)]
    [1.0, 0.75, 0.0, 0.0]
    """
    bound = positive("linear_decay(rate)", rate), nonnegative("linear_decay(last)", last)
    return partial(_linear_decay, *bound, as_count("linear_decay(steps)", steps))


def _linear_decay(rate: float, last: float, steps: int, step: int) -> float:
    share = larger(1 - step / float(steps), 0.0)
    return rate * share + last * (1 - share)


def cosine_decay(rate: float, *, steps: int, last: float = 0.0) -> Schedule:
    """Decrease the rate along half a cosine wave to `last`, over `steps` steps.

    Raises:   as `linear_decay`.
    Source:   Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5; torch.optim.lr_scheduler.CosineAnnealingLR.

    >>> [round(cosine_decay(1.0, steps=4)(step), 3) for step in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    bound = positive("cosine_decay(rate)", rate), nonnegative("cosine_decay(last)", last)
    return partial(_cosine_decay, *bound, as_count("cosine_decay(steps)", steps))


def _cosine_decay(rate: float, last: float, steps: int, step: int) -> float:
    return _between(rate, last, smaller(step / float(steps), 1.0))


def _between(start: float, end: float, way: float) -> float:
    """Return the point of half a cosine wave after a share of the way."""
    share = (1 + cos(pi * way)) / 2
    return start * share + end * (1 - share)


def cosine_restarts(rate: float, *, period: int, growth: int = 1, last: float = 0.0) -> Schedule:
    """Repeat a cosine decay again and again, each `growth` times as long as the one before.

    Raises:   as `linear_decay`, and OptionError unless period and growth are integers of at least 1.
    Source:   Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5; torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.

    >>> [cosine_restarts(1.0, period=2, growth=2)(step) for step in range(7)]
    [1.0, 0.5, 1.0, 0.8535533905932737, 0.5, 0.14644660940672627, 1.0]
    """
    bound = positive("cosine_restarts(rate)", rate), nonnegative("cosine_restarts(last)", last)
    lengths = as_count("cosine_restarts(period)", period), as_count("cosine_restarts(growth)", growth)
    return partial(_cosine_restarts, *bound, *lengths)


def _cosine_restarts(rate: float, last: float, period: int, growth: int, step: int) -> float:
    if growth == 1:
        return _between(rate, last, step % period / float(period))
    way, start, length = step / float(period), 0, period
    latest = step if isinstance(step, int) else LAST_STEP
    while start + length <= latest:
        start, length = start + length, length * growth
        way = pick(step >= start, (step - start) / float(length), way)
    return _between(rate, last, way)


def cosine_cycles(rate: float, *, steps: int, cycles: int = 4) -> Schedule:
    """Raise the rate from 0 and lower it to 0 along whole cosine waves, each about twice as long as the one before.

    Early short cycles explore, and the last one takes half of the steps.
    Raises:   OptionError unless the rate is finite and above 0, steps an integer of at least 1, and cycles one from 1
              to 30.
    Source:   Holzmüller et al. 2024, arXiv:2407.04491, section 3: "coslog4", rate (1 - cos(2π log₂(1 + 15 t))) / 2.

    >>> [round(cosine_cycles(1.0, steps=15, cycles=4)(step), 3) for step in (0, 1, 2, 3, 5, 7, 11, 15, 20)]
    [0.0, 0.0, 0.93, 0.0, 0.93, 0.0, 0.93, 0.0, 0.0]
    """
    rate, steps = positive("cosine_cycles(rate)", rate), as_count("cosine_cycles(steps)", steps)
    cycles = as_count("cosine_cycles(cycles)", cycles)
    if cycles > MOST_CYCLES:
        expected = f"an integer from 1 to {MOST_CYCLES}"
        raise OptionError("cosine_cycles(cycles)", expected, cycles, "choose for instance 4")
    return partial(_cosine_cycles, rate, steps, 2**cycles - 1)


def _cosine_cycles(rate: float, steps: int, growth: int, step: int) -> float:
    way = smaller(step / float(steps), 1.0)
    return rate * (1 - cos(2 * pi / log(2) * logarithm(1 + growth * way))) / 2


def warm_up(schedule: Schedule, *, steps: int) -> Schedule:
    """Increase the rate linearly to the first rate of a schedule, and then follow the schedule.

    The rates before that are 1 / (steps + 1), 2 / (steps + 1), … of its first rate.

    Raises:   OptionError unless steps is an integer of at least 1.
    Source:   Goyal et al. 2017, arXiv:1706.02677, sec. 2.2.

    >>> [warm_up(step_decay(0.5, every=1), steps=4)(step) for step in range(6)]
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.05]
    """
    check_function("warm_up(schedule)", schedule, 1, "constant_rate(0.1)")
    return partial(_warm_up, schedule, as_count("warm_up(steps)", steps))


def _warm_up(schedule: Schedule, steps: int, step: int) -> float:
    return choose(
        step >= steps,
        lambda: schedule(larger(step - steps, 0)),
        lambda: schedule(0) * (step + 1) / (steps + 1),
    )


def one_cycle(
    rate: float, *, steps: int, rise: float = 0.3, first: float = 1 / 25, last: float = 1 / 250_000
) -> Schedule:
    """Increase the rate along half a cosine wave, then decrease it along a longer one, almost to 0.

    `rise` is the share of the steps that increase. `first` and `last` are the rates at both ends, as shares of the
    highest.
    Raises:   OptionError unless the rate is finite and above 0, steps an integer of at least 1, and the shares at least
              0 and below 1.
    Source:   Smith & Topin 2018, arXiv:1708.07120; torch.optim.lr_scheduler.OneCycleLR.

    >>> [round(one_cycle(1.0, steps=10)(step), 3) for step in (0, 1, 2, 5, 9, 10)]
    [0.04, 0.52, 1.0, 0.611, 0.0, 0.0]
    """
    shares = [fraction(f"one_cycle({name})", value) for name, value in (("first", first), ("last", last))]
    rate, steps = positive("one_cycle(rate)", rate), as_count("one_cycle(steps)", steps)
    top = fraction("one_cycle(rise)", rise) * steps - 1
    return partial(_one_cycle, rate, rate * shares[0], rate * shares[1], larger(top, 0.0), steps - 1)


def _one_cycle(rate: float, first: float, last: float, top: float, end: int, step: int) -> float:
    # Below a top of 1 there is only step 0, which is at the start anyway.
    return choose(
        step < top,
        lambda: _between(first, rate, step / larger(top, 1.0)),
        lambda: _between(rate, last, smaller((step - top) / (end - top), 1.0) if end else 1.0),
    )
