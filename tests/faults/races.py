"""Processes that all save under one name, or download into one cache, at the same moment."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
import gzip
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import os
from pathlib import Path
import signal
import traceback
from typing import TypeAlias, TypeVar

from attrs import evolve, frozen
import numpy as np

import fnmlp as fn
from fnmlp.data.cache import SCRATCH, read_verified, sha256_of_idx
from fnmlp.data.download import download
from fnmlp.data.idx import encode_header
from fnmlp.key import Key, fold_in, generator
from fnmlp.tree import Tree
from tests.faults.processes import new_folder, wait

PROCESSES = 16

Seen = TypeVar("Seen")
Job: TypeAlias = Callable[[], object]


def together(jobs: Sequence[Job], look: Callable[[Seen], Seen], seen: Seen) -> tuple[int, Seen]:
    """Start each job at one moment in a process of its own, and look at the results until all have ended.

    Return the number of processes that failed, and what was seen.
    """
    gate, hold = os.pipe()
    running = [_fork(partial(_wait_and_do, gate, hold, job)) for job in jobs]
    os.close(gate)
    os.close(hold)
    failed = 0
    while running:
        seen = look(seen)
        ended = dict(os.waitpid(child, os.WNOHANG) for child in running)  # 0 for those that have not
        failed += sum(status != 0 for status in ended.values())
        running = [child for child in running if child not in ended]
    return failed, look(seen)


def _wait_and_do(gate: int, hold: int, job: Job) -> None:
    """Wait until the last writer of a pipe has closed it, which all readers see at once."""
    os.close(hold)
    os.read(gate, 1)
    job()


def _fork(job: Job) -> int:
    if child := os.fork():
        return child
    status = 1
    try:
        job()
        status = 0
    except BaseException:  # noqa: BLE001 (the parent's code must not run in the child too)
        traceback.print_exc()
    finally:
        os._exit(status)


# Saves under one name.


@frozen
class Saves:
    """The outcomes of saves under one name; all counts but the first three must be 0.

    `rounds`      rounds of 16 processes that each saved a state.
    `saves`       all saves.
    `loads`       loads of a whole state while others saved. An earlier one may be missing for a moment.
    `failed`      processes whose save raised an error.
    `missing`     times when no file had the name.
    `unreadable`  times when the file, or an earlier one, could not be loaded.
    `mixed`       times when a file held none of the states that were saved.
    `strays`      files left beside it.
    """

    rounds: int = 0
    saves: int = 0
    loads: int = 0
    failed: int = 0
    missing: int = 0
    unreadable: int = 0
    mixed: int = 0
    strays: int = 0


def race_saves(rounds: int, keep: int) -> Saves:
    """Let 16 processes save under one name at once, and load the file all the while; repeat."""
    with new_folder() as folder:
        path = folder / "state"
        names = [path, *(Path(f"{path}.{number}") for number in range(1, keep))]
        fn.save(path, _state(0), {})
        report = Saves()
        for number in range(rounds):
            marks = range(1 + number * PROCESSES, 1 + (number + 1) * PROCESSES)
            jobs = [partial(_save, path, mark, keep) for mark in marks]
            failed, report = together(jobs, partial(_load_each, names, range(marks.stop)), report)
            report = _load(path, marks, report)  # all have saved, so no state of an earlier round is left
            left = len({path.name for path in folder.iterdir()} - {name.name for name in names})
            report = evolve(
                report,
                rounds=report.rounds + 1,
                saves=report.saves + PROCESSES,
                failed=report.failed + failed,
                strays=report.strays + left,
            )
    return report


def _state(mark: int) -> Tree:
    """Make a state whose every number shows which one it is; neighbours differ in size."""
    return np.full((1 + mark % PROCESSES, 1000), mark, np.float32), (np.full(7, mark, np.float32), mark)


def _save(path: Path, mark: int, keep: int) -> None:
    """Save a state with `save`, or with `checkpoints` as in training."""
    os.fsync = lambda fd: None  # noqa: ARG005 (waiting for the disk would only keep the processes apart)
    if mark % 2:
        fn.save(path, _state(mark), {})
        return
    for _ in fn.checkpoints([_state(0), _state(mark)], path, steps=1, keep=keep):
        pass


def _load_each(names: Sequence[Path], marks: range, report: Saves) -> Saves:
    newest, *earlier = names
    report = _load(newest, marks, report)
    for path in earlier:
        report = evolve(_load(path, marks, report), missing=report.missing)
    return report


def _load(path: Path, marks: range, report: Saves) -> Saves:
    try:
        leaves = fn.load(path).leaves
    except fn.CheckpointError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return evolve(report, missing=report.missing + 1)
        return evolve(report, unreadable=report.unreadable + 1)
    mark = leaves["[1][1]"]
    whole = mark in marks and fn.tree_equal((leaves["[0]"], (leaves["[1][0]"], mark)), _state(mark))
    return evolve(report, loads=report.loads + whole, mixed=report.mixed + (not whole))


# Downloads into one cache.


@frozen
class Downloads:
    """The outcomes of downloads into one cache; all counts but the first three must be 0.

    `rounds`     rounds of 16 processes that filled one empty cache.
    `downloads`  all downloads.
    `reads`      reads of a whole file while others downloaded.
    `failed`     processes that ended with an error, or without all files verified.
    `spoiled`    times when a file under its final name was not whole.
    `strays`     files and folders left beside them.
    """

    rounds: int = 0
    downloads: int = 0
    reads: int = 0
    failed: int = 0
    spoiled: int = 0
    strays: int = 0


def race_downloads(rounds: int) -> Downloads:
    """Let 16 processes download into one cache at once, and read its files all the while; repeat."""
    import pooch  # noqa: F401 (here, so that not each process has to)
    import requests  # noqa: F401

    arrays = [
        generator(fold_in(Key(0), number)).integers(0, 256, (20 + number, 30, 30), np.uint8) for number in range(4)
    ]
    digests = {f"part-{number}": sha256_of_idx(array) for number, array in enumerate(arrays)}
    bodies = {
        f"/{name}.gz": gzip.compress(encode_header(array) + array.tobytes())
        for name, array in zip(digests, arrays, strict=True)
    }
    report = Downloads()
    with _served(bodies) as url:
        for _ in range(rounds):
            with new_folder() as folder:
                cache = folder / "cache"
                (cache / f"{SCRATCH}of-a-killed-process" / "0").mkdir(parents=True)
                cache.chmod(0o700)
                mirrors = [(url,), (f"{url}cut/", url)]
                jobs = [partial(_download, mirrors[number % 2], cache, digests) for number in range(PROCESSES)]
                failed, report = together(jobs, partial(_read_each, cache, digests), report)
                report = evolve(
                    report,
                    rounds=report.rounds + 1,
                    downloads=report.downloads + PROCESSES,
                    failed=report.failed + failed,
                    strays=report.strays + len({path.stem for path in cache.iterdir()} ^ set(digests)),
                )
    return report


def _download(mirrors: tuple[str, ...], cache: Path, digests: Mapping[str, str]) -> None:
    os.environ["NO_PROXY"] = "*"
    files = download(mirrors, cache, digests)
    assert files.keys() == digests.keys()
    for name, path in files.items():
        read_verified(path, digests[name])


def _read_each(cache: Path, digests: Mapping[str, str], report: Downloads) -> Downloads:
    for name, digest in digests.items():
        if (cache / f"{name}.gz").exists():
            try:
                read_verified(cache / f"{name}.gz", digest)
                report = evolve(report, reads=report.reads + 1)
            except fn.DataError:
                report = evolve(report, spoiled=report.spoiled + 1)
    return report


@contextmanager
def _served(bodies: Mapping[str, bytes]) -> Iterator[str]:
    """Serve files from a process of its own; below `cut/` only the first half of each."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = bodies[self.path.removeprefix("/cut")]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if self.path.startswith("/cut") else body)

        def log_message(self, *_: object) -> None:
            """Say nothing on stderr."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as server:
        process = _fork(server.serve_forever)
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            os.kill(process, signal.SIGKILL)
            wait(process)
