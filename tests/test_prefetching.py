"""Prefetching: the same items, made on a thread that ends with them."""

from collections.abc import Iterator
import gc
from itertools import count
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

from fnmlp.data import prefetch

WAIT = 30
"""Seconds after which a test gives up waiting for what must happen."""


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "fnmlp prefetch"]


@pytest.mark.parametrize("buffer", [1, 3, 100])
def test_items_pass_in_order_and_the_thread_ends_with_them(buffer: int) -> None:
    assert list(prefetch(iter(range(20)), buffer=buffer)) == list(range(20))
    assert not threads()


def test_no_thread_starts_before_the_first_item_is_asked_for() -> None:
    items = prefetch(count())
    assert not threads()
    next(items)
    assert len(threads()) == 1
    del items
    assert not threads()


@pytest.mark.parametrize("buffer", [1, 4])
def test_no_more_items_are_made_ahead_than_the_buffer_holds(buffer: int) -> None:
    made, full = list[int](), threading.Event()

    def source() -> Iterator[int]:
        for number in count():
            made.append(number)
            if number == 2 + buffer:
                full.set()
            yield number

    items = prefetch(source(), buffer=buffer)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    assert full.wait(WAIT)
    assert not threading.Event().wait(0.02)  # time for one too many
    assert len(made) == 3 + buffer
    items.close()  # type: ignore[attr-defined]
    assert not threads()


def test_an_error_comes_after_the_items_before_it() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise ValueError("the disk is gone")

    items = prefetch(source())
    assert next(items) == 1
    with pytest.raises(ValueError, match="the disk is gone"):
        next(items)
    assert not threads()
    assert list(items) == []


def test_a_consumer_that_fails_leaves_no_thread() -> None:
    def consume() -> None:
        for number in prefetch(count()):
            assert number < 3

    with pytest.raises(AssertionError):
        consume()
    gc.collect()
    assert not threads()


def test_items_are_made_under_the_settings_of_their_consumer() -> None:
    def source() -> Iterator[Any]:
        yield np.float64(1) / np.float64(0)

    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        next(prefetch(source()))


class Ring:
    """Refers to itself, so that only the garbage collector frees it."""


def test_an_iterator_that_the_garbage_collector_finds_on_the_thread_is_closed_there() -> None:
    dropped, collected = threading.Event(), threading.Event()

    def source() -> Iterator[int]:
        yield 0
        dropped.wait(WAIT)
        gc.collect()
        collected.set()
        yield 1

    ring: Any = Ring()
    ring.itself, ring.items = ring, prefetch(source())
    next(ring.items)
    (thread,) = threads()
    gc.disable()
    try:
        del ring
        dropped.set()
        assert collected.wait(WAIT)
    finally:
        gc.enable()
    thread.join(WAIT)
    assert not thread.is_alive()


def test_a_program_ends_with_an_iterator_that_it_never_closed() -> None:
    program = "from itertools import count; from fnmlp.data import prefetch; a = prefetch(count()); print(next(a))"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert (finished.stdout, finished.stderr) == ("0\n", "")
