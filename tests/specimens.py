"""Specimens of losses, optimisers and metrics: the thing, its name, and what tests must know about it."""

from collections.abc import Callable
from typing import Any

from attrs import frozen
import numpy as np
from numpy.typing import NDArray

from fnmlp.arrays import Array, Shape
from fnmlp.key import Key, generator
from fnmlp.losses import Loss
from fnmlp.optimizers import Optimizer
from fnmlp.testing import TRIALS, Reference, check_loss, check_optimizer
from fnmlp.testing.losses import DrawTarget
from fnmlp.testing.numeric import normal
from tests.oracles import losses, metrics


def labels_like(key: Key, shape: Shape) -> Array:
    """Draw a label for each row of outputs."""
    return generator(key).integers(0, shape[1], shape[0])


def some_ignored(key: Key, shape: Shape) -> Array:
    """Draw a label for each row of outputs, and set every second one to 255."""
    labels = labels_like(key, shape)
    labels[1::2] = 255
    return labels


def by_row_like(key: Key, shape: Shape) -> Array:
    """Draw a number for each row of outputs."""
    return normal(key, shape[:1])


def counts_like(key: Key, shape: Shape) -> Array:
    """Draw a count for each output, as a float."""
    return generator(key).poisson(2.0, shape).astype(float)


def shares_like(key: Key, shape: Shape) -> Array:
    """Draw rows of shares that add up to 1."""
    return generator(key).dirichlet(np.ones(shape[1]), shape[0])


@frozen(repr=False)
class LossSpecimen:
    """A loss.

    `draw`    gives its targets.
    `by_row`  its value is one number for each row.
    `kinks`   values of y - target, or of y less that of the label, where its derivative jumps.
    `formula`  an oracle in Python's floats: (a row of outputs, its target, the loss's options) -> (the row's cost, how
              much it counts in a mean). The first specimen of a loss carries it for all.
    `torch`   an oracle whose gradient is autograd's: (y, target, reduction=) -> the value. One oracle is enough.
    """

    name: str
    loss: Loss
    draw: DrawTarget = normal
    by_row: bool = False
    kinks: tuple[float, ...] = ()
    formula: losses.Oracle | None = None
    torch: Callable[..., Any] | None = None

    def __repr__(self) -> str:
        return self.name

    def targets(self, y: NDArray[Any], seed: int) -> NDArray[Any]:
        """Make targets that suit outputs of this shape and dtype."""
        drawn = self.draw(Key(seed), y.shape)
        return drawn if drawn.dtype.kind == "i" else drawn.astype(y.dtype)

    def check(self, loss: Loss | None = None, *, seed: int = 0, trials: int = TRIALS, on: str = "numpy") -> None:
        """Check the laws of this loss, or of a mutant in its place, on NumPy or another library."""
        subject = self.loss if loss is None else loss
        check_loss(subject, (4,), seed=seed, trials=trials, draw_target=self.draw, kinks=self.kinks, on=on)


@frozen(repr=False)
class OptimizerSpecimen:
    """An optimiser.

    `reference`  its oracle: the rule written a second time, without the library.
    `steps`      how many updates it takes until the parameters move.
    `shrinks`    parameters move even without a gradient.
    """

    name: str
    optimizer: Optimizer
    reference: Reference | None = None
    steps: int = 1
    shrinks: bool = False

    def __repr__(self) -> str:
        return self.name

    def check(self, optimizer: Optimizer | None = None, *, seed: int = 0, trials: int = TRIALS) -> None:
        """Check the laws of this optimiser, or of a mutant in its place."""
        subject = self.optimizer if optimizer is None else optimizer
        check_optimizer(subject, seed=seed, trials=trials, steps=self.steps, reference=self.reference)


@frozen(repr=False)
class MetricSpecimen:
    """A metric.

    `formula`       its oracle: plain loops over rows of outputs, their targets and the weight of each row.
    `draw`          gives its targets.
    `draw_outputs`  gives its outputs.
    """

    name: str
    metric: Callable[[Array, Array], Any]
    formula: metrics.Oracle
    draw: DrawTarget = labels_like
    draw_outputs: DrawTarget = normal

    def __repr__(self) -> str:
        return self.name

    def point(self, shape: Shape, seed: int) -> tuple[Array, Array]:
        """Draw outputs and targets."""
        return self.draw_outputs(Key(seed), shape), self.draw(Key(seed + 1), shape)
