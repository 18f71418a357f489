"""`python -m tests.growth` measures how cost grows, fits the cost model, checks it, and prints docs/growth.md's tables.

It takes about four minutes on two cores. Without mpiexec, only the first table is printed; without root, none of
networks in namespaces.
"""

from collections.abc import Callable, Iterable, Sequence
import json
import os
from pathlib import Path
import shutil
import subprocess
import sys
from typing import Any

from attrs import evolve
import click
import numpy as np

from tests.growth import costs, network, paper, simulation
from tests.growth.costs import Links
from tests.growth.machine import Machine, bytes_of, growths, machines
from tests.growth.ranks import MODELS, SHARDS, raise_priority
from tests.growth.steps import ORDERS, Fitted, Times, fitted

RANKS = 1, 2, 3, 4
OVER_TCP = {"pml": "ob1", "btl": "tcp,self", "btl_tcp_if_include": "wire"} | {
    f"btl_tcp_{limit}": "8388608" for limit in ("eager_limit", "rndv_eager_limit", "max_send_size")
}
"""Open MPI's options: TCP alone, over a rank's own interface, without asking the receiver first."""
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_mpi_yield_when_idle": "1",
}


def say(*lines: str) -> None:
    """Print lines at once."""
    click.echo("\n".join(lines))


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    say("", f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |")
    for row in rows:
        say(f"| {' | '.join(map(str, row))} |")


def on_ranks(ranks: int, kind: str, rounds: int, *options: str) -> dict[str, dict[str, float]]:
    """Time a kind of work on some ranks, in processes that mpiexec starts."""
    command = ["mpiexec", "--oversubscribe", "--bind-to", "none", *options, "-n", str(ranks)]
    command += [sys.executable, "-m", "tests.growth.ranks", kind, str(rounds)]
    done = subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"error: {' '.join(command)}: {done.stderr}")
    found: dict[str, dict[str, float]] = json.loads(done.stdout)
    return found


def ms(seconds: float) -> str:
    """Write seconds as milliseconds of three digits.

    >>> ms(0.0123456), ms(0.000123456)
    ('12.3', '0.123')
    """
    text = f"{seconds * 1e3:.3g}"
    return f"{seconds * 1e3:,.0f}" if "e" in text else text


def share(part: float, whole: float) -> str:
    """Write a share as a percentage, at least 0."""
    return f"{max(0.0, part / whole):.0%}".replace("%", " %")


def measured(times: dict[int, dict[str, Times]]) -> None:
    """Print the times of steps."""
    heads = ["ms a step", "ranks", "bare Allreduce", '`order="any"`', "of it communication", "fixed order"]
    table(
        [*heads, "of it communication"],
        (
            [
                name,
                ranks,
                ms(took["bare"]),
                *(
                    text
                    for order in ORDERS
                    for text in (ms(took[order]), share(took[order] - took[f"{order} alone"], took[order]))
                ),
            ]
            for name in MODELS
            for ranks, took in ((ranks, times[ranks][name]) for ranks in RANKS)
        ),
    )


def fits(times: dict[int, dict[str, Times]], constants: dict[str, Machine], cores: int) -> dict[str, Fitted]:
    """Print the constants, and the prediction for the last number of ranks from the others."""
    *few, last = RANKS
    found = {
        name: fitted({p: times[p][name] for p in few}, cores=cores, size=bytes_of(hidden), add=constants[name].add)
        for name, hidden in MODELS.items()
    }
    table(
        [f"{last} ranks, ms a step", '`order="any"`', "predicted", "ratio", "fixed order", "predicted", "ratio"],
        (
            [
                name,
                *(
                    text
                    for order in ORDERS
                    for seen, said in ((times[last][name][order], fit.step(last, order)),)
                    for text in (ms(seen), ms(said), f"{said / seen:.2f}")
                ),
            ]
            for name, fit in found.items()
        ),
    )
    table(
        [
            "fitted to 1, 2 and 3 ranks",
            "a shard, ms",
            "all else, ms",
            "a message, µs",
            "a byte, ns",
            "a byte added, ns",
        ],
        (
            [name, ms(f.shard), ms(f.rest), f"{f.overhead * 1e6:.0f}", f"{f.byte * 1e9:.2f}", f"{f.add * 1e9:.2f}"]
            for name, f in found.items()
        ),
    )
    return found


def networks(rounds: int, add: float) -> None:
    """Print what exchanges take over networks with a delay and a rate, and what is said of them."""
    if reason := network.why_not():
        say("", f"No networks in namespaces: {reason}.")
        return
    options = [word for option in OVER_TCP.items() for word in ("--mca", *option)]
    with network.networks(RANKS[-1]):
        times = {ranks: on_ranks(ranks, "network", rounds, *options) for ranks in RANKS[1:]}
    links = Links(network.DELAY, 0.0, 8 / network.RATE, add)
    two = [(_closed(order, 2, float(size)), took[order]) for size, took in times[2].items() for order in ORDERS]
    messages = np.array([cost.messages / seen for cost, seen in two])
    rest = np.array([1 - cost.seconds(links) / seen for cost, seen in two])
    links = evolve(links, overhead=max(0.0, float(messages @ rest / (messages @ messages))))
    rows = []
    for ranks, each in times.items():
        for size, took in each.items():
            row: list[object] = [f"{int(size):,}", ranks]
            for order in ORDERS:
                said = _closed(order, ranks, float(size)).seconds(links)
                played = simulation.simulated(_played(order, ranks, float(size)), ranks, links)
                row += [ms(took[order]), ms(said), ms(played)]
            rows.append(row)
    heads = ["bytes", "ranks", '`order="any"`, ms', "formula", "simulation", "fixed order, ms", "formula", "simulation"]
    say("", f"A message keeps a rank busy for {ms(links.overhead)} ms, fitted to two ranks.")
    table(heads, sorted(rows, key=lambda row: str(row[0])))


def _closed(order: str, ranks: int, size: float) -> costs.Cost:
    return costs.any_order(ranks, size) if order == "any" else costs.fixed_order(ranks, size, shards=SHARDS)


def _played(order: str, ranks: int, size: float) -> simulation.Schedule:
    return simulation.any_order(ranks, size) if order == "any" else simulation.fixed_order(ranks, size, shards=SHARDS)


def simulations(size: float, links: Links) -> None:
    """Print formula and simulation of many ranks side by side."""
    rows = []
    for ranks in (4, 16, 64, 256, 1024):
        row: list[object] = [f"{ranks:,}"]
        for name in ("doubling", "ring", "rabenseifner"):
            said = getattr(costs, name)(ranks, size).seconds(links)
            played = simulation.simulated(getattr(simulation, name)(ranks, size), ranks, links)
            row.append(f"{ms(said)} / {ms(played)}")
        said = costs.fixed_order(ranks, size, shards=ranks).seconds(links)
        orders = [simulation.fixed_order(ranks, size, shards=ranks, turned=turned) for turned in (True, False)]
        row.append(" / ".join([ms(said), *(ms(simulation.simulated(order, ranks, links)) for order in orders)]))
        rows.append(row)
    heads = ["ranks", "recursive doubling", "ring", "Rabenseifner", "fixed order, also as Open MPI sends"]
    table(heads, rows)


def extrapolated(size: float, machine: Machine, links: Links) -> None:
    """Print how many times as many rows many ranks train on, and where the time of a step goes."""
    batches: dict[str, Callable[[int], int]] = {
        "128 rows for each rank": lambda ranks: 128 * ranks,
        "8,192 rows in all": lambda _: 8192,
        "128 rows in all": lambda _: 128,
    }
    table(
        ["ranks", "a network for each rank", *batches],
        (
            [
                f"{ranks:,}",
                f"{ranks:,}",
                *(f"{paper.gain(ranks, rows(ranks), size, 'fixed', machine, links):,.3g}" for rows in batches.values()),
            ]
            for ranks in paper.RANKS
        ),
    )
    steps = [
        [paper.step(1000, rows(1000), size, order, machine, links) for rows in batches.values()] for order in ORDERS
    ]
    parts = {
        "gradient of a rank's rows": "gradient",
        "copies and additions": "copied",
        "loss of all rows, on each rank": "loss",
        "update of all parameters, on each rank": "update",
        "outputs, to all ranks": "outputs",
        "gradients, to and fro": "sums",
        "the step": "total",
    }
    rows = [[name, *(ms(getattr(step, part)) for step in steps[-1])] for name, part in parts.items()]
    rows.insert(-1, ['*the same with `order="any"`*', *(ms(step.sums) for step in steps[0])])
    table(["1,000 ranks, ms a step", *batches], rows)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rounds", type=click.IntRange(3), default=41, show_default=True, help="Of each timing.")
@click.option("--latency", type=float, default=10.0, show_default=True, help="µs, of the network of 1,000 ranks.")
@click.option("--overhead", type=float, default=1.0, show_default=True, help="µs that a message keeps a rank busy.")
@click.option("--gigabits", type=float, default=25.0, show_default=True, help="A second, of each rank.")
@click.option("--save", type=click.Path(path_type=Path), help="Where to write the times of the ranks as JSON.")
def main(rounds: int, latency: float, overhead: float, gigabits: float, save: Path | None) -> None:
    """Measure how cost grows, and print the tables."""
    raise_priority()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    heads = ["what grows", "from", "to", "operations", "time"]
    grown = growths(max(5, rounds // 3))
    table(heads, ([g.what, g.first, g.last, f"{g.operations:.1f} ×", f"{g.time:.1f} ×"] for g in grown))
    constants = machines(rounds)
    name, hidden = list(MODELS.items())[-1]
    if shutil.which("mpiexec") is None:
        say("", "No ranks: mpiexec not found.")
    else:
        times: dict[int, Any] = {ranks: on_ranks(ranks, "steps", rounds) for ranks in RANKS}
        if save:
            save.write_text(json.dumps(times), encoding="utf-8")
        measured(times)
        fits(times, constants, cores)
        networks(max(5, rounds // 4), constants[name].add)
    links = Links(latency * 1e-6, overhead * 1e-6, 8e-9 / gigabits, constants[name].add)
    simulations(bytes_of(hidden), links)
    extrapolated(bytes_of(hidden), constants[name], links)


if __name__ == "__main__":
    main()
