"""Train on several devices with JAX: each batch is spread over them, and the step is the one that NumPy takes.

A computer without accelerators plays four devices here. On accelerators, leave that line out. On several computers,
call `jax.distributed.initialize()` first in each process, and give each its own part of a batch with
`jax.make_array_from_process_local_data`; the rest stays the same.
"""

from functools import partial, reduce

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
import numpy as np

import fnmlp as fn
from fnmlp.data import digits
import fnmlp.interop.jax  # so that JAX takes fnmlp's trees

DEVICES, STEPS = 4, 100

data = digits()
model = fn.chain(fn.flatten(), fn.scale(1 / 16), fn.linear(64), fn.relu(), fn.linear(10), fn.softmax())
loss, optimizer = fn.on_labels(fn.mse), fn.sgd(4.0, momentum=0.5)
step = partial(fn.train_step, model, loss, optimizer)
start = fn.train_state(model, optimizer, key=fn.Key(0), example=(8, 8))
batches = [batch for epoch in range(6) for batch in fn.batches(data.train, size=64, key=fn.Key(1), epoch=epoch)]
whole_batches = [batch for batch in batches if len(batch) == 64][:STEPS]


def on_devices(mesh: jax.sharding.Mesh) -> fn.TrainState:
    """Train with each batch spread over a mesh of devices, and the parameters on each of them."""
    everywhere, spread = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("batch"))
    state = jax.device_put(start, everywhere)
    compiled = jax.jit(step, out_shardings=everywhere)
    return reduce(lambda state, batch: compiled(state, jax.device_put(batch, spread)), whole_batches, state)


def main() -> None:
    """Compare the parameters that four devices reach with those of NumPy."""
    jax.config.update("jax_num_cpu_devices", DEVICES)  # before JAX is used for the first time
    mesh = jax.make_mesh((DEVICES,), ("batch",), axis_types=(AxisType.Auto,))
    state, alone = on_devices(mesh), reduce(step, whole_batches, start)
    apart = [float(np.abs(one - other).max()) for one, other in zip(*map(leaves, (state, alone)), strict=True)]
    print(f"{mesh.size} devices, {state.step} steps, loss {float(state.loss):.4f}; by NumPy {alone.loss:.4f}")
    print(f"largest difference of a parameter: {max(apart):.1e}")
    trained = fn.to(state.params, like=np.zeros(()))
    print(f"test accuracy: {fn.evaluate(model, loss, trained, data.test)[1]:.3f}")


def leaves(state: fn.TrainState) -> tuple[fn.Array, ...]:
    """Return the parameters of a state, by NumPy."""
    return tuple(map(np.asarray, fn.tree_leaves(state.params)))


if __name__ == "__main__":
    main()
