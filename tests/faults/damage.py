"""Trials of readers with damaged files, cut at every length or with one bit flipped."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import process_time
import tracemalloc

from attrs import frozen

from tests.faults.processes import new_folder
from tests.faults.sound import Found, Sound, put

CAP = 2**18
"""Bytes that reading may take beyond twice the file: two pieces of 64 KiB for gzip, and as much for Python."""

SLOW = 0.1
"""Processor seconds that reading may take. A clock would count other programs too."""


@frozen
class Report:
    """The outcomes of damage to a file.

    `harms`      the number of trials. The first reads the file as it is; the others cut it or flip a bit.
    `refused`    trials that raised the reader's error.
    `unchanged`  trials that read what was written, because no reader looks at the damaged byte.
    `described`  trials that read the other array that a damaged raw file describes; it has no checksum.
    `silent`     trials that read anything else.
    `foreign`    trials that raised another error.
    `greedy`     trials that took more memory than twice the file plus CAP.
    `slow`       trials that took longer than SLOW.
    `memory`     the most bytes that a trial took beyond twice the file.
    `seconds`    the most processor time that a trial took.
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
    """Damage a file in every way, or in every n-th, and read it each time."""
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
    """Yield bytes unchanged, then cut at every length, then with each bit flipped; or every n-th of these.

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
    except Exception:  # noqa: BLE001 (the trial looks for these)
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
