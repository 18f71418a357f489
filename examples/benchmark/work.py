"""The work that the benchmark times, a training step of a small network, and what all libraries share."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

import fnmlp as fn
from fnmlp.data import Dataset

ORDER_KEY, START_KEY = fn.Key(1), fn.Key(0)

Weights: TypeAlias = tuple[fn.Array, ...]
"""Weight (in, hidden), bias, weight (hidden, classes), bias."""


@frozen
class Work:
    """Describe a training step of a network with one hidden layer, in float32.

    The network has ReLU, softmax and mean squared error. `rate` and `momentum` are for SGD, or `rate` for Adam.
    `dropout` is the probability of dropping a hidden unit.
    """

    hidden: int = 512
    batch_size: int = 64
    optimizer: str = "sgd"
    rate: float = 0.5
    momentum: float = 0.0
    dropout: float = 0.0


WORKS: Mapping[str, Work] = {
    "reference": Work(),
    "momentum": Work(rate=0.05, momentum=0.9),
    "adam": Work(optimizer="adam", rate=0.001),
    "dropout": Work(dropout=0.5),
}


@frozen(eq=False)
class Peer:
    """One library's version of a work: its first state, and functions of states, which may modify their argument.

    `epoch`    (state, number of the epoch, batches or None for all) -> state, once it is computed.
    `weights`  state -> the parameters, as NumPy arrays.
    `hold`     images -> the library's form of them.
    `predict`  (state, images in that form) -> probabilities, once they are computed.
    """

    start: Any
    epoch: Callable[[Any, int, int | None], Any]
    weights: Callable[[Any], Weights]
    hold: Callable[[fn.Array], Any]
    predict: Callable[[Any, Any], Any]


@frozen
class Library:
    """A timed library: its title, how to build a work in it, and how to import and install it.

    `works`   the works that it can do.
    `note`    what readers of its times should know.
    `trains`  False if it only predicts.
    """

    title: str
    build: Callable[[Work, Dataset], Peer]
    module: str
    package: str
    works: tuple[str, ...] = tuple(WORKS)
    note: str = ""
    trains: bool = True


def described(work: Work, data: Dataset) -> str:
    """Describe a work in words."""
    inputs, outputs = data.train.inputs[0].size, len(data.classes)
    optimizer = f"{'Adam' if work.optimizer == 'adam' else 'SGD'}, rate {work.rate}"
    more = [f"{name} {value}" for name, value in (("momentum", work.momentum), ("dropout", work.dropout)) if value]
    network = f"{inputs}-{work.hidden}-{outputs}, ReLU, softmax, mean squared error, float32"
    return ", ".join([network, optimizer, *more, f"batch {work.batch_size}"])


def layers_of(work: Work, data: Dataset) -> tuple[fn.Layer[Any], ...]:
    """Return the layers of fnmlp's network."""
    noise = (fn.dropout(work.dropout),) if work.dropout else ()
    hidden = (fn.linear(work.hidden), fn.relu(), *noise)
    return (fn.flatten(), fn.scale(1 / data.white), *hidden, fn.linear(len(data.classes)), fn.softmax())


def optimizer_of(work: Work) -> fn.Optimizer:
    """Return fnmlp's optimiser."""
    return fn.adam(work.rate) if work.optimizer == "adam" else fn.sgd(work.rate, momentum=work.momentum)


def start_of(work: Work, data: Dataset) -> fn.TrainState:
    """Return the state from which fnmlp starts."""
    model = fn.chain(*layers_of(work, data))
    return fn.train_state(model, optimizer_of(work), key=START_KEY, example=data.train.inputs.shape[1:])


def start_weights(work: Work, data: Dataset) -> Weights:
    """Return the parameters that all libraries start with."""
    return fn.tree_leaves(start_of(work, data).params)


def rows_of(work: Work, rows: int, number: int, batches: int | None) -> fn.Array:
    """Return the row numbers of an epoch's first batches, or of all, in fnmlp's order."""
    order = fn.epoch_order(rows, key=ORDER_KEY, epoch=number)
    return order if batches is None else order[: batches * work.batch_size]


def pixel_rows(images: fn.Array) -> fn.Array:
    """Return images as they are, one row each."""
    return images.reshape(len(images), -1)


def scaled(images: fn.Array, white: int) -> fn.Array:
    """Return images as rows of float32 in [0, 1]."""
    x: fn.Array = pixel_rows(images).astype(np.float32)
    x *= 1 / white
    return x


def hot_targets(data: Dataset) -> fn.Array:
    """Return the one-hot rows that the probabilities should equal."""
    return fn.one_hot(data.train.targets, len(data.classes))
