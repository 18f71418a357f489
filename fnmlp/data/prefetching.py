"""Prefetching: the next items are made on a thread while you use the last one."""

from collections.abc import Iterable, Iterator
from contextvars import copy_context
from queue import SimpleQueue
from threading import Event, Semaphore, Thread, current_thread
from typing import Any, SupportsIndex, TypeVar

from fnmlp.checks import as_iterator
from fnmlp.scalars import as_count

__all__ = ["prefetch"]

Item = TypeVar("Item")

_END = object()


def prefetch(items: Iterable[Item], *, buffer: SupportsIndex = 1) -> Iterator[Item]:
    """Pass items on, and make up to `buffer` of the next ones on a thread meanwhile.

    The items and their order stay the same. The thread starts with the first item that you ask for. It ends with the
    last item, when an error occurs, which you get in its place, and when you close the iterator or drop it; then you
    wait for the item that is being made.
    Raises:   OptionError unless `buffer` is at least 1; StructureError unless the items are iterable; whatever making
              an item raises.

    >>> list(prefetch(range(3)))
    [0, 1, 2]
    """
    return _passed_on(as_iterator("prefetch(items)", items, "items"), as_count("prefetch(buffer)", buffer))


def _passed_on(items: Iterator[Item], buffer: int) -> Iterator[Item]:
    made: SimpleQueue[Any] = SimpleQueue()
    room, stopped = Semaphore(buffer), Event()
    # A daemon, so that a program can end with an iterator that it never closed.
    work = _fill, items, made, room, stopped
    thread = Thread(target=copy_context().run, args=work, name="fnmlp prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is not None:
                raise error
            if item is _END:
                return
            room.release()
            yield item
    finally:
        stopped.set()
        room.release()
        if thread is not current_thread():  # on which the garbage collector may find an iterator that you dropped
            thread.join()


def _fill(items: Iterator[Any], made: "SimpleQueue[Any]", room: Semaphore, stopped: Event) -> None:
    """Put items into a queue as (item, None) whenever there is room; put an error as (None, error)."""
    try:
        while True:
            room.acquire()
            if stopped.is_set():
                return
            item = next(items, _END)
            made.put((item, None))
            if item is _END:
                return
            del item  # the consumer alone holds it while this thread waits
    except BaseException as error:  # noqa: BLE001 (the consumer raises it)
        made.put((None, error))
