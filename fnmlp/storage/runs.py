"""Checkpoints: consumers of a run's states that save the last one or the best, and functions to resume from them.

A state is all that training needs, so a run that was killed and resumed ends with the same bits as an uninterrupted
one.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from math import inf, isnan
import os
from time import monotonic
from typing import TypeAlias, TypeVar

from attrs import evolve

from fnmlp.checks import as_iterator, as_path, check_function
from fnmlp.errors import CheckpointError, DivergenceError, OptionError
from fnmlp.files import is_there
from fnmlp.scalars import as_count, as_natural, as_nonnegative, is_number
from fnmlp.storage import format as checkpoint
from fnmlp.training.consumers import check_pairs
from fnmlp.training.loop import TrainState
from fnmlp.tree import Tree, first_not_finite
from fnmlp.whole_files import rotate

__all__ = ["best_checkpoint", "checkpoints", "resume", "saved_score"]

State = TypeVar("State")
Parts: TypeAlias = Callable[[State], tuple[Tree, Mapping[str, str]]]
"""state -> the parts of it to save: a tree of arrays and numbers, and texts."""


def checkpoints(
    states: Iterable[State],
    path: str | os.PathLike[str],
    *,
    steps: int = 0,
    seconds: float = 0.0,
    keep: int = 1,
    parts: Parts[State] | None = None,
    step_of: Callable[[State], int] | None = None,
) -> Generator[State, None, None]:
    """Pass states on, and save one every `steps` steps or `seconds` seconds, and the last one when the loop ends.

    The first state is not saved, because the sequence starts from it. A state with infinities or NaN is not saved
    either, so the file keeps the last good one. With `keep` above 1, older files stay as `path.1`, `path.2` and so on.
    If `path` is a symbolic link, they stand beside its target. `parts` chooses what to save of a state; by default that
    is the whole state, which must be a tree of arrays and numbers. Each state counts as one step after the one before;
    if there may be several steps between two states, `step_of` returns the number of a state's step. If you may leave
    the loop early, close the iterator, for instance with contextlib.closing, so that the last state is saved at once.
    Units:    `seconds` are wall-clock seconds; 0 steps or seconds turn that interval off.
    Raises:   OptionError for negative steps or seconds, and unless keep is at least 1; CheckpointError if a file can't
              be written; DivergenceError, naming the leaf, if a state to save is not finite.

    >>> import tempfile
    >>> from itertools import accumulate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     states = accumulate([1, 2, 3, 4], initial=10)
    ...     passed = list(checkpoints(states, f"{folder}/sums", steps=3))
    ...     passed, resume(f"{folder}/sums", like=0)
    ([10, 11, 13, 16, 20], 20)
    """
    every = as_natural("checkpoints(steps)", steps), as_nonnegative("checkpoints(seconds)", seconds)
    kept = as_count("checkpoints(keep)", keep)
    passed = as_iterator("checkpoints(states)", states, "states")
    if step_of is not None:
        check_function("checkpoints(step_of)", step_of, 1, "lambda state: state.step")
    return _saving(_numbered(passed, step_of), as_path(path), *every, kept, _parts("checkpoints(parts)", parts))


def _numbered(states: Iterator[State], step_of: Callable[[State], int] | None) -> Iterator[tuple[int, State]]:
    return enumerate(states) if step_of is None else ((step_of(state), state) for state in states)


def _parts(where: str, parts: Parts[State] | None) -> Parts[State]:
    if parts is None:
        return _whole
    check_function(where, parts, 1, "lambda state: (state.params, {})")
    return parts


def _saving(
    numbered: Iterator[tuple[int, State]],
    path: str,
    steps: int,
    seconds: float,
    keep: int,
    parts: Parts[State],
) -> Generator[State, None, None]:
    def save(number: int, state: State) -> None:
        tree, texts = parts(state)
        check_finite(tree, number)
        rotate(path, keep)
        checkpoint.save(path, tree, texts)

    latest = next(numbered, None)
    if latest is None:
        return
    before = saved = latest[0]
    last = monotonic()
    try:
        yield latest[1]
        for latest in numbered:
            number, state = latest
            if (steps and number // steps > before // steps) or (seconds and monotonic() - last >= seconds):
                try:
                    save(number, state)
                except CheckpointError:
                    saved = number  # even if it failed: a second try would rename the older files again
                    raise
                saved, last = number, monotonic()
            before = number
            yield state
    finally:
        if latest[0] > saved:
            with suppress(DivergenceError):
                save(*latest)


def _whole(state: Tree) -> tuple[Tree, Mapping[str, str]]:
    return state, {}


def check_finite(state: Tree, number: int) -> None:
    """Raise, naming the first leaf, if a state holds infinities or NaN.

    The NaN loss of a `TrainState` before its first step is allowed.

    >>> check_finite((1.0, float("nan")), 7)
    Traceback (most recent call last):
    fnmlp.errors.DivergenceError: state 7: [1]: expected finite numbers, got infinities or NaN; train with a smaller...
    """
    begins = isinstance(state, TrainState) and state.step == 0
    name = first_not_finite(evolve(state, loss=0.0) if begins else state)
    if name is not None:
        where = f"state {number}: {name}".rstrip(": ")
        raise DivergenceError(where, "finite numbers", "infinities or NaN", "train with a smaller rate")


def resume(path: str | os.PathLike[str], like: State) -> State:
    """Return the state in a checkpoint, or `like` if there is no such file.

    `like` is the first state of training. The saved state must have the same structure, shapes and kinds of numbers.
    Raises:   CheckpointError if the file exists but can't be used.

    >>> resume("no-such-file", like=(1, 2.0))
    (1, 2.0)
    """
    if not is_there(path):
        return like
    saved = checkpoint.load(path)
    try:
        state: State = checkpoint.restore(saved, like)
    except CheckpointError as error:
        if "model" not in saved.description:
            raise
        got = f"a model file, of {saved.description['model']:.60}: {error.expected}, got {error.got}"
        remedy = "read it with fnmlp.load_model, or begin with parameters like those in it"
        raise CheckpointError(saved.path, "a state like the one that training begins with", got, remedy) from error
    return state


def best_checkpoint(
    pairs: Iterable[tuple[State, float]],
    path: str | os.PathLike[str],
    *,
    above: float = -inf,
    parts: Parts[State] | None = None,
) -> Iterator[tuple[State, float]]:
    """Pass pairs of state and score on, and save each state whose score is the highest so far.

    When you resume a run, pass the best score so far as `above`; `saved_score` returns it. Then the file keeps the best
    state of the whole run, however often it was stopped. `parts` is as in `checkpoints`.
    Raises:   StructureError for anything but a pair; CheckpointError if the file can't be written; DivergenceError if
              the best state is not finite.

    >>> import tempfile
    >>> from fnmlp.training.consumers import scored
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     passed = list(best_checkpoint(scored([1, 2, 3], lambda state: state % 3), f"{folder}/best"))
    ...     resume(f"{folder}/best", like=0), saved_score(f"{folder}/best")
    (2, 2.0)
    """
    if not is_number(above):
        raise OptionError("best_checkpoint(above)", "a number", repr(above), "pass saved_score(path)")
    checked = check_pairs("best_checkpoint", pairs)
    return _saving_best(checked, as_path(path), above, _parts("best_checkpoint(parts)", parts))


def _saving_best(
    pairs: Iterator[tuple[State, float]], path: str, above: float, parts: Parts[State]
) -> Iterator[tuple[State, float]]:
    for number, (state, score) in enumerate(pairs):
        if score > above:
            tree, texts = parts(state)
            check_finite(tree, number)
            checkpoint.save(path, tree, {**texts, "score": repr(float(score))})
            above = score
        yield state, score


def saved_score(path: str | os.PathLike[str]) -> float:
    """Return the score of the state that `best_checkpoint` saved, or -inf if there is no such file.

    Raises:   CheckpointError if the file exists but can't be used.

    >>> saved_score("no-such-file")
    -inf
    """
    if not is_there(path):
        return -inf
    found = checkpoint.load(path).description.get("score", "no score")
    with suppress(ValueError):
        if not isnan(score := float(found)):
            return score
    raise CheckpointError(os.fspath(path), "a file that best_checkpoint saved", found, "give another file")
