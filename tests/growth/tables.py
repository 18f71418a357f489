"""The tables of docs/growth.md, in Markdown."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from attrs import evolve
import numpy as np

from tests.growth import costs, network, paper, simulation
from tests.growth.costs import Links
from tests.growth.machine import Growth, Machine
from tests.growth.ranks import SHARDS
from tests.growth.steps import ORDERS, Fitted, Times


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown.

    >>> print(table(["a", "b"], [[1, 2]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    every = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in every)


def replaced(page: str, tables: Iterable[str]) -> str:
    """Return a page with tables in place of those with the same heads.

    Raises:   ValueError for a table that the page doesn't have.

    >>> replaced("| a |\\n| --- |\\n| 1 |\\n\\nText\\n", ["| a |\\n| --- |\\n| 2 |"])
    '| a |\\n| --- |\\n| 2 |\\n\\nText\\n'
    """
    blocks = page.split("\n\n")
    for found in tables:
        heads = found.partition("\n")[0]
        blocks[[block.partition("\n")[0] for block in blocks].index(heads)] = found
    return "\n\n".join(blocks)


def ms(seconds: float) -> str:
    """Write seconds as milliseconds of three digits.

    >>> ms(0.0123456), ms(0.000123456)
    ('12.3', '0.123')
    """
    text = f"{seconds * 1e3:.3g}"
    return f"{seconds * 1e3:,.0f}" if "e" in text else text


def share(part: float, whole: float) -> str:
    """Write a share as a percentage, at least 0.

    >>> share(1, 8), share(-1, 8)
    ('12 %', '0 %')
    """
    return f"{100 * max(0.0, part / whole):.0f} %"


def grown(growths: Iterable[Growth]) -> str:
    """Return how time grows in one process."""
    heads = ["what grows", "from", "to", "operations", "time"]
    return table(heads, ([g.what, g.first, g.last, f"{g.operations:.1f} ×", f"{g.time:.1f} ×"] for g in growths))


def measured(times: Mapping[int, Mapping[str, Times]]) -> str:
    """Return the times of steps on ranks."""
    rows = [
        [name, ranks, ms(took["bare"])]
        + [
            text
            for order in ORDERS
            for text in (ms(took[order]), share(took[order] - took[f"{order} alone"], took[order]))
        ]
        for name in times[1]
        for ranks, took in ((ranks, each[name]) for ranks, each in times.items())
    ]
    heads = "ms a step", "ranks", "bare `Allreduce`", '`order="any"`', "communication", "fixed order", "communication"
    return table(heads, rows)


def predicted(found: Mapping[str, Fitted], times: Mapping[str, Times], ranks: int) -> str:
    """Return the times of a number of ranks, and those that are predicted."""
    rows = [
        [name]
        + [
            text
            for order in ORDERS
            for seen, said in ((times[name][order], fit.step(ranks, order)),)
            for text in (ms(seen), ms(said), f"{said / seen:.2f}")
        ]
        for name, fit in found.items()
    ]
    heads = '`order="any"`', "predicted", "ratio", "fixed order", "predicted", "ratio"
    return table([f"{ranks} ranks, ms a step", *heads], rows)


def constants(found: Mapping[str, Fitted]) -> str:
    """Return the constants that were fitted."""
    numbers: Mapping[str, Callable[[Fitted], float]] = {
        "all cores / one": lambda f: f.speed,
        "shard, ms": lambda f: 1e3 * f.shard,
        "rest, ms": lambda f: 1e3 * f.rest,
        "calls, ms": lambda f: 1e3 * f.calls,
        "message, µs": lambda f: 1e6 * f.overhead,
        "byte sent, ns": lambda f: 1e9 * f.byte,
        "byte added, ns": lambda f: 1e9 * f.add,
        "turn, µs": lambda f: 1e6 * f.turn,
    }
    rows = ([name, *(f"{number(f):.3g}" for number in numbers.values())] for name, f in found.items())
    return table(["fitted to 1, 2 and 3 ranks", *numbers], rows)


def networks(times: Mapping[int, Mapping[str, Times]], add: float) -> str:
    """Return what exchanges take over networks with a delay and a rate, and what formulas and simulation say.

    The time that a message keeps a rank busy is fitted to two ranks.
    """
    links = Links(network.DELAY, 0.0, 8 / network.RATE, add)
    two = [(_closed(order, 2, float(size)), took[order]) for size, took in times[2].items() for order in ORDERS]
    messages = np.array([cost.messages / seen for cost, seen in two])
    rest = np.array([1 - cost.seconds(links) / seen for cost, seen in two])
    links = evolve(links, overhead=max(0.0, float(messages @ rest / (messages @ messages))))
    rows = [
        [f"{int(size):,}", ranks]
        + [
            ms(seconds)
            for order in ORDERS
            for seconds in (
                times[ranks][size][order],
                _closed(order, ranks, float(size)).seconds(links),
                simulation.simulated(_played(order, ranks, float(size)), ranks, links),
            )
        ]
        for size in times[2]
        for ranks in times
    ]
    heads = "bytes", "ranks", '`order="any"`, ms', "formula", "simulation", "fixed order, ms", "formula", "simulation"
    return table(heads, rows)


def _closed(order: str, ranks: int, size: float) -> costs.Cost:
    return costs.any_order(ranks, size) if order == "any" else costs.fixed_order(ranks, size, shards=SHARDS)


def _played(order: str, ranks: int, size: float) -> simulation.Schedule:
    return simulation.any_order(ranks, size) if order == "any" else simulation.fixed_order(ranks, size, shards=SHARDS)


def simulations(size: float, links: Links) -> str:
    """Return what all-reduces take in the simulation; the formulas give the same, but for Open MPI's order."""
    rows = []
    for ranks in (4, 16, 64, 256, 1024):
        schedules = [
            simulation.doubling(ranks, size),
            simulation.ring(ranks, size),
            simulation.rabenseifner(ranks, size),
            *(simulation.fixed_order(ranks, size, shards=ranks, turned=turned) for turned in (True, False)),
        ]
        rows.append([f"{ranks:,}", *(ms(simulation.simulated(schedule, ranks, links)) for schedule in schedules)])
    heads = "ranks", "recursive doubling", "ring", "Rabenseifner", "fixed order", "fixed order, as Open MPI sends"
    return table(heads, rows)


def extrapolated(size: float, machine: Machine, links: Links) -> list[str]:
    """Return how many times as many rows many ranks train on, and where the time of a step goes."""
    batches: dict[str, Callable[[int], int]] = {
        "128 rows for each rank": lambda ranks: 128 * ranks,
        "8,192 rows in all": lambda _: 8192,
        "128 rows in all": lambda _: 128,
    }
    gains = [
        [f"{ranks:,}", f"{ranks:,}"]
        + [f"{paper.gain(ranks, rows(ranks), size, 'fixed', machine, links):,.3g}" for rows in batches.values()]
        for ranks in paper.RANKS
    ]
    last = paper.RANKS[-1]
    plain, fixed = (
        [paper.step(last, rows(last), size, order, machine, links) for rows in batches.values()] for order in ORDERS
    )
    parts = {
        "gradient of a rank's rows": "gradient",
        "copies and additions": "copied",
        "loss of all rows, on each rank": "loss",
        "update of all parameters, on each rank": "update",
        "outputs, to all ranks": "outputs",
        "gradients, to and fro": "sums",
        "the step": "total",
    }
    rows = [[name, *(ms(getattr(step, part)) for step in fixed)] for name, part in parts.items()]
    rows.insert(-1, ['*the same with `order="any"`*', *(ms(step.sums) for step in plain)])
    return [
        table(["ranks", "a network for each rank", *batches], gains),
        table([f"{last:,} ranks, ms a step", *batches], rows),
    ]
