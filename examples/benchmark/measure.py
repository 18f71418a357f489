"""The measurements of the benchmark: each function yields its results as tables and records."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count, product
from pathlib import Path
import subprocess
import sys
from time import sleep
from typing import Any, TypeAlias

from attrs import asdict, evolve, frozen
from tqdm import tqdm

from benchmark.peers import LIBRARIES
from benchmark.process import REMEDY, Ask, environment, process
from benchmark.report import Samples, grid_table, installed_megabytes, number, profile_table, samples_table, table
from benchmark.serving import Message
from benchmark.work import WORKS, Work, described
import fnmlp as fn
from fnmlp.data import Dataset

Measured: TypeAlias = tuple[str, dict[str, Any]]
"""A table for people, and the same data for programs."""

GRID = tuple(product((32, 128, 512, 2048), (16, 64, 256, 1024)))
IMPORTS = {"NumPy": "import numpy", "fnmlp": "import fnmlp", "fnmlp, all names": "from fnmlp import *"}
PAUSE = 0.1
"""Seconds to wait after each measurement, until idle threads stop spinning and sleep."""


@frozen
class Plan:
    """Hold the settings that all measurements of a run share."""

    libraries: tuple[str, ...]
    works: Mapping[str, Work]
    threads: tuple[int, ...]
    rounds: int
    batches: int | None
    steps: int
    data: Dataset
    file: Path

    def able(self, work: str) -> tuple[str, ...]:
        """Return the libraries that can train this work."""
        return tuple(name for name in self.predicting(work) if LIBRARIES[name].trains)

    def predicting(self, work: str) -> tuple[str, ...]:
        """Return the libraries that can predict by the network of this work."""
        return tuple(name for name in self.libraries if work in LIBRARIES[name].works)

    @property
    def medians(self) -> str:
        """Describe the times in a table: medians of this many rounds."""
        return f"median of {self.rounds}"

    def heading(self, name: str, work: Work, threads: int) -> str:
        """Print what is being measured."""
        return f"{name} ({described(work, self.data)}), {counted(threads)}"


def counted(threads: int) -> str:
    """Return the number of threads as text."""
    return f"{threads} thread{'s' if threads > 1 else ''}"


@contextmanager
def together(plan: Plan, libraries: Sequence[str], work: Work, threads: int) -> Iterator[Mapping[str, Ask]]:
    """Start a process for each library, all at once, and wait until they are ready; they end with the context."""
    with ExitStack() as stack:
        asks = {name: stack.enter_context(process(name, work, threads, plan.file)) for name in libraries}
        for ask in asks.values():
            ask({"ask": "pools"})
        yield asks


def interleaved(plan: Plan, asks: Mapping[str, Ask], request: Callable[[int], Message]) -> dict[str, list[float]]:
    """Time all in turn, round after round; return the µs of each, without the first round, which is for warming up."""
    samples: dict[str, list[float]] = {name: [] for name in asks}
    for turn in range(plan.rounds + 1):
        for name, ask in asks.items():
            answer = ask(request(turn))
            samples[name].append(answer["seconds"] / answer["of"] * 1e6)
            sleep(PAUSE)
    return {name: times[1:] for name, times in samples.items()}


def an_epoch(batches: int | None, number: int) -> Message:
    """Make the request for an epoch."""
    return {"ask": "epoch", "number": number, "batches": batches}


def predictions(rows: int, calls: int, _: int) -> Message:
    """Make the request for predictions, the same in each round."""
    return {"ask": "predict", "rows": rows, "calls": calls}


def titled(samples: Samples) -> Samples:
    """Replace the keys of libraries by their titles."""
    return {LIBRARIES[name].title: times for name, times in samples.items()}


def time_steps(plan: Plan) -> Iterator[Measured]:
    """Time the step of each work."""
    for (name, work), threads in product(plan.works.items(), plan.threads):
        with together(plan, plan.able(name), work, threads) as asks:
            pools = {library: ask({"ask": "pools"})["pools"] for library, ask in asks.items()}
            samples = interleaved(plan, asks, partial(an_epoch, plan.batches))
        heading = plan.heading(name, work, threads)
        blas = f"BLAS of NumPy: {'; '.join(pools['fnmlp'])}" if pools["fnmlp"] else ""
        text = samples_table(plan.medians, "µs a step", titled(samples), base="fnmlp")
        record = {
            "what": "step",
            "work": name,
            **asdict(work),
            "threads": threads,
            "pools": pools,
            "µs a step": samples,
        }
        yield "\n".join(filter(None, (heading, blas, text))), record


def time_grid(plan: Plan) -> Iterator[Measured]:
    """Time the step of each work for networks of several widths and batches of several sizes."""
    for (name, work), threads in product(plan.works.items(), plan.threads):
        cells = []
        for hidden, batch_size in tqdm(GRID, unit="cell", leave=False, disable=None):
            cell = evolve(work, hidden=hidden, batch_size=batch_size)
            with together(plan, plan.able(name), cell, threads) as asks:
                samples = interleaved(plan, asks, partial(an_epoch, plan.batches))
            cells.append((f"{hidden} / {batch_size}", samples))
        text = grid_table("hidden / batch", [(cell, titled(samples)) for cell, samples in cells])
        heading = f"{name}, {counted(threads)}: median µs a step, whatever --hidden and --batch-size say"
        yield f"{heading}\n{text}", {"what": "grid", "work": name, "threads": threads, "µs a step": dict(cells)}


def time_inference(plan: Plan) -> Iterator[Measured]:
    """Time the prediction of one row, of 64, and of 10,000."""
    for (name, work), threads in product(plan.works.items(), plan.threads):
        with together(plan, plan.predicting(name), work, threads) as asks:
            for rows, calls in ((1, 1000), (64, 200), (10_000, 1)):
                samples = interleaved(plan, asks, partial(predictions, rows, calls))
                text = samples_table(plan.medians, "µs a call", titled(samples), base="fnmlp")
                heading = f"{plan.heading(name, work, threads)}: prediction of {rows:,} row{'s' if rows > 1 else ''}"
                record = {"what": "inference", "work": name, **asdict(work), "threads": threads, "rows": rows}
                yield f"{heading}\n{text}", record | {"µs a call": samples}


def measure_memory(plan: Plan) -> Iterator[Measured]:
    """Measure the resident memory of processes that train, one after another."""
    for (name, work), threads in product(plan.works.items(), plan.threads):
        found = {library: train(plan, library, work, threads) for library in plan.able(name) if library != "products"}
        base = found["fnmlp"]["peak"]
        rows = [
            [LIBRARIES[library].title, f"{own['peak']:.1f}", f"{own['peak'] / base:.2f}", f"{own['growth']:+.1f}"]
            for library, own in found.items()
        ]
        grown = f"MB more after {found['fnmlp']['steps']:,} steps"
        text = table([["", "MB at the peak", "ratio to fnmlp", grown], *rows])
        record = {"what": "memory", "work": name, **asdict(work), "threads": threads, "MB": found}
        yield f"{plan.heading(name, work, threads)}: resident memory\n{text}", record


def train(plan: Plan, library: str, work: Work, threads: int) -> dict[str, float]:
    """Train for an epoch, then for at least this many steps; return the memory used."""
    with process(library, work, threads, plan.file) as ask:
        ask(an_epoch(plan.batches, 0))
        before = ask({"ask": "memory"})
        steps, numbers = 0, count(1)
        while steps < plan.steps:
            steps += ask(an_epoch(plan.batches, next(numbers)))["of"]
        after = ask({"ask": "memory"})
    return {"peak": after["peak"], "growth": after["now"] - before["now"], "steps": steps}


def measure_startup(plan: Plan) -> Iterator[Measured]:
    """Time imports, each in its own process, add up the installed sizes, and time the first steps."""
    others = {LIBRARIES[name].package: LIBRARIES[name].module for name in plan.libraries}
    imports = IMPORTS | {name: f"import {module}" for name, module in others.items() if name not in ("numpy", "fnmlp")}
    samples: dict[str, list[float]] = {name: [] for name in imports}
    for _ in range(plan.rounds + 1):
        for name, statement in imports.items():
            samples[name].append(import_milliseconds(statement))
    samples = {name: times[1:] for name, times in samples.items()}
    sizes = {package: installed_megabytes(package) for package in ("numpy", *others)}
    text = samples_table(f"import, {plan.medians}", "ms", samples, base="NumPy")
    rows = [["installed size, dependencies included", "MB"], *([name, f"{size:.1f}"] for name, size in sizes.items())]
    yield f"{text}\n\n{table(rows)}", {"what": "startup", "ms": samples, "MB": sizes}
    yield first_steps(plan)


def first_steps(plan: Plan) -> Measured:
    """Time the first step of the reference network in a new process, and the next: between them lies the compiler."""
    work, found = WORKS["reference"], {}
    for name in (name for name in plan.able("reference") if name != "products"):
        with process(name, work, 1, plan.file) as ask:
            ask({"ask": "pools"})  # answered when all is imported and built
            found[name] = [ask(an_epoch(1, 0))["seconds"] * 1e3 for _ in range(2)]
    rows = [[LIBRARIES[name].title, *map(number, times)] for name, times in found.items()]
    text = table([["first steps, with compiling", "first, ms", "second, ms"], *rows])
    heading = plan.heading("reference", work, 1)
    return f"{heading}\n{text}", {"what": "first steps", **asdict(work), "ms": found}


def import_milliseconds(statement: str) -> float:
    """Time a statement in a new process."""
    code = f"from time import perf_counter as clock; began = clock(); {statement}\nprint(clock() - began)"
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment(1))  # noqa: S603 (ours)
    if done.returncode:
        said = done.stderr.strip().rsplit("\n", 1)[-1]
        raise fn.FnmlpError(statement, "an import without error", said, REMEDY)
    return float(done.stdout) * 1e3


def profile_steps(plan: Plan) -> Iterator[Measured]:
    """Time the pieces of fnmlp's step, and whole steps in between."""
    request = {"ask": "profile", "number": 0, "batches": plan.batches}
    for (name, work), threads in product(plan.works.items(), plan.threads):
        whole: list[float] = []
        pieces: dict[str, list[float]] = {}
        with process("fnmlp", work, threads, plan.file) as ask:
            for turn in range(plan.rounds + 1):
                taken, apart = ask(an_epoch(plan.batches, turn)), ask(request)
                whole.append(taken["seconds"] / taken["of"] * 1e6)
                for piece, seconds in apart["pieces"].items():
                    pieces.setdefault(piece, []).append(seconds / apart["of"] * 1e6)
        pieces = {piece: times[1:] for piece, times in pieces.items()}
        text = profile_table(plan.medians, whole[1:], pieces)
        record = {"what": "profile", "work": name, **asdict(work), "threads": threads}
        yield (
            f"{plan.heading(name, work, threads)}: the pieces of a step\n{text}",
            record
            | {
                "µs a step": whole[1:],
                "µs a piece": pieces,
            },
        )
