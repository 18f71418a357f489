"""The layer type: an immutable value with a name, what it is made of, and helpers that make pullbacks."""

from functools import partial
from typing import Any

import attrs
from attrs import evolve
import numpy as np
import pytest

from fnmlp.combinators import chain
from fnmlp.key import Key
from fnmlp.layer import Layer, gradients, input_pullback, no_parameters, with_parts
from fnmlp.layers import linear, relu
from tests.catalogue import LAYERS, Specimen
from tests.steps import same_bits


def test_a_layer_can_not_be_changed() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        relu().name = "other"  # type: ignore[misc]


def test_a_layer_shows_the_expression_that_constructs_it() -> None:
    assert repr(chain(linear(3, bias=False), relu())) == "chain(linear(3, bias=False), relu())"


@pytest.mark.parametrize("specimen", LAYERS, ids=repr)
def test_a_layer_holds_no_parameters(specimen: Specimen) -> None:
    first, second = (specimen.layer.init(Key(seed), specimen.example)[0] for seed in (0, 0))
    assert first == () or first is not second


def test_a_layer_is_a_name_three_functions_and_what_else_is_known_of_it() -> None:
    names = [field.name for field in attrs.fields(Layer)]
    assert names == ["name", "init", "apply", "vjp", "parts", "deal", "remake", "rows", "pointwise"]


@pytest.mark.parametrize("specimen", LAYERS, ids=repr)
def test_a_combinator_is_made_again_of_its_own_parts(specimen: Specimen) -> None:
    """Whoever walks a model relies on it: nobody looks into the arguments that a function is bound to."""
    layer = specimen.layer
    assert (layer.remake is None) == (layer.deal is None)
    if layer.remake is None:
        assert layer.parts == ()
    again = with_parts(layer, layer.parts)
    assert (again.name, again.parts) == (layer.name, layer.parts)
    params, x, dy = specimen.point(2, 3)
    key = Key(1)
    assert same_bits(again.apply(params, x), layer.apply(params, x))
    assert same_bits(gradients(again, params, x, dy, key), gradients(layer, params, x, dy, key))


@pytest.mark.parametrize("specimen", LAYERS, ids=repr)
def test_a_combinator_deals_its_parts_the_parameters_that_they_compute_with(specimen: Specimen) -> None:
    given: list[Any] = []

    def noted(part: Layer[Any], params: Any, x: Any) -> Any:
        given.append(params)
        return part.apply(params, x)

    params, x, _ = specimen.point(2, 3, np.float32)
    layer = specimen.layer
    with_parts(layer, [evolve(part, apply=partial(noted, part)) for part in layer.parts]).apply(params, x)
    assert same_bits(tuple(given), layer.deal(params) if layer.deal else ())


@pytest.mark.parametrize("specimen", LAYERS, ids=repr)
def test_the_eager_gradients_are_those_of_the_pullback(specimen: Specimen) -> None:
    params, x, dy = specimen.point(2, 3)
    grads, delayed_dx = specimen.layer.vjp(params, x, None)[1](dy)
    assert same_bits(gradients(specimen.layer, params, x, dy), (grads, delayed_dx()))


def test_dx_is_computed_only_where_it_is_asked_for() -> None:
    asked: list[int] = []

    def pull(dy: int) -> Any:
        asked.append(dy)
        return 2 * dy

    gradient, delayed_dx = input_pullback(pull)(3)  # type: ignore[arg-type]
    assert (gradient, asked) == ((), [])
    assert delayed_dx() == 6
    assert asked == [3]


def test_no_parameters_keeps_the_shape() -> None:
    assert no_parameters(Key(0), (3, 2)) == ((), (3, 2))
