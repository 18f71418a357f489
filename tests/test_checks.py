"""Options: bad ones are refused at the door, and numbers become Python's own, which never promote float32."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from fnmlp.checks import as_bool, as_choice
from fnmlp.errors import OptionError
from fnmlp.layers import linear, prelu
from fnmlp.optimizers import adam, muon, rmsprop, sgd
from fnmlp.scalars import as_count, as_finite, as_positive

NUMBERS = pytest.mark.parametrize("check", [as_positive, as_finite], ids=lambda check: check.__name__)


@NUMBERS
@pytest.mark.parametrize(
    "value", [2, 0.5, np.float64(0.5), np.float32(0.5), np.int8(3), Fraction(1, 4), Decimal("0.5")]
)
def test_numbers_become_python_floats(check: Callable[[str, Any], Any], value: Any) -> None:
    checked = check("f(x)", value)
    assert type(checked) is float
    assert checked == float(value)


@NUMBERS
@pytest.mark.parametrize(
    "value",
    [float("inf"), -float("inf"), float("nan"), None, "1", 1j, [1.0], (), 10**400, -(10**400), np.array([0.1, 0.2])],
    ids=lambda value: repr(value)[:12],
)
def test_what_is_no_finite_number_is_refused(check: Callable[[str, Any], Any], value: Any) -> None:
    with pytest.raises(OptionError, match=r"f\(x\): expected a finite number"):
        check("f(x)", value)


@pytest.mark.parametrize("value", [0, 0.0, -0.0, -1, -5e-324])
def test_what_is_not_above_0_is_not_positive_but_finite(value: float) -> None:
    with pytest.raises(OptionError, match="above 0"):
        as_positive("f(x)", value)
    assert as_finite("f(x)", value) == value


@pytest.mark.parametrize("value", [1, 7, np.int64(3), np.uint8(200)], ids=repr)
def test_a_count_becomes_a_python_int(value: Any) -> None:
    counted = as_count("f(n)", value)
    assert type(counted) is int
    assert counted == value


@pytest.mark.parametrize("value", [0, -1, 1.0, 2.5, "3", None, True, False, np.int64(0), np.float64(3)], ids=repr)
def test_what_is_no_positive_integer_is_no_count(value: Any) -> None:
    with pytest.raises(OptionError, match=r"f\(n\): expected an integer of at least 1"):
        as_count("f(n)", value)


def test_a_choice_is_returned_and_anything_else_refused_with_the_choices() -> None:
    assert as_choice("f(x)", "sum", ("mean", "sum")) == "sum"
    for value in ("Sum", "", None, 0, ["sum"]):
        with pytest.raises(OptionError, match="'mean' or 'sum'"):
            as_choice("f(x)", value, ("mean", "sum"))  # type: ignore[arg-type]


@NUMBERS
@pytest.mark.parametrize("value", [np.complex64(1), np.array([0.5]), np.array([[1]]), b"1", np.array(1j)], ids=repr)
def test_numbers_are_not_made_of_what_float_takes_apart_from_them(check: Callable[[str, Any], Any], value: Any) -> None:
    # float() drops the imaginary part of np.complex64, and takes an array of one number where NumPy is old.
    with pytest.raises(OptionError, match=r"f\(x\): expected a finite number"):
        check("f(x)", value)


@pytest.mark.parametrize("value", [True, np.True_, np.array(True)], ids=repr)
def test_a_switch_becomes_pythons_own(value: Any) -> None:
    assert as_bool("f(x)", value) is True


@pytest.mark.parametrize(
    "make",
    [
        lambda word: linear(2, bias=word),
        lambda word: prelu(per_feature=word),
        lambda word: sgd(0.1, momentum=0.9, nesterov=word),
        lambda word: rmsprop(0.1, centered=word),
        lambda word: adam(0.1, amsgrad=word),
        lambda word: muon(0.1, nesterov=word),
    ],
)
@pytest.mark.parametrize("value", ["False", 1, None, np.array([True, False])], ids=repr)
def test_a_word_is_no_switch(make: Callable[[Any], Any], value: Any) -> None:
    # linear(2, bias="False") had a bias: to Python any text is true.
    with pytest.raises(OptionError, match="expected True or False"):
        make(value)
