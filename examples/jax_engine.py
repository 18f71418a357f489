"""The engine on JAX: an epoch is a few stretches of steps, each a call of one compiled loop."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import partial
import math
import os
from time import perf_counter
from typing import Any

from attrs import evolve, field, frozen
import click
import jax
import numpy as np

from engines import Engine, Stretch, Trainer, grads_of
import fnmlp as fn
from fnmlp.interop.jax import fold_epoch
from fnmlp.tree import Tree, tree_leaves
from run_members import Member, augment_key, augmentation_of, first_state, step_of, steps_of
from waiting import interruptible

SECONDS = 0.25
"""The time that a stretch may take, so that a run shows its progress and heeds signals at once."""

ROWS = 1024
"""The rows that a model is applied to in one call: it is compiled for this number, and the last call is filled up."""


def jax_device(name: str | None) -> Any:
    """Return a device of JAX's by its name, such as `gpu` or `cpu:0`; without a name, the one that JAX prefers."""
    there = {f"{device.platform}:{device.id}": device for device in devices()}
    if name is None:
        return next(iter(there.values()))
    found = there.get(name if ":" in name else f"{name}:0")
    if found is None:
        raise click.UsageError(f"--device {name}: JAX finds no such device; choose from {', '.join(there)}")
    return found


def devices() -> list[Any]:
    """Return the devices of this machine, those that JAX prefers first."""
    preferred = jax.devices()
    return preferred if preferred[0].platform == "cpu" else [*preferred, *jax.devices("cpu")]


def jax_engine(device: Any, *, say: Callable[[str], None]) -> Engine:
    """Return the engine on a device; `say` is told how long compiling took.

    A stretch ends at each step where a checkpoint is due.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    kind = f"{cores} cores" if device.platform == "cpu" else device.device_kind
    version = f"jax {jax.__version__} on {kind}"
    bound = partial(trainer, device, say), partial(predict, device), partial(gradients, device)
    return Engine("jax", version, *bound, device)


def precision(dtype: object) -> AbstractContextManager[object]:
    """Let JAX compute in float64 where it is asked for; otherwise it makes float32 of all numbers."""
    return jax.enable_x64(True) if dtype == "float64" else nullcontext()


def held(device: Any, tree: Tree) -> Tree:
    """Move a tree to a device."""
    return fn.to(tree, like=jax.device_put(np.zeros((), np.float32), device))


def as_numpy(tree: Tree) -> Tree:
    """Move a tree to NumPy."""
    return fn.to(tree, like=np.zeros(()))


@frozen(eq=False)
class Ready:
    """Hold one network, with its data on the device.

    `before`   the number of steps that the run took before this network.
    `every`    the number of steps from one checkpoint to the next, or 0.
    `seconds`  how long a call for one step took.
    """

    device: Any
    member: Member
    before: int
    every: int
    data: fn.Batch
    augment: Any
    seconds: float = SECONDS
    steps: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "steps", steps_of(self.member.recipe, self.member.train))


@interruptible
def trainer(device: Any, say: Callable[[str], None], member: Member, before: int, every: int) -> Trainer:
    """Move a network's data to a device, and compile its steps."""
    augment = augmentation_of(member)
    with precision(member.recipe.dtype):
        bound = None if augment is None else as_tree(device, augment)
        ready = compiled(Ready(device, member, before, every, held(device, member.train), bound), say)
    return Trainer(partial(epoch_of, ready), partial(batch_of, ready), partial(blame, ready))


def as_tree(device: Any, function: Callable[..., Any]) -> Any:
    """Return a function with all that it binds as a pytree of JAX's, whose arrays are on the device."""
    if not isinstance(function, partial):
        return jax.tree_util.Partial(function)
    bound = (as_tree(device, part) if callable(part) else held(device, part) for part in function.args)
    return jax.tree_util.Partial(function.func, *bound, **function.keywords)


def compiled(ready: Ready, say: Callable[[str], None]) -> Ready:
    """Compile a network's steps by taking the first and the last one of an epoch, and measure one."""
    began = perf_counter()
    with precision(ready.member.recipe.dtype):
        state = held(ready.device, first_state(ready.member))
    with ThreadPoolExecutor() as pool:  # each is a program of its own, unless the last batch is as large as the others
        last = ready.steps - 1
        taken = pool.map(partial(fold, ready, state, 0), (0, last), (1, last + 1))
        jax.block_until_ready(list(taken))
    say(f"compiled in {perf_counter() - began:.2f} s for {ready.device.platform}:{ready.device.id}")
    began = perf_counter()
    jax.block_until_ready(fold(ready, state, 0, 0, 1))
    return evolve(ready, seconds=perf_counter() - began)


def fold(ready: Ready, state: fn.TrainState, epoch: int, start: int, stop: int) -> tuple[fn.TrainState, Any]:
    """Take some steps of an epoch; return the state and the losses, which are still being computed."""
    member = ready.member
    with precision(member.recipe.dtype):
        return fold_epoch(
            step_of(fn.train_step, member),
            state,
            ready.data,
            size=member.recipe.batch_size,
            key=member.order_key,
            epoch=epoch,
            start=start,
            stop=stop,
            augment=ready.augment,
            augment_key=augment_key(member),
        )


def epoch_of(ready: Ready, state: fn.TrainState, epoch: int, stop: int) -> Iterator[Stretch]:
    """Take the steps of an epoch in stretches, each about as long as a user would wait."""
    place, planned = state.step - epoch * ready.steps, max(1, int(SECONDS / ready.seconds))
    while place < stop:
        end = min(stop, place + planned, place + until_checkpoint(ready, epoch * ready.steps + place))
        began = perf_counter()
        state, result, losses = stretch(ready, state, epoch, place, end)
        planned = max(1, min(4 * planned, int((end - place) * SECONDS / (perf_counter() - began))))
        yield result, losses
        place = end


@interruptible
def stretch(
    ready: Ready, state: fn.TrainState, epoch: int, start: int, stop: int
) -> tuple[fn.TrainState, fn.TrainState, list[float]]:
    """Take some steps of an epoch; return the state on the device, the same state as NumPy's, and the losses."""
    with precision(ready.member.recipe.dtype):
        before = held(ready.device, state)
    after, computed = fold(ready, before, epoch, start, stop)
    return after, as_numpy(after), computed.tolist()


def until_checkpoint(ready: Ready, step: int) -> int:
    """Count the steps that may follow a network's step before a checkpoint is due."""
    return ready.every - (ready.before + step) % ready.every if ready.every else ready.steps


@interruptible
def blame(ready: Ready, state: fn.TrainState, epoch: int, losses: Sequence[float]) -> None:
    """Raise for the first step after a state that ends in infinities or NaN, naming the layer."""
    member, place = ready.member, state.step - epoch * ready.steps
    wrong = next((number for number, loss in enumerate(losses) if not math.isfinite(loss)), len(losses) - 1)
    with precision(member.recipe.dtype):
        state = held(ready.device, state)
    if wrong:
        state, _ = fold(ready, state, epoch, place, place + wrong)
    with precision(member.recipe.dtype):
        batch = held(ready.device, batch_of(ready, epoch, place + wrong))
        step_of(fn.checked_step, member)(state, batch)
    where = f"step {epoch * ready.steps + place + wrong + 1}"  # uncompiled it just stayed finite
    raise fn.DivergenceError(where, "finite numbers", "infinities or NaN", "train with a smaller rate")


@interruptible
def batch_of(ready: Ready, epoch: int, place: int) -> fn.Batch:
    """Return the batch that a step is taken on."""
    member, size = ready.member, ready.member.recipe.batch_size
    order = fn.epoch_order(len(member.train), key=member.order_key, epoch=epoch)
    batch = member.train[order[place * size : (place + 1) * size]]
    if ready.augment is None:
        return batch
    with precision(member.recipe.dtype):
        key = fn.fold_in(fn.fold_in(augment_key(member), epoch), place)
        inputs = jax.jit(ready.augment)(held(ready.device, key), held(ready.device, batch.inputs))
    return evolve(batch, inputs=as_numpy(inputs))


@interruptible
def gradients(device: Any, member: Member, state: fn.TrainState, batch: fn.Batch) -> Tree:
    """Return the gradients of the step that is taken from a state on a batch."""
    with precision(member.recipe.dtype):
        return as_numpy(jax.jit(partial(grads_of, member))(held(device, state), held(device, batch)))


@frozen
class Named:
    """Hold a layer; two of one name, which is the expression that makes them, are compiled once."""

    name: str
    layer: fn.Layer[Any] = field(eq=False)

    def __call__(self, params: Tree, inputs: fn.Array) -> fn.Array:
        """Apply the layer."""
        return self.layer.apply(params, inputs)


_apply = jax.jit(Named.__call__, static_argnums=0)


@interruptible
def predict(device: Any, model: fn.Layer[Any], params: Tree, inputs: fn.Array) -> fn.Array:
    """Apply a model to any number of inputs; return NumPy's array."""
    dtype = str(next(iter(tree_leaves(params))).dtype)
    with precision(dtype):
        params, named = held(device, params), Named(model.name, model)
        outputs = []
        for row in range(0, len(inputs), ROWS):
            rows = inputs[row : row + ROWS]
            empty = np.zeros((ROWS - len(rows), *rows.shape[1:]), rows.dtype)
            found = _apply(named, params, held(device, np.concatenate([rows, empty])))
            outputs.append(np.asarray(found)[: len(rows)])
    return np.concatenate(outputs)
