"""The sweep of rates: a training like any other, with a rate that grows; and a suggestion well below its end."""

from functools import partial
from itertools import chain as concatenated
from itertools import count, islice, pairwise, repeat
from math import inf, nan
from typing import Any

import attrs
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import DataError, OptionError
from fnmlp.training.rates import rate_range, suggested_rate
from tests.steps import draw

MODEL = fn.chain(fn.linear(8), fn.tanh(), fn.dropout(0.25), fn.linear(1))
X = draw(0, (64, 3), np.float32)
DATA = fn.Batch(X, np.sin(3 * X[:, :1]) + X[:, 1:2])
START = fn.train_state(MODEL, fn.sgd(1.0), key=fn.Key(0), example=(3,))
sweep = partial(rate_range, MODEL, fn.mse, fn.sgd, START)


def served() -> Any:
    """Return the batches of one epoch after another."""
    return concatenated.from_iterable(fn.batches(DATA, size=16, key=fn.Key(1), epoch=epoch) for epoch in count())


def test_rates_grow_by_one_factor_from_the_lowest_to_the_highest() -> None:
    rates = [rate for rate, _ in sweep(served(), lowest=1e-5, highest=1e-2, steps=31)]
    assert (len(rates), rates[0], rates[-1]) == (31, 1e-5, 1e-2)
    assert all(abs(after / before / 10**0.1 - 1) < 1e-12 for before, after in pairwise(rates))


def test_without_smoothing_the_losses_are_those_of_steps_with_these_rates() -> None:
    pairs = list(sweep(served(), lowest=0.01, highest=0.5, steps=12, smoothing=0))
    state = START
    for (rate, loss), batch in zip(pairs, served(), strict=False):
        state = fn.train_step(MODEL, fn.mse, fn.sgd(rate), state, batch)
        assert state.loss == loss
    assert state.step == 12


def test_a_smoothed_loss_is_a_mean_in_which_older_ones_fade() -> None:
    plain = [loss for _, loss in sweep(served(), lowest=0.01, highest=0.1, steps=9, smoothing=0)]
    smooth = [loss for _, loss in sweep(served(), lowest=0.01, highest=0.1, steps=9, smoothing=0.75)]
    for last in range(9):
        weights = 0.75 ** np.arange(last, -1, -1)
        assert abs(smooth[last] - np.average(plain[: last + 1], weights=weights)) < 1e-12


def test_an_optimizer_remembers_over_the_sweep_and_nothing_from_before_it() -> None:
    make = partial(fn.sgd, momentum=0.5)
    start = fn.train_state(MODEL, make(1.0), key=fn.Key(0), example=(3,))
    trained = fn.train_step(MODEL, fn.mse, make(1.0), start, DATA)
    fresh = attrs.evolve(start, params=trained.params, step=trained.step)
    used = [list(rate_range(MODEL, fn.mse, make, state, served(), highest=0.1, steps=9)) for state in (trained, fresh)]
    assert used[0] == used[1]
    forgetful = list(rate_range(MODEL, fn.mse, fn.sgd, fresh, served(), highest=0.1, steps=9))
    assert used[0] != forgetful


def test_a_sweep_is_lazy_changes_nothing_and_gives_the_same_twice() -> None:
    before = fn.tree_sha256(START.params)
    batches = served()
    first = list(islice(sweep(batches), 3))
    following = next(batches).inputs.tobytes()
    assert following == next(islice(served(), 3, None)).inputs.tobytes()
    assert first == list(islice(sweep(served()), 3))
    assert fn.tree_sha256(START.params) == before


def test_a_sweep_that_diverges_ends_with_an_infinite_loss_and_without_a_warning() -> None:
    pairs = list(sweep(served(), lowest=0.001, highest=1e6, steps=100))
    losses = [loss for _, loss in pairs]
    assert 10 < len(pairs) < 100
    assert losses[-1] == inf
    assert max(losses[:-1]) <= 4 * min(losses)


@pytest.mark.parametrize("bad", [nan, inf])
def test_a_loss_that_is_not_finite_ends_a_sweep_at_once(bad: float) -> None:
    def broken(y: fn.Array, target: fn.Array) -> tuple[fn.Array, fn.Array]:
        return np.asarray(bad), fn.mse(y, target)[1]

    assert list(rate_range(MODEL, broken, fn.sgd, START, served())) == [(1e-6, inf)]


def test_a_loss_below_0_may_rise_too() -> None:
    def shifted(y: fn.Array, target: fn.Array) -> tuple[fn.Array, fn.Array]:
        value, dy = fn.mse(y, target)
        return value - 100, dy

    pairs = list(rate_range(MODEL, shifted, fn.sgd, START, served(), lowest=0.001, highest=1e6))
    losses = [loss for _, loss in pairs]
    assert len(pairs) > 10
    assert losses[-1] == inf
    assert max(losses[:-1]) > -99


def test_batches_that_run_out_are_an_error() -> None:
    pairs = sweep(fn.batches(DATA, size=16, key=fn.Key(1), epoch=0), highest=0.1)
    assert len(list(islice(pairs, 4))) == 4
    with pytest.raises(DataError, match=r"rate_range: expected 100 batches, got 4; chain the batches of several"):
        next(pairs)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lowest": 0.0}, r"rate_range\(lowest\)"),
        ({"highest": inf}, r"rate_range\(highest\)"),
        ({"lowest": 1.0, "highest": 1.0}, r"rate_range: expected lowest < highest, got lowest=1.0, highest=1.0"),
        ({"steps": 1}, r"rate_range\(steps\): expected an integer of at least 2"),
        ({"steps": 2.5}, r"rate_range\(steps\)"),
        ({"smoothing": 1.0}, r"rate_range\(smoothing\)"),
    ],
)
def test_options_out_of_range_are_refused_before_the_first_step(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        sweep(served(), **options)


@pytest.mark.parametrize("make", [fn.sgd, fn.adam])
def test_the_suggested_rate_learns_and_one_a_hundred_times_higher_does_not(make: Any) -> None:
    model = fn.chain(fn.linear(32), fn.tanh(), fn.linear(1))
    start = fn.train_state(model, make(1.0), key=fn.Key(0), example=(3,))
    rate = suggested_rate(rate_range(model, fn.mse, make, start, repeat(DATA)))

    def loss_after(rate: float) -> float:
        step = partial(fn.train_step, model, fn.mse, make(rate))
        with np.errstate(all="ignore"):
            (state,) = islice(fn.epochs(step, start, lambda _: [DATA] * 50), 1)
            return fn.evaluate(model, fn.mse, state.params, DATA, metrics=())[0]

    first = fn.evaluate(model, fn.mse, start.params, DATA, metrics=())[0]
    assert loss_after(rate) < first / 2
    assert not loss_after(100 * rate) < first


def test_the_first_tenth_of_a_sweep_is_not_looked_at() -> None:
    falling_and_rising = [*range(30, 10, -1), *range(10, 30)]
    pairs = [(float(number), float(loss)) for number, loss in enumerate(falling_and_rising)]
    assert suggested_rate(pairs) == 2.0
    assert suggested_rate([(0.0, 0.0), *pairs[1:]]) == 2.0


@pytest.mark.parametrize(
    ("losses", "said"),
    [
        ([], "first of 0 rates; start at a lower rate"),
        ([1.0], "first of 1 rates"),
        ([1.0, 2.0, 3.0], "first of 3 rates; start at a lower rate"),
        ([3.0, 2.0, 1.0], "last of 3 rates; continue to a higher rate"),
        ([1.0, 1.0, 1.0], "first of 3 rates"),
    ],
)
def test_losses_that_do_not_fall_and_rise_suggest_nothing(losses: list[float], said: str) -> None:
    with pytest.raises(DataError, match=f"suggested_rate: expected a loss that falls and then rises, got.*{said}"):
        suggested_rate(enumerate(losses, start=1))


def test_a_sweep_that_diverged_right_after_its_best_loss_suggests_a_rate() -> None:
    assert suggested_rate([(0.1, 3.0), (1.0, 2.0), (10.0, inf)]) == 0.1
