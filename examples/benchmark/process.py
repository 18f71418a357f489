"""Start the processes that the benchmark times, send them requests, and end them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
import json
import os
from pathlib import Path
from subprocess import PIPE, Popen
import sys
from tempfile import TemporaryFile
from typing import IO, Any, TypeAlias

from attrs import asdict

from benchmark.peers import LIBRARIES
from benchmark.serving import Message
from benchmark.work import Work
import fnmlp as fn

Ask: TypeAlias = Callable[[Message], Message]

EXAMPLES = str(Path(__file__).resolve().parents[1])
"""The folder that contains the package `benchmark`."""
REMEDY = "repair it, choose smaller sizes, or name the other libraries with --library"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
KERNEL_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
"""Environment variables that make OpenBLAS use other kernels than its fastest for this machine."""


def cores() -> tuple[int, ...]:
    """Return the numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def environment(threads: int) -> dict[str, str]:
    """Return this process's environment variables with another number of threads, and without pinned kernels."""
    kept = {name: value for name, value in os.environ.items() if name not in KERNEL_VARIABLES}
    return kept | dict.fromkeys(THREAD_VARIABLES, str(threads)) | {"JAX_PLATFORMS": "cpu"}


@contextmanager
def on_cores(count: int) -> Iterator[None]:
    """Limit the cores of processes that are started inside: JAX uses as many threads as cores."""
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
    """Start a library on a work, in a process that ends with the context; yield the function that sends it requests."""
    command = [sys.executable, "-P", "-m", "benchmark.serving", library, json.dumps(asdict(work)), str(data)]
    path = os.pathsep.join(filter(None, (EXAMPLES, os.environ.get("PYTHONPATH"))))
    variables = environment(threads) | {"PYTHONPATH": path}
    with TemporaryFile() as errors:
        with on_cores(threads):
            # Unbuffered, so that nothing is left to write once the process has ended.
            child = Popen(command, bufsize=0, stdin=PIPE, stdout=PIPE, stderr=errors, env=variables)  # noqa: S603 (ours)
        with child:
            try:
                yield partial(_ask, LIBRARIES[library].title, child, errors)
            finally:
                child.kill()


def _ask(title: str, child: Any, errors: IO[bytes], request: Message) -> Message:
    """Send a request, and wait for the answer."""
    with suppress(BrokenPipeError):  # it has ended; the lines below find out why
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
