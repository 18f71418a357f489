"""Both ends of the pipe between benchmark.py and the processes that it times, each of one library doing one work.

A process keeps its data and its state, does what a line of JSON asks for, answers with another, and sleeps.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
import json
import os
from pathlib import Path
from subprocess import PIPE, Popen
import sys
from tempfile import TemporaryFile
from time import perf_counter
from typing import IO, Any, TypeAlias

from attrs import asdict
import numpy as np

from benchmark_peers import LIBRARIES
from benchmark_profile import pieces
from benchmark_work import Peer, Work, start_of
import fnmlp as fn
from fnmlp.arrays import read_only
from fnmlp.data import Dataset

Message: TypeAlias = Mapping[str, Any]
Ask: TypeAlias = Callable[[Message], Message]

REMEDY = "repair it, choose smaller sizes, or name the other libraries with --library"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
KERNEL_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""What makes OpenBLAS use other kernels than the fastest that it has for a machine."""
STATUS = Path("/proc/self/status")
"""What Linux says of a process, its memory among it."""


def cores() -> tuple[int, ...]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def environment(threads: int) -> dict[str, str]:
    """Return the environment variables of this process, but with so many threads and without pinned kernels."""
    kept = {name: value for name, value in os.environ.items() if name not in KERNEL_VARIABLES}
    return kept | dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"JAX_PLATFORMS": "cpu"}


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Let processes that are started within have so many cores: JAX takes as many threads as it has cores."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    every = cores()
    os.sched_setaffinity(0, every[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, every)


@contextmanager
def process(library: str, work: Work, threads: int, data: Path) -> Iterator[Ask]:
    """Start a library on a work, in a process that ends with the context; yield the function that asks it."""
    command = [sys.executable, __file__, library, json.dumps(asdict(work)), str(data)]
    with TemporaryFile() as errors:
        with on_cores(threads):
            # Unbuffered, so that nothing is left to be written to a process that has ended.
            child = Popen(  # noqa: S603 (this very file)
                command, bufsize=0, stdin=PIPE, stdout=PIPE, stderr=errors, env=environment(threads)
            )
        with child:
            try:
                yield partial(_ask, LIBRARIES[library].title, child, errors)
            finally:
                child.kill()


def _ask(title: str, child: Any, errors: IO[bytes], request: Message) -> Message:
    """Send a request, and wait for the answer to it."""
    with suppress(BrokenPipeError):  # it has ended: why is found out below
        child.stdin.write(json.dumps(request).encode() + b"\n")
    line = child.stdout.readline()
    answer: Message = json.loads(line) if line else {"error": _last_words(child, errors)}
    if "error" in answer:
        raise fn.FnmlpError(title, f"an answer to {request['ask']!r}", answer["error"], REMEDY)
    return answer


def _last_words(child: Any, errors: IO[bytes]) -> str:
    status = f"exit status {child.wait()}"
    errors.seek(0)
    return next(reversed(errors.read().decode(errors="replace").split("\n")[:-1]), status)


def save_data(path: Path, data: Dataset) -> None:
    """Write a data set for the processes, so that each reads it in the same way, and loads nothing else to do so."""
    np.savez(
        path,
        train_images=data.train.inputs,
        train_labels=data.train.targets,
        test_images=data.test.inputs,
        test_labels=data.test.targets,
        white=data.white,
        classes=data.classes,
    )


def load_data(path: Path) -> Dataset:
    """Read a data set that `save_data` wrote."""
    with np.load(path) as file:
        arrays = {name: read_only(file[name]) for name in file.files}
    train, test = (fn.Batch(arrays[f"{part}_images"], arrays[f"{part}_labels"]) for part in ("train", "test"))
    return Dataset(path.stem, train, test, tuple(arrays["classes"].tolist()), int(arrays["white"]))


def serve(library: str, work: Work, path: Path) -> None:
    """Be a process: answer each line on stdin, until there are no more; an error is the last answer."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    try:
        data = load_data(path)
        peer, images, rows = LIBRARIES[library].build(work, data), data.test.inputs, len(data.train)
        del data  # the peer has kept what it needs of it
        state = peer.start
        for line in sys.stdin:
            request = json.loads(line)
            match request["ask"]:
                case "epoch":
                    state, answer = epoch(peer, state, request)
                    answer |= {"of": steps_of(work, rows, request["batches"])}
                case "profile":
                    answer = profile(work, load_data(path), request)
                case "predict":
                    answer = predict(peer, state, images, request)
                case "memory":
                    answer = memory()
                case _:
                    answer = {"pools": pools()}
            print(json.dumps(answer), file=answers, flush=True)
    except Exception as error:  # noqa: BLE001 (whatever it is, the other end says it)
        print(json.dumps({"error": f"{type(error).__name__}: {fn.one_line(error)}"}), file=answers, flush=True)


def steps_of(work: Work, rows: int, batches: int | None) -> int:
    """Return how many batches an epoch has."""
    whole = -(-rows // work.batch_size)
    return whole if batches is None else min(whole, batches)


def epoch(peer: Peer, state: Any, request: Message) -> tuple[Any, dict[str, Any]]:
    """Train for an epoch, and say how long that took."""
    began = perf_counter()
    state = peer.epoch(state, request["number"], request["batches"])
    return state, {"seconds": perf_counter() - began}


def predict(peer: Peer, state: Any, images: fn.Array, request: Message) -> dict[str, Any]:
    """Predict so many rows at a time, each time others, and say how long that took."""
    rows, calls = request["rows"], request["calls"]
    pixels = images.take(np.arange(rows * calls) % len(images), axis=0)
    held = [peer.hold(part) for part in np.split(pixels, calls)]
    began = perf_counter()
    for part in held:
        peer.predict(state, part)
    return {"seconds": perf_counter() - began, "of": calls}


def profile(work: Work, data: Dataset, request: Message) -> dict[str, Any]:
    """Take the steps of an epoch piece by piece, and say how long each piece took."""
    _, seconds = pieces(work, data, start_of(work, data), request["number"], request["batches"])
    return {"pieces": seconds, "of": steps_of(work, len(data.train), request["batches"])}


def memory() -> dict[str, float]:
    """Say how much memory this process has resident, in MB: at most so far, and now.

    `getrusage` would count what the process was before it became this program.
    """
    lines = STATUS.read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[field].split()[0]) * 1024 / 1e6 for name, field in (("peak", "VmHWM"), ("now", "VmRSS"))}


def pools() -> list[str]:
    """Name the thread pools of this process, such as that of OpenBLAS and its kernel; none without threadpoolctl."""
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
