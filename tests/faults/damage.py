"""Trials of readers with damaged files: cut at every length, and with every single bit flipped."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import process_time
import tracemalloc

from attrs import frozen

from tests.faults.processes import new_folder
from tests.faults.sound import Found, Sound, put

CAP = 2**18
"""Bytes that reading may take beside twice the file: gzip's two pieces of 64 KiB, and as much for Python's own."""

SLOW = 0.1
"""Seconds of the processor that reading may take; those of a clock would tell what else the machine does."""


@frozen
class Report:
    """What the harm that was done to a file came to.

    `harms`      times that the file was cut, or that a bit of it was flipped; the first time, neither.
    `refused`    times that the one error was raised.
    `unchanged`  times that what had been written was read: the harm is in what nobody reads.
    `described`  times that another array was read, the very one that a raw file now describes; its digest tells.
    `silent`     times that anything else was read.
    `foreign`    times that another error was raised.
    `greedy`     times that reading took more memory than twice the file and CAP.
    `slow`       times that it took longer than SLOW.
    `memory`     the most bytes that it took beside twice the file.
    `seconds`    the longest that it took, of the processor's time.
    """

    harms: int
    refused: int
    unchanged: int
    described: int
    silent: int
    foreign: int
    greedy: int
    slow: int
    memory: int
    seconds: float


BROKEN = ("silent", "foreign", "greedy", "slow")
"""The counts that must be 0."""


@frozen
class _Trial:
    outcome: str
    memory: int
    seconds: float


def harm_file(sound: Sound, every: int = 1) -> Report:
    """Do all harm to a file, or every so-manieth, and read what is left of it."""
    with new_folder() as folder:
        path = folder / sound.name
        put(path, sound.content)
        whole = sound.read(path)
        tracemalloc.start()
        try:
            trials = [_trial(sound, whole, path, content) for content in harms(sound.content, every)]
        finally:
            tracemalloc.stop()
    outcomes = Counter(trial.outcome for trial in trials)
    return Report(
        harms=len(trials),
        refused=outcomes["refused"],
        unchanged=outcomes["unchanged"],
        described=outcomes["described"],
        silent=outcomes["silent"],
        foreign=outcomes["foreign"],
        greedy=sum(trial.memory > CAP for trial in trials),
        slow=sum(trial.seconds > SLOW for trial in trials),
        memory=max(trial.memory for trial in trials),
        seconds=round(max(trial.seconds for trial in trials), 4),
    )


def harms(content: bytes, every: int = 1) -> Iterator[bytes]:
    """Leave bytes alone, then cut them at every length, then flip every bit; or every so-manieth.

    >>> list(harms(b"a", 3))
    [b'a', b'', b'`', b'i', b'!']
    """
    yield content
    for length in range(0, len(content), every):
        yield content[:length]
    for bit in range(0, 8 * len(content), every):
        place = bit // 8
        yield content[:place] + bytes([content[place] ^ 1 << bit % 8]) + content[place + 1 :]


def _trial(sound: Sound, whole: Found, path: Path, content: bytes) -> _Trial:
    put(path, content)
    tracemalloc.reset_peak()
    before, began = tracemalloc.get_traced_memory()[0], process_time()
    found, outcome = None, "read"
    try:
        found = sound.read(path)
    except sound.error:
        outcome = "refused"
    except Exception:  # noqa: BLE001 (it is what is looked for)
        outcome = "foreign"
    seconds = process_time() - began
    memory = tracemalloc.get_traced_memory()[1] - before - 2 * sound.size
    if found is not None:
        outcome = _meaning(sound, whole, found, content)
    return _Trial(outcome, memory, seconds)


def _meaning(sound: Sound, whole: Found, found: Found, content: bytes) -> str:
    if found == whole:
        return "unchanged"
    return "described" if found == sound.described(content) else "silent"
