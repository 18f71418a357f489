"""A specimen of everything public that fnmlp constructs: a new constructor needs one line here, and is then tested."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from attrs import field, frozen
import numpy as np
from numpy.typing import NDArray

from fnmlp.arrays import Array, Shape
from fnmlp.combinators import chain
from fnmlp.initializers import (
    Initializer,
    constant,
    glorot_normal,
    glorot_uniform,
    kaiming_normal,
    kaiming_uniform,
    uniform,
    zeros,
)
from fnmlp.key import Key, generator
from fnmlp.layer import Layer
from fnmlp.layers import flatten, identity, linear, relu, scale, softmax
from fnmlp.losses import Loss, mse, on_labels
from fnmlp.metrics import accuracy, confusion_matrix
from fnmlp.optimizers import Optimizer, sgd
from fnmlp.testing import TRIALS, Law, check_layer, check_loss
from fnmlp.testing.layers import LAYER_LAWS, Draw, LayerCase
from fnmlp.testing.numeric import normal
from fnmlp.training import Metric


def labels_like(key: Key, shape: Shape) -> Array:
    """Draw a label for each row of outputs."""
    return generator(key).integers(0, shape[1], shape[0])


def pixels(key: Key, shape: Shape) -> Array:
    """Draw grey levels."""
    return generator(key).integers(0, 256, shape, dtype=np.uint8)


@frozen(repr=False)
class Specimen:
    """A layer, the shape of an example, and what `check_layer` must know of it."""

    layer: Layer[Any]
    example: Shape
    by_row: bool = True
    noisy: bool = False
    draw: Draw = normal
    text: str = field(init=False)

    @text.default
    def _text(self) -> str:
        return f"{self.layer.name} on {self.example}"

    def __repr__(self) -> str:
        return self.text

    @property
    def differentiable(self) -> bool:
        """Whether inputs are floats."""
        return self.draw is not pixels

    def check(
        self,
        layer: Layer[Any] | None = None,
        *,
        seed: int = 0,
        trials: int = TRIALS,
        laws: Iterable[Law[LayerCase]] = LAYER_LAWS,
    ) -> None:
        """Check the laws of this layer, or of a mutant in its place."""
        subject = self.layer if layer is None else layer
        check_layer(
            subject,
            self.example,
            seed=seed,
            trials=trials,
            draw=self.draw,
            noisy=self.noisy,
            rowwise=self.by_row,
            laws=laws,
        )


LAYERS = (
    Specimen(linear(3), (4,)),
    Specimen(linear(1), (1,)),
    Specimen(linear(3, bias=False), (4,)),
    Specimen(linear(2, weight_init=glorot_normal()), (3,)),
    Specimen(linear(2, bias_init=zeros()), (3,)),
    Specimen(linear(2, weight_init=kaiming_normal(a=0.5), bias_init=uniform(0.25)), (3,)),
    Specimen(linear(2, weight_init=glorot_uniform(), bias_init=constant(-0.5)), (3,)),
    Specimen(linear(2, weight_init=kaiming_uniform()), (3,)),
    Specimen(relu(), (4,)),
    Specimen(relu(), (2, 3)),
    Specimen(softmax(), (4,)),
    Specimen(softmax(), (2, 3)),
    Specimen(softmax(axis=1), (2, 3)),
    Specimen(softmax(axis=0), (4,), by_row=False),
    Specimen(identity(), (3,)),
    Specimen(flatten(), (2, 3)),
    Specimen(flatten(), ()),
    Specimen(scale(0.5), (3,)),
    Specimen(scale(0.5, offset=-0.25), (2, 3)),
    Specimen(scale(1 / 255, dtype="float64"), (3,)),
    Specimen(scale(1 / 255), (2, 3), draw=pixels),
    Specimen(chain(), (3,)),
    Specimen(chain(identity()), (3,)),
    Specimen(chain(linear(5), relu(), linear(3), softmax()), (4,)),
    Specimen(chain(flatten(), scale(0.5), chain(linear(4, bias=False), relu()), chain(), linear(2)), (2, 3)),
    Specimen(chain(linear(3), softmax(axis=0), identity()), (2,), by_row=False),
)


@frozen(repr=False)
class LossSpecimen:
    """A loss, with its name, and whether its targets are labels."""

    name: str
    loss: Loss
    labels: bool = False

    def __repr__(self) -> str:
        return self.name

    def targets(self, y: NDArray[Any], seed: int) -> NDArray[Any]:
        """Make targets that suit outputs of this shape and dtype."""
        random = np.random.default_rng(seed)
        if self.labels:
            return np.asarray(random.integers(0, y.shape[1], y.shape[0]))
        return random.uniform(-1, 1, y.shape).astype(y.dtype)

    def check(self, loss: Loss | None = None, *, seed: int = 0, trials: int = TRIALS) -> None:
        """Check the laws of this loss, or of a mutant in its place."""
        draw_target = labels_like if self.labels else normal
        subject = self.loss if loss is None else loss
        check_loss(subject, (4,), seed=seed, trials=trials, draw_target=draw_target)


LOSSES = (
    LossSpecimen("mse", mse),
    LossSpecimen("mse(reduction=sum)", partial(mse, reduction="sum")),
    LossSpecimen("on_labels(mse)", on_labels(mse), labels=True),
    LossSpecimen("on_labels(mse(reduction=sum))", on_labels(partial(mse, reduction="sum")), labels=True),
)

OPTIMIZERS: tuple[tuple[str, Optimizer], ...] = (
    ("sgd(0.5)", sgd(0.5)),
    ("sgd(float64 rate)", sgd(np.float64(0.1))),
)

INITIALIZERS: tuple[tuple[str, Initializer], ...] = (
    ("kaiming_uniform()", kaiming_uniform()),
    ("kaiming_uniform(a=2)", kaiming_uniform(a=2)),
    ("kaiming_normal()", kaiming_normal()),
    ("kaiming_normal(a=0.5)", kaiming_normal(a=0.5)),
    ("glorot_uniform()", glorot_uniform()),
    ("glorot_normal()", glorot_normal()),
    ("uniform(0.25)", uniform(0.25)),
    ("zeros()", zeros()),
    ("constant(-0.5)", constant(-0.5)),
)

METRICS: tuple[tuple[str, Metric], ...] = (
    ("accuracy", accuracy),
    ("confusion_matrix", confusion_matrix),
)
