"""Many networks at once on JAX: those of one shape are trained by one compiled function, mapped over all else."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain
from math import nan
from operator import itemgetter
from types import SimpleNamespace
from typing import Any, TypeAlias

from attrs import evolve
import jax
import jax.numpy as jnp
import numpy as np

from engines import Engine
import fnmlp as fn
from fnmlp.tree import Tree, first_not_finite
from jax_engine import as_numpy, as_tree, held, precision
from recipe_building import build_objective, build_optimizer
from recipe_options import KINDS
from recipes import Recipe
from run_members import Member, augment_key, augmentation_of, first_state, learned, step_of, steps_of
from run_settings import Settings
from training_run import scores
from waiting import interruptible

Run: TypeAlias = Sequence[Member]
"""The networks of a recipe with one seed."""

NUMBERS = ("rate", "momentum", "betas", "weight_decay", "epsilon")
"""Fields that may differ between networks that are trained at once: they become arrays, one number for each network."""


def shape_of(recipe: Recipe) -> Recipe:
    """Return a recipe with 0.5 in place of each of these numbers, unless it is 0: recipes of one shape become equal."""
    return evolve(recipe, **{name: _halves(getattr(recipe, name)) for name in NUMBERS})


def _halves(number: Any) -> Any:
    return tuple(map(_halves, number)) if isinstance(number, tuple) else 0.5 * bool(number)


def scores_together(engine: Engine, settings: Settings, judge: fn.Batch, runs: Sequence[Run]) -> Iterator[float]:
    """Yield the accuracy of each run on held-out images, or NaN if it diverges; train runs of one shape at once."""
    found: dict[int, float] = {}
    shapes = [shape_of(run[0].recipe) for run in runs]
    for place, shape in enumerate(shapes):
        if place not in found:
            places = [other for other, its in enumerate(shapes) if its == shape]
            members = chain.from_iterable(runs[other] for other in places)
            states = iter(trained_together(engine.device, [*members]))
            for other in places:
                found[other] = score(engine, judge, settings, runs[other], [next(states) for _ in runs[other]])
        yield found[place]


def score(
    engine: Engine, judge: fn.Batch, settings: Settings, run: Run, states: Sequence[fn.TrainState | None]
) -> float:
    """Return the accuracy of a run on held-out images; NaN if one of its networks diverged."""
    whole = [learned(member, state) for member, state in zip(run, states, strict=True) if state is not None]
    if len(whole) < len(run):
        return nan
    try:
        return scores(engine, run[0], whole, judge, settings, 0)[1]
    except fn.DivergenceError:
        return nan


@interruptible
def trained_together(device: Any, members: Sequence[Member]) -> list[fn.TrainState | None]:
    """Train networks of one shape on the same images; return their last states, or None for those that diverged."""
    one, count = members[0], range(len(members))
    with precision(one.recipe.dtype):
        numbers = stacked([tuple(getattr(each.recipe, name) for name in NUMBERS) for each in members])
        augments = stacked([augment_of(device, each) for each in members])
        states, data = stacked([held(device, first_state(each)) for each in members]), held(device, one.train)
        train = jax.jit(jax.vmap(partial(trained, one, data), in_axes=(0, 0, 0, 0, None, 0)))
        finite = np.ones(len(members), bool)
        for epoch in range(one.recipe.epochs):
            keys = stacked([held(device, fn.fold_in(augment_key(each), epoch)) for each in members])
            for first, rows in rows_of(members, epoch):
                states, losses = train(numbers, augments, keys, states, first, rows)
                finite &= np.isfinite(losses).all(axis=1)
        last = [as_numpy(jax.tree.map(itemgetter(place), states)) for place in count]
    return [last[place] if finite[place] and not first_not_finite(last[place].params) else None for place in count]


def stacked(trees: Sequence[Tree]) -> Tree:
    """Join trees of numbers and arrays: each leaf gets an axis for the networks."""
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def augment_of(device: Any, member: Member) -> Any:
    """Return the augmentation of a network as a tree on the device, or None."""
    augment = augmentation_of(member)
    return None if augment is None else as_tree(device, augment)


def rows_of(members: Sequence[Member], epoch: int) -> Iterator[tuple[int, fn.Array]]:
    """Yield the number of the first batch and the rows of each: whole batches together, then a smaller last one."""
    rows, size = len(members[0].train), members[0].recipe.batch_size
    order = np.stack([fn.epoch_order(rows, key=member.order_key, epoch=epoch) for member in members]).astype(np.int32)
    whole = rows // size
    if whole:
        yield 0, order[:, : whole * size].reshape(len(members), whole, size)
    if rows % size:
        yield whole, order[:, None, whole * size :]


def trained(
    one: Member, data: fn.Batch, numbers: Tree, augment: Any, key: fn.Key, state: fn.TrainState, first: int, rows: Any
) -> tuple[fn.TrainState, Any]:
    """Train one network on some batches; return its state, and the loss of each step."""
    step = step_of(fn.train_step, with_numbers(one, numbers))

    def advance(state: fn.TrainState, numbered: Any) -> tuple[fn.TrainState, Any]:
        number, places = numbered
        batch = jax.tree.map(lambda x: jnp.take(x, places, axis=0), data)
        if augment is not None:
            batch = evolve(batch, inputs=augment(fn.fold_in(key, number), batch.inputs))
        state = step(state, batch)
        return state, state.loss

    return jax.lax.scan(advance, state, (first + jnp.arange(len(rows), dtype=jnp.uint32), rows))


def with_numbers(one: Member, numbers: Tree) -> Member:
    """Return a network that computes with its own numbers; which of them are 0 is known before."""
    fields = {name: getattr(one.recipe, name) for name in KINDS}
    traced = zip(NUMBERS, numbers, strict=True)
    recipe: Any = SimpleNamespace(**fields | {name: _unless_zero(fields[name], number) for name, number in traced})
    optimizer = build_optimizer(recipe, steps=steps_of(one.recipe, one.train) * one.recipe.epochs)
    return evolve(one, objective=build_objective(recipe, white=one.white), optimizer=optimizer)


def _unless_zero(known: Any, traced: Any) -> Any:
    if isinstance(known, tuple):
        return tuple(map(_unless_zero, known, traced))
    return traced if known else known
