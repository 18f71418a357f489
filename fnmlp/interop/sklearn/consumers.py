"""Consumers of the states of a fit: they print and save them, and a saved fit resumes."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import attrgetter
import os
import sys
from typing import TypeAlias
import warnings

from fnmlp.errors import CheckpointError
from fnmlp.files import is_there
from fnmlp.interop.sklearn.folding import FitState
from fnmlp.storage import checkpoints, load, restore
from fnmlp.tree import Tree

Consumer: TypeAlias = Callable[[Iterable[FitState]], Iterable[FitState]]
"""A function that takes the states of a fit, and passes on all of them or the first few."""

Path: TypeAlias = str | os.PathLike[str]


def last_state(states: Iterable[FitState], consumers: Sequence[Consumer], first: FitState) -> FitState:
    """Pass states through consumers, and return the last one that comes out; Ctrl-C ends the fit early.

    >>> last_state([1, 2, 3], [lambda states: (state for state in states if state < 3)], 0)
    2
    """
    for consumer in consumers:
        states = consumer(states)
    last = first
    try:
        for state in states:
            last = state
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
    return last


def printed(states: Iterable[FitState]) -> Iterator[FitState]:
    """Pass states on, and print the loss and the validation score of each epoch, as scikit-learn does."""
    for state in states:
        if state.epoch:
            sys.stdout.write(f"Iteration {state.epoch}, loss = {state.loss:.8f}\n")
        if state.epoch and len(state.scores):
            sys.stdout.write(f"Validation score: {state.score:f}\n")
        yield state


def saved(
    states: Iterable[FitState], path: Path, *, epochs: int, notes: Mapping[str, str]
) -> Generator[FitState, None, None]:
    """Pass states on, and save one every so many epochs and the last, with notes about the fit."""
    return checkpoints(states, path, steps=epochs, parts=partial(_with_notes, notes), step_of=attrgetter("epoch"))


def _with_notes(notes: Mapping[str, str], state: FitState) -> tuple[Tree, Mapping[str, str]]:
    return state, notes


def saved_seed(path: Path, seed: int) -> int:
    """Return the seed of the fit in a checkpoint, or the given one if there is no such file.

    Raises:   CheckpointError if the file exists but can't be used.
    """
    if not is_there(path):
        return seed
    found = load(path).description.get("seed", "")
    if not found.isdigit():
        raise CheckpointError(os.fspath(path), "a checkpoint of a fit", "another file", "give another path")
    return int(found)


def resumed(path: Path, like: FitState, notes: Mapping[str, str]) -> FitState:
    """Return the state in a checkpoint, or the first state of a fit if there is no such file.

    Raises:   CheckpointError if the file exists but can't be used, or holds another fit.
    """
    if not is_there(path):
        return like
    found = load(path)
    if dict(found.description) != dict(notes):
        remedy = "remove the file, or give each fit a path of its own"
        raise CheckpointError(os.fspath(path), "a fit with the same rows and options", "another one", remedy)
    state: FitState = restore(found, like)
    return state
