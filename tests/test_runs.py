"""What `checkpoints` saves, and when; a run that is killed and resumed ends with the same bits."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import accumulate, chain, islice, pairwise
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.data import digits
from fnmlp.errors import CheckpointError, DivergenceError, OptionError, StructureError
from fnmlp.storage import runs as saving
from fnmlp.storage.runs import best_checkpoint, checkpoints, resume, saved_score
from fnmlp.training.consumers import best_state, scored
from fnmlp.whole_files import rotate

MODEL = fn.chain(fn.flatten(), fn.scale(1 / 16), fn.dropout(0.1), fn.linear(8), fn.relu(), fn.linear(10))
OPTIMIZER = fn.averaged(fn.scheduled(fn.adam, fn.cosine_decay(0.01, steps=100)))
STEP = partial(fn.train_step, MODEL, fn.cross_entropy, OPTIMIZER)
START = fn.train_state(MODEL, OPTIMIZER, key=fn.Key(0), example=(8, 8))
DATA = digits().train[:200]
STEPS_AN_EPOCH = 7


def states_from(state: fn.TrainState) -> Iterator[fn.TrainState]:
    """Continue training from any state, even in the middle of an epoch."""
    epoch, begun = divmod(state.step, STEPS_AN_EPOCH)
    of_epoch = partial(fn.batches, DATA, size=32, key=fn.Key(1))
    rest = (of_epoch(epoch=later) for later in range(epoch + 1, 100))
    return accumulate(chain(of_epoch(epoch=epoch, start=begun), chain.from_iterable(rest)), STEP, initial=state)


def after(steps: int) -> fn.TrainState:
    return next(islice(states_from(START), steps, None))


@given(stretches=st.lists(st.integers(1, 5), max_size=6), first=st.integers(0, 4), every=st.integers(1, 7))
def test_states_that_come_in_stretches_are_saved_by_the_number_of_their_step(
    stretches: list[int], first: int, every: int
) -> None:
    # Counted one by one, states of a compiled loop of 100 steps each were saved every 100 · `steps` steps.
    steps = [*accumulate(stretches, initial=first)]
    with TemporaryDirectory() as folder:
        path = Path(folder, "state")
        states = checkpoints(steps, path, steps=every, step_of=lambda step: step)
        found = [resume(path, 0) for _ in states]
        passed = [
            max((new for old, new in pairwise(steps[:place]) if old // every < new // every), default=0)
            for place in range(1, len(steps) + 1)
        ]
        assert found == passed
        assert resume(path, 0) == (steps[-1] if stretches else 0)


@given(kills=st.lists(st.integers(1, 12), max_size=4), every=st.integers(1, 5))
def test_a_run_that_is_killed_and_resumed_ends_with_the_bits_of_one_that_is_not(kills: list[int], every: int) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "state")
        for lived in kills:
            states = checkpoints(states_from(resume(path, START)), path, steps=every)
            deque(islice(states, lived + 1), maxlen=0)
            left = path.read_bytes() if path.exists() else None
            states.close()  # which saves once more, as a kill would not
            path.unlink()
            if left is not None:
                path.write_bytes(left)
        state = resume(path, START)
        assert state.step == sum(lived // every * every for lived in kills)
        assert fn.tree_equal(next(islice(states_from(state), 3, None)), after(state.step + 3))


def test_the_last_state_is_saved_when_the_sequence_ends(tmp_path: Path) -> None:
    passed = list(islice(states_from(START), 6))
    assert list(checkpoints(passed, tmp_path / "state", steps=4)) == passed
    assert fn.tree_equal(resume(tmp_path / "state", START), passed[-1])


def test_a_sequence_that_is_left_saves_the_state_that_it_was_left_at(tmp_path: Path) -> None:
    with closing(checkpoints(states_from(START), tmp_path / "state")) as states:
        for state in states:
            if state.step == 5:
                break
    assert fn.tree_equal(resume(tmp_path / "state", START), after(5))


def test_an_interruption_between_two_steps_saves_the_last_state(tmp_path: Path) -> None:
    def interrupted() -> Iterator[fn.TrainState]:
        yield from islice(states_from(START), 4)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(checkpoints(interrupted(), tmp_path / "state", steps=100))
    assert fn.tree_equal(resume(tmp_path / "state", START), after(3))


def test_nothing_is_saved_where_no_step_was_taken(tmp_path: Path) -> None:
    assert list(checkpoints([START], tmp_path / "state", steps=1)) == [START]
    assert list(checkpoints([], tmp_path / "state", steps=1)) == []
    assert os.listdir(tmp_path) == []


def test_seconds_are_those_of_the_clock_since_the_last_save(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1.0, 2.5, 2.5, 3.0, 4.0, 5.0, 5.0])
    monkeypatch.setattr(saving, "monotonic", lambda: next(now))
    states = checkpoints(range(6), tmp_path / "number", seconds=2.0)
    seen = [(state, resume(tmp_path / "number", -1)) for state in states]
    assert seen == [(0, -1), (1, -1), (2, 2), (3, 2), (4, 2), (5, 5)]


def test_a_state_that_is_not_finite_is_named_and_never_saved(tmp_path: Path) -> None:
    path = tmp_path / "state"
    bad = fn.tree_map(lambda leaf: np.full_like(leaf, np.inf) if isinstance(leaf, np.ndarray) else leaf, after(3))
    with pytest.raises(DivergenceError, match=r"state 2: \.params\[3\]\.weight"):
        list(checkpoints([START, after(1), bad], path, steps=1))
    assert fn.tree_equal(resume(path, START), after(1))
    assert len(list(checkpoints([START, after(1), bad], path))) == 3
    assert fn.tree_equal(resume(path, START), after(1))


@pytest.mark.parametrize("keep", [1, 2, 3, 4, 9])
def test_the_last_few_are_kept(keep: int, tmp_path: Path) -> None:
    list(checkpoints(range(6), tmp_path / "number", steps=1, keep=keep))
    assert sorted(os.listdir(tmp_path)) == ["number", *(f"number.{place}" for place in range(1, min(keep, 5)))]
    assert [resume(tmp_path / name, -1) for name in sorted(os.listdir(tmp_path))] == [5, 4, 3, 2, 1][:keep]


def test_a_run_that_is_killed_between_giving_names_and_saving_keeps_what_it_had(tmp_path: Path) -> None:
    path = tmp_path / "number"
    list(checkpoints(range(4), path, steps=1, keep=3))
    for _ in range(3):  # as a process does that is killed each time before it writes the next file
        rotate(path, 3)
        assert resume(path, -1) == 3
    list(checkpoints(range(3, 6), path, steps=1, keep=3))
    assert [resume(tmp_path / name, -1) for name in sorted(os.listdir(tmp_path))] == [5, 4, 3]


@pytest.mark.parametrize("good", [0, 1], ids=["before the new one is in its place", "after"])
def test_saves_that_fail_again_and_again_lose_none_of_the_earlier_ones(
    good: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each attempt once gave them new names, and there were two at once, until all were copies of the latest.
    path = tmp_path / "number"
    list(checkpoints(range(4), path, steps=1, keep=3))
    for _ in range(3):
        left = iter(range(good))

        def sync(_: int, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise OSError(5, "Input/output error")

        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", sync)
            with pytest.raises(CheckpointError, match="Input/output error"):
                list(checkpoints([3, 4], path, steps=1, keep=3))
        if good:
            break
    list(checkpoints(range(resume(path, -1), 5), path, steps=1, keep=3))
    assert [resume(tmp_path / name, -1) for name in sorted(os.listdir(tmp_path))] == [4, 3, 2]


@pytest.mark.parametrize("use", [lambda path: resume(path, -1), saved_score])
def test_a_file_that_can_not_be_looked_at_is_not_taken_for_a_missing_one(
    use: Callable[[Path], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A run would begin afresh, and write over what it had saved.
    def fail(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "lstat", fail)
    with pytest.raises(CheckpointError, match="Input/output error"):
        use(tmp_path / "number")


def test_a_place_where_earlier_files_can_not_be_kept_is_an_error_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "number.1").mkdir()
    states = checkpoints(range(4), tmp_path / "number", steps=1, keep=2)
    with pytest.raises(CheckpointError, match=r"number: expected a place to keep earlier files.*keep only one file"):
        list(states)
    assert resume(tmp_path / "number", -1) == 1


def test_what_is_saved_of_a_state_can_be_chosen(tmp_path: Path) -> None:
    list(checkpoints(["one", "two"], tmp_path / "word", parts=lambda word: ((len(word),), {"word": word})))
    assert fn.load(tmp_path / "word").description == {"word": "two"}
    assert resume(tmp_path / "word", (0,)) == (3,)


@pytest.mark.parametrize("wrong", [{"steps": -1}, {"steps": 1.5}, {"seconds": -1.0}, {"keep": 0}])
def test_wrong_options_are_refused_before_the_first_state(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        checkpoints([], tmp_path / "state", **wrong)


def test_resuming_begins_afresh_without_a_file_and_refuses_a_bad_one(tmp_path: Path) -> None:
    assert resume(tmp_path / "state", START) is START
    (tmp_path / "state").symlink_to("nowhere")
    with pytest.raises(CheckpointError, match="state"):
        resume(tmp_path / "state", START)
    fn.save(tmp_path / "other", (1,), {})
    with pytest.raises(CheckpointError, match="other"):
        resume(tmp_path / "other", START)


SCORES = st.lists(st.one_of(st.integers(-3, 3).map(float), st.sampled_from([float("nan"), -np.inf])), max_size=9)


@given(scores=SCORES, stops=st.lists(st.integers(0, 9), max_size=3))
def test_the_file_holds_the_best_of_the_whole_run_however_often_it_was_stopped(
    scores: list[float], stops: list[int]
) -> None:
    numbers = [score for score in scores if score > -np.inf]
    with TemporaryDirectory() as folder:
        path, begun = Path(folder, "best"), 0
        for end in [*sorted(stops), len(scores)]:
            part = list(enumerate(scores))[begun:end]
            passed = list(best_checkpoint(part, path, above=saved_score(path)))
            assert repr(passed) == repr(part)
            begun = max(begun, min(end, len(scores)))
        if not numbers:
            assert (os.listdir(folder), saved_score(path)) == ([], -np.inf)
            return
        assert (resume(path, -1), saved_score(path)) == best_state(enumerate(scores))


def test_the_last_few_and_the_best_are_kept_side_by_side(tmp_path: Path) -> None:
    best, last = tmp_path / "state.best", tmp_path / "state"
    pairs = best_checkpoint(scored(islice(states_from(START), 8), lambda state: -abs(state.step - 5)), best)
    deque(checkpoints((state for state, _ in pairs), last, steps=1, keep=2), maxlen=0)
    found = [resume(path, START).step for path in (best, last, tmp_path / "state.1")]
    assert found == [5, 7, 6]
    assert fn.tree_equal(resume(best, START), after(5))


def test_a_best_state_that_is_not_finite_is_named_and_not_saved(tmp_path: Path) -> None:
    with pytest.raises(DivergenceError, match="state 1: expected finite numbers"):
        list(best_checkpoint([(1.0, 1.0), (np.inf, 2.0), (3.0, 3.0)], tmp_path / "best"))
    assert resume(tmp_path / "best", 0.0) == 1.0


def test_the_state_before_the_first_step_may_be_the_best_though_it_has_no_loss(tmp_path: Path) -> None:
    list(best_checkpoint(scored(islice(states_from(START), 3), lambda state: -state.step), tmp_path / "best"))
    assert fn.tree_equal(resume(tmp_path / "best", START).params, START.params)


def test_what_is_saved_of_the_best_can_be_chosen(tmp_path: Path) -> None:
    parts = partial(best_checkpoint, parts=lambda word: ((len(word),), {"word": word}))
    list(parts(zip(["one", "three", "two"], [1, 3, 2], strict=True), tmp_path / "best"))
    assert fn.load(tmp_path / "best").description == {"word": "three", "score": "3.0"}


def test_states_without_scores_have_no_best(tmp_path: Path) -> None:
    with pytest.raises(StructureError, match="best_checkpoint: expected pairs of state and score"):
        list(best_checkpoint([START], tmp_path / "best"))  # type: ignore[arg-type]


@pytest.mark.parametrize("texts", [{}, {"score": "high"}, {"score": "nan"}])
def test_a_file_that_tells_no_score_is_refused(texts: dict[str, str], tmp_path: Path) -> None:
    fn.save(tmp_path / "best", (1,), texts)
    with pytest.raises(CheckpointError, match="best: expected a file that best_checkpoint saved"):
        saved_score(tmp_path / "best")
