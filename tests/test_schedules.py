"""Schedules: shapes of curves, their edges, refusals, and optimisers whose rate follows one."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
import pickle
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import OptionError
from fnmlp.tree import tree_equal
from tests.catalogue import SCHEDULES
from tests.steps import same_bits
from tests.updates import GRADS, params_of, run


@pytest.mark.parametrize("schedule", [schedule for _, schedule in SCHEDULES], ids=[name for name, _ in SCHEDULES])
def test_a_schedule_gives_python_floats_between_0_and_its_rate_for_any_step(schedule: fn.Schedule) -> None:
    rates = [schedule(step) for step in [*range(120), 10**6, 10**9]]
    assert {type(rate) for rate in rates} == {float}
    assert 0 <= min(rates) <= max(rates) <= 0.25
    assert max(rates) > 0
    assert [pickle.loads(pickle.dumps(schedule))(step) for step in range(120)] == rates[:120]  # noqa: S301


@pytest.mark.parametrize("make", [fn.linear_decay, fn.cosine_decay])
def test_a_decay_falls_at_every_step_and_then_stays(make: Any) -> None:
    rates = [make(0.5, steps=40, last=0.1)(step) for step in range(60)]
    assert (rates[0], rates[-1]) == (0.5, 0.1)
    assert all(late < early for early, late in pairwise(rates[:41]))
    assert set(rates[40:]) == {0.1}


@pytest.mark.parametrize("cycles", [1, 4, 30])
def test_cosine_cycles_are_those_of_realmlp(cycles: int) -> None:
    steps = np.arange(2000)
    rates = [fn.cosine_cycles(0.5, steps=2000, cycles=cycles)(int(step)) for step in steps]
    expected = 0.25 * (1 - np.cos(2 * np.pi * np.log2(1 + (2**cycles - 1) * steps / 2000)))
    np.testing.assert_allclose(rates, expected, atol=1e-12)
    assert min(rates) == rates[0] == 0
    if cycles == 4:
        ends = [2000 * (2**number - 1) // 15 for number in range(1, 5)]
        assert max(fn.cosine_cycles(0.5, steps=2000)(end) for end in ends) < 1e-4


def test_one_cycle_climbs_to_its_rate_and_falls_below_its_start() -> None:
    rates = [fn.one_cycle(0.5, steps=20, rise=0.25)(step) for step in range(25)]
    assert max(rates) == rates[4] == 0.5
    assert all(early < late for early, late in pairwise(rates[:5]))
    assert rates[0] == 0.5 / 25
    assert rates[19] == rates[24] == 0.5 / 250_000
    assert fn.one_cycle(0.5, steps=1)(0) == 0.5 / 250_000
    assert fn.one_cycle(0.5, steps=2, rise=0.0)(0) == 0.5


def test_a_warm_up_is_a_straight_line_to_the_start_of_what_follows() -> None:
    schedule = fn.warm_up(fn.linear_decay(1.0, steps=10), steps=4)
    np.testing.assert_allclose([schedule(step) for step in range(7)], [0.2, 0.4, 0.6, 0.8, 1.0, 0.9, 0.8])


@pytest.mark.parametrize(
    "make",
    [
        partial(fn.constant_rate, 0),
        partial(fn.piecewise, (0.1, 0.2), at=()),
        partial(fn.piecewise, (0.1, 0.2, 0.3), at=(5, 5)),
        partial(fn.piecewise, (0.1, 0.2, 0.3), at=(6, 5)),
        partial(fn.piecewise, (0.1, -0.2), at=(5,)),
        partial(fn.step_decay, 0.1, every=0),
        partial(fn.step_decay, 0.1, every=3, factor=1.0),
        partial(fn.exponential_decay, 0.1, factor=-0.1),
        partial(fn.linear_decay, float("nan"), steps=3),
        partial(fn.linear_decay, 0.1, steps=3, last=-1),
        partial(fn.cosine_decay, 0.1, steps=True),
        partial(fn.cosine_cycles, 0.1, steps=10, cycles=31),
        partial(fn.cosine_cycles, 0.1, steps=10, cycles=0),
        partial(fn.cosine_restarts, 0.1, period=2, growth=0),
        partial(fn.warm_up, fn.constant_rate(0.1), steps=0),
        partial(fn.one_cycle, 0.1, steps=5, rise=1.0),
        partial(fn.one_cycle, 0.1, steps=5, last=1.5),
    ],
)
def test_schedules_out_of_range_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(OptionError):
        make()


def test_a_constant_schedule_is_the_rate_to_the_bit() -> None:
    for make in (fn.sgd, fn.adamw, partial(fn.sgd, momentum=0.9)):
        found, state = run(fn.scheduled(make, fn.constant_rate(0.1)), GRADS, params_of())
        expected, inner = run(make(0.1), GRADS, params_of())
        assert same_bits(found, expected)
        assert tree_equal(state.inner, inner)
        assert state.step == len(GRADS)


@pytest.mark.parametrize("make", [fn.sgd, fn.adamw, fn.lion])
def test_at_a_rate_of_0_parameters_stand_still_while_the_state_goes_on(make: Any) -> None:
    optimizer = fn.scheduled(make, fn.linear_decay(0.1, steps=1))
    moved, state = run(optimizer, GRADS[:1], params_of())
    still, after = optimizer.update(moved, GRADS[1], state)
    assert same_bits(still, moved)
    assert after.step == 2
    assert same_bits(after.inner, make(0.1).update(moved, GRADS[1], state.inner)[1])


def test_a_rate_below_0_is_refused_when_it_comes() -> None:
    optimizer = fn.scheduled(fn.sgd, lambda step: 0.5 - step)
    params, state = run(optimizer, GRADS[:1], params_of())
    with pytest.raises(OptionError, match=r"sgd\(rate\): expected a finite number above 0, got -0.5"):
        optimizer.update(params, GRADS[1], state)
