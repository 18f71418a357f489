"""Claims about networks that JAX trains at once: each comes out as if it were trained alone."""

from collections import deque

from attrs import evolve
import numpy as np
import pytest

pytest.importorskip("jax", reason="jax is not installed")

from engines import Engine, engine_of
import fnmlp as fn
from fnmlp.data import Dataset, digits
from recipes import RECIPES, Recipe
from run_members import Member, first_state, members_of, steps_of
from run_settings import Settings
from sweep_jax import scores_together, shape_of, trained_together

DATA = digits()
SMALL = Dataset("digits", DATA.train[:50], DATA.test[:50], DATA.classes, DATA.white)
PLAIN = Recipe(hidden=(4,), epochs=2, batch_size=25)
NOISY = evolve(PLAIN, optimizer="adamw", loss="cross-entropy", schedule="cosine", warp=0.3, objective="adversarial")
SETTINGS = Settings(recipe="", seed=0, dataset="", data_dir=None, validation=0.0, no_eval=False, quiet=True)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return engine_of("jax", None, say=lambda _: None)


def alone(engine: Engine, member: Member) -> fn.TrainState:
    """Train a network on JAX, as the trainer does."""
    state, trainer = first_state(member), engine.trainer(member, 0, 0)
    for epoch in range(member.recipe.epochs):
        state, _ = deque(trainer.epoch(state, epoch, steps_of(member.recipe, member.train)), maxlen=1).pop()
    return state


def test_networks_that_are_trained_at_once_are_those_that_are_trained_alone(engine: Engine) -> None:
    recipes = (
        evolve(NOISY, rate=0.01, betas=(0.8, 0.9), weight_decay=0.1, epsilon=0.1),
        evolve(NOISY, rate=0.02, betas=(0.9, 0.99), weight_decay=0.2, epsilon=0.2),
    )
    members = [members_of(recipe, SMALL, seed)[0] for recipe in recipes for seed in (3, 4)]
    together = trained_together(engine.device, members)
    state, last = alone(engine, members[-1]), together[-1]
    assert last is not None
    assert state.step == last.step == 4
    for left, right in zip(fn.tree_leaves(state.params), fn.tree_leaves(last.params), strict=True):
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-6)
    assert len({fn.tree_sha256(each.params) for each in together if each is not None}) == 4


def test_one_that_diverges_leaves_the_others_as_they_are_and_scores_are_in_the_order_of_runs(engine: Engine) -> None:
    recipes = [evolve(PLAIN, rate=1e30), evolve(PLAIN, hidden=(5,)), PLAIN]
    runs = [members_of(recipe, SMALL, 0) for recipe in recipes]
    first, other, last = scores_together(engine, SETTINGS, SMALL.test, runs)
    assert np.isnan(first)
    [once] = scores_together(engine, SETTINGS, SMALL.test, runs[2:])
    assert (other >= 0, last) == (True, once)


def test_recipes_are_of_one_shape_if_they_differ_in_numbers_alone() -> None:
    fast = RECIPES["fast"]
    assert shape_of(fast) == shape_of(evolve(fast, rate=0.3, momentum=0.1, epsilon=3.0))
    for change in (
        {"momentum": 0.0},
        {"hidden": (8,)},
        {"epochs": 1},
        {"label_smoothing": 0.1},
        {"objective": "adversarial"},
    ):
        assert shape_of(fast) != shape_of(evolve(fast, **change))
