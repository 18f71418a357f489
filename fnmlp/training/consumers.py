"""Consumers of the states of training, which score them, stop, or pick the best.

`scored` pairs each state with a number, and the others take such pairs. All but `best_state` are lazy, so you can nest
them, and no step is taken until you ask for its state.
"""

from collections.abc import Callable, Iterable, Iterator
from math import inf, isnan
from typing import Any, TypeVar

from fnmlp.arrays import namespace
from fnmlp.checks import as_iterator, check_function
from fnmlp.errors import DataError, OptionError, StructureError
from fnmlp.scalars import as_count, is_number
from fnmlp.tree import tree_leaves

__all__ = ["best_state", "early_stopping", "scored"]

State = TypeVar("State")


def scored(states: Iterable[State], score: Callable[[State], float]) -> Iterator[tuple[State, float]]:
    """Pair each state with its score; higher is better, so for a loss return -loss.

    Raises:   OptionError unless the score is a number.

    >>> list(scored([1, 2, 3], lambda state: -abs(state - 2)))
    [(1, -1.0), (2, 0.0), (3, -1.0)]
    """
    check_function("scored(score)", score, 1, "lambda state: -state.loss")
    return ((state, _number(score(state))) for state in as_iterator("scored(states)", states, "states"))


def _number(score: float) -> float:
    if not is_number(score):
        remedy = "return one of them, such as evaluate(…)[1]" if isinstance(score, tuple) else "return a number"
        raise OptionError("scored(score)", "a number for each state", repr(score), remedy)
    return float(score)


def early_stopping(pairs: Iterable[tuple[State, float]], *, patience: int) -> Iterator[tuple[State, float]]:
    """Pass pairs of state and score on, and stop after `patience` states in a row without a new best score.

    The last `patience` states are passed on too; `best_state` ignores them. A score of NaN, or of a state whose
    parameters hold NaN, is never a new best.
    Raises:   OptionError unless patience is an integer of at least 1; StructureError for anything but a pair.
    Source:   Goodfellow, Bengio & Courville 2016, "Deep Learning", algorithm 7.1.

    >>> list(early_stopping(zip("abcdef", [1, 3, 2, 3, 9, 9]), patience=2))
    [('a', 1), ('b', 3), ('c', 2), ('d', 3)]
    """
    return _until_in_vain(check_pairs("early_stopping", pairs), as_count("early_stopping(patience)", patience))


def _until_in_vain(pairs: Iterator[tuple[State, float]], patience: int) -> Iterator[tuple[State, float]]:
    best, waited = -inf, 0
    for state, score in pairs:
        yield state, score
        rises = score > best and not holds_nan(state)
        best, waited = (score, 0) if rises else (best, waited + 1)
        if waited == patience:
            return


def best_state(pairs: Iterable[tuple[State, float]]) -> tuple[State, float]:
    """Return the state with the highest score, and that score; the first if several are equal.

    A state whose parameters hold NaN is never the best, whatever its score.
    Raises:   DataError without a state whose score is a number; StructureError for anything but a pair.

    >>> best_state(zip("abcd", [1, 3, float("nan"), 3]))
    ('b', 3)
    """
    best: tuple[State, float] | None = None
    for state, score in check_pairs("best_state", pairs):
        above = not isnan(score) if best is None else score > best[1]
        if above and not holds_nan(state):
            best = state, score
    if best is None:
        remedy = "pass pairs of state and score; if scores or parameters are NaN, train with a smaller rate"
        raise DataError("best_state", "a state whose score is a number", "none", remedy)
    return best


def holds_nan(state: Any) -> bool:
    """Tell whether a state's parameters hold NaN; without a field `params`, check the whole state.

    >>> holds_nan((1.0, (float("nan"),))), holds_nan({"no": "tree"})
    (True, False)
    """
    try:
        leaves = tree_leaves(getattr(state, "params", state))
    except StructureError:  # a user's state that is not a tree
        return False
    return any(map(_is_nan, leaves))


def _is_nan(leaf: Any) -> bool:
    if not hasattr(leaf, "dtype"):
        return isinstance(leaf, float) and isnan(leaf)
    xp = namespace(leaf)
    return bool(xp.isdtype(leaf.dtype, "real floating") and xp.any(xp.isnan(leaf)))


def check_pairs(where: str, pairs: Iterable[tuple[State, float]]) -> Iterator[tuple[State, float]]:
    """Pass pairs on, and raise unless each is a state with a score that is a number."""
    return (_checked(where, pair) for pair in as_iterator(where, pairs, "pairs of state and score"))


def _checked(where: str, pair: tuple[State, float]) -> tuple[State, float]:
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise StructureError(where, "pairs of state and score", type(pair).__name__, "pass scored(states, score)")
    if not is_number(pair[1]):
        raise StructureError(where, "a score that is a number", type(pair[1]).__name__, "pass scored(states, score)")
    return pair
