"""`python -m tests.growth` measures how cost grows, fits the cost model, checks it, and prints docs/growth.md's tables.

It takes about three minutes on two cores. Without mpiexec it times no ranks, and without root none in networks of their
own.
"""

from collections.abc import Iterator
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys

from attrs import evolve
import click

from tests.growth import network, tables
from tests.growth.costs import Links
from tests.growth.machine import Machine, bytes_of, growths, machines
from tests.growth.ranks import BATCH, MODELS, raise_priority
from tests.growth.steps import Fitted, fitted

RANKS = 1, 2, 3, 4
OVER_TCP = {"pml": "ob1", "btl": "tcp,self", "btl_tcp_if_include": "wire"} | {
    f"btl_tcp_{limit}": "8388608" for limit in ("eager_limit", "rndv_eager_limit", "max_send_size")
}
"""Open MPI's options: TCP alone, over a rank's own interface, without asking the receiver first."""
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TRIM_THRESHOLD_": "1000000000",
}
"""One thread for each rank, whoever waits gives way, and freed memory stays with the process."""


def on_ranks(ranks: int, kind: str, rounds: int, *options: str) -> dict[str, dict[str, float]]:
    """Time a kind of work on some ranks, in processes that mpiexec starts."""
    command = ["mpiexec", "--oversubscribe", "--bind-to", "none", *options, "-n", str(ranks)]
    command += [sys.executable, "-m", "tests.growth.ranks", kind, str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)}: {done.stderr}")
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def measured(rounds: int, links: Links) -> Iterator[str]:
    """Yield the tables, one after another as they are measured; the network of many ranks is given."""
    yield tables.grown(growths(max(5, rounds // 3)))
    constants = machines(rounds)
    if shutil.which("mpiexec") is not None:
        times = {ranks: on_ranks(ranks, "steps", rounds) for ranks in RANKS}
        yield tables.measured(times)
        yield from fits(times, constants)
    name, hidden = list(MODELS.items())[-1]
    add = constants[name].add
    if not network.why_not():
        options = [word for option in OVER_TCP.items() for word in ("--mca", *option)]
        with network.networks(RANKS[-1]):
            over = {ranks: on_ranks(ranks, "network", max(5, rounds // 4), *options) for ranks in RANKS[1:]}
        yield tables.networks(over, add)
    links = evolve(links, add=add)
    yield tables.simulations(bytes_of(hidden), links)
    yield from tables.extrapolated(bytes_of(hidden), constants[name], links)


def fits(times: dict[int, dict[str, dict[str, float]]], constants: dict[str, Machine]) -> Iterator[str]:
    """Yield the prediction for the last number of ranks from the others, and the constants behind it."""
    *few, last = RANKS
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    found: dict[str, Fitted] = {}
    calls = None  # the smallest network shows them best
    for name, hidden in MODELS.items():
        one = constants[name]
        rest, size = one.update + one.loss * BATCH, bytes_of(hidden)
        seen = {ranks: times[ranks][name] for ranks in few}
        found[name] = fitted(seen, cores=cores, size=size, rest=rest, add=one.add, calls=calls)
        calls = found[name].calls
    yield tables.predicted(found, times[last], last)
    yield tables.constants(found)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", type=click.IntRange(3), default=61, show_default=True, help="Of each timing.")
@click.option("--latency", type=float, default=10.0, show_default=True, help="µs, of the network of 1,000 ranks.")
@click.option("--overhead", type=float, default=1.0, show_default=True, help="µs that a message keeps a rank busy.")
@click.option("--gigabits", type=float, default=25.0, show_default=True, help="A second, of each rank.")
@click.option("--page", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="Replace its tables.")
def main(rounds: int, latency: float, overhead: float, gigabits: float, page: Path | None) -> None:
    """Measure how cost grows, and print the tables."""
    raise_priority()
    found = []
    for each in measured(rounds, Links(latency * 1e-6, overhead * 1e-6, 8e-9 / gigabits, 0.0)):
        click.echo(f"{each}\n")
        found.append(each)
    if page is not None:
        page.write_text(tables.replaced(page.read_text(encoding="utf-8"), found), encoding="utf-8")


if __name__ == "__main__":
    if not ENVIRONMENT.items() <= os.environ.items():
        again = [sys.executable, "-m", "tests.growth", *sys.argv[1:]]
        os.execve(sys.executable, again, os.environ | ENVIRONMENT)  # noqa: S606 (this program itself)
    main()
