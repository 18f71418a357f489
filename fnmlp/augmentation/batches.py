"""Augmented batches, and mixup, which mixes the rows of a batch."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count as count_from
from typing import Any

from attrs import evolve

from fnmlp.arrays import Array, bring, namespace, read_only, to_dtype
from fnmlp.batching import Batch, Pair, as_batch, check_data
from fnmlp.checks import as_iterator, check_function
from fnmlp.errors import DtypeError
from fnmlp.key import Key, fold_in, generator, split
from fnmlp.scalars import as_natural, as_positive

__all__ = ["augmented", "mixup"]


def augmented(
    batches: Iterable[Batch | Pair], augment: Callable[[Key, Array], Array], *, key: Key, start: int = 0
) -> Iterator[Batch]:
    """Apply `augment` to the inputs of each batch, with the key `fold_in(key, i)` for batch i.

    Batches are counted from `start`. Pass the same `start` as to `fnmlp.batches`, and an epoch that you resume in the
    middle is the same as without the interruption. Use another key for each epoch, for instance `fold_in(key, epoch)`.
    Raises:   OptionError for a bad start; StructureError for anything but batches; DataError if `augment` changes the
              number of rows.

    >>> import numpy as np
    >>> from fnmlp.augmentation import cutout
    >>> batch = Batch(np.ones((2, 4, 4)), np.array([3, 5]))
    >>> [hidden] = augmented([batch], partial(cutout, size=1), key=Key(0))
    >>> hidden.inputs.sum(axis=(1, 2)), hidden.targets
    (array([15., 15.]), array([3, 5]))
    """
    check_function("augmented(augment)", augment, 2, "partial(shift, pixels=1.0)")
    passed = as_iterator("augmented(batches)", batches, "batches")
    return map(partial(_augment, augment, key), count_from(as_natural("augmented(start)", start)), passed)


def _augment(augment: Callable[[Key, Array], Array], key: Key, number: int, batch: Any) -> Batch:
    whole = as_batch("augmented", batch)
    return evolve(whole, inputs=augment(fold_in(key, number), whole.inputs))


def mixup(key: Key, batch: Batch | Pair, *, alpha: float) -> Batch:
    """Mix the inputs and targets of each row with those of another row, by a share drawn from Beta(alpha, alpha).

    Each row has its own share. With one share for the whole batch, some batches would stay nearly unmixed and others
    would be mixed evenly. Weights are mixed like the rows.
    Shapes:   those of the batch. Integer inputs become float32; targets are distributions or other floats.
    Raises:   OptionError unless alpha is above 0; DtypeError for integer targets; DataError for an empty batch.
    Source:   Zhang, Cisse, Dauphin & Lopez-Paz 2018, arXiv:1710.09412, section 2.

    >>> import numpy as np
    >>> batch = Batch(np.array([[0.0], [10.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]))
    >>> mixed = mixup(Key(0), batch, alpha=1.0)
    >>> bool(np.allclose(mixed.inputs[:, 0], 10 * mixed.targets[:, 1]))
    True
    """
    batch = as_batch("mixup", batch)
    check_data(batch)
    if not namespace(batch.targets).isdtype(batch.targets.dtype, "real floating"):
        remedy = "pass Batch(inputs, one_hot(labels, classes))"
        raise DtypeError("mixup: targets", "distributions in float32 or float64", batch.targets.dtype, remedy)
    a = as_positive("mixup(alpha)", alpha)
    other_key, share_key = split(key, 2)
    others = generator(other_key).permutation(len(batch))
    shares = generator(share_key).beta(a, a, len(batch))
    weights = () if isinstance(batch.weights, tuple) else _mixed(batch.weights, others, shares)
    return Batch(_mixed(batch.inputs, others, shares), _mixed(batch.targets, others, shares), weights)


def _mixed(x: Array, others: Array, shares: Array) -> Array:
    xp = namespace(x)
    own = x if xp.isdtype(x.dtype, "real floating") else to_dtype(x, "float32")
    other = xp.take(own, bring(others, own), axis=0)
    share = to_dtype(bring(shares, own), own.dtype)[(slice(None), *[None] * (own.ndim - 1))]
    return read_only(other + (own - other) * share)
