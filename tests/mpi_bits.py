"""Print the digests of some training runs: `mpiexec -n 3 python -m tests.mpi_bits`; all numbers of ranks agree."""

from functools import partial, reduce
from hashlib import sha256
from itertools import islice
import sys
from typing import Any

import numpy as np

import fnmlp as fn
from fnmlp.interop import mpi

MODELS: dict[str, fn.Layer[Any]] = {
    "linear": fn.linear(3),
    "deep": fn.chain(fn.linear(7), fn.relu(), fn.dropout(0.3), fn.linear(3)),
    "normalised": fn.chain(fn.linear(5), fn.layer_norm(), fn.tanh(), fn.linear(3)),
    "residual": fn.chain(fn.residual(fn.chain(fn.dropout(0.2), fn.linear(4))), fn.linear(3)),
}
COUNTERPARTS: dict[str, fn.Layer[Any]] = {
    "linear with dropout": fn.chain(fn.dropout(0.3), fn.linear(3)),
    "deep without dropout": fn.chain(fn.linear(7), fn.relu(), fn.linear(3)),
    "normalised with dropout": fn.chain(fn.linear(5), fn.layer_norm(), fn.tanh(), fn.dropout(0.3), fn.linear(3)),
    "residual without dropout": fn.chain(fn.residual(fn.linear(4)), fn.linear(3)),
}
"""The same models with dropout, or without it."""

OPTIMIZERS: dict[str, fn.Optimizer] = {
    "sgd": fn.sgd(0.1),
    "momentum": fn.sgd(0.1, momentum=0.9),
    "adam": fn.adam(0.01),
    "clipped": fn.compose(fn.clip_by_global_norm(0.5), fn.adam(0.01)),
}


def data_of(rows: int, *, weighted: bool = False) -> fn.Batch:
    """Draw data of four inputs and three classes."""
    generator = fn.generator(fn.Key(7))
    weights = generator.random(rows, np.float32) if weighted else ()
    return fn.Batch(generator.standard_normal((rows, 4), np.float32), generator.integers(0, 3, rows), weights)


def start_of(model: Any, optimizer: Any) -> fn.TrainState:
    """Return the state before the first step."""
    return fn.train_state(model, optimizer, key=fn.Key(0), example=(4,))


def trained(
    model: Any, optimizer: Any, data: fn.Batch, comm: Any, *, state: Any = None, start: int = 0, stop: int = 9
) -> fn.TrainState:
    """Train for an epoch, or for a part of it."""
    step = partial(mpi.parallel_step, model, fn.cross_entropy, optimizer, shards=6, comm=comm)
    every = mpi.parallel_batches(data, size=13, key=fn.Key(1), epoch=0, start=start, shards=6, comm=comm)
    return reduce(step, islice(every, stop), start_of(model, optimizer) if state is None else state)


def digest(state: fn.TrainState) -> str:
    """Hash all that a run carries."""
    return fn.tree_sha256((state.params, state.optimizer_state, np.float64(state.loss)))


def digests(comm: Any) -> dict[str, str]:
    """Train each model with each optimiser, on 29 weighted rows: the last batch has fewer rows than shards."""
    data, models = data_of(29, weighted=True), MODELS | COUNTERPARTS
    return {
        f"{model} {optimizer}": digest(trained(models[model], OPTIMIZERS[optimizer], data, comm))
        for model in models
        for optimizer in OPTIMIZERS
    }


def summary(found: dict[str, str]) -> str:
    """Return one digest of all digests."""
    return sha256(str(found).encode()).hexdigest()


if __name__ == "__main__":
    every = mpi.world()
    with mpi.ending_together(every):
        found = every.gather(digests(every))
        if found is not None:
            sys.stdout.write(f"{len(set(map(str, found)))} {summary(found[0])}\n")
