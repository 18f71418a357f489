"""The work in scikit-learn."""

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from benchmark.work import Peer, Weights, Work, scaled, start_weights
from fnmlp.data import Dataset


def sklearn_peer(work: Work, data: Dataset) -> Peer:
    """Call MLPClassifier.partial_fit once an epoch: it shuffles and cuts batches itself, from floats in memory.

    Its loss is cross-entropy, whose step is a little cheaper than that of softmax with mean squared error.
    """
    images, labels, model = scaled(data.train.inputs, data.white), data.train.targets, classifier(work)
    model.partial_fit(images[: work.batch_size], labels[: work.batch_size], classes=np.arange(len(data.classes)))
    for array, value in zip(weights_of(model), start_weights(work, data), strict=True):
        array[...] = value

    def epoch(_: None, number: int, batches: int | None) -> None:
        rows = slice(None if batches is None else batches * work.batch_size)
        model.partial_fit(images[rows], labels[rows])

    return Peer(
        start=None,
        epoch=epoch,
        weights=lambda _: weights_of(model),
        hold=partial(scaled, white=data.white),
        predict=lambda _, x: model.predict_proba(x),
    )


def classifier(work: Work) -> Any:
    """Return the network of a work, which has no parameters before its first step."""
    return import_module("sklearn.neural_network").MLPClassifier(
        (work.hidden,),
        solver=work.optimizer,
        alpha=0.0,
        batch_size=work.batch_size,
        learning_rate_init=work.rate,
        momentum=work.momentum,
        nesterovs_momentum=False,
        random_state=0,
    )


def weights_of(model: Any) -> Weights:
    """Return the parameters, which are the model's own arrays."""
    return model.coefs_[0], model.intercepts_[0], model.coefs_[1], model.intercepts_[1]
