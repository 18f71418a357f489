"""Updates one after another: small parameters, a few gradients, and what they come to."""

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

import fnmlp as fn
from fnmlp.tree import Tree
from tests.steps import draw


def params_of(dtype: Any = np.float32) -> tuple[fn.Linear, ...]:
    return fn.Linear(draw(0, (4, 3), dtype), draw(1, (3,), dtype)), fn.Linear(draw(2, (3, 2), dtype), ())


def grads_of(step: int, dtype: Any = np.float32) -> tuple[fn.Linear, ...]:
    seed = 10 * step + 3
    return fn.Linear(draw(seed, (4, 3), dtype), draw(seed + 1, (3,), dtype)), fn.Linear(
        draw(seed + 2, (3, 2), dtype), ()
    )


def run(optimizer: fn.Optimizer, grads: Sequence[Tree], params: Tree) -> tuple[Tree, Tree]:
    return reduce(lambda now, grad: optimizer.update(now[0], grad, now[1]), grads, (params, optimizer.init(params)))


GRADS = [grads_of(step) for step in range(6)]
