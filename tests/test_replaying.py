"""A step that is computed again from an earlier state and the batches that follow has the same bits."""

from functools import partial
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import DataError, OptionError
from fnmlp.training.replaying import replay
from tests.steps import draw, same_bits

DATA = fn.Batch(draw(0, (12, 5), np.float32), np.arange(12) % 3)


ADAM = fn.adam(0.01)
MODEL = fn.chain(fn.linear(4), fn.dropout(0.3), fn.tanh(), fn.linear(3))
STEP = partial(fn.train_step, MODEL, fn.cross_entropy, ADAM)
START = fn.train_state(MODEL, ADAM, key=fn.Key(0), example=(5,))


def same_state(left: fn.TrainState, right: fn.TrainState) -> bool:
    return (left.step, left.key, left.loss) == (right.step, right.key, right.loss) and same_bits(
        (left.params, left.optimizer_state), (right.params, right.optimizer_state)
    )


@given(st.integers(1, 12), st.data())
def test_a_step_that_is_replayed_from_any_state_before_it_has_the_same_bits(number: int, data: st.DataObject) -> None:
    batches = [batch for epoch in range(3) for batch in fn.batches(DATA, size=3, key=fn.Key(2), epoch=epoch)]
    states = list(accumulate(batches, STEP, initial=START))
    begun = data.draw(st.integers(0, number - 1))
    seen = replay(STEP, states[begun], batches[begun:], number=number)
    assert same_state(seen.before, states[number - 1])
    assert seen.batch is batches[number - 1]
    assert same_state(seen.after, states[number])


@pytest.mark.parametrize("number", [0, 2, -1])
def test_a_step_that_lies_behind_the_state_is_refused(number: int) -> None:
    state = fn.TrainState(2, (), (), fn.Key(0), 0.0)
    with pytest.raises(OptionError, match=r"replay\(number\): expected a step after 2.*an earlier state"):
        replay(lambda state, _: state, state, [], number=number)


def test_batches_that_end_before_the_step_are_refused() -> None:
    with pytest.raises(DataError, match="a batch for step 5, got none after step 4"):
        replay(STEP, START, fn.batches(DATA, size=3, key=fn.Key(2), epoch=0), number=5)
