"""Fuzz every reader of untrusted files, guided by the branches that inputs reach."""

import re
import subprocess
import sys

from attrs import frozen

from tests.faults.doors import Door
from tests.faults.processes import new_folder

LONGEST = 4096
"""The most bytes of an input. The seeds have some hundreds."""

HANG = 5
"""Seconds that a reader may take."""

MEMORY = 512
"""MiB that the process may use. Python, NumPy and the fuzzer take 75."""

LINES = 30
"""The lines to keep when a fuzzer finds a fault: the error, and the input in hexadecimal and base64."""


@frozen
class Report:
    """The outcomes of fuzzing a reader.

    `inputs`  how many were fed.
    `speed`   inputs a second.
    `edges`   branches of the library that they reached.
    `memory`  the most MiB that the process used.
    `fault`   what ended it early: an error that isn't the library's, a hang, or too much memory; else empty.
    """

    inputs: int
    speed: int
    edges: int
    memory: int
    fault: str


def feed_reader(name: str, door: Door, runs: int, seed: int = 1) -> Report:
    """Feed this many inputs to a reader, or stop at the first fault."""
    with new_folder() as folder:
        scratch, corpus, words = folder / "scratch", folder / "corpus", folder / "words"
        scratch.mkdir()
        corpus.mkdir()
        for number, content in enumerate(door.seeds):
            (corpus / str(number)).write_bytes(content)
        words.write_text("".join(f'"{word}"\n' for word in door.words or ("0",)))  # an empty file would be refused
        limits = [f"-runs={runs}", f"-max_len={LONGEST}", f"-timeout={HANG}", f"-rss_limit_mb={MEMORY}"]
        places = [f"-dict={words}", f"-artifact_prefix={folder}/", str(corpus)]
        command = [sys.executable, "-m", "tests.faults.fed", name, str(scratch)]
        done = subprocess.run(
            [*command, f"-seed={seed}", "-print_final_stats=1", *limits, *places],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return _report(done.returncode, done.stdout.decode(errors="replace"))


def _report(status: int, output: str) -> Report:
    """Read libFuzzer's last report."""
    return Report(
        inputs=_last(r"number_of_executed_units: (\d+)", output),
        speed=_last(r"average_exec_per_sec: +(\d+)", output),
        edges=_last(r"cov: (\d+)", output),
        memory=_last(r"peak_rss_mb: +(\d+)", output),
        fault="\n".join(output.splitlines()[-LINES:]) if status else "",
    )


def _last(pattern: str, output: str) -> int:
    return int(["0", *re.findall(pattern, output)][-1])
