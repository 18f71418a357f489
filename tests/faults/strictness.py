"""Count the rows whose bits depend on the batch, the threads or the kernel of BLAS; under `strict`, none do.

Run as a program, it compares in one process, saves its results, and prints the counts, the kernel and the threads.
"""

from collections.abc import Iterable, Iterator
from functools import partial, reduce
import json
from math import nan
import os
from pathlib import Path
import subprocess
import sys
from typing import Any, TypeAlias

from attrs import astuple, frozen
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

import fnmlp as fn
from fnmlp.key import Key, fold_in, generator
from fnmlp.tree import Tree
from tests.faults.processes import new_folder

IDS = 50
MODELS: tuple[tuple[str, fn.Shape], ...] = (
    ("chain(flatten(), linear(128), relu(), linear(10), softmax())", (28, 28)),
    ("chain(linear(1), sigmoid())", (300,)),
    ("chain(layer_norm(), linear(33), gelu(), residual(chain(linear(33), tanh())), log_softmax())", (40,)),
    ("chain(maxout(16, 3), rms_norm(), concat(silu(), linear(1)), linear(5), elu())", (65,)),
    (f"chain(embedding({IDS}, 8), flatten(), parallel(linear(9), softplus(), widths=(20, 4)), linear(7))", (3,)),
    ("chain(standardize(0.5, 2.0), tied(linear(24), linear(24)), selu(), repeat(linear(24, bias=False), 2))", (24,)),
)
"""The models as texts for `fnmlp.build`, and the shape of their examples."""

Pair: TypeAlias = NDArray[Any]
"""Rows twice, (2, rows, …): as computed by a model, and by the model under `strict`."""


@frozen
class Rows:
    """The number of rows that were compared, and that differed without `strict` and with it. The last must be 0."""

    compared: int = 0
    plain: int = 0
    strict: int = 0

    def __add__(self, other: "Rows") -> "Rows":
        """Add up counts."""
        return Rows(self.compared + other.compared, self.plain + other.plain, self.strict + other.strict)


@frozen
class Report:
    """The outcomes of all comparisons.

    `settings`   the kernels of OpenBLAS and numbers of threads that were used. On one core it uses one thread.
    `sizes`      outputs in batches of every size, compared with all rows at once.
    `orders`     outputs of permuted rows, compared with the original order.
    `processes`  outputs on each kernel and number of threads, compared with the first.
    `trained`    rows of the parameters after an epoch of training, compared likewise.
    """

    settings: frozenset[tuple[str, int]]
    sizes: Rows
    orders: Rows
    processes: Rows
    trained: Rows


def compare(settings: Iterable[tuple[str, int]], rows: int, permutations: int) -> Report:
    """Compare within a process for each kernel and number of threads, and between these processes."""
    with new_folder() as folder:
        printed, saved = zip(*(_process(folder, *setting, rows, permutations) for setting in settings), strict=True)
    sizes, orders = (_total(Rows(*counts[name]) for counts in printed) for name in ("sizes", "orders"))
    processes, trained = (
        _total(_rows(saved[0][name], other[name]) for other in saved[1:] for name in other if name.startswith(kind))
        for kind in ("outputs", "trained")
    )
    used = frozenset((counts["kernel"], counts["threads"]) for counts in printed)
    return Report(used, sizes, orders, processes, trained)


def _process(folder: Path, kernel: str, threads: int, rows: int, permutations: int) -> tuple[Any, dict[str, Pair]]:
    """Run this program; return what it printed and saved."""
    asked = {"OPENBLAS_CORETYPE": kernel} if kernel else {}
    environment = {**os.environ, **asked, "OPENBLAS_NUM_THREADS": str(threads)}
    results = folder / f"{kernel}{threads}.npz"
    command = [sys.executable, "-m", __name__, str(results), str(rows), str(permutations)]
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    with np.load(results) as file:
        return json.loads(ended.stdout), dict(file)


def _total(counts: Iterable[Rows]) -> Rows:
    return sum(counts, Rows())


def _rows(expected: Pair, found: Pair) -> Rows:
    """Count the rows that differ in any bit."""
    assert (expected.shape, expected.dtype) == (found.shape, found.dtype)
    left, right = (np.ascontiguousarray(pair).view(np.uint8) for pair in (expected, found))
    differ = (left != right).reshape(*expected.shape[:2], -1).any(axis=2)
    plain, strict = differ.sum(axis=1).tolist()
    return Rows(differ.shape[1], plain, strict)


@frozen(eq=False)
class Trial:
    """A model with and without `strict`, its parameters, and rows of inputs."""

    layers: tuple[fn.Layer[Any], fn.Layer[Any]]
    params: Tree
    x: fn.Array

    def outputs(self, order: fn.Array, size: int) -> Pair:
        """Return the outputs of rows in this order, computed in batches of this size."""
        return np.stack([fn.predict(layer, self.params, self.x[order], size=size) for layer in self.layers])

    def trained(self, targets: fn.Array) -> list[Pair]:
        """Return the parameters after an epoch of training."""
        optimizer = fn.sgd(0.1, momentum=0.9)
        state = fn.TrainState(0, self.params, optimizer.init(self.params), Key(3), nan)
        batches = list(fn.batches(fn.Batch(self.x, targets), size=8, key=Key(4), epoch=0))
        steps = (partial(fn.train_step, layer, fn.mse, optimizer) for layer in self.layers)
        both = (fn.tree_leaves(reduce(step, batches, state).params) for step in steps)
        return [np.stack(pair) for pair in zip(*both, strict=True)]


def trials(rows: int) -> Iterator[Trial]:
    """Yield each model in float32 and float64, with this many rows."""
    for text, example in MODELS:
        model = fn.build(text)
        params, _ = model.init(Key(0), example)
        normal = generator(Key(1)).standard_normal((rows, *example))
        ids = generator(Key(1)).integers(0, IDS, (rows, *example))
        for dtype in (np.float32, np.float64):
            x = ids if "embedding" in text else normal.astype(dtype)
            yield Trial((model, fn.strict(model)), fn.tree_map(lambda leaf, to=dtype: leaf.astype(to), params), x)


def count(results: Path, rows: int, permutations: int) -> dict[str, Any]:
    """Compare sizes and orders in this process; save outputs and trained parameters to compare with other processes."""
    sizes, orders, drawn = Rows(), Rows(), np.arange(rows)
    saved: dict[str, Pair] = {}
    for place, trial in enumerate(trials(rows)):
        outputs = trial.outputs(drawn, rows)
        sizes += _total(_rows(outputs, trial.outputs(drawn, size)) for size in range(1, rows + 1))
        for number in range(permutations):
            order = generator(fold_in(Key(2), number)).permutation(rows)
            orders += _rows(outputs[:, order], trial.outputs(order, rows))
        saved[f"outputs {place}"] = outputs
        saved |= {f"trained {place} {leaf}": pair for leaf, pair in enumerate(trial.trained(np.cos(outputs[1])))}
    np.savez(results, **saved)  # type: ignore[arg-type]
    blas: dict[str, Any] = next(iter(threadpool_info()), {})
    return {
        "kernel": blas.get("architecture", "?"),
        "threads": blas.get("num_threads", 1),
        "sizes": astuple(sizes),
        "orders": astuple(orders),
    }


if __name__ == "__main__":
    print(json.dumps(count(Path(sys.argv[1]), *map(int, sys.argv[2:]))))  # noqa: T201 (what this program is for)
