"""Work of a compiler in a thread of its own, so that signals are heeded meanwhile."""

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial, wraps
from threading import Thread
from threading import enumerate as threads
from typing import Any, TypeVar

Work = TypeVar("Work", bound=Callable[..., Any])

NAME = "work that can't be interrupted"


def interruptible(work: Work) -> Work:
    """Return a function that waits for the work in another thread.

    A signal's handler runs between two lines of Python. A compiler may take seconds from one line to the next, and an
    exception that a handler raises inside such a library ends the process. Whoever waits has neither trouble.
    """

    @wraps(work)
    def wait(*arguments: Any, **options: Any) -> Any:
        done: Future[Any] = Future()
        Thread(
            target=_do, args=(done, partial(copy_context().run, work, *arguments, **options)), name=NAME, daemon=True
        ).start()
        return done.result()

    return wait  # type: ignore[return-value]


def _do(done: "Future[Any]", work: Callable[[], Any]) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is raised where the result is waited for)
        done.set_exception(error)


def is_left_behind() -> bool:
    """Tell whether work goes on that nobody waits for any more."""
    return any(thread.name == NAME for thread in threads())
