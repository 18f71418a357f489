"""A timed process in which one library does one work: `python -m benchmark.serving LIBRARY WORK FILE`.

It keeps its data and state. For each request, a line of JSON, it does the work and answers with another line.
"""

from collections.abc import Mapping
import json
import os
from pathlib import Path
import sys
from time import perf_counter
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

from benchmark.peers import LIBRARIES
from benchmark.pieces import pieces
from benchmark.saved_data import load_data
from benchmark.work import Peer, Work, start_of
import fnmlp as fn

Message: TypeAlias = Mapping[str, Any]
STATUS = Path("/proc/self/status")
"""Linux's report on this process, including its memory."""


@frozen(eq=False)
class Timed:
    """A work in a process: its peer, the images to predict, and the number to train on."""

    work: Work
    path: Path
    peer: Peer
    images: fn.Array
    rows: int


def serve(library: str, work: Work, path: Path) -> None:
    """Answer each line on stdin until they end; an error is the last answer."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # keep what libraries print out of the answers
    try:
        timed = begun(library, work, path)
        state = timed.peer.start
        for line in sys.stdin:
            state, answer = answered(timed, state, json.loads(line))
            print(json.dumps(answer), file=answers, flush=True)
    except Exception as error:  # noqa: BLE001 (whatever it is, the other end says it)
        print(json.dumps({"error": f"{type(error).__name__}: {fn.one_line(error)}"}), file=answers, flush=True)


def begun(library: str, work: Work, path: Path) -> Timed:
    """Build a work in a library; keep only the data that it needs."""
    data = load_data(path)
    return Timed(work, path, LIBRARIES[library].build(work, data), data.test.inputs, len(data.train))


def answered(timed: Timed, state: Any, request: Message) -> tuple[Any, Message]:
    """Do what a request asks for; return the new state and the answer."""
    match request["ask"]:
        case "epoch":
            return epoch(timed, state, request)
        case "profile":
            return state, profile(timed, request)
        case "predict":
            return state, predict(timed, state, request)
        case "memory":
            return state, memory()
    return state, {"pools": pools()}


def steps_of(timed: Timed, batches: int | None) -> int:
    """Return how many batches an epoch has."""
    whole = -(-timed.rows // timed.work.batch_size)
    return whole if batches is None else min(whole, batches)


def epoch(timed: Timed, state: Any, request: Message) -> tuple[Any, Message]:
    """Train for an epoch; return its time."""
    began = perf_counter()
    state = timed.peer.epoch(state, request["number"], request["batches"])
    return state, {"seconds": perf_counter() - began, "of": steps_of(timed, request["batches"])}


def predict(timed: Timed, state: Any, request: Message) -> Message:
    """Predict this many rows at a time, other ones each time; return the time."""
    rows, calls = request["rows"], request["calls"]
    pixels = timed.images.take(np.arange(rows * calls) % len(timed.images), axis=0)
    held = [timed.peer.hold(part) for part in np.split(pixels, calls)]
    began = perf_counter()
    for part in held:
        timed.peer.predict(state, part)
    return {"seconds": perf_counter() - began, "of": calls}


def profile(timed: Timed, request: Message) -> Message:
    """Take the steps of an epoch piece by piece; return the time of each piece."""
    work, data, batches = timed.work, load_data(timed.path), request["batches"]
    _, seconds = pieces(work, data, start_of(work, data), request["number"], batches)
    return {"pieces": seconds, "of": steps_of(timed, batches)}


def memory() -> Message:
    """Return this process's resident memory in MB: the peak so far, and now.

    `getrusage` would also count the process before it became this program.
    """
    lines = STATUS.read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[field].split()[0]) * 1024 / 1e6 for name, field in (("peak", "VmHWM"), ("now", "VmRSS"))}


def pools() -> list[str]:
    """Name the thread pools of this process, such as OpenBLAS's with its kernel; none without threadpoolctl."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return []
    words = ("internal_api", "version", "architecture")
    named = (" ".join(str(pool[word]) for word in words if pool.get(word)) for pool in threadpool_info())
    threads = (pool["num_threads"] for pool in threadpool_info())
    return [f"{name}, threads: {count}" for name, count in zip(named, threads, strict=True)]


if __name__ == "__main__":
    serve(sys.argv[1], Work(**json.loads(sys.argv[2])), Path(sys.argv[3]))
