"""What a step would cost on many ranks, each on a core of its own: measured constants, and a network that is given."""

from attrs import frozen

from tests.growth.costs import Links, all_gather, any_order, fixed_order
from tests.growth.machine import Machine
from tests.growth.ranks import BATCH, CLASSES

RANKS = 1, 4, 16, 64, 256, 1000


@frozen
class Step:
    """Hold the seconds of each part of a step.

    `gradient`  of this rank's rows.
    `copied`    or added: gradients, by this rank, before and after they travel.
    `loss`      of all rows, on every rank.
    `update`    of all parameters, on every rank.
    `outputs`   of all rows, sent to every rank.
    `sums`      of gradients, sent.
    """

    gradient: float
    copied: float
    loss: float
    update: float
    outputs: float
    sums: float

    @property
    def total(self) -> float:
        """The seconds of the step."""
        return self.gradient + self.copied + self.loss + self.update + self.outputs + self.sums


def step(ranks: int, rows: int, size: float, order: str, machine: Machine, links: Links) -> Step:
    """Return what a step on a batch of `rows` costs, with gradients of `size` bytes, of a shard on each rank.

    >>> one = step(1, 10, 100.0, "fixed", Machine(1.0, 0.1, 0.0, 2.0, 0.0), Links(0.0, 0.0, 0.0, 0.0))
    >>> one.total
    4.0
    """
    computed = machine.shard + machine.row * -(-rows // ranks)
    if ranks == 1:
        return Step(computed, 0.0, machine.loss * rows, machine.update, 0.0, 0.0)
    sums = any_order(ranks, size) if order == "any" else fixed_order(ranks, size, shards=ranks)
    return Step(
        gradient=computed,
        copied=machine.add * size,
        loss=machine.loss * rows,
        update=machine.update,
        outputs=all_gather(ranks, 4.0 * CLASSES * rows).seconds(links),
        sums=sums.seconds(links),
    )


def gain(ranks: int, rows: int, size: float, order: str, machine: Machine, links: Links) -> float:
    """Return how many times as many rows a second the ranks train on, compared with one rank and batches of 128."""
    alone = step(1, BATCH, size, order, machine, links).total / BATCH
    return alone / (step(ranks, rows, size, order, machine, links).total / rows)
