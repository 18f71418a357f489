"""Engines take the steps of a run and apply models. NumPy's is here; JAX's is imported when it is asked for."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeAlias

from attrs import evolve, frozen
import click
import numpy as np

from command_line import option, option_group
import fnmlp as fn
from fnmlp.tree import Tree
from recipe_building import Augment
from run_members import Member, augmentation_of, batches_of, step_of, steps_of
from waiting import interruptible

ENGINES = ("numpy", "jax")
KNOWN = (*ENGINES, "parallel")

Stretch: TypeAlias = tuple[fn.TrainState, Sequence[float]]
"""The state after some steps, as NumPy's arrays, and the loss of each of them."""


@frozen(eq=False)
class Trainer:
    """Hold what trains one network.

    `epoch`  (state, number of the epoch, number of the batch to stop before) -> stretches of its steps.
    `batch`  (number of the epoch, number of the batch) -> the batch that this step is taken on.
    `blame`  (state, number of the epoch, losses of a stretch that began there and diverged): raises, naming the layer.
    """

    epoch: Callable[[fn.TrainState, int, int], Iterator[Stretch]]
    batch: Callable[[int, int], fn.Batch]
    blame: Callable[[fn.TrainState, int, Sequence[float]], None]


@frozen(eq=False)
class Engine:
    """Hold what runs a model.

    `name`     the name of the engine.
    `version`  what the last bits of its results depend on, beside the environment that each file records.
    `trainer`  (network, number of steps that the run took before it, steps between checkpoints or 0) -> what trains it.
    `predict`  (model, parameters, inputs) -> outputs, as NumPy's array.
    `grads`    (network, state, batch) -> the gradients of a step.
    `device`   the device of JAX's, or None.
    `shards`   the number of parts that each batch is cut into, with --parallel; otherwise 0.
    """

    name: str
    version: str
    trainer: Callable[[Member, int, int], Trainer]
    predict: Callable[[fn.Layer[Any], Tree, fn.Array], fn.Array]
    grads: Callable[[Member, fn.TrainState, fn.Batch], Tree]
    device: Any = None
    shards: int = 0


def _trainer(member: Member, _before: int, _every: int) -> Trainer:
    bound = member, augmentation_of(member)
    return Trainer(partial(_epoch, *bound), partial(_batch, *bound), partial(_blame, *bound))


def _epoch(member: Member, augment: Augment | None, state: fn.TrainState, epoch: int, stop: int) -> Iterator[Stretch]:
    """Take the steps of an epoch one by one."""
    step = step_of(fn.train_step, member)
    place = state.step - epoch * steps_of(member.recipe, member.train)
    for _, batch in zip(range(place, stop), batches_of(member, augment, epoch, place), strict=False):
        state = step(state, batch)
        yield state, (state.loss,)


def _batch(member: Member, augment: Augment | None, epoch: int, place: int) -> fn.Batch:
    return next(batches_of(member, augment, epoch, place))


def _blame(member: Member, augment: Augment | None, state: fn.TrainState, epoch: int, _: Sequence[float]) -> None:
    batch = _batch(member, augment, epoch, state.step - epoch * steps_of(member.recipe, member.train))
    step_of(fn.checked_step, member)(state, batch)


def grads_of(member: Member, state: fn.TrainState, batch: fn.Batch) -> Tree:
    """Return the gradients of the step that is taken from a state on a batch."""
    key = fn.fold_in(state.key, state.step)
    return member.objective(member.model, member.loss, state.params, batch, key)[1]


NUMPY = Engine("numpy", f"numpy {np.__version__}", _trainer, fn.predict, grads_of)

engine_options = option_group(
    option(
        "--engine",
        type=click.Choice(ENGINES),
        default="numpy",
        help="Library that computes: NumPy, or JAX, which compiles the steps first and can use a GPU.",
    ),
    click.option(
        "--device", metavar="NAME", help="Device of JAX's to compute on, such as cpu:0 or gpu.  [default: JAX's first]"
    ),
)


parallel_option = click.option("--parallel", is_flag=True, help="Train on all processes that mpiexec started.")
parallel_options = option_group(
    parallel_option,
    option(
        "--shards",
        type=click.IntRange(1),
        default=8,
        help="Parts of a batch with --parallel: at least one for each process.",
    ),
)


def engine_of(name: str, device: str | None, *, say: Callable[[str], None] = click.echo) -> Engine:
    """Return the engine of that name; JAX's tells `say` how long compiling took."""
    if name == "numpy":
        if device is not None:
            raise click.UsageError("--device needs --engine jax: NumPy always computes on the processor")
        return NUMPY
    return _jax(device, say)


def parallel_engine_of(name: str, device: str | None, *, shards: int, comm: Any = None) -> Engine:
    """Return the engine of --parallel, on the ranks of a communicator or on this process alone."""
    if name != "numpy" or device is not None:
        raise click.UsageError("--parallel needs --engine numpy: JAX uses all processors by itself")
    if comm is not None and comm.size > shards:
        raise click.UsageError(f"--shards {shards}: {comm.size} processes need at least {comm.size}, one for each")
    from parallel_engine import parallel_engine

    return parallel_engine(shards, comm)


def alone(engine: Engine) -> Engine:
    """Return the engine for work that only this process does."""
    return evolve(engine, predict=fn.predict) if engine.shards else engine


@interruptible
def _jax(device: str | None, say: Callable[[str], None]) -> Engine:
    try:
        import fnmlp.interop.jax  # noqa: F401 (it says how to get JAX)
    except fn.MissingDependencyError as error:
        raise click.UsageError(f"--engine jax needs JAX, got {error.got}; {error.remedy}") from error
    from jax_engine import jax_device, jax_engine

    return jax_engine(jax_device(device), say=say)
