"""Data in both directions: our data sets through a DataLoader, and a DataLoader's batches for the fold."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from fnmlp.batching import Batch, Pair, as_batch, check_data, epoch_order, parts_of
from fnmlp.checks import as_iterator
from fnmlp.errors import MissingDependencyError
from fnmlp.key import Key
from fnmlp.moving import to
from fnmlp.scalars import as_count

try:
    import torch
    from torch.utils.data import DataLoader, TensorDataset
except ImportError as error:
    raise MissingDependencyError.of("fnmlp.interop.torch", "torch", error, "pip install 'fnmlp[torch]'") from error

__all__ = ["from_loader", "to_loader"]


class _Rows(TensorDataset):
    """A data set that takes all rows of a batch at once, not one by one."""

    def __getitems__(self, rows: list[int]) -> list[Any]:
        return [tensor[rows] for tensor in self.tensors]


def _as_it_is(batch: list[Any]) -> list[Any]:
    return batch


def to_loader(data: Batch | Pair, *, size: int, key: Key, epoch: int, **options: Any) -> Any:
    """Return a torch DataLoader of one epoch, whose batches are those of `fnmlp.batches`, as tensors.

    Each batch is a list of inputs and targets, and weights if there are any. The options are the DataLoader's, such as
    `num_workers=2` and `pin_memory=True`. A `Batch` is a data set too, but `DataLoader(data)` takes its rows one by
    one, which is several times slower.
    Shapes:   inputs (size, …), targets (size, …); the last batch may be smaller.
    Raises:   as `fnmlp.batches`.
    Source:   torch.utils.data.DataLoader.

    >>> loader = to_loader((np.zeros((5, 3)), np.arange(5)), size=2, key=Key(0), epoch=0)
    >>> [tuple(inputs.shape) for inputs, targets in loader]
    [(2, 3), (2, 3), (1, 3)]
    """
    data = as_batch("to_loader", data)
    check_data(data)
    size = as_count("to_loader(size)", size)
    rows = _Rows(*map(_tensor, parts_of(data)))
    order = epoch_order(len(data), key=key, epoch=epoch).tolist()
    return DataLoader(rows, batch_size=size, sampler=order, collate_fn=_as_it_is, **options)


def from_loader(loader: Iterable[Any]) -> Iterator[Batch]:
    """Yield the batches of a torch DataLoader as batches of NumPy arrays, from whatever memory they are in.

    Shapes:   each batch is a pair of inputs and targets, or a triple with weights.
    Raises:   StructureError for anything else.

    >>> loader = DataLoader(TensorDataset(torch.zeros(3, 2), torch.arange(3)), batch_size=2)
    >>> [batch.targets.tolist() for batch in from_loader(loader)]
    [[0, 1], [2]]
    """
    for given in as_iterator("from_loader", loader, "batches of a DataLoader"):
        yield to(as_batch("from_loader", given), like=np.zeros(()))


def _tensor(x: Any) -> Any:
    """Return an array as a tensor that shares its memory; torch takes no arrays that are read-only or reversed."""
    array = np.require(to(x, like=np.zeros(())), requirements=["C", "W"])
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
