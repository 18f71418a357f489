"""Chains: associative, with an identity; each names the place of an error, and gives each layer its key."""

from collections.abc import Callable
from typing import Any

from attrs import evolve
from hypothesis import given
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp.combinators import chain
from fnmlp.errors import FnmlpError, ShapeError, StructureError, one_line
from fnmlp.key import Key, fold_in
from fnmlp.layer import Pullback, input_pullback
from fnmlp.layers import flatten, identity, linear, relu, softmax
from fnmlp.tree import tree_equal
from tests.steps import draw, everything, point_of, same_bits, seeds

A, B, C = linear(4), relu(), linear(2)


@given(seeds)
def test_a_chain_is_associative_to_the_bit(seed: int) -> None:
    (a, b, c), x, dy = point_of(chain(A, B, C), (3,), seed, 5)
    flat = everything(chain(A, B, C), (a, b, c), x, dy)
    assert same_bits(everything(chain(chain(A, B), C), ((a, b), c), x, dy), flat)
    assert same_bits(everything(chain(A, chain(B, C)), (a, (b, c)), x, dy), flat)


@given(seeds)
def test_the_empty_chain_and_identity_change_nothing(seed: int) -> None:
    params, x, dy = point_of(A, (3,), seed, 5)
    alone = everything(A, params, x, dy)
    for one in (chain(), identity()):
        assert same_bits(everything(chain(one, A), ((), params), x, dy), alone)
        assert same_bits(everything(chain(A, one), (params, ()), x, dy), alone)
    assert same_bits(everything(chain(A), (params,), x, dy), alone)


def test_layers_of_one_kind_get_other_weights() -> None:
    (first, second), shape = chain(linear(3), linear(3)).init(Key(0), (3,))
    assert shape == (3,)
    assert not tree_equal(first, second)
    assert tree_equal(second, linear(3).init(fold_in(Key(0), 1), (3,))[0])


def test_each_layer_gets_a_key_of_its_own_in_training_and_none_where_there_is_none() -> None:
    seen: list[Key | None] = []

    def vjp(params: tuple[()], x: NDArray[Any], key: Key | None) -> tuple[NDArray[Any], Pullback[tuple[()]]]:
        seen.append(key)
        return identity().vjp(params, x, key)

    spy = evolve(identity(), vjp=vjp)
    for key in (None, Key(7)):
        chain(spy, chain(spy)).vjp(((), ((),)), np.zeros((1, 1)), key)
    assert seen == [None, None, Key(7, (0,)), Key(7, (1, 0))]


def test_no_gradient_is_computed_before_the_first_parameters_unless_it_is_asked_for() -> None:
    asked: list[float] = []

    def pull(dy: NDArray[Any]) -> NDArray[Any]:
        asked.append(float(dy.sum()))
        return dy

    spy = evolve(identity(), vjp=lambda _params, x, _key: (x, input_pullback(pull)))
    model = chain(spy, chain(spy, linear(2)), relu())
    params, x, dy = point_of(model, (3,), 0, 4)
    _, delayed_dx = model.vjp(params, x, None)[1](dy)
    assert asked == []
    dx = delayed_dx()
    assert asked == [float(dx.sum())] * 2


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: chain(linear(2), relu), r"chain: argument 1: .*call the constructor, as in relu\(\)"),  # type: ignore[arg-type]
        (lambda: chain([linear(2)]), "chain: argument 0: .*pass layers only"),  # type: ignore[arg-type]
        (lambda: chain(None), "chain: argument 0"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_layer_is_refused_by_place(make: Callable[[], object], said: str) -> None:
    with pytest.raises(StructureError, match=said):
        make()


INNER = chain(relu(), linear(2))
OUTER = chain(linear(3), INNER)
NOTES = ["in layer 1 of chain(relu(), linear(2))", "in layer 1 of chain(linear(3), chain(relu(), linear(2)))"]


def test_an_error_names_its_place_in_every_chain_around_it() -> None:
    params, _ = OUTER.init(Key(0), (4,))
    bad = params[0], ((), INNER.init(Key(0), (5,))[0][1])
    x = draw(0, (2, 4), np.float32)
    for use in (lambda: OUTER.apply(bad, x), lambda: OUTER.vjp(bad, x, None)):
        with pytest.raises(ShapeError) as caught:
            use()
        assert caught.value.__notes__ == NOTES
    assert one_line(caught.value).endswith(f"({NOTES[0]}) ({NOTES[1]})")


def test_a_chain_whose_shapes_do_not_fit_fails_at_init_and_names_the_layer() -> None:
    with pytest.raises(ShapeError, match="put flatten") as caught:
        chain(relu(), linear(2)).init(Key(0), (2, 3))
    assert caught.value.__notes__ == [NOTES[0]]
    assert chain(flatten(), relu(), linear(2)).init(Key(0), (2, 3))[1] == (2,)


@pytest.mark.parametrize("params", [(), ((),), ((), (), ()), [(), ()], None, 3])
def test_parameters_of_another_chain_are_refused(params: Any) -> None:
    model = chain(relu(), softmax())
    for use in (model.apply, lambda params, x: model.vjp(params, x, None)):
        with pytest.raises(FnmlpError, match=r"a tuple of 2 parameter trees, .*pass what init returned"):
            use(params, np.zeros((1, 2)))
