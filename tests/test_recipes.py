"""Recipes come to the model, the loss and the optimiser that they describe, and each of them learns."""

from functools import partial, reduce
import math
from typing import Any

from attrs import evolve
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.augmentation import mirror
from fnmlp.data import digits
from fnmlp.errors import OptionError
from fnmlp.recipes import (
    RECIPES,
    Recipe,
    build_augmentation,
    build_loss,
    build_model,
    build_optimizer,
    build_schedule,
    classifier,
)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns_the_small_digits(name: str) -> None:
    data = digits()
    recipe = evolve(RECIPES[name], epochs=15, batch_size=32, hidden=(64,))
    steps = recipe.epochs * math.ceil(len(data.train) / recipe.batch_size)
    model, loss = build_model(recipe, white=data.white, classes=10), build_loss(recipe)
    optimizer = build_optimizer(recipe, steps=steps)
    state = fn.train_state(model, optimizer, key=fn.Key(0), example=(8, 8))
    step = partial(fn.train_step, model, loss, optimizer)
    before, _ = fn.evaluate(model, loss, state.params, data.test)
    for epoch in range(recipe.epochs):
        state = reduce(step, fn.batches(data.train, size=recipe.batch_size, key=fn.Key(1), epoch=epoch), state)
    after, accuracy = fn.evaluate(model, loss, state.params, data.test)
    assert after < before
    assert accuracy > (0.3 if name == "lab" else 0.9)


def test_the_model_is_as_the_recipe_says() -> None:
    recipe = Recipe(hidden=(3, 2), loss="cross-entropy", dropout=(0.1, 0.2), mean=0.25, dtype="float64")
    assert build_model(recipe, white=4, classes=5).name == (
        "chain(flatten(), scale(0.25, offset=-0.25, dtype='float64'), dropout(0.1), linear(3), relu(), dropout(0.2), "
        "linear(2), relu(), dropout(0.2), linear(5))"
    )
    assert build_model(Recipe(hidden=(3,), pieces=2, dropout=(0.0, 0.5)), white=1, classes=5).name == (
        "chain(flatten(), scale(1.0), maxout(3, 2), dropout(0.5), linear(5), softmax())"
    )
    assert build_model(Recipe(hidden=(), pixels="raw"), white=4, classes=5).name == (
        "chain(flatten(), scale(1.0), linear(5), softmax())"
    )


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("warm_up", [0.0, 0.25])
def test_the_rate_climbs_over_the_warm_up_and_then_never_rises(schedule: str, warm_up: float) -> None:
    rate_at = build_schedule(Recipe(rate=0.5, schedule=schedule, warm_up=warm_up), steps=40)
    rates = [rate_at(step) for step in range(40)]
    top = round(warm_up * 40)
    assert max(rates) == rates[top] == 0.5
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert (rates[-1] < 0.05) == (schedule != "constant")


@pytest.mark.parametrize(
    "wrong", [{"loss": "l7"}, {"optimizer": "sdg"}, {"schedule": "square", "warm_up": 0.1}, {"pixels": "row"}]
)
def test_an_unknown_choice_is_refused(wrong: dict[str, Any]) -> None:
    recipe = evolve(Recipe(), **wrong)
    with pytest.raises(OptionError, match=str(next(iter(wrong.values())))):
        (build_loss(recipe), build_optimizer(recipe, steps=10), build_model(recipe, white=1, classes=2))


def test_the_sum_is_a_loss_too() -> None:
    loss = build_loss(Recipe(loss="mse-sum"))
    assert loss.func.__name__ == "_on_labels"  # type: ignore[attr-defined]
    value, _ = loss(
        fn.one_hot(fn.generator(fn.Key(0)).integers(0, 3, 4), 3) * 0, fn.generator(fn.Key(0)).integers(0, 3, 4)
    )
    assert float(value) == 4.0


def test_warped_images_are_like_the_images_but_not_the_same() -> None:
    augment = build_augmentation(Recipe(warp=0.5), key=fn.Key(0), shape=(8, 8))
    assert augment is not None
    images = digits().train.inputs[:50]
    warped = augment(fn.Key(1), images)
    assert (warped.shape, warped.dtype) == (images.shape, images.dtype)
    assert all((one != other).any() for one, other in zip(images, warped, strict=True))
    near = np.corrcoef(images.ravel(), warped.ravel())[0, 1]
    assert near > 0.8


def test_images_are_mirrored_alone_and_after_a_warp() -> None:
    images = digits().train.inputs[:50]
    alone = build_augmentation(Recipe(mirror=True), key=fn.Key(0), shape=(8, 8))
    both = build_augmentation(Recipe(mirror=True, warp=1e-9), key=fn.Key(0), shape=(8, 8))
    assert alone is not None
    assert both is not None
    np.testing.assert_array_equal(alone(fn.Key(1), images), mirror(fn.Key(1), images))
    np.testing.assert_array_equal(both(fn.Key(1), images), mirror(fn.fold_in(fn.Key(1), 1), images))


def test_a_negative_warp_is_refused() -> None:
    with pytest.raises(OptionError, match="recipe: warp"):
        build_augmentation(Recipe(warp=-1.0), key=fn.Key(0), shape=(8, 8))


@pytest.mark.parametrize("loss", ["mse", "cross-entropy"])
def test_a_classifier_gives_the_mean_of_the_probabilities_of_its_members(loss: str) -> None:
    recipe = Recipe(hidden=(4,), loss=loss)
    model = build_model(recipe, white=1, classes=3)
    learned = [model.init(fn.Key(seed), (2,))[0] for seed in range(3)]
    x = fn.generator(fn.Key(3)).normal(size=(5, 2)).astype("float32")
    whole, params = classifier(recipe, model, learned)
    singly = []
    for own in learned:
        y = model.apply(own, x)
        singly.append(fn.softmax().apply((), y) if loss == "cross-entropy" else y)
    np.testing.assert_allclose(whole.apply(params, x), sum(singly) / 3, rtol=1e-6)
    alone, own = classifier(recipe, model, learned[:1])
    np.testing.assert_array_equal(alone.apply(own, x), singly[0])


def test_a_mean_over_the_steps_is_kept_where_the_recipe_asks_for_one() -> None:
    optimizer = build_optimizer(Recipe(rate=1.0, average=0.75), steps=10)
    params, state = optimizer.update((np.array([4.0]),), (np.array([4.0]),), optimizer.init((np.array([4.0]),)))
    assert (params[0].tolist(), fn.averaged_params(state)[0].tolist()) == ([0.0], [3.0])
