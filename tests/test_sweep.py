"""A sweep runs every case, and names those that fail."""

from inspect import signature

import pytest

from tests.sweep import each


@each("base", [2, 10])
@each("power, expected", [(0, (1, 1)), (2, (4, 100))])
def test_every_case_is_run(base: int, power: int, expected: tuple[int, int]) -> None:
    assert base**power in expected


def test_all_cases_that_fail_are_named() -> None:
    seen = []

    @each("number", [1, 2, 3])
    @each("sign", [1, -1])
    def positive(tmp_path: str, number: int, sign: int) -> None:
        seen.append((number, sign))
        assert number * sign > 0 or number == 2, tmp_path

    assert list(signature(positive).parameters) == ["tmp_path"]
    with pytest.raises(ExceptionGroup) as caught:
        positive(tmp_path="here")
    assert len(seen) == 6
    assert [error.__notes__ for error in caught.value.exceptions] == [
        ["with sign=-1", f"with number={number}"] for number in (1, 3)
    ]


def test_a_case_that_raises_nothing_where_it_should_is_named_too() -> None:
    @each("text", ["1", "one"])
    def refused(text: str) -> None:
        with pytest.raises(ValueError, match="invalid literal"):
            int(text)

    with pytest.raises(pytest.fail.Exception) as caught:
        refused()
    assert caught.value.__notes__ == ["with text='1'"]


def test_a_sweep_over_nothing_or_of_a_name_that_is_not_taken_is_refused() -> None:
    with pytest.raises(AssertionError, match="no case"):
        each("number", [])
    with pytest.raises(AssertionError, match="takes no"):
        each("other", [1])(lambda number: None)  # noqa: ARG005


def test_a_case_that_is_skipped_hides_no_other() -> None:
    @each(("number", "words"), [(1, ()), (2, ("two",)), (3, ())])
    def small(number: int, words: tuple[str, ...]) -> None:
        if number == 1:
            pytest.skip("of no interest")
        assert number > 2 or not words

    with pytest.raises(AssertionError):
        small()
    with pytest.raises(pytest.skip.Exception, match="of no interest"):
        each("number", [1, 5])(lambda number: small.__wrapped__(number, ()))()  # type: ignore[attr-defined]
