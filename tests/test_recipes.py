"""Recipes come to the model, the loss and the optimiser that they describe, and each of them learns."""

from functools import partial, reduce
import math
import re
from typing import Any

from attrs import evolve, fields
from click import UsageError
import numpy as np
import pytest

from engines import NUMPY
import fnmlp as fn
from fnmlp.augmentation import mirror
from fnmlp.data import Dataset, digits
from fnmlp.errors import OptionError
from recipe_building import (
    build_augmentation,
    build_loss,
    build_model,
    build_objective,
    build_optimizer,
    build_schedule,
    classifier,
)
from recipe_options import KINDS, flag, read_field, spelled, with_fields
from recipes import LOSSES, OBJECTIVES, OPTIMIZERS, RECIPES, SCHEDULES, USED_BY, Recipe, unused
from run_members import members_of
from run_settings import Settings
from tests.sweep import each
from training_run import beginning, model_of, training


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_learns_the_small_digits(name: str) -> None:
    data = digits()
    recipe = evolve(RECIPES[name], epochs=15, batch_size=32, hidden=(64,))
    steps = recipe.epochs * math.ceil(len(data.train) / recipe.batch_size)
    model, loss = build_model(recipe, white=data.white, classes=10), build_loss(recipe)
    objective = build_objective(recipe, white=data.white)
    optimizer = build_optimizer(recipe, steps=steps)
    state = fn.train_state(model, optimizer, key=fn.Key(0), example=(8, 8))
    step = partial(fn.train_step, model, loss, optimizer, objective=objective)
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


@each("schedule", ["constant", "linear", "cosine"])
@each("warm_up", [0.0, 0.25])
def test_the_rate_climbs_over_the_warm_up_and_then_never_rises(schedule: str, warm_up: float) -> None:
    rate_at = build_schedule(Recipe(rate=0.5, schedule=schedule, warm_up=warm_up), steps=40)
    rates = [rate_at(step) for step in range(40)]
    top = round(warm_up * 40)
    assert max(rates) == rates[top] == 0.5
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert (rates[-1] < 0.05) == (schedule != "constant")


WRONG: dict[str, tuple[Any, ...]] = {
    "hidden": (64, (0,), (1.5,), (2**31,), [64]),
    "pieces": (0, 2**31, 1.0),
    "epochs": (0, -1, 2.5, True),
    "batch_size": (0, 10**40),
    "rate": (0.0, -1, math.nan, math.inf, "fast"),
    "loss": ("l7", ""),
    "label_smoothing": (1.0, -0.1, math.nan),
    "objective": ("accuracy",),
    "epsilon": (0.0, -1, math.nan, math.inf),
    "norm": ("l1",),
    "optimizer": ("sdg",),
    "momentum": (1.0, -0.1),
    "betas": ((0.9,), (0.9, 1.0), 0.9),
    "weight_decay": (-0.1, math.inf),
    "schedule": ("square",),
    "warm_up": (1.0, -0.5),
    "dropout": (0.5, (0.1,), (0.1, 1.0), (0.1, 0.2, 0.3)),
    "deskew": ("False", 0, None),
    "warp": (-1.0, 11.0, math.nan),
    "mirror": ("False", 0, None),
    "average": (1.0, -0.1),
    "members": (0, 1001),
    "pixels": ("row",),
    "mean": (math.nan, math.inf),
    "dtype": ("float16", "int8"),
}


@each("name", [field.name for field in fields(Recipe)])
def test_every_field_refuses_what_is_out_of_its_range_by_its_name(name: str) -> None:
    for value in WRONG[name]:
        with pytest.raises(OptionError, match=f"recipe: {name}: expected "):
            evolve(Recipe(), **{name: value})


def test_numbers_of_numpy_become_those_of_python() -> None:
    recipe = Recipe(epochs=np.int64(3), hidden=(np.int64(4),), rate=np.float32(0.5))  # type: ignore[arg-type]
    assert repr(recipe) == repr(Recipe(epochs=3, hidden=(4,), rate=0.5))


# What the command line makes of texts.


@each("name", RECIPES)
@each("separator", [",", "x"])
def test_every_field_of_every_recipe_is_read_as_it_is_spelled(name: str, separator: str) -> None:
    # mirror=False was read as True.
    for recipe in (RECIPES[name], evolve(RECIPES[name], mirror=True, betas=(0.5, 1e-05))):
        read = {
            field: read_field(field, spelled(recipe, field, separator=separator), separator=separator)
            for field in KINDS
        }
        assert Recipe(**read) == recipe
        assert [type(value) for value in read.values()] == [type(getattr(recipe, field)) for field in KINDS]


@each("name", KINDS)
@each("text", ["", " ", ",", "x", "nan", "None", "1,2,3,", "-1", "yes", "1e999", "9" * 5000])
def test_what_can_not_be_read_says_what_was_expected(name: str, text: str) -> None:
    if (name, text) == ("mean", "-1"):
        assert read_field(name, text) == -1
        return
    with pytest.raises(ValueError, match=r"^expected [^\n]+"):
        read_field(name, text)


CHANGED: dict[str, Any] = {
    "hidden": (5,),
    "pieces": 2,
    "epochs": 3,
    "batch_size": 3,
    "rate": 0.01,
    "loss": None,
    "label_smoothing": 0.2,
    "objective": None,
    "epsilon": 0.3,
    "norm": "l2",
    "optimizer": None,
    "momentum": 0.3,
    "betas": (0.7, 0.8),
    "weight_decay": 0.3,
    "schedule": None,
    "warm_up": 0.5,
    "dropout": (0.3, 0.0),
    "deskew": True,
    "warp": 0.7,
    "mirror": True,
    "average": 0.5,
    "members": 2,
    "pixels": "raw",
    "mean": 0.2,
    "dtype": "float64",
}


def trained(recipe: Recipe) -> str:
    """Return a digest of all that a short run of a recipe learns."""
    random = fn.generator(fn.Key(0))
    images = fn.Batch(random.integers(0, 16, (8, 4, 4)).astype(np.uint8), np.arange(8, dtype=np.uint8) % 3)
    members = members_of(recipe, Dataset("digits", images, images, ("a", "b", "c"), 16), 0)
    settings = Settings(recipe="", seed=0, dataset="", data_dir=None, validation=0.0, no_eval=True)
    *_, last = training(NUMPY, members, images, settings, beginning(members))
    model, params = model_of(members, last)
    return model.name + fn.tree_sha256(params)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@each("loss", LOSSES)
@each(("schedule", "objective"), [*zip(SCHEDULES, OBJECTIVES, strict=True)])
def test_every_field_changes_what_is_learned_or_is_refused(
    optimizer: str, loss: str, schedule: str, objective: str
) -> None:
    # --weight-decay of sgd, --momentum of adamw and --label-smoothing of mse were ignored in silence.
    assert CHANGED.keys() == KINDS.keys()
    choices = {"objective": OBJECTIVES, "optimizer": OPTIMIZERS, "loss": LOSSES, "schedule": SCHEDULES}
    fixed = {"objective": objective, "optimizer": optimizer, "loss": loss, "schedule": schedule}
    momentum = {"momentum": 0.5} if optimizer == "nesterov" else {}
    base = Recipe(hidden=(4,), epochs=2, batch_size=4, rate=0.1, **fixed, **momentum)  # type: ignore[arg-type]
    before = trained(base)
    for name, value in CHANGED.items():
        others: list[Any] = [value] if value is not None else [text for text in choices[name] if text != fixed[name]]
        for other in others:
            if name in unused(base):
                assert trained(evolve(base, **{name: other})) == before
                with pytest.raises(UsageError, match=f"{flag(name)} does nothing with --"):
                    with_fields("lab", {**fixed, **momentum, name: other})
            elif (name, other) != ("optimizer", "nesterov"):  # which needs a momentum, and says so
                assert trained(evolve(base, **{name: other})) != before, (name, other)


@each("name", USED_BY)
def test_an_option_that_would_do_nothing_names_the_one_that_would_use_it(name: str) -> None:
    field, users = USED_BY[name]
    for recipe in RECIPES:
        values = {name: CHANGED[name]}
        if getattr(RECIPES[recipe], field) in users:
            assert getattr(with_fields(recipe, values), name) == CHANGED[name]
        else:
            with pytest.raises(
                UsageError, match=f"{flag(name)} does nothing with .* it needs {flag(field)} {users[0]}"
            ):
                with_fields(recipe, values)


@each("loss", LOSSES)
def test_virtual_adversarial_training_needs_outputs_before_softmax(loss: str) -> None:
    spellings: list[Any] = [lambda name: f"{flag(name)} ", lambda name: f"--vary {name}="]
    for spell in spellings:
        for recipe, typed in (("lab", {"objective": "virtual-adversarial"}), ("virtual", {})):
            values = {**typed, "loss": loss}
            if loss == "cross-entropy":
                assert with_fields(recipe, values, spell=spell).objective == "virtual-adversarial"
            else:
                refused = f"{spell('objective')}virtual-adversarial can't be used with {spell('loss')}{loss}; it needs"
                with pytest.raises(UsageError, match=re.escape(refused)):
                    with_fields(recipe, values, spell=spell)


@each("mean", [0.0, 0.3])
@each("pixels", ["unit", "raw"])
def test_epsilon_counts_pixels_from_0_to_1_however_they_are_scaled(mean: float, pixels: str) -> None:
    recipe = Recipe(hidden=(4,), objective="adversarial", epsilon=0.25, mean=mean, pixels=pixels)
    model = build_model(recipe, white=16, classes=3)
    params, _ = model.init(fn.Key(0), (2, 2))
    seen = []

    def vjp(params: Any, x: Any, key: Any) -> Any:
        seen.append(x)
        return model.vjp(params, x, key)

    watched, images = evolve(model, vjp=vjp), np.array([[[0, 3], [16, 7]]], np.uint8)
    build_objective(recipe, white=16)(watched, build_loss(recipe), params, fn.Batch(images, np.array([1])), None)
    np.testing.assert_array_equal(np.abs(seen[1] - images), np.full((1, 2, 2), 4.0))


def test_the_mean_of_raw_pixels_is_on_their_scale() -> None:
    unit, raw = (Recipe(hidden=(), pixels=pixels, mean=0.25) for pixels in ("unit", "raw"))
    assert (
        build_model(unit, white=16, classes=2).name
        == "chain(flatten(), scale(0.0625, offset=-0.25), linear(2), softmax())"
    )
    assert (
        build_model(raw, white=16, classes=2).name == "chain(flatten(), scale(1.0, offset=-4.0), linear(2), softmax())"
    )


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


@each("loss", ["mse", "cross-entropy"])
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
