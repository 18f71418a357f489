"""Downloads into the user's cache: a file appears only once it is complete and verified."""

from collections.abc import Mapping
import os
from pathlib import Path
import queue
import threading
from typing import Any

from fnmlp.data.cache import make_private, read_verified, scratch_folder
from fnmlp.errors import DataError, DataNotFoundError

ANSWER_SECONDS = 4.0
"""Seconds that a mirror may take to answer, and to send the next piece."""

TOTAL_SECONDS = 600.0
"""Seconds that one file may take."""

SIZE_LIMIT = 64 * 2**20
"""The largest file in bytes; several times the largest of any data set."""


def download(mirrors: tuple[str, ...], folder: Path, digests: Mapping[str, str]) -> Mapping[str, Path]:
    """Download gzipped IDX files with pooch, and verify the SHA-256 of their unpacked bytes.

    The first mirror that serves all of them is used. Several processes may download into one folder at once.
    Raises:   DataNotFoundError if no mirror serves them, with each mirror's reason; DataError if the cache can't be
              written, or others can write to it.
    """
    faults = []
    try:
        make_private(folder)
        with scratch_folder(folder) as scratch:
            for number, mirror in enumerate(mirrors):
                # A mirror that was given up may still send; its files must not replace the next one's.
                own = scratch / str(number)
                try:
                    fetched = {name: _fetch(mirror, name, own, digests[name]) for name in digests}
                except DataError as error:
                    faults.append(f"{mirror}: {error.got}")
                    continue
                return {name: path.replace(folder / path.name) for name, path in fetched.items()}
    except OSError as error:
        remedy = "free the folder, or pass the files with --data-dir"
        raise DataError(str(folder), "a cache that can be written", error.strerror or error, remedy) from error
    raise DataNotFoundError("the mirrors", "one that has the files", "; ".join(faults), "connect to the network")


def _fetch(mirror: str, name: str, scratch: Path, digest: str) -> Path:
    """Download one file and verify it, in its own thread, because resolving a host may hang for minutes."""
    answered = threading.Event()
    outcome: queue.Queue[Path | Exception] = queue.Queue()

    def work() -> None:
        try:
            outcome.put(_retrieve(mirror + name + ".gz", scratch, answered))
        except Exception as error:  # noqa: BLE001 (it is handed to the caller's thread, whatever it is)
            outcome.put(error)
        finally:
            answered.set()

    threading.Thread(target=work, daemon=True).start()
    answered.wait(ANSWER_SECONDS)
    try:
        result = outcome.get(timeout=TOTAL_SECONDS if answered.is_set() else 0.0)
    except queue.Empty:
        got = f"no answer within {ANSWER_SECONDS:g} s" if not answered.is_set() else f"not done in {TOTAL_SECONDS:g} s"
        raise DataError(mirror + name, "the file", got, "try again later") from None
    if isinstance(result, Exception):
        raise DataError(mirror + name, "the file", _reason(result), "try again later") from result
    read_verified(result, digest)
    return result


def _retrieve(url: str, scratch: Path, answered: threading.Event) -> Path:
    import pooch

    pooch.get_logger().setLevel("ERROR")

    # pooch passes its own object as a third argument; its annotations allow only its own downloaders.
    stream: Any = lambda url, file, _: _stream(url, file, answered)  # noqa: E731
    file_name = url.rsplit("/", 1)[1]
    return Path(pooch.retrieve(url, known_hash=None, path=scratch, fname=file_name, downloader=stream))


def _stream(url: str, output_file: str | os.PathLike[str], answered: threading.Event) -> None:
    """Write the body of one response to a file, without redirects (they could leave https) or endless bodies."""
    import requests

    with requests.get(url, stream=True, timeout=ANSWER_SECONDS, allow_redirects=False) as answer:
        answered.set()
        if answer.status_code != requests.codes.ok:
            raise ConnectionError(f"HTTP status {answer.status_code}")
        received = 0
        with open(output_file, "wb") as file:
            for piece in answer.iter_content(2**16):
                received += len(piece)
                if received > SIZE_LIMIT:
                    raise ConnectionError(f"more than {SIZE_LIMIT} bytes")
                file.write(piece)


def _reason(error: Exception) -> str:
    """Say in a few words why a connection failed; the library's own message is full of object names."""
    text = str(error)
    known = {
        "resolve": "the host's name can't be resolved",
        "timed out": "no answer in time",
        "refused": "connection refused",
        "unreachable": "network unreachable",
    }
    first = (text.splitlines() or [type(error).__name__])[0][:120]
    return next((short for sign, short in known.items() if sign in text.lower()), first)
