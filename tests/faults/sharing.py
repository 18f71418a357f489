"""One model in many threads, and one training in many processes: the bits must be the same as alone."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
import os
import subprocess
import sys
from threading import Barrier
from typing import Any

from attrs import frozen
from threadpoolctl import threadpool_limits

import fnmlp as fn
from fnmlp.key import Key, fold_in, generator
from fnmlp.tree import Tree

THREADS = 64

MODEL = fn.chain(
    fn.linear(32),
    fn.layer_norm(),
    fn.gelu(),
    fn.dropout(0.3),
    fn.residual(fn.chain(fn.linear(32), fn.tanh(), fn.gaussian_noise(0.1))),
    fn.rms_norm(),
    fn.linear(10),
    fn.softmax(),
)


@frozen
class Sharing:
    """The outcomes of sharing a model among threads; the last count must be 0.

    `rounds`     rounds of 64 threads that called `apply`, `vjp` and the pullback, each with its own input and key.
    `calls`      calls of all threads together.
    `different`  calls that gave other bits than the same call alone.
    """

    rounds: int = 0
    calls: int = 0
    different: int = 0


def share_model(rounds: int) -> Sharing:
    """Let 64 threads use one model at once, switching every microsecond; then repeat each call alone."""
    params, _ = MODEL.init(Key(0), (24,))
    barrier, interval = Barrier(THREADS), sys.getswitchinterval()
    different = 0
    with threadpool_limits(1), ThreadPoolExecutor(THREADS) as pool:
        for number in range(rounds):
            keys = [fold_in(fold_in(Key(1), number), thread) for thread in range(THREADS)]
            sys.setswitchinterval(1e-6)
            try:
                shared = list(pool.map(partial(_all_at_once, barrier, params), keys))
            finally:
                sys.setswitchinterval(interval)
            different += sum(_use(params, key) != bits for key, bits in zip(keys, shared, strict=True))
    return Sharing(rounds, rounds * THREADS, different)


def _all_at_once(barrier: Barrier, params: Tree, key: Key) -> str:
    barrier.wait(60)
    return _use(params, key)


def _use(params: Tree, key: Key) -> str:
    """Hash all that the model returns for an input, a gradient and noise drawn from a key."""
    draw = generator(key)
    x = draw.standard_normal((5 + key.path[-1] % 7, 24)).astype("float32")
    applied = MODEL.apply(params, x)
    y, pullback = MODEL.vjp(params, x, fold_in(key, 0))
    grads, delayed_dx = pullback(draw.standard_normal(y.shape).astype("float32"))
    return fn.tree_sha256((applied, y, grads, delayed_dx()))


TRAINING = """
from functools import partial, reduce
import fnmlp as fn
from fnmlp.key import Key, generator
draw = generator(Key(2))
labels = draw.integers(0, 10, 600)
data = fn.Batch(draw.standard_normal((600, 24)).astype("float32") + labels[:, None].astype("float32"), labels)
model = fn.build(%r)
optimizer = fn.adamw(0.01)
step = partial(fn.train_step, model, fn.on_labels(fn.mse), optimizer)
state = fn.train_state(model, optimizer, key=Key(0), example=(24,))
for epoch in range(5):
    state = reduce(step, fn.batches(data, size=32, key=Key(1), epoch=epoch), state)
print(fn.tree_sha256(state.params))
"""


@frozen
class Fresh:
    """The outcomes of training in fresh processes; all counts but the first must be 0.

    `processes`  processes that ran the same training, each with another seed of Python's hashes.
    `different`  those that ended with other parameters than the first.
    `failed`     those that ended with an error.
    """

    processes: int = 0
    different: int = 0
    failed: int = 0


def train_afresh(processes: int) -> Fresh:
    """Train in fresh processes, two at a time, and compare the results."""
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(_train, range(processes)))
    different = sum(process.stdout != ended[0].stdout for process in ended)
    return Fresh(processes, different, sum(process.returncode != 0 for process in ended))


def _train(seed: int) -> "subprocess.CompletedProcess[Any]":
    environment = os.environ | {"PYTHONHASHSEED": str(seed), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", TRAINING % MODEL.name]
    return subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
