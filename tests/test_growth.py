"""The cost model of docs/growth.md: its formulas, the simulation, and what the ranks really send."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fnmlp.interop.mpi.exchange import total_gradient
from fnmlp.interop.mpi.shards import plan_of
from tests.growth import costs, simulation, tables
from tests.growth.costs import Cost, Links
from tests.growth.machine import Machine
from tests.ranks import Rank, on_ranks

LINKS = Links(latency=10e-6, overhead=1e-6, byte=3e-10, add=1e-10)
ALIKE: dict[str, tuple[Callable[..., Cost], Callable[..., simulation.Schedule]]] = {
    "doubling": (costs.doubling, simulation.doubling),
    "ring": (costs.ring, simulation.ring),
    "rabenseifner": (costs.rabenseifner, simulation.rabenseifner),
    "fixed order": (
        lambda ranks, size: costs.fixed_order(ranks, size, shards=2 * ranks),
        lambda ranks, size: simulation.fixed_order(ranks, size, shards=2 * ranks, turned=True),
    ),
}


@pytest.mark.parametrize(("formula", "schedule"), ALIKE.values(), ids=ALIKE)
@pytest.mark.parametrize("ranks", [2, 4, 8, 32])
def test_a_formula_is_what_the_simulation_of_its_messages_takes(formula: Any, schedule: Any, ranks: int) -> None:
    size = 4.0 * 3200  # whole numbers for each of 32 ranks
    expected = formula(ranks, size).seconds(LINKS)
    assert simulation.simulated(schedule(ranks, size), ranks, LINKS) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("ranks", [2, 3, 4, 5, 16])
def test_a_tree_takes_at_most_what_its_formula_says(ranks: int) -> None:
    most = costs.binomial(ranks, 1e6).seconds(LINKS)
    takes = simulation.simulated(simulation.binomial(ranks, 1e6), ranks, LINKS)
    assert takes <= most * (1 + 1e-12)
    if ranks & (ranks - 1) == 0:
        assert takes == pytest.approx(most, rel=1e-12)


@pytest.mark.parametrize(("ranks", "shards"), [(2, 8), (3, 8), (4, 8), (5, 8), (3, 7)])
def test_the_order_in_which_messages_are_sent_costs_less_than_twice_the_formula(ranks: int, shards: int) -> None:
    size = 4.0 * 120_000
    takes = simulation.simulated(simulation.fixed_order(ranks, size, shards=shards), ranks, LINKS)
    formula = costs.fixed_order(ranks, size, shards=shards).seconds(LINKS)
    assert 0.5 * formula < takes < 2 * formula


class Counting(Rank):
    """A rank that counts the messages and bytes that it sends."""

    def __init__(self, other: Rank) -> None:
        super().__init__(other.exchange, other.rank)
        self.messages, self.sent = 0, 0

    def Iallgatherv(self, sent: Any, received: Any) -> Any:  # noqa: N802 (mpi4py's name)
        self.messages += self.size - 1
        self.sent += (self.size - 1) * sent.nbytes
        return super().Iallgatherv(sent, received)

    def Ialltoallv(self, sent: Any, received: Any) -> Any:  # noqa: N802 (mpi4py's name)
        others = [count for place, count in enumerate(sent[1]) if place != self.rank]
        self.messages += len(others)
        self.sent += 4 * sum(others)
        return super().Ialltoallv(sent, received)


@pytest.mark.parametrize(("ranks", "shards"), [(2, 8), (3, 8), (4, 8), (5, 6)])
def test_formula_and_simulation_count_the_messages_and_bytes_that_ranks_send(ranks: int, shards: int) -> None:
    numbers = 60 * ranks
    params = np.zeros(numbers, np.float32)

    def counted(comm: Rank) -> tuple[int, int]:
        counting = Counting(comm)
        plan = plan_of("growth", shards, shards, counting)
        total_gradient(lambda _: np.ones_like(params), params, plan, counting, fixed=True)
        return counting.messages, counting.sent

    messages, sent = zip(*on_ranks(ranks, counted), strict=True)
    formula = costs.fixed_order(ranks, 4.0 * numbers, shards=shards)
    assert set(messages) == {formula.messages}
    assert max(sent) == pytest.approx(formula.sent)
    rounds = [*simulation.fixed_order(ranks, 4.0 * numbers, shards=shards)]
    played = [np.bincount(each.source, each.size, ranks) for each in rounds]
    assert list(sent) == np.sum(played, axis=0).tolist()


def test_the_page_has_the_tables_of_the_program() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "growth.md").read_text("utf-8")
    machine = Machine(shard=2e-3, row=1e-4, loss=1e-7, update=2e-3, add=1e-10)
    gains, parts = tables.extrapolated(7e6, machine, LINKS)
    empty = tables.grown([]), tables.measured({1: {}}), tables.predicted({}, {}, 4), tables.constants({})
    new = tables.replaced(page, [*empty, gains, parts])
    assert gains in new
    assert parts in new
    assert page.count("\n\n") == new.count("\n\n")
    with pytest.raises(ValueError, match="not in list"):
        tables.replaced(page, ["| another |\n| --- |"])
