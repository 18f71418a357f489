"""Events as TensorBoard reads them: messages in the wire format of protocol buffers.

Source:   tensorflow/core/util/event.proto and tensorflow/core/framework/summary.proto;
          https://protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Iterable
from itertools import takewhile
from struct import pack

import numpy as np

from fnmlp.arrays import Array
from fnmlp.reports import png

VARINT, DOUBLE, BYTES, FLOAT = 0, 1, 2, 5
"""The ways in which a field is written; the last three bits of its head."""

BINS = 64
"""The number of bins of a histogram, all of one width."""
LARGEST = 1e150
"""Larger numbers, whose squares can't be summed up, are left out of a histogram, like those that are not finite."""


def beginning(seconds: float) -> bytes:
    """Return the event that every file begins with: the version of the format."""
    return double(1, seconds) + text(3, "brain.Event:2")


def restart(seconds: float, step: int) -> bytes:
    """Return an event that makes a reader forget what it knows of a step and of later ones: the run takes them anew."""
    return double(1, seconds) + integer(2, step) + nested(7, integer(1, 1))


def summary(seconds: float, step: int, values: Iterable[bytes]) -> bytes:
    """Return the event that holds the values of a step."""
    return double(1, seconds) + integer(2, step) + nested(5, b"".join(nested(1, value) for value in values))


def scalar(tag: str, number: float) -> bytes:
    """Return a number under a tag."""
    with np.errstate(over="ignore", under="ignore"):
        return text(1, tag) + head(2, FLOAT) + pack("<f", np.float32(number))


def histogram(tag: str, numbers: Array) -> bytes:
    """Return the histogram of the finite ones of some numbers under a tag, or nothing if there are none."""
    wide = np.asarray(numbers, np.float64).reshape(-1)
    x = wide[np.abs(wide) <= LARGEST]
    if not x.size:
        return b""
    low, high = float(x.min()), float(x.max())
    counts, limits = np.array([x.size]), np.array([high])
    if high - low > 1e-12 * max(-low, high, 1e-280):  # otherwise they are too close to tell bins apart
        counts, edges = np.histogram(x, BINS)
        limits = edges[1:]
    ends = low, high, float(x.size), float(x.sum()), float(x @ x)
    told = b"".join(double(field, end) for field, end in enumerate(ends, start=1))
    return text(1, tag) + nested(5, told + doubles(6, limits) + doubles(7, counts))


def picture(tag: str, image: Array) -> bytes:
    """Return an image of grey levels under a tag."""
    height, width = image.shape
    return text(1, tag) + nested(4, integer(1, height) + integer(2, width) + integer(3, 1) + nested(4, png(image)))


def head(field: int, way: int) -> bytes:
    """Return what a field begins with: its number, and the way in which it is written."""
    return varint(field << 3 | way)


def varint(number: int) -> bytes:
    r"""Write a natural number with seven bits a byte, the lowest first.

    >>> varint(1), varint(300)
    (b'\x01', b'\xac\x02')
    """
    groups = []
    while number > 127:
        groups.append(number & 127 | 128)
        number >>= 7
    return bytes([*groups, number])


def integer(field: int, number: int) -> bytes:
    """Return a field with a natural number."""
    return head(field, VARINT) + varint(number)


def double(field: int, number: float) -> bytes:
    """Return a field with a number."""
    return head(field, DOUBLE) + pack("<d", number)


def doubles(field: int, numbers: Array) -> bytes:
    """Return a field with many numbers."""
    return nested(field, np.asarray(numbers, "<f8").tobytes())


def text(field: int, letters: str) -> bytes:
    """Return a field with a text."""
    return nested(field, letters.encode(errors="backslashreplace"))


def nested(field: int, content: bytes) -> bytes:
    """Return a field with a message of its own, or with bytes."""
    return head(field, BYTES) + varint(len(content)) + content


def step_of(event: bytes) -> int:
    """Return the step of an event that `summary` or `restart` made, or -1 of one without a step.

    >>> step_of(summary(1.5, 300, [])), step_of(beginning(1.5))
    (300, -1)
    """
    if event[9:10] != head(2, VARINT):
        return -1
    groups = [*takewhile(lambda byte: byte > 127, event[10:20])]
    return sum((byte & 127) << 7 * place for place, byte in enumerate([*groups, *event[10 + len(groups) :][:1]]))
