"""Saving on the way: consumers of the states that write the last of them to a file, and the best, and the way back.

A state that was saved is all that training needs to go on, so that a run which was killed and started again ends with
the bits of one that never was.
"""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import suppress
from math import inf, isnan
import os
from time import monotonic
from typing import TypeAlias, TypeVar

from attrs import evolve

from fnmlp.checks import as_count, as_iterator, as_natural, as_nonnegative, as_path, check_function, is_number
from fnmlp.errors import CheckpointError, DivergenceError, OptionError
from fnmlp.files import is_there, rotate
from fnmlp.storage import format as checkpoint
from fnmlp.training.consumers import check_pairs
from fnmlp.training.loop import TrainState
from fnmlp.tree import Tree, first_not_finite

__all__ = ["best_checkpoint", "checkpoints", "resume", "saved_score"]

State = TypeVar("State")
Parts: TypeAlias = Callable[[State], tuple[Tree, Mapping[str, str]]]
"""state -> what of it is saved: a tree of arrays and numbers, and texts."""


def checkpoints(
    states: Iterable[State],
    path: str | os.PathLike[str],
    *,
    steps: int = 0,
    seconds: float = 0.0,
    keep: int = 1,
    parts: Parts[State] | None = None,
) -> Generator[State, None, None]:
    """Pass states on, and save every so many steps or seconds, and the last when the sequence ends or is left.

    The first state is where the sequence begins, and is not saved. A state with numbers that are not finite never is:
    the file keeps the last good one. With `keep`, earlier ones stay beside it under the names `path.1`, `path.2` and
    so on, the older the higher; of a symbolic link, beside the file that it leads to. `parts` says what of a state is
    saved; without it, the state itself, which must be a tree of arrays and numbers. Where a loop may be left early,
    close the iterator, for instance with contextlib.closing, to have the last state saved at once.
    Units:    `seconds` of the clock between saves; 0 steps or seconds for none.
    Raises:   OptionError for negative steps or seconds, and unless keep is at least 1; CheckpointError where a file
              can't be written; DivergenceError where a state that is due is not finite, naming what is not.

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
    return _saving(passed, as_path(path), *every, kept, _parts("checkpoints(parts)", parts))


def _parts(where: str, parts: Parts[State] | None) -> Parts[State]:
    if parts is None:
        return _whole
    check_function(where, parts, 1, "lambda state: (state.params, {})")
    return parts


def _saving(
    states: Iterator[State],
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

    latest: tuple[int, State] | None = None
    saved, last = 0, monotonic()
    try:
        for latest in enumerate(states):
            number, state = latest
            if number and ((steps and number % steps == 0) or (seconds and monotonic() - last >= seconds)):
                try:
                    save(number, state)
                except CheckpointError:
                    saved = number  # as good as: tried again at once, it would give the earlier ones new names again
                    raise
                saved, last = number, monotonic()
            yield state
    finally:
        if latest is not None and latest[0] > saved:
            with suppress(DivergenceError):
                save(*latest)


def _whole(state: Tree) -> tuple[Tree, Mapping[str, str]]:
    return state, {}


def check_finite(state: Tree, number: int) -> None:
    """Refuse a state that holds infinities or NaN, naming the first leaf that does.

    Before the first step there is no loss: the NaN that a `TrainState` then holds in its place is none to refuse.

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
    """Return the state that a file holds, or `like` itself where there is no such file: where training goes on.

    `like` is the state that training begins with, whose structure, shapes and kinds of numbers the file's must have.
    Raises:   CheckpointError where there is a file and it can't be used.

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
    """Pass pairs of state and score on, and save each state whose score is above all before it: the file has the best.

    A run that goes on gives `above`, the score to surpass: that of the best state before it, as `saved_score` tells
    it. So the file holds the best of the whole run, however often it was stopped. `parts` is that of `checkpoints`.
    Raises:   StructureError for what is no pair; CheckpointError where the file can't be written; DivergenceError where
              a state that is best is not finite.

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
    """Return the score of the state that `best_checkpoint` saved, or -inf where there is no such file.

    Raises:   CheckpointError where there is a file and it can't be used.

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
