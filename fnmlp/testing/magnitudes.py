"""The numbers that a check draws: magnitudes from 1e-3 to 1e3 of both signs, and what each trial spreads over them."""

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import Key, fold_in, generator
from fnmlp.testing.numeric import normal

DECADES = tuple((sign, exponent) for exponent in range(-3, 3) for sign in (1.0, -1.0))
"""The sign and the lower power of ten of each decade: 1e-3 up to 1e3, positive and negative."""

NORMAL = 4
"""The number of normally distributed numbers for each one per decade."""


@frozen
class Trial:
    """Hold the settings of one trial.

    `rows`    the number of rows of its batch.
    `spread`  which of "inputs", "params", "cotangents" are drawn over all magnitudes instead of normally.
    `repeats` the last row repeats the first.
    """

    rows: int
    spread: tuple[str, ...] = ()
    repeats: bool = False


TRIALS = (
    Trial(3),
    Trial(16, ("inputs",)),
    Trial(2, ("params",)),
    Trial(9, ("inputs", "cotangents")),
    Trial(1, ("cotangents",)),
    Trial(33, ("inputs",)),
    Trial(4, ("inputs", "params"), repeats=True),
    Trial(12, ("inputs", "params", "cotangents")),
    Trial(5, repeats=True),
    Trial(1, ("inputs",)),
)
"""The trials of a check, in turn; the last digit of the seed chooses one."""


def trial_of(seed: int) -> Trial:
    """Return the settings of the trial with a seed.

    >>> trial_of(4)
    Trial(rows=1, spread=('cotangents',), repeats=False)
    """
    return TRIALS[seed % len(TRIALS)]


def spread(key: Key, shape: tuple[int, ...]) -> Array:
    """Draw numbers of every decade from 1e-3 to 1e3 and of both signs, some standard normal ones among them.

    Of any 16 numbers one is from each of the twelve decades, log-uniformly, and four are normal, in random places.

    >>> sizes = abs(spread(Key(0), (32,)))
    >>> int((sizes > 100).sum()), int((sizes < 0.01).sum()) >= 4
    (4, True)
    """
    count = int(np.prod(shape))
    random = generator(fold_in(key, 0))
    signs, exponents = np.array(DECADES).T
    kind = (np.arange(count) + random.integers(len(DECADES) + NORMAL)) % (len(DECADES) + NORMAL)
    decade = np.minimum(kind, len(DECADES) - 1)
    wide = signs[decade] * 10.0 ** (exponents[decade] + random.uniform(size=count))
    mixed = np.where(kind < len(DECADES), wide, normal(fold_in(key, 1), (count,)))
    return random.permutation(mixed).reshape(shape)
