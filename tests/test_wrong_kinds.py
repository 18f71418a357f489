"""Every argument of every public function, taken wrong in many ways: one line of ours, or a value of the right kind."""

from collections.abc import Iterator
from inspect import signature
from itertools import islice
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fnmlp
from tests.right_calls import DATA, MODEL, PARAMS, RIGHT, SGD, STATE, fn

KINDS: dict[str, Any] = {
    "None": None,
    "3": 3,
    "-1.5": -1.5,
    "'abc'": "abc",
    "[1]": [1],
    "an array": np.zeros((2, 2), np.float32),
    "a function": fn.mse,
    "NumPy's function": np.zeros,
    "an object": object(),
    "a batch": DATA,
    "a layer": fn.linear(3),
    "an optimizer": SGD,
    "parameters": PARAMS,
    "a state": STATE,
}
"""What stands in the place of one argument after the other, with all others right."""

VALUES = {
    "AccumulatedState",
    "AveragedState",
    "Checkpoint",
    "ChosenState",
    "Embedding",
    "FiniteState",
    "Layer",
    "LayerNorm",
    "LeafStatistics",
    "Linear",
    "Metric",
    "NadamState",
    "Optimizer",
    "PartitionedState",
    "Prelu",
    "Pullback",
    "ReplayedStep",
    "RmsNorm",
    "SavedModel",
    "ScheduledState",
    "Sums",
    "TrainState",
    "Transform",
}
"""Records and the protocol: they hold what they are given, as trees must, and functions look at what is in them."""

ALIASES = {"Array", "Loss", "PathFilter", "Schedule", "Shape", "Weights"}
"""Types to annotate with: nobody calls them."""

LEAVES = set(KINDS) - {"None", "[1]", "an optimizer"}
"""What a tree may hold."""

TAKEN: dict[tuple[str, str], set[str]] = {
    # A list is taken for a tuple of integers, or for an array.
    ("fit_standardize", "x"): {"[1]"},
    ("one_hot", "labels"): {"[1]"},
    ("piecewise", "at"): {"[1]"},
    ("summary", "example"): {"[1]"},
    ("train_state", "example"): {"[1]"},
    # Anything is a leaf of a tree, and any tree may be frozen, saved, or scored.
    **{(name, "tree"): LEAVES for name in ("tree_flatten", "tree_leaves", "tree_paths")},
    **{("tree_equal", side): {*LEAVES, "an optimizer"} for side in ("left", "right")},
    ("tree_sha256", "tree"): {"3", "-1.5", "an array", "a batch", "a state"},
    ("tree_statistics", "tree"): {"an array", "a batch"},
    ("tree_reduce", "tree"): {"an array", "a batch"},
    ("tree_reduce", "initial"): {"an array"},
    ("save", "tree"): {"3", "-1.5", "an array", "a state"},
    ("frozen", "params"): {"an array", "a batch"},
    ("scored", "states"): {"'abc'", "an array", "a batch", "parameters"},
    ("checkpoints", "states"): {"an array", "a batch", "parameters"},
    # A batch gives its rows as pairs, one after another.
    ("best_state", "pairs"): {"a batch"},
    ("best_checkpoint", "pairs"): {"a batch"},
    ("early_stopping", "pairs"): {"a batch"},
    # Means every path, and says any error.
    ("everywhere", "path"): set(KINDS),
    ("one_line", "error"): set(KINDS),
}
"""What is right where another kind stands in the table of right calls."""

OWN = {("tree_reduce", "tree"), ("tree_reduce", "initial")}
"""What goes into the user's own function there raises what that raises."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go where the files lie that the right calls read."""
    monkeypatch.chdir(tmp_path)
    fn.save("tree", PARAMS, {})
    fn.save("state", STATE, {})
    fn.save_model("model", MODEL, PARAMS, example=(2,))


def used(value: Any) -> None:
    """Take what is lazy."""
    if isinstance(value, Iterator):
        for _ in islice(value, 3):
            pass


def called(name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> str:
    """Return what comes of a call: nothing, our one line, or Python's own error."""
    try:
        used(getattr(fnmlp, name)(*arguments, **options))
    except fnmlp.FnmlpError as error:
        return "refused" if "\n" not in fnmlp.one_line(error) else "refused in several lines"
    except Exception as error:  # noqa: BLE001 (whatever Python says in our place)
        return f"Python's own {error!r}"
    return "taken"


def is_right(name: str, argument: str, kind: str, right: Any) -> bool:
    """Tell whether a value is of the kind that the argument takes."""
    value = KINDS[kind]
    if kind in TAKEN.get((name, argument), ()):
        return True
    if value is None:
        option = signature(getattr(fnmlp, name)).parameters.get(argument)
        return option is not None and option.default is None
    if isinstance(right, (bool, np.bool_)):
        return isinstance(value, bool)
    if isinstance(right, Real):
        return isinstance(value, Real)
    if callable(right):
        return callable(value)
    return isinstance(value, type(right))


def faults(name: str) -> Iterator[str]:
    """Yield what is wrong with the answers to a function's arguments that are taken wrong."""
    arguments, options = RIGHT[name]
    for argument in (*range(len(arguments)), *options):
        right: Any = arguments[argument] if isinstance(argument, int) else options[argument]
        for kind, value in KINDS.items():
            if isinstance(argument, int):
                answer = called(name, (*arguments[:argument], value, *arguments[argument + 1 :]), options)
            else:
                answer = called(name, arguments, {**options, argument: value})
            as_wanted = is_right(name, str(argument), kind, right)
            own = (name, argument) in OWN or (callable(right) and kind == "NumPy's function")
            if answer != "refused" and not (answer == "taken" and as_wanted) and not (own and "own" in answer):
                yield f"{name}({argument}={kind}): {answer}"


@pytest.mark.parametrize("name", RIGHT)
def test_a_wrong_kind_is_refused_in_one_line_wherever_it_stands(name: str) -> None:
    assert called(name, *RIGHT[name]) == "taken"
    assert [*faults(name)] == []


def is_error(name: str) -> bool:
    value = getattr(fnmlp, name)
    return isinstance(value, type) and issubclass(value, Exception)


def test_every_public_callable_is_called_wrong() -> None:
    named = {name for name in fnmlp.__all__ if not is_error(name)}
    assert named == {*RIGHT, *VALUES, *ALIASES}
    assert not RIGHT.keys() & (VALUES | ALIASES)


def test_every_argument_of_every_public_callable_is_taken_wrong() -> None:
    for name, (arguments, options) in RIGHT.items():
        parameters = signature(getattr(fnmlp, name)).parameters.values()
        several = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
        named = [parameter.name for parameter in parameters if not several or parameter.kind is parameter.KEYWORD_ONLY]
        assert [argument for argument in named if argument not in options] == [], name
        assert several or not arguments, name
