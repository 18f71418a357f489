"""Single values of a table: which are missing, and which number, date or category each of the others is."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import inf
from numbers import Real
import re
from typing import Any

MISSING = ("", "?", "NA", "N/A", "<NA>", "NaN", "nan", "NaT", "null", "NULL", "None")
"""Texts that mean that there is no value; spaces around them don't count."""

PLAIN = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
NUMBER = re.compile(rf"{PLAIN.pattern}(e[+-]?[0-9]+)?|[+-]?inf(inity)?", re.IGNORECASE)
CODE = re.compile(r"[+-]?0[0-9]")
"""The beginning of digits that are a name, such as those of a postal code: numbers don't begin with 0."""
EXACT = 15
"""Numbers of at most so many digits are different ones in float64 too."""
DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
DOTTED = re.compile(r"^([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})\b")
"""The beginning of a date with its day first, as dots always have it."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def is_missing(value: Any, missing: Collection[str]) -> bool:
    """Tell whether a value of any library means that there is none.

    >>> is_missing(None, MISSING), is_missing(float("nan"), MISSING), is_missing(" NA ", MISSING), is_missing(0, ())
    (True, True, True, False)
    """
    if isinstance(value, str):
        return value.strip() in missing
    if isinstance(value, Real | Decimal):
        return bool(value != value)  # noqa: PLR0124 (true of NaN alone)
    return value is None or type(value).__name__ in ("NAType", "NaTType")  # of pandas


def number_of(value: Any) -> float | None:
    """Return the number that a value is, or a text says; None for all else.

    >>> number_of(" 1.5e3 "), number_of(2), number_of("two"), number_of(True)
    (1500.0, 2.0, None, None)
    """
    if isinstance(value, str):
        text = value.strip()
        return float(text) if NUMBER.fullmatch(text) else None
    try:
        return float(value) if isinstance(value, Real | Decimal) and not isinstance(value, bool) else None
    except OverflowError:
        return inf


def days_of(value: Any) -> float | None:
    """Return the days from 1970 to a date or a time, given as such or as a text; None for all else.

    A text is in ISO 8601, or has its day first and dots. A time without a zone counts as UTC.

    >>> days_of("1970-01-02"), days_of("1970-01-02 06:00"), days_of("2.1.1970"), days_of("1/2/1970")
    (1.0, 1.25, 1.0, None)
    """
    if isinstance(value, str):
        text = DOTTED.sub(_iso_of, value.strip())
        try:
            return days_of(datetime.fromisoformat(text)) if DATE.fullmatch(text) else None
        except ValueError:  # such as a 30th of February
            return None
    if not isinstance(value, date):
        return None
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return ((value if value.tzinfo else value.replace(tzinfo=UTC)) - EPOCH) / DAY


def _iso_of(dotted: re.Match[str]) -> str:
    day, month, year = dotted.groups()
    return f"{year}-{month:0>2}-{day:0>2}"


def is_code(value: Any) -> bool:
    """Tell whether a value is a text of digits that is a name rather than a number, such as a postal code.

    >>> is_code("01067"), is_code("0.5"), is_code("10")
    (True, False, False)
    """
    return isinstance(value, str) and CODE.match(value.strip()) is not None


def text_of(value: Any) -> str | None:
    """Return the text that stands for a value as a category; None for a value that can be none.

    The number 1 is the same category as 1.0 and the text "1.0", and True the same as the texts "true" and "True".

    >>> text_of(1.0), text_of("1.50"), text_of("007"), text_of(" red "), text_of(True), text_of("TRUE")
    ('1', '1.5', '007', 'red', 'true', 'true')
    """
    if isinstance(value, str):
        text = value.strip()
        if len(text) <= EXACT and PLAIN.fullmatch(text) and not is_code(text):
            return text_of(float(text))
        return text.lower() if len(text) < 6 and text.lower() in ("true", "false") else text
    if isinstance(value, bool):
        return str(value).lower()
    number = number_of(value)
    if number is not None:
        return str(int(number)) if number.is_integer() else repr(number)
    return value.isoformat() if isinstance(value, date) else None


def shown(value: Any) -> str:
    """Write a value for an error, shortened.

    >>> shown("a" * 100)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa..."
    """
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
