"""A program: one step on exact numbers, and its hash. Any difference between machines or kernels would be a bug.

All numbers are small integers times powers of two, and every sum fits the mantissa of float32, so that no order of
summation can round. Prints the kernel of OpenBLAS and the hash.
"""

from collections.abc import Iterator

import numpy as np
from threadpoolctl import threadpool_info

import fnmlp as fn
from fnmlp.layers import Linear


def integers(seed: int, shape: tuple[int, ...], bound: int) -> fn.Array:
    """Return integers from -bound to bound, as float32."""
    drawn: fn.Array = np.random.default_rng(seed).integers(-bound, bound + 1, shape).astype(np.float32)
    return drawn


def results() -> Iterator[fn.Array]:
    """Yield the arrays of one step of 784-512-16 on 64 rows, and those of an evaluation of 300 rows."""
    model = fn.chain(fn.flatten(), fn.scale(0.5), fn.linear(512), fn.relu(), fn.linear(16))
    params = (
        (),
        (),
        Linear(integers(0, (784, 512), 2), integers(1, (512,), 2)),
        (),
        Linear(integers(2, (512, 16), 1), integers(3, (16,), 1)),
    )
    batch = fn.Batch(integers(4, (64, 28, 28), 2), integers(5, (64, 16), 4))
    y, pullback = model.vjp(params, batch.inputs, None)
    grads, delayed_dx = pullback(integers(6, y.shape, 1))
    value, dy = fn.mse(integers(7, y.shape, 4), batch.targets)
    moved = fn.sgd_update(params, grads, rate=0.5)
    rows = integers(8, (300, 28, 28), 2)
    yield from (y, delayed_dx(), np.asarray(value), dy, fn.predict(model, params, rows, size=77))
    yield from fn.tree_leaves((grads, moved))


if __name__ == "__main__":
    kernel = next((pool.get("architecture", "?") for pool in threadpool_info()), "?")
    print(kernel, fn.tree_sha256(tuple(results())))  # noqa: T201 (what this program is for)
