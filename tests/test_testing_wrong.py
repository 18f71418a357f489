"""Wrong layers and losses that the default trials of the kit catch: each is right nearly everywhere."""

# ruff: noqa: ARG005 (a part of the line is told by either argument)

from functools import partial
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.testing import LawBrokenError, check_layer, check_loss, check_optimizer
from fnmlp.testing.discrepancy import Claim, find_discrepancy
from fnmlp.testing.layers import LAYER_LAWS
from fnmlp.testing.magnitudes import spread, trial_of
from fnmlp.tree import tree_map
from tests.closures import UNPICKLED, away_from_zero, layer

SQUARE = partial(layer, lambda x: x * x + 1)


@pytest.mark.parametrize("limit", [3, 30, 300])
@pytest.mark.parametrize("side", [1, -1])
def test_a_slope_that_is_wrong_in_one_tail_is_found(limit: float, side: int) -> None:
    # A check that drew standard normal inputs saw nothing beyond 3.
    with pytest.raises(LawBrokenError, match="derivative of apply"):
        check_layer(SQUARE(lambda x: (2 * x * (1 + 1e-3 * (side * x > limit))).astype(x.dtype)), (2,), laws=UNPICKLED)
    check_layer(SQUARE(lambda x: 2 * x), (2,), laws=UNPICKLED)


def test_a_saturated_slope_that_is_wrong_is_found_beside_large_ones() -> None:
    def steep(x: fn.Array) -> fn.Array:
        tail = np.exp(-2 * np.abs(x))
        slope: fn.Array = 4 * tail / (1 + tail) ** 2
        return slope

    check_layer(layer(np.tanh, steep), (3,), laws=UNPICKLED)
    with pytest.raises(LawBrokenError, match="derivative of apply"):
        check_layer(layer(np.tanh, lambda x: steep(x) * (1 + (np.abs(x) > 30)).astype(x.dtype)), (3,), laws=UNPICKLED)


WRONG_DX: dict[str, Any] = {
    "near 0 alone": lambda x, dy: dy * 2 * x * (1 + 0.01 * (np.abs(x) < 0.01)),
    "for large dy alone": lambda x, dy: np.clip(dy, -20, 20) * 2 * x,
    "in batches of 8 rows and more": lambda x, dy: dy * 2 * x * (1 + 1e-3 * (len(x) >= 8)),
    "in single rows": lambda x, dy: dy * 2 * x * (1 + 1e-3 * (len(x) == 1)),
    "in float32 beyond 3": lambda x, dy: dy * 2 * x * (1 + x.dtype.type(1e-3) * ((x.dtype == "f4") & (x > 3))),
    "in rows that repeat": lambda x, dy: dy * 2 * x * (1 + 1e-3 * (len(x) > 1 and (x[0] == x[-1]).all())),
    "where dy is strided": lambda x, dy: dy * 2 * x if dy.flags.c_contiguous else dy * x,
    "NaN at 0": lambda x, dy: dy * 2 * x * (x / x),
    "where dy can't be written to": lambda x, dy: dy * 2 * x if dy.flags.writeable else dy * x,
    "of rows that share memory": lambda x, dy: dy * 2 * x if dy.strides[0] or len(dy) < 2 else dy * x,
    "in the last feature": lambda x, dy: dy * 2 * x * (1 + 1e-6 * (np.arange(x.shape[1]) == x.shape[1] - 1)),
    "by a hundred-billionth": lambda x, dy: dy * 2 * x * (1 + 1e-11),
}


@pytest.mark.parametrize("where", WRONG_DX)
def test_a_gradient_that_is_wrong_in_one_case_is_found(where: str) -> None:
    def vjp(params: tuple[()], x: fn.Array, key: fn.Key | None) -> Any:
        return x * x + 1, lambda dy: ((), lambda: WRONG_DX[where](x, dy).astype(x.dtype))

    right = SQUARE(lambda x: 2 * x)
    with np.errstate(all="ignore"), pytest.raises(LawBrokenError):
        check_layer(fn.Layer("wrong()", right.init, right.apply, vjp), (3,), laws=UNPICKLED)


def test_a_delayed_gradient_that_follows_the_last_dy_is_found() -> None:
    def vjp(params: tuple[()], x: fn.Array, key: fn.Key | None) -> Any:
        last: list[fn.Array] = []

        def pullback(dy: fn.Array) -> Any:
            last[:] = [dy]
            return (), lambda: 2 * x * last[0]

        return x * x + 1, pullback

    right = SQUARE(lambda x: 2 * x)
    with pytest.raises(LawBrokenError, match="a pulled gradient stays as it was"):
        check_layer(fn.Layer("wrong()", right.init, right.apply, vjp), (3,), laws=UNPICKLED)


def test_a_gradient_that_is_wrong_with_a_key_alone_is_found() -> None:
    def vjp(params: tuple[()], x: fn.Array, key: fn.Key | None) -> Any:
        return x * x + 1, lambda dy: ((), lambda: dy * x * (2 if key is None else 2.002))

    right = SQUARE(lambda x: 2 * x)
    with pytest.raises(LawBrokenError, match="derivative of its own output"):
        check_layer(fn.Layer("wrong()", right.init, right.apply, vjp), (3,), laws=UNPICKLED)


@pytest.mark.parametrize("wrong", [lambda w: np.where(w > 10, 1.001, 1), lambda w: np.where(w < -3, 1.001, 1)])
def test_a_gradient_that_is_wrong_for_large_parameters_is_found(wrong: Any) -> None:
    linear = fn.linear(2)

    def vjp(params: Any, x: fn.Array, key: fn.Key | None) -> Any:
        y, right = linear.vjp(params, x, key)
        factor = wrong(params.weight).astype(x.dtype)
        return y, lambda dy: (right(dy)[0], lambda: dy @ (params.weight * factor).T)

    with pytest.raises(LawBrokenError, match="derivative of apply"):
        check_layer(fn.Layer("wrong()", linear.init, linear.apply, vjp), (3,), laws=UNPICKLED)


def test_a_gradient_that_is_off_by_a_billionth_where_all_numbers_of_a_row_are_equal_is_found() -> None:
    # Layers with parameters refused complex inputs beside real weights, and were judged by differences, to 1e-7.
    linear = fn.linear(2)

    def vjp(params: Any, x: fn.Array, key: fn.Key | None) -> Any:
        y, right = linear.vjp(params, x, key)
        factor = np.where((x == x[:, :1]).all(axis=1, keepdims=True), 1 + 1e-9, 1).astype(x.dtype)
        return y, lambda dy: (right(dy)[0], lambda: right(dy)[1]() * factor)

    with pytest.raises(LawBrokenError, match="equal numbers share their gradient"):
        check_layer(fn.Layer("wrong()", linear.init, linear.apply, vjp), (3,), laws=UNPICKLED)


def test_a_wrong_element_among_many_is_found_along_a_direction() -> None:
    linear = fn.linear(40)

    def vjp(params: Any, x: fn.Array, key: fn.Key | None) -> Any:
        y, right = linear.vjp(params, x, key)

        def pullback(dy: fn.Array) -> Any:
            gradient, delayed = right(dy)
            weight = gradient.weight.copy()
            weight[29, 39] *= 2
            return type(gradient)(weight, gradient.bias), delayed

        return y, pullback

    check_layer(linear, (30,), trials=3)
    with pytest.raises(LawBrokenError, match="derivative of apply"):
        check_layer(fn.Layer("wrong()", linear.init, linear.apply, vjp), (30,), laws=UNPICKLED)


def relu_like(at: float, slope: float, distance: float, x: fn.Array) -> fn.Array:
    return np.where(np.abs(x - at) <= distance, slope, x > at).astype(x.dtype)


@pytest.mark.parametrize(("slope", "distance"), [(2.0, 0.0), (-0.1, 0.0), (0.5, 1e-12), (0.5, 4e-3)])
def test_a_slope_that_is_no_sides_is_found_at_and_beside_a_named_kink(slope: float, distance: float) -> None:
    bent = partial(layer, lambda x: np.maximum(x, 3))
    with pytest.raises(LawBrokenError) as caught:
        check_layer(bent(partial(relu_like, 3, slope, distance)), (3,), laws=UNPICKLED, kinks=(3.0,))
    assert "kinks=(3.0,)" in caught.value.reproduce
    for between in (0.0, 0.5, 1.0):
        check_layer(bent(partial(relu_like, 3, between, 0.0)), (3,), laws=UNPICKLED, kinks=(3.0,))


def test_kinks_of_functions_that_no_complex_number_survives_are_judged_by_differences() -> None:
    for absolute in (np.abs, np.fabs):  # one makes real numbers of complex ones, the other takes none
        check_layer(layer(absolute, np.sign), (3,), laws=UNPICKLED, kinks=(0.0,))
        with pytest.raises(LawBrokenError, match="a kink has the slope of a side"):
            check_layer(layer(absolute, lambda x: np.sign(x) + 3 * (x == 0)), (3,), laws=UNPICKLED, kinks=(0.0,))
    check_layer(layer(np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2)), (3,), laws=UNPICKLED[:-5], draw=away_from_zero)
    with pytest.raises(LawBrokenError, match="a kink has the slope of a side"):
        check_layer(layer(np.abs, lambda x: np.sign(x) + 3 * (x == 0)), (3,), laws=UNPICKLED)


def test_a_derivative_that_grows_without_bound_has_no_sides() -> None:
    root = layer(lambda x: np.sqrt(np.maximum(x, 0)), lambda x: 0.5 / np.sqrt(np.where(x > 0, x, np.inf)))
    kink = next(law for law in LAYER_LAWS if law.name == "a kink has the slope of a side")
    check_layer(root, (3,), laws=(kink,))


def _wrong_mse(where: Any, y: fn.Array, target: fn.Array) -> Any:
    value, dy = fn.mse(y, target)
    return value, dy * np.where(where(y, target), y.dtype.type(1.001), y.dtype.type(1))


@pytest.mark.parametrize(
    "where",
    [
        lambda y, target: y > 30,
        lambda y, target: y < -300,
        lambda y, target: np.abs(y) < 0.01,
        lambda y, target: target > 30,
        lambda y, target: np.full(y.shape, len(y) == 1),
        lambda y, target: (y == y[:1]) & (y.dtype == np.float32) & (np.abs(y) > 3),
    ],
)
def test_a_loss_that_is_wrong_in_one_part_is_found(where: Any) -> None:
    check_loss(fn.mse, (3,))
    with pytest.raises(LawBrokenError):
        check_loss(partial(_wrong_mse, where), (3,))


def test_a_loss_whose_slope_at_its_target_is_no_sides_is_found() -> None:
    def wrong(y: fn.Array, target: fn.Array) -> Any:
        value, dy = fn.l1(y, target)
        return value, np.where(y == target, 2, dy).astype(y.dtype)

    with pytest.raises(LawBrokenError, match="a kink has the slope of a side"):
        check_loss(wrong, (3,), kinks=(0.0,))


def test_outputs_that_overflow_are_drawn_smaller() -> None:
    check_layer(layer(np.exp, np.exp), (3,), laws=UNPICKLED)
    check_loss(poisson, (3,), draw_target=counts)


def test_outputs_for_which_a_loss_is_small_stay_large_beside_others() -> None:
    # All outputs were divided until the largest fitted, so that none below -100 was left.
    def wrong(y: fn.Array, target: fn.Array) -> Any:
        value, dy = poisson(y, target)
        return value, dy * (1 + 1e-3 * (y < -300)).astype(y.dtype)

    with pytest.raises(LawBrokenError, match="derivative of the value"):
        check_loss(wrong, (4,), draw_target=counts)


def test_a_loss_that_is_never_finite_is_found() -> None:
    # The check divided its outputs for ever.
    with pytest.raises(LawBrokenError):
        check_loss(lambda y, target: (fn.mse(y, target)[0] * np.nan, y * np.nan), (3,))


def test_spending_shared_gradients_is_checked_in_each_step() -> None:
    # The first step, of rate 0, left gradients of 0 to the second.
    optimizer = fn.scheduled(fn.sgd, fn.cosine_cycles(0.25, steps=50))

    def spend(params: Any, grads: Any, state: Any) -> Any:
        copies = tree_map(zeroed, grads)
        return optimizer.update(params, copies, state)

    check_optimizer(optimizer, steps=2)
    with pytest.raises(LawBrokenError, match="spending"):
        check_optimizer(fn.Optimizer(optimizer.init, optimizer.update, spend), steps=2)


def zeroed(grad: fn.Array) -> fn.Array:
    copy = np.copy(grad)
    grad[...] = 0
    return copy


def test_a_layer_that_has_no_finite_output_is_taken_as_it_is() -> None:
    with pytest.raises(LawBrokenError, match=r"rows do not mix|derivative of apply"):
        check_layer(layer(lambda x: x * np.nan, lambda x: x * 0), (3,), laws=UNPICKLED)
    check_layer(fn.elementwise(np.expm1, np.exp, name="expm1()"), (3,), draw=away_from_zero_by_little, seed=1)


def away_from_zero_by_little(key: fn.Key, shape: fn.Shape) -> fn.Array:
    drawn: fn.Array = away_from_zero(key, shape) % 8
    return drawn


def poisson(y: fn.Array, target: fn.Array) -> Any:
    fn.mse(y, target)  # refuses what does not fit
    return (np.exp(y) - target * y).sum(), np.exp(y) - target


def counts(key: fn.Key, shape: fn.Shape) -> fn.Array:
    drawn: fn.Array = np.floor(np.abs(spread(key, shape)) % 8)
    return drawn


def test_without_a_complex_witness_a_direction_is_judged_by_differences() -> None:
    x = np.linspace(0.5, 4, 100)
    claim = Claim(lambda point: np.abs(point[0]) ** 3, (x,), np.ones(100), (3 * x**2,), "x")
    assert find_discrepancy(claim, fn.Key(0)) is None
    off = 3 * x**2
    off[np.arange(100) % 2 == 0] *= 1.001
    found = find_discrepancy(Claim(claim.function, claim.at, claim.cotangent, (off,), "x"), fn.Key(0))
    assert found is not None


def test_trials_draw_every_decade_of_both_signs_and_batches_of_one_and_many_rows() -> None:
    drawn = spread(fn.Key(3), (4, 8))
    decades = np.floor(np.log10(np.abs(drawn)))
    for sign in (1, -1):
        assert {-3, -2, -1, 0, 1, 2} <= set(decades[np.sign(drawn) == sign])
    trials = [trial_of(seed) for seed in range(10)]
    assert {1, 33} <= {trial.rows for trial in trials}
    assert {"inputs", "params", "cotangents"} == {what for trial in trials for what in trial.spread}
