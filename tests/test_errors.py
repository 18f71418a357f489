"""Errors: four parts in one sentence, one root, and the built-in kind that a caller expects."""

import pickle

import pytest

from fnmlp import errors
from fnmlp.errors import FnmlpError, ShapeError, one_line

KINDS = {
    "OptionError": ValueError,
    "ShapeError": ValueError,
    "DtypeError": TypeError,
    "StructureError": TypeError,
    "DataError": ValueError,
    "DataNotFoundError": ValueError,
    "CheckpointError": ValueError,
    "DivergenceError": ArithmeticError,
    "MissingDependencyError": ImportError,
}
PARTS = ("linear(2)", "(batch, 3)", (4, 5), "transpose the inputs")


def test_every_error_of_the_module_is_listed_here() -> None:
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, FnmlpError)}
    assert kinds == {"FnmlpError", *KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_every_error_is_caught_by_the_root_and_by_its_builtin_kind(name: str) -> None:
    for kind in (FnmlpError, KINDS[name]):
        with pytest.raises(kind):
            raise getattr(errors, name)(*PARTS)


@pytest.mark.parametrize("name", ["FnmlpError", *KINDS])
def test_an_error_says_where_what_was_expected_what_came_and_the_remedy(name: str) -> None:
    error = getattr(errors, name)(*PARTS)
    assert (error.where, error.expected, error.got, error.remedy) == PARTS
    assert str(error) == "linear(2): expected (batch, 3), got (4, 5); transpose the inputs"


@pytest.mark.parametrize("name", ["FnmlpError", *KINDS])
def test_an_error_survives_pickling_so_that_it_can_cross_processes(name: str) -> None:
    error = getattr(errors, name)(*PARTS)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own bytes)
    assert (type(again), again.args, str(again)) == (type(error), PARTS, str(error))


def test_an_error_can_not_be_made_without_its_remedy() -> None:
    with pytest.raises(TypeError, match="remedy"):
        FnmlpError(*PARTS[:3])  # type: ignore[call-arg]


def test_one_line_keeps_notes_in_order_and_removes_line_breaks() -> None:
    error = ShapeError("a\nb", "c\t d", "e\r\nf", "g")
    error.add_note("in layer 1")
    error.add_note("in layer 0")
    assert one_line(error) == "a b: expected c d, got e f; g (in layer 1) (in layer 0)"


@pytest.mark.parametrize(("error", "text"), [(MemoryError(), "MemoryError"), (ValueError("x\n y"), "x y")])
def test_one_line_takes_any_error_and_is_never_empty(error: Exception, text: str) -> None:
    assert one_line(error) == text


def test_notes_too_are_said_in_one_line() -> None:
    error = ShapeError("a", "b", "c", "d")
    error.add_note("in a folder\nof two lines")
    assert one_line(error) == "a: expected b, got c; d (in a folder of two lines)"
