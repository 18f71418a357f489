"""Evaluation on several ranks: each applies the model to its own rows, and all get all outputs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Any

from fnmlp.arrays import Array, as_array
from fnmlp.batching import Batch, Pair, as_batch, parts_of
from fnmlp.checks import as_iterator
from fnmlp.interop.mpi.exchange import check_numpy, gathered
from fnmlp.interop.mpi.shards import Comm, edges_of, rank_and_size
from fnmlp.layer import Layer, P
from fnmlp.layers import identity
from fnmlp.losses import Loss
from fnmlp.metrics import accuracy
from fnmlp.scalars import as_count
from fnmlp.training import evaluate, predict

__all__ = ["parallel_evaluate", "parallel_outputs", "parallel_predict"]


def parallel_predict(model: Layer[P], params: P, inputs: Array, *, size: int = 1024, comm: Comm = None) -> Array:
    """Apply a model to any number of inputs on all ranks; each gets all outputs, with the bits of `predict`.

    Shapes:   (n, …) -> (n, …), as the model maps an example.
    Raises:   as `predict`; StructureError for parameters of another library than NumPy, if there is a communicator.

    >>> import numpy as np
    >>> from fnmlp.layers import relu
    >>> parallel_predict(relu(), (), np.array([[-1.0], [2.0]]))
    array([[0.],
           [2.]])
    """
    if comm is None:
        return predict(model, params, inputs, size=size)
    check_numpy("parallel_predict", params, comm)
    inputs, size = as_array("parallel_predict(inputs)", inputs), as_count("parallel_predict(size)", size)
    rank, ranks = rank_and_size(comm)
    edges = [min(block * size, len(inputs)) for block in edges_of(-(-len(inputs) // size), ranks)]
    outputs = predict(model, params, inputs[edges[rank] : edges[rank + 1], ...], size=size)
    return gathered(outputs, [last - first for first, last in pairwise(edges)], comm)


def parallel_evaluate(
    model: Layer[P],
    loss: Loss,
    params: P,
    data: Batch | Pair,
    *,
    metrics: Sequence[Callable[[Array, Array], Any]] = (accuracy,),
    size: int = 1024,
    comm: Comm = None,
) -> tuple[float, ...]:
    """Return the loss over `data`, followed by each metric, with the bits of `evaluate`.

    All ranks apply the model. Each computes the loss and the metrics from all outputs.
    Raises:   as `evaluate` and `parallel_predict`.

    >>> import numpy as np
    >>> from fnmlp.layers import identity
    >>> from fnmlp.losses import mse, on_labels
    >>> data = Batch(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]))
    >>> parallel_evaluate(identity(), on_labels(mse), (), data)
    (0.5, 0.5)
    """
    data = as_batch("parallel_evaluate", data, params)
    y = parallel_predict(model, params, data.inputs, size=size, comm=comm)
    return evaluate(identity(), loss, (), Batch(y, data.targets, data.weights), metrics=metrics, size=len(data) or 1)


def parallel_outputs(
    model: Layer[P], params: P, batches: Iterable[Batch | Pair], *, comm: Comm = None
) -> Iterator[tuple[Array, ...]]:
    """Yield the outputs, targets and weights of each batch in order; the ranks apply the model to batches in turn.

    Fold a metric over them, whatever the size of the data: `fold_metric(metric, parallel_outputs(…))` has the same bits
    for any number of ranks. Every rank needs the same batches.
    Raises:   whatever the model raises; StructureError for anything but batches, and for parameters of another library
              than NumPy, if there is a communicator.

    >>> import numpy as np
    >>> from fnmlp.layers import relu
    >>> [pair] = parallel_outputs(relu(), (), [(np.array([[-1.0]]), np.array([0]))])
    >>> pair
    (array([[0.]]), array([0]))
    """
    check_numpy("parallel_outputs", params, comm)
    rank, ranks = rank_and_size(comm)
    every = as_iterator("parallel_outputs(batches)", batches, "batches")
    while turn := [as_batch("parallel_outputs", batch, params) for batch in islice(every, ranks)]:
        own = turn[rank].inputs if rank < len(turn) else turn[0].inputs[:0, ...]
        rows = [*map(len, turn), *[0] * (ranks - len(turn))]
        y = gathered(model.apply(params, own), rows, comm)
        begin = 0
        for batch in turn:
            yield y[begin : begin + len(batch), ...], *parts_of(batch)[1:]
            begin += len(batch)
