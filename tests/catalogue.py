"""A specimen of everything public that fnmlp constructs: a new constructor needs one line here, and is then tested."""

from functools import partial
from typing import Any

from attrs import field, frozen
import numpy as np
from numpy.typing import NDArray

from fnmlp.arrays import Shape
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
from fnmlp.layer import Layer
from fnmlp.layers import flatten, identity, linear, relu, scale, softmax
from fnmlp.losses import Loss, mse, on_labels
from fnmlp.metrics import accuracy, confusion_matrix
from fnmlp.optimizers import Optimizer, sgd
from fnmlp.training import Metric


@frozen(repr=False)
class Specimen:
    """A layer, the shape of an example, and whether a row of its output depends on that row of its input alone."""

    layer: Layer[Any]
    example: Shape
    by_row: bool = True
    text: str = field(init=False)

    @text.default
    def _text(self) -> str:
        return f"{self.layer.name} on {self.example}"

    def __repr__(self) -> str:
        return self.text


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
