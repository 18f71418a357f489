"""Layers side by side: the formula of each by hand, the identities between them, and refusals of shapes."""

from typing import Any

from attrs import evolve
from hypothesis import given
import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp.layer import input_pullback
from tests.optional import optional
from tests.steps import assert_close, everything, point_of, same_bits, seeds

torch = optional("torch")

INNER = fn.chain(fn.linear(5), fn.tanh(), fn.linear(3))


@given(seeds)
def test_residual_adds_x_and_dy(seed: int) -> None:
    params, x, dy = point_of(INNER, (3,), seed, 4)
    y, grads, dx = everything(INNER, params, x, dy)
    assert same_bits(everything(fn.residual(INNER), params, x, dy), (x + y, grads, dy + dx))


@given(seeds)
def test_residual_is_add_of_the_identity(seed: int) -> None:
    params, x, dy = point_of(INNER, (3,), seed, 4)
    added = fn.add(fn.identity(), INNER)
    assert same_bits(everything(added, ((), params), x, dy), everything(fn.residual(INNER), params, x, dy))


@given(seeds)
def test_add_sums_outputs_and_input_gradients(seed: int) -> None:
    model = fn.add(fn.linear(2), fn.linear(2), fn.linear(2, bias=False))
    params, x, dy = point_of(model, (3,), seed, 4)
    parts = [everything(fn.linear(2), own, x, dy) for own in params]
    y, grads, dx = everything(model, params, x, dy)
    assert same_bits(y, parts[0][0] + parts[1][0] + parts[2][0])
    assert same_bits(grads, tuple(leaf for _, leaves, _ in parts for leaf in leaves))
    assert same_bits(dx, parts[0][2] + parts[1][2] + parts[2][2])


@given(seeds)
def test_concat_joins_outputs_and_gives_each_layer_its_part_of_dy(seed: int) -> None:
    model = fn.concat(fn.linear(2), fn.tanh(), fn.linear(1))
    params, x, dy = point_of(model, (3,), seed, 4)
    first = everything(fn.linear(2), params[0], x, dy[:, :2])
    second = everything(fn.tanh(), (), x, dy[:, 2:5])
    third = everything(fn.linear(1), params[2], x, dy[:, 5:])
    y, grads, dx = everything(model, params, x, dy)
    assert same_bits(y, np.concatenate([first[0], second[0], third[0]], axis=1))
    assert same_bits(grads, (*first[1], *third[1]))
    assert same_bits(dx, first[2] + second[2] + third[2])


@given(seeds)
def test_parallel_gives_each_layer_its_part_of_the_features(seed: int) -> None:
    model = fn.parallel(fn.linear(2), fn.softmax(), widths=(3, 4))
    params, x, dy = point_of(model, (7,), seed, 4)
    first = everything(fn.linear(2), params[0], x[:, :3], dy[:, :2])
    second = everything(fn.softmax(), (), x[:, 3:], dy[:, 2:])
    y, grads, dx = everything(model, params, x, dy)
    assert_close(y, np.concatenate([first[0], second[0]], axis=1), eps=4)
    assert_close(grads, first[1], eps=16)
    assert_close(dx, np.concatenate([first[2], second[2]], axis=1), eps=16)


def test_parallel_does_not_let_one_part_see_another() -> None:
    model = fn.parallel(fn.linear(2), fn.linear(2), widths=(1, 2))
    params, x, dy = point_of(model, (3,), 0, 4)
    changed = x.copy()
    changed[:, 0] += 1
    y, moved = model.apply(params, x), model.apply(params, changed)
    assert same_bits(y[:, 2:], moved[:, 2:])
    assert not (y[:, :2] == moved[:, :2]).any()
    _, dx = fn.gradients(model, params, x, dy * [1, 1, 0, 0])
    assert not dx[:, 1:].any()


def test_a_residual_that_changes_the_shape_says_how_to_end_it() -> None:
    with pytest.raises(fn.ShapeError) as caught:
        fn.residual(fn.linear(10)).init(fn.Key(0), (128,))
    said = "residual(linear(10)): expected an inner layer that keeps the shape, got (128,) -> (10,); "
    assert str(caught.value) == said + "end it with linear(128)"
    with pytest.raises(fn.ShapeError, match="choose one that does"):
        fn.residual(fn.flatten()).init(fn.Key(0), (2, 3))


@pytest.mark.parametrize(
    ("model", "example", "said"),
    [
        (fn.add(fn.linear(2), fn.linear(3)), (4,), r"layers whose outputs have the same shape, got \(\(2,\), \(3,\)\)"),
        (fn.concat(fn.identity(), fn.flatten()), (2, 3), "layers whose outputs differ in the last axis only"),
        (fn.concat(fn.identity(), fn.identity()), (), "layers whose outputs differ in the last axis only"),
        (fn.parallel(fn.relu(), fn.relu(), widths=(2, 2)), (5,), r"expected examples of 4 features, got \(5,\)"),
        (fn.parallel(fn.relu(), widths=(2,)), (), r"expected examples of 2 features, got \(\)"),
        (fn.tied(fn.linear(2), fn.linear(2)), (3,), r"params\.weight: expected shape \(3, 2\), got \(2, 2\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_at_init(model: fn.Layer[Any], example: tuple[int, ...], said: str) -> None:
    with pytest.raises(fn.ShapeError, match=said):
        model.init(fn.Key(0), example)


@pytest.mark.parametrize("widths", [(1,), (1, 2, 3), (1, 0), (1, 1.5), "ab", 3, None])
def test_widths_that_do_not_belong_to_the_layers_are_refused(widths: Any) -> None:
    with pytest.raises(fn.OptionError, match=r"parallel\(widths\)"):
        fn.parallel(fn.relu(), fn.relu(), widths=widths)


def test_inputs_of_other_features_than_the_widths_are_refused() -> None:
    model = fn.parallel(fn.relu(), fn.relu(), widths=(2, 1))
    for use in (model.apply, lambda params, x: model.vjp(params, x, None)):
        with pytest.raises(fn.ShapeError, match="expected inputs of 3 features"):
            use(((), ()), np.zeros((2, 4)))


def test_dx_of_side_by_side_layers_is_delayed_until_it_is_asked_for() -> None:
    asked: list[float] = []

    def pull(dy: NDArray[Any]) -> NDArray[Any]:
        asked.append(float(dy.sum()))
        return dy

    spy = evolve(fn.identity(), vjp=lambda _params, x, _key: (x, input_pullback(pull)))
    model = fn.concat(fn.chain(spy, fn.linear(2)), fn.residual(spy))
    params, x, dy = point_of(model, (3,), 0, 4)
    _, delayed_dx = model.vjp(params, x, None)[1](dy)
    assert asked == []
    dx = delayed_dx()
    assert len(asked) == 2
    assert dx.shape == x.shape
