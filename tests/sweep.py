"""Many small cases in one test: cheap, and a failure still names its case."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import wraps
from inspect import signature
from typing import Any

import pytest


def _of_one_case(fixture: Any, undone: ExitStack) -> Any:
    return undone.enter_context(fixture.context()) if isinstance(fixture, pytest.MonkeyPatch) else fixture


def each(names: str | Sequence[str], cases: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a test over cases like `pytest.mark.parametrize`, but as one test that reports all cases that fail.

    Use it for cases of a few milliseconds, whose time separate tests would double. All cases share the fixtures, but
    what `monkeypatch` changed is undone after each.
    """
    one = isinstance(names, str) and "," not in names
    words = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    rows = [dict(zip(words, (case,) if one else case, strict=True)) for case in cases]
    assert rows, "no case"

    def fold(test: Callable[..., None]) -> Callable[..., None]:
        @wraps(test)
        def run(**given: Any) -> None:
            stopped: list[BaseException] = []
            for row in rows:
                try:
                    with ExitStack() as undone:
                        test(**{name: _of_one_case(fixture, undone) for name, fixture in given.items()}, **row)
                except (Exception, pytest.fail.Exception, pytest.skip.Exception) as error:  # noqa: BLE001
                    error.add_note("with " + ", ".join(f"{name}={value!r:.200}" for name, value in row.items()))
                    stopped.append(error)
            failed = [error for error in stopped if not isinstance(error, pytest.skip.Exception)]
            if len(failed) > 1:
                raise BaseExceptionGroup(f"{len(failed)} of {len(rows)} cases", failed)
            for first in (*failed, *stopped):
                raise first

        taken = signature(test)
        assert set(words) <= set(taken.parameters), f"{test.__name__} takes no {words}"
        kept = [parameter for name, parameter in taken.parameters.items() if name not in words]
        run.__signature__ = taken.replace(parameters=kept)  # type: ignore[attr-defined]
        return run

    return fold
