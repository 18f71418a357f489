"""Event files: records with checksums, one after another, so that a reader can follow a file that grows.

Source:   tensorflow/core/lib/io/record_writer.h; the checksum is CRC-32C (RFC 3720, appendix B.4).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import reduce
import os
import socket
from struct import pack, unpack
from time import time

from fnmlp.errors import DataError
from fnmlp.interop.tensorboard.messages import beginning, restart, step_of

PREFIX, SUFFIX = "events.out.tfevents.", ".fnmlp"
"""The names of event files begin with the one; those that this module wrote, and may shorten, end with the other."""


def _halved(crc: int, _: int) -> int:
    return crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)


TABLE = tuple(reduce(_halved, range(8), byte) for byte in range(256))


def checksum(content: bytes) -> int:
    """Return the CRC-32C of some bytes, masked as event files have it.

    >>> hex(checksum(b"123456789"))
    '0xc78ab0e5'
    """
    crc = 0xFFFFFFFF
    for byte in content:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def record(content: bytes) -> bytes:
    """Return a record: the length of its content, the content, and a checksum of each."""
    length = pack("<Q", len(content))
    return length + pack("<I", checksum(length)) + content + pack("<I", checksum(content))


def records(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield where each whole record of a file ends, and its content, up to the first that is damaged or cut off."""
    place = 0
    while len(content) >= place + 16:
        length = content[place : place + 8]
        end = place + 16 + int(unpack("<Q", length)[0])
        if content[place + 8 : place + 12] != pack("<I", checksum(length)) or end > len(content):
            return
        yield end, content[place + 12 : end - 4]
        place = end


def event_files(folder: str) -> list[str]:
    """Return the names of the event files in a folder, in the order in which TensorBoard reads them.

    >>> event_files("no-such-folder")
    []
    """
    with suppress(FileNotFoundError):
        return sorted(name for name in os.listdir(folder) if name.startswith(PREFIX))
    return []


@contextmanager
def event_file(folder: str, step: int) -> Iterator[Callable[[bytes], None]]:
    """Open a new event file for a run that stands at a step, and yield a function that adds an event.

    What earlier files of the folder hold about this step and later ones is dropped, because the run takes these steps
    again. Each event is written at once, so a run that is killed loses none.
    Raises:   DataError if the folder can't be made or written to, also by the function.
    """
    try:
        os.makedirs(folder, exist_ok=True)
        for name in event_files(folder):
            if name.endswith(SUFFIX):
                _cut(os.path.join(folder, name), step)
        file = open(os.path.join(folder, _next_name(folder)), "xb", buffering=0)  # noqa: SIM115 (closed below)
    except OSError as error:
        raise _refused(folder, error) from error

    def add(event: bytes) -> None:
        try:
            file.write(record(event))
        except OSError as error:
            raise _refused(folder, error) from error

    with file:
        add(beginning(time()))
        add(restart(time(), step))
        yield add


def _refused(folder: str, error: OSError) -> DataError:
    remedy = "choose a folder that exists or can be made, and may be written to"
    return DataError(folder, "a folder for event files", error.strerror or error, remedy)


def _cut(path: str, step: int) -> None:
    """Shorten a file to its events before a step, and delete it if there are none."""
    with open(path, "rb") as file:
        content = file.read()
    kept = 0
    for end, event in records(content):
        if step_of(event) >= step:
            break
        kept = end if step_of(event) >= 0 else kept
    if not kept:
        os.unlink(path)
    elif kept < len(content):
        os.truncate(path, kept)


def _next_name(folder: str) -> str:
    """Return a name for the next file, which comes after all others, even if the clock was set back.

    TensorBoard sorts files by their names, and never goes back to an earlier one.
    """
    times = [name.removeprefix(PREFIX).partition(".")[0] for name in event_files(folder)]
    latest = max((int(digits) for digits in times if digits.isdecimal()), default=0)
    return f"{PREFIX}{max(int(time()), latest + 1):010}.{socket.gethostname()}{SUFFIX}"
