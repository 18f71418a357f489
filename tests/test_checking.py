"""`checked_step` gives the same bits as `train_step`, and names the first number that is not finite."""

from collections.abc import Callable
from functools import partial, reduce
import re
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import DivergenceError
from fnmlp.training.checking import checked_step
from fnmlp.tree import Tree, tree_map
from tests.catalogue import LAYERS, OPTIMIZERS, Specimen
from tests.optional import optional
from tests.specimens import OptimizerSpecimen
from tests.steps import draw, same_bits

torch = optional("torch")

WIDE = fn.chain(
    fn.chain(fn.linear(4), fn.dropout(0.3)),
    fn.residual(fn.chain(fn.tanh(), fn.linear(4))),
    fn.concat(fn.relu(), fn.linear(2)),
    fn.tied(fn.linear(6), fn.linear(6)),
    fn.repeat(fn.chain(fn.layer_norm(), fn.silu()), 2),
    fn.parallel(fn.linear(3), fn.identity(), widths=(2, 4)),
    fn.linear(3),
)
DATA = fn.Batch(draw(0, (12, 5), np.float32), np.arange(12) % 3)
ADAM = fn.adam(0.01)


def state_of(model: fn.Layer[Any], optimizer: fn.Optimizer = ADAM) -> fn.TrainState:
    return fn.train_state(model, optimizer, key=fn.Key(0), example=(5,))


def same_state(left: fn.TrainState, right: fn.TrainState) -> bool:
    return (left.step, left.key, left.loss) == (right.step, right.key, right.loss) and same_bits(
        (left.params, left.optimizer_state), (right.params, right.optimizer_state)
    )


def said(model: fn.Layer[Any], state: fn.TrainState, batch: Any = DATA, loss: fn.Loss = fn.cross_entropy) -> str:
    with pytest.raises(DivergenceError) as caught, np.errstate(all="ignore"):
        checked_step(model, loss, ADAM, state, batch)
    assert not hasattr(caught.value, "__notes__")
    return str(caught.value)


def with_params(state: fn.TrainState, change: Callable[[Any], Any]) -> fn.TrainState:
    return fn.TrainState(state.step, tree_map(change, state.params), state.optimizer_state, state.key, state.loss)


def spoiled(at: str) -> fn.Layer[tuple[()]]:
    """Return a layer that makes NaN at one place of its work."""

    def spoil(place: str, x: Any) -> Any:
        return x * np.float32("nan") if place == at else x

    def vjp(_: Tree, x: Any, key: fn.Key | None) -> tuple[Any, Any]:
        return spoil("outputs", x), lambda dy: ((), lambda: spoil("inputs", dy))

    return fn.Layer(f"spoiled({at!r})", fn.identity().init, lambda _, x: x, vjp)


@pytest.mark.parametrize("specimen", LAYERS, ids=repr)
def test_a_checked_step_has_the_bits_of_a_plain_one_for_every_layer(specimen: Specimen) -> None:
    params, x, dy = specimen.point(0, 6, np.float32)
    state = fn.TrainState(0, params, ADAM.init(params), fn.Key(1), 0.0)
    arguments = specimen.layer, fn.mse, ADAM, state, fn.Batch(x, dy)
    assert same_state(checked_step(*arguments), fn.train_step(*arguments))


@pytest.mark.parametrize("specimen", OPTIMIZERS, ids=repr)
def test_checked_training_has_the_bits_of_plain_training(specimen: OptimizerSpecimen) -> None:
    start = state_of(WIDE, specimen.optimizer)
    batches = list(fn.batches(DATA, size=5, key=fn.Key(2), epoch=0))
    steps = (partial(step, WIDE, fn.cross_entropy, specimen.optimizer) for step in (checked_step, fn.train_step))
    checked, plain = (reduce(step, batches, start) for step in steps)
    assert same_state(checked, plain)


def test_pairs_of_tensors_are_batches_too() -> None:
    state = with_params(state_of(WIDE, fn.sgd(0.1)), lambda leaf: torch.tensor(np.array(leaf)))
    pair = torch.tensor(DATA.inputs), torch.tensor(DATA.targets)
    arguments = WIDE, fn.cross_entropy, fn.sgd(0.1), state, pair
    assert same_state(checked_step(*arguments), fn.train_step(*arguments))


@pytest.mark.parametrize(
    ("leaf", "named"),
    [
        (0, "[0][0] linear(4)"),
        (3, "[1][1] linear(4)"),
        (5, "[2][1] linear(2)"),
        (7, "[3] tied(linear(6), linear(6))"),
        (8, "[4][0][0] layer_norm()"),
        (10, "[4][1][0] layer_norm()"),
        (13, "[5][0] linear(3)"),
        (14, "[6] linear(3)"),
    ],
)
def test_parameters_are_named_by_their_layer_and_by_the_step_that_made_them(leaf: int, named: str) -> None:
    state = checked_step(WIDE, fn.cross_entropy, ADAM, state_of(WIDE), DATA)
    leaves, rebuild = fn.tree_flatten(state.params)
    bad = rebuild([np.full_like(each, np.nan) if place == leaf else each for place, each in enumerate(leaves)])
    state = fn.TrainState(state.step, bad, state.optimizer_state, state.key, state.loss)
    remedy = "got infinities or NaN; train with a smaller rate"
    assert said(WIDE, state) == f"step 1: {named}: expected finite parameters, {remedy}"


def test_the_first_layer_whose_outputs_overflow_is_named_in_forward_order() -> None:
    model = fn.chain(fn.linear(4), fn.relu(), fn.chain(fn.linear(4), fn.linear(3)), fn.linear(2))
    state = with_params(state_of(model), lambda leaf: np.full_like(leaf, 1e15))
    assert said(model, state).startswith("step 1: [2][1] linear(3): expected finite outputs, got infinities or NaN")


def test_what_a_combinator_makes_of_finite_parts_is_its_own() -> None:
    model = fn.chain(fn.add(fn.scale(1e38), fn.scale(1e38), fn.scale(3e38)), fn.linear(3))
    assert "step 1: [0] add(scale(1e+38), scale(1e+38), scale(3e+38)): expected finite outputs" in said(
        model, state_of(model), fn.Batch(np.ones((2, 5), np.float32), np.array([0, 1]))
    )


def test_the_held_parameters_of_a_frozen_layer_are_no_parameters_but_its_layer_is_seen() -> None:
    inner = fn.linear(4)
    params = tree_map(lambda leaf: np.full_like(leaf, np.inf), inner.init(fn.Key(0), (5,))[0])
    model = fn.chain(fn.frozen(inner, params), fn.linear(3))
    assert said(model, state_of(model)).startswith("step 1: [0] linear(4): expected finite outputs")


def test_a_model_of_one_layer_is_named_without_a_place() -> None:
    state = with_params(state_of(fn.linear(3)), lambda leaf: np.full_like(leaf, 3e38))
    assert said(fn.linear(3), state).startswith("step 1: linear(3): expected finite outputs")


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("outputs", "step 1: [1] spoiled('outputs'): expected finite outputs"),
        ("inputs", "step 1: [1] spoiled('inputs'): expected a finite gradient of its inputs"),
    ],
)
def test_a_layer_of_closures_is_seen_from_outside(at: str, words: str) -> None:
    model = fn.chain(fn.linear(4), spoiled(at), fn.linear(3))
    assert said(model, state_of(model)).startswith(words)


def steep(y: Any, target: Any) -> tuple[Any, Any]:
    """Be a loss with so large a gradient that its squares in Adam overflow."""
    return fn.cross_entropy(y, target)[0], np.full_like(y, 1e37)


def test_where_the_way_forward_is_finite_the_first_gradient_on_the_way_back_is_named() -> None:
    large = fn.Batch(np.full((4, 5), 1e10, np.float32), np.array([0, 1, 2, 0]))
    assert said(fn.linear(3), state_of(fn.linear(3)), large, steep).startswith(
        "step 1: linear(3): expected a finite gradient of its parameters"
    )
    model = fn.chain(fn.linear(3), fn.relu(), fn.linear(3), fn.scale(1e30), fn.relu())
    assert said(model, state_of(model), loss=steep).startswith(
        "step 1: [3] scale(1e+30): expected a finite gradient of its inputs"
    )


@pytest.mark.parametrize(("part", "words"), [(0, "a finite value"), (1, "a finite gradient")])
def test_a_loss_is_named_where_the_outputs_are_finite(part: int, words: str) -> None:
    def loss(y: Any, target: Any) -> tuple[Any, Any]:
        value, dy = fn.cross_entropy(y, target)
        return (value * np.nan, dy) if part == 0 else (value, dy * np.float32("inf"))

    assert said(fn.linear(3), state_of(fn.linear(3)), loss=loss).startswith(f"step 1: the loss: expected {words}")


def test_data_that_are_not_finite_are_to_blame_themselves() -> None:
    inputs = DATA.inputs.copy()
    inputs[3, 2] = np.nan
    for model in (WIDE, fn.linear(3), fn.residual(fn.linear(5))):
        assert said(model, state_of(model), fn.Batch(inputs, DATA.targets)) == (
            "step 1: the batch: expected finite inputs, got infinities or NaN; look for them in the data"
        )


def test_an_update_that_overflows_names_the_step_that_it_is_part_of() -> None:
    model, optimizer = fn.linear(3), fn.sgd(3e38)
    with pytest.raises(DivergenceError) as caught, np.errstate(all="ignore"):
        checked_step(model, lambda y, _: (y.sum(), np.full_like(y, 10)), optimizer, state_of(model, optimizer), DATA)
    assert str(caught.value).startswith("step 1: linear(3): expected finite parameters")


def test_what_the_optimiser_remembers_is_looked_at_too() -> None:
    few = fn.Batch(DATA.inputs / 10**6, DATA.targets)
    assert re.match(
        r"step 1: optimizer_state\S+: expected finite numbers", said(fn.linear(3), state_of(fn.linear(3)), few, steep)
    )
