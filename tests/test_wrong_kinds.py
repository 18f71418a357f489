"""Every argument of every public function, taken wrong in many ways: one line of ours, or a value of the right kind."""

from inspect import signature
from pathlib import Path

import attrs
import pytest

import fnmlp
from tests.misuse import KINDS, called, faults
from tests.right_calls import MODEL, PARAMS, RIGHT, STATE, fn


def is_error(name: str) -> bool:
    value = getattr(fnmlp, name)
    return isinstance(value, type) and issubclass(value, Exception)


def checks_nothing(name: str) -> bool:
    """Tell whether a public name is a record that holds whatever it is given, as trees must."""
    record = getattr(fnmlp, name)
    if is_error(name) or not attrs.has(record) or hasattr(record, "__attrs_post_init__"):
        return False
    return not any(one.validator or one.converter for one in attrs.fields(record))


VALUES = {*filter(checks_nothing, fnmlp.__all__), "Pullback"}
"""Records and the protocol: functions look at what is in them."""

ALIASES = {"Array", "Loss", "Objective", "PathFilter", "Schedule", "Shape", "Weights"}
"""Types to annotate with: nobody calls them."""

LEAVES = set(KINDS) - {"None", "[1]", "an optimizer"}
"""What a tree may hold."""

TAKEN: dict[str, dict[str, set[str]]] = {
    # A list is taken for a tuple of integers, or for an array.
    "fit_standardize": {"x": {"[1]"}},
    "one_hot": {"labels": {"[1]"}},
    "one_hot_columns": {"sizes": {"[1]"}},
    "piecewise": {"at": {"[1]"}},
    "summary": {"example": {"[1]"}},
    "train_state": {"example": {"[1]"}},
    # Anything is a leaf of a tree, and any tree may be frozen, saved, or scored.
    **{name: {"tree": LEAVES} for name in ("tree_flatten", "tree_leaves", "tree_paths")},
    "to": {"tree": LEAVES, "like": {"[1]"}},
    "tree_equal": {side: {*LEAVES, "an optimizer"} for side in ("left", "right")},
    "tree_sha256": {"tree": {"3", "-1.5", "an array", "a batch", "a state"}},
    "tree_statistics": {"tree": {"an array", "a batch"}},
    "tree_reduce": {"tree": {"an array", "a batch"}, "initial": {"an array"}},
    "save": {"tree": {"3", "-1.5", "an array", "a state"}},
    "frozen": {"params": {"an array", "a batch"}},
    "scored": {"states": {"'abc'", "an array", "a batch", "parameters"}},
    "checkpoints": {"states": {"an array", "a batch", "parameters"}},
    # A batch gives its rows as pairs, one after another.
    "best_state": {"pairs": {"a batch"}},
    "best_checkpoint": {"pairs": {"a batch"}},
    "early_stopping": {"pairs": {"a batch"}},
    # `everywhere` accepts every path, and `one_line` any error.
    "everywhere": {"path": set(KINDS)},
    "one_line": {"error": set(KINDS)},
}
"""Kinds that are right too, beside the ones in the table of right calls."""

OWN = {"tree_reduce": frozenset({"tree", "initial"})}
"""Arguments that are passed to the user's own function, which may raise anything."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change to a folder with the files that the right calls read."""
    monkeypatch.chdir(tmp_path)
    fn.save("tree", PARAMS, {})
    fn.save("state", STATE, {})
    fn.save_model("model", MODEL, PARAMS, example=(2,))


@pytest.mark.parametrize("name", RIGHT)
def test_a_wrong_kind_is_refused_in_one_line_wherever_it_stands(name: str) -> None:
    function = getattr(fnmlp, name)
    assert called(function, *RIGHT[name]) == "taken"
    assert faults(function, RIGHT[name], TAKEN.get(name, {}), OWN.get(name, frozenset())) == []


def test_every_public_callable_is_called_wrong() -> None:
    named = {name for name in fnmlp.__all__ if not is_error(name)}
    assert named - {*RIGHT, *VALUES, *ALIASES} == set(), "give it a specimen, or a right call in tests/right_calls.py"
    assert {*RIGHT, *VALUES, *ALIASES} - named == set()
    assert not RIGHT.keys() & (VALUES | ALIASES)


def test_every_argument_of_every_public_callable_is_taken_wrong() -> None:
    for name, (arguments, options) in RIGHT.items():
        parameters = signature(getattr(fnmlp, name)).parameters.values()
        several = any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters)
        named = [parameter.name for parameter in parameters if not several or parameter.kind is parameter.KEYWORD_ONLY]
        assert [argument for argument in named if argument not in options] == [], name
        assert several or not arguments, name
