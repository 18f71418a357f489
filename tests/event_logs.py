"""Event files read by other means than those that wrote them: tensorboardX's messages and checksums."""

from collections.abc import Iterator
from pathlib import Path
from struct import unpack
from typing import Any

import pytest


def events_in(folder: Path) -> Iterator[Any]:
    """Yield the events of a folder in the order in which TensorBoard reads them; every record must be whole."""
    messages = pytest.importorskip("tensorboardX.proto.event_pb2", reason="tensorboardX reads events")
    checksum = pytest.importorskip("tensorboardX.record_writer").masked_crc32c
    for path in sorted(folder.iterdir()):
        content = path.read_bytes()
        while content:
            [length], [mark] = unpack("<Q", content[:8]), unpack("<I", content[8:12])
            assert mark == checksum(content[:8])
            event, [mark] = content[12 : 12 + length], unpack("<I", content[12 + length : 16 + length])
            assert mark == checksum(event)
            content = content[16 + length :]
            yield messages.Event.FromString(event)


def values_in(folder: Path) -> dict[str, list[tuple[int, Any]]]:
    """Return the steps and values under each tag, in the order in which they were written."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for event in events_in(folder):
        for value in event.summary.value:
            kind = value.WhichOneof("value")
            found.setdefault(value.tag, []).append((event.step, getattr(value, kind)))
    return found


def points_in(folder: Path) -> dict[str, list[tuple[int, Any]]]:
    """Return the steps and values under each tag as plain data, which can be compared."""
    return {
        tag: [(step, value if isinstance(value, float) else value.SerializeToString()) for step, value in pairs]
        for tag, pairs in values_in(folder).items()
    }
