"""Consumers of states: each score is computed once, training goes no further than asked, and NaN never wins."""

from functools import partial
from itertools import count, islice
from math import inf, isnan, nan
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import DataError, OptionError, StructureError
from fnmlp.training.consumers import best_state, early_stopping, scored
from tests.steps import draw

scores = st.lists(st.one_of(st.integers(-3, 3).map(float), st.sampled_from([nan, -inf, inf])))


def is_number(score: float) -> bool:
    return not isnan(score)


def stopped(values: list[float], patience: int) -> list[float]:
    return [score for _, score in early_stopping(enumerate(values), patience=patience)]


@given(scores, st.integers(1, 4))
def test_stopping_passes_on_a_beginning_and_stops_after_patience_scores_in_vain(
    values: list[float], patience: int
) -> None:
    passed = stopped(values, patience)
    assert repr(passed) == repr(values[: len(passed)])
    records = [i for i, score in enumerate(passed) if score > max((-inf, *filter(is_number, passed[:i])))]
    in_vain = len(passed) - 1 - (records[-1] if records else -1)
    assert in_vain <= patience
    assert in_vain == patience or len(passed) == len(values)


def test_an_equal_score_is_no_improvement() -> None:
    assert stopped([1, 1, 1, 2], 2) == [1, 1, 1]
    assert stopped([1, 1, 2, 2, 2, 3], 2) == [1, 1, 2, 2, 2]


def test_a_training_that_diverged_stops_with_the_best_state_before_it() -> None:
    pairs = list(early_stopping(enumerate([1.0, 2.0, nan, nan, nan, nan]), patience=3))
    assert len(pairs) == 5
    assert best_state(pairs) == (1, 2.0)


def test_scores_that_never_rise_from_the_start_stop_too() -> None:
    assert len(stopped([nan] * 9, 3)) == len(stopped([-inf] * 9, 3)) == 3


@pytest.mark.parametrize("patience", [0, -1, 1.5, None, True])
def test_a_patience_that_is_no_count_is_refused_before_any_state_is_made(patience: Any) -> None:
    untouched = iter([(0, 1.0)])
    with pytest.raises(OptionError, match=r"early_stopping\(patience\)"):
        early_stopping(untouched, patience=patience)
    assert list(untouched) == [(0, 1.0)]


@given(scores)
def test_the_best_state_is_the_first_of_the_highest_scores(values: list[float]) -> None:
    numbers = [*filter(is_number, values)]
    if not numbers:
        with pytest.raises(DataError, match="best_state: expected a state whose score is a number"):
            best_state(enumerate(values))
        return
    assert best_state(enumerate(values)) == (values.index(max(numbers)), max(numbers))


@pytest.mark.parametrize("place", ["weight", "bias"])
def test_a_state_whose_parameters_are_nan_is_never_best_however_good_its_score(place: str) -> None:
    # A model of NaN was counted as class 0, so that the accuracy of a diverged run could be the best.
    good = fn.train_state(fn.linear(2), fn.sgd(0.1), key=fn.Key(0), example=(3,))
    assert isnan(good.loss)
    wrong = getattr(good.params, place).copy()
    wrong[0] = nan
    bad = attrs.evolve(good, params=attrs.evolve(good.params, **{place: wrong}), loss=0.0)
    for states in ((good, bad), (good.params, bad.params)):
        pairs = [(states[0], 0.1), (states[1], 0.9), (states[1], 0.95), (states[0], 0.1)]
        assert best_state(pairs) == (states[0], 0.1)
        assert best_state(pairs[::-1]) == (states[0], 0.1)
        assert len(list(early_stopping(pairs, patience=2))) == 3
        with pytest.raises(DataError, match="train with a smaller rate"):
            best_state(pairs[1:3])


def test_a_state_of_the_users_own_need_not_be_a_tree() -> None:
    states = [{"loss": nan}, ["text"], "text", np.array(["a"]), np.zeros(2, int)]
    for state in states:
        assert best_state([(state, 1.0), (None, 0.0)]) == (state, 1.0)


def test_states_need_not_be_comparable() -> None:
    states = [np.zeros(2), np.ones(2), np.zeros(2)]
    best, score = best_state(zip(states, [1.0, 1.0, 0.0], strict=True))
    assert best is states[0]
    assert score == 1.0


def test_each_state_is_scored_once_and_none_is_made_in_advance() -> None:
    made: list[int] = []
    judged: list[int] = []

    def states() -> Any:
        for state in count():
            made.append(state)
            yield state

    def score(state: int) -> float:
        judged.append(state)
        return -abs(state - 3)

    best, value = best_state(early_stopping(scored(states(), score), patience=2))
    assert (best, value) == (3, 0.0)
    assert made == judged == [0, 1, 2, 3, 4, 5]


def test_scores_become_pythons_own_numbers() -> None:
    pairs = list(scored([np.float32(0.5), np.array(2), True], lambda state: state))  # type: ignore[arg-type, return-value]
    assert [(type(score), score) for _, score in pairs] == [(float, 0.5), (float, 2.0), (float, 1.0)]


@pytest.mark.parametrize(
    ("score", "remedy"),
    [((0.5, 0.9), r"return one of them, such as evaluate"), (None, "return a number"), ("best", "return a number")],
)
def test_a_score_that_is_no_number_is_refused(score: Any, remedy: str) -> None:
    with pytest.raises(OptionError, match=rf"scored\(score\): expected a number for each state.*{remedy}"):
        next(scored([1], lambda _: score))


@pytest.mark.parametrize("state", [1.0, "ab", (1, 2, 3), [1, 2.0]], ids=repr)
def test_states_without_scores_are_refused(state: Any) -> None:
    for consume in (best_state, lambda pairs: next(early_stopping(pairs, patience=1))):
        with pytest.raises(
            StructureError, match=r"expected pairs of state and score, got.*pass scored\(states, score\)"
        ):
            consume([state])


def test_training_is_stopped_where_the_validation_score_has_been_best() -> None:
    model, loss = fn.chain(fn.linear(8), fn.tanh(), fn.linear(1)), fn.mse
    x = draw(0, (40, 3), np.float32)
    data = fn.Batch(x, x[:, :1] * x[:, 1:2] + draw(1, (40, 1), np.float32) / 4)
    train, validation = fn.split_data(data, key=fn.Key(0), share=0.5)
    start = fn.train_state(model, fn.adam(0.05), key=fn.Key(1), example=(3,))
    step = partial(fn.train_step, model, loss, fn.adam(0.05))
    states = list(islice(fn.epochs(step, start, lambda _: [train]), 200))

    def score(state: fn.TrainState) -> float:
        return -fn.evaluate(model, loss, state.params, validation, metrics=())[0]

    best, value = best_state(early_stopping(scored(states, score), patience=10))
    assert value == score(best)
    assert best.step < 190
    following = [score(state) for state in states[best.step : best.step + 10]]
    assert max(following) <= value
