"""Batches: a data set is a big batch, and an epoch's batches are a function of (key, epoch, start)."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeAlias, overload

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array, as_array, bring, namespace, read_only
from fnmlp.errors import DataError, DtypeError, OptionError, StructureError
from fnmlp.key import Key, fold_in, generator
from fnmlp.scalars import as_count, as_fraction, as_natural
from fnmlp.tree import Tree, tree_leaves
from fnmlp.weights import row_weights

__all__ = ["Batch", "batches", "epoch_order", "split_data"]

Pair: TypeAlias = Iterable[Any]
"""A pair of inputs and targets, or a triple with weights; you can pass one wherever a Batch is expected."""


@frozen(eq=False)
class Batch:
    """Hold inputs, their targets, and how much each row counts; a whole data set is one big batch.

    A row of weight 2 counts like two rows, in losses and in metrics; without weights all rows count equally.
    Shapes:   inputs (n, …), targets (n, …), weights (n,) or ().
    `len(batch)` is n. `batch[i]` is one example, a pair of arrays (with weights, a triple) that torch's DataLoader can
    collate; you own the arrays. `batch[rows]`, with a slice or an array of row numbers, is a batch. Lists of numbers
    become arrays.
    Raises:   DataError if inputs, targets and weights differ in their number of rows; DtypeError for anything but
              arrays, and for masked and sparse arrays.

    >>> import numpy as np
    >>> batch = Batch(np.array([[1.0], [2.0], [3.0]]), np.array([0, 1, 0]))
    >>> len(batch), batch[2], batch[:2].targets
    (3, (array([3.]), np.int64(0)), array([0, 1]))
    """

    inputs: Array
    targets: Array
    weights: Array | tuple[()] = ()

    def __attrs_post_init__(self) -> None:
        if type(self.inputs) is not np.ndarray:
            object.__setattr__(self, "inputs", as_array("Batch(inputs)", self.inputs))
        if type(self.targets) is not np.ndarray:
            object.__setattr__(self, "targets", as_array("Batch(targets)", self.targets))
        inputs, targets = self.inputs.shape, self.targets.shape
        if not inputs or not targets:
            got = f"{type(self.inputs).__name__} and {type(self.targets).__name__}"
            raise DataError("Batch", "arrays of inputs and targets with a row axis", got, "convert with numpy.asarray")
        if inputs[0] != targets[0]:
            got = f"{inputs[0]} inputs and {targets[0]} targets"
            raise DataError("Batch", "one target for each input", got, "look for rows lost on one side")
        if type(self.weights) is not tuple or self.weights:
            _check_weights(self)

    def __len__(self) -> int:
        return int(self.inputs.shape[0])

    @overload
    def __getitem__(self, rows: int) -> tuple[Array, ...]: ...
    @overload
    def __getitem__(self, rows: "slice | Array") -> "Batch": ...
    def __getitem__(self, rows: Any) -> "Batch | tuple[Array, ...]":
        if isinstance(rows, slice):
            return Batch(*[part[rows, ...] for part in parts_of(self)])
        if hasattr(rows, "__index__") and not getattr(rows, "ndim", 0):
            return tuple(_own(part, rows) for part in parts_of(self))
        return Batch(*[_take(part, rows) for part in parts_of(self)])


def _check_weights(batch: Batch) -> None:
    if type(batch.weights) is not np.ndarray:
        object.__setattr__(batch, "weights", as_array("Batch(weights)", batch.weights))
    expected, got = tuple(batch.inputs.shape[:1]), tuple(batch.weights.shape)  # type: ignore[union-attr]
    if got != expected:
        remedy = "pass one number for each row, or leave them out"
        raise DataError("Batch(weights)", f"an array of shape {expected}", f"shape {got}", remedy)


def parts_of(data: Batch) -> tuple[Array, ...]:
    """Return the arrays of a batch: two, or three if it has weights."""
    pair = data.inputs, data.targets
    return pair if isinstance(data.weights, tuple) else (*pair, data.weights)


def as_batch(where: str, data: Any, params: Tree = ()) -> Batch:
    """Return a batch unchanged; make one from a pair of inputs and targets, or a triple with weights.

    The arrays are brought to the library of the parameters; floats in a list take their dtype.
    Raises:   StructureError for anything else; whatever Batch raises.

    >>> as_batch("evaluate", ([[1.0], [2.0]], [0, 1])).targets
    array([0, 1])
    """
    if isinstance(data, Batch):
        return data
    like = next(iter(tree_leaves(params)), None)
    several = hasattr(data, "__iter__") and not hasattr(data, "shape") and not isinstance(data, (str, bytes, dict))
    parts = tuple(islice(data, 4)) if several else ()
    if len(parts) not in (2, 3):
        got = f"{type(data).__name__} of {len(parts)}" if isinstance(data, (tuple, list)) else type(data).__name__
        raise StructureError(where, "a batch", got, "pass Batch(inputs, targets) or (inputs, targets)")
    arrays = (as_array(f"{where}({name})", x, like) for name, x in zip(PARTS, parts, strict=False))
    return Batch(*(x if like is None else bring(x, like) for x in arrays))


PARTS = ("inputs", "targets", "weights")
"""The parts of a batch, in order."""


def _own(x: Array, row: int) -> Array:
    """Copy one row. A row of one number becomes a NumPy scalar, which DataLoader collates as one."""
    return x[row].copy() if isinstance(x, np.ndarray) else namespace(x).asarray(x[row, ...], copy=True)


def _take(x: Array, rows: Array) -> Array:
    if namespace(rows).isdtype(rows.dtype, "bool"):
        (rows,) = namespace(rows).nonzero(rows)
    taken: Array = namespace(x).take(x, rows, axis=0)
    return read_only(taken)


def batches(data: Batch | Pair, *, size: int, key: Key, epoch: int, start: int = 0) -> Iterator[Batch]:
    """Yield the batches of one epoch: every row once, in an order that depends only on the key and the epoch.

    The last batch is smaller if `size` does not divide the number of rows. Rows are copied only when their batch is
    taken, and pixels stay uint8. `start` skips that many batches, to resume in the middle of an epoch.
    Raises:   DataError for empty data; DtypeError for float16, complex or objects; OptionError for a bad size.

    >>> import numpy as np
    >>> data = Batch(np.arange(5), np.arange(5))
    >>> [len(batch) for batch in batches(data, size=2, key=Key(0), epoch=0)]
    [2, 2, 1]
    >>> sorted(row for batch in batches(data, size=2, key=Key(0), epoch=0) for row in batch.inputs.tolist())
    [0, 1, 2, 3, 4]
    """
    data = as_batch("batches", data)
    check_data(data)
    return (data[rows] for rows in batch_rows("batches", len(data), size=size, key=key, epoch=epoch, start=start))


def batch_rows(where: str, rows: int, *, size: int, key: Key, epoch: int, start: int) -> Iterator[Array]:
    """Yield the row numbers of each batch of an epoch, in order, from the batch `start` on.

    >>> [len(rows) for rows in batch_rows("example", 5, size=2, key=Key(0), epoch=0, start=1)]
    [2, 1]
    """
    order = epoch_order(rows, key=key, epoch=epoch)
    size = as_count(f"{where}(size)", size)
    first_rows = range(0, rows, size)
    return (order[row : row + size] for row in first_rows[as_natural(f"{where}(start)", start) :])


def epoch_order(rows: int, *, key: Key, epoch: int) -> Array:
    """Return the row numbers 0 … rows - 1 in the order of one epoch.

    >>> sorted(epoch_order(5, key=Key(0), epoch=0).tolist())
    [0, 1, 2, 3, 4]
    """
    return generator(fold_in(key, epoch)).permutation(as_natural("epoch_order(rows)", rows))


def split_data(data: Batch | Pair, *, key: Key, share: float) -> tuple[Batch, Batch]:
    """Split data into rows to train on and a held-out share of rows, for validation or testing.

    Every row goes into exactly one part. Only the key decides which.
    Raises:   OptionError for a share outside 0 to 1, and for a share that leaves a part empty.

    >>> import numpy as np
    >>> data = Batch(np.arange(5), np.arange(5))
    >>> train, validation = split_data(data, key=Key(0), share=0.4)
    >>> len(train), len(validation), sorted([*train.targets.tolist(), *validation.targets.tolist()])
    (3, 2, [0, 1, 2, 3, 4])
    """
    data = as_batch("split_data", data)
    rows = len(data)
    held_out = round(rows * as_fraction("split_data(share)", share))
    if not 0 < held_out < rows:
        got = f"{share} of {rows} rows"
        raise OptionError("split_data(share)", "a share that leaves rows in both parts", got, "choose for instance 0.2")
    order = generator(key).permutation(rows)
    return data[order[held_out:]], data[order[:held_out]]


def _is_float(x: Array) -> bool:
    """Tell whether x holds float32 or float64, in any byte order."""
    return str(getattr(x.dtype, "newbyteorder", lambda _: "")("=")) in ("float32", "float64")


def check_data(data: Batch) -> None:
    """Raise for data that no model can learn from, before the first step rather than during it.

    >>> import numpy as np
    >>> check_data(Batch(np.zeros((2, 3), np.float16), np.zeros(2)))
    Traceback (most recent call last):
    fnmlp.errors.DtypeError: inputs: expected integers, float32 or float64, got float16; convert with .astype('float32')
    """
    for name, x in (("inputs", data.inputs), ("targets", data.targets)):
        xp = namespace(x)
        if not (xp.isdtype(x.dtype, ("integral", "bool")) or x.dtype in (xp.float32, xp.float64) or _is_float(x)):
            remedy = "convert with .astype('float32')"
            raise DtypeError(name, "integers, float32 or float64", x.dtype, remedy)
    row_weights("batch", data.weights, data.inputs, "float64")
    if not len(data):
        raise DataError("data", "at least one row", "none", "check where the data come from")
