"""Bugs of other libraries and of the lab's code. Each test forbids one by name.

Where that is cheap, it also shows that the naive formula fails on the same numbers.
"""

from collections.abc import Callable
from functools import partial
from math import exp, fsum, log, log1p
from typing import Any

from hypothesis import given
import mpmath
import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp.errors import DataError
from fnmlp.testing import LawBrokenError, check_layer, check_loss
from fnmlp.testing.report import DifferenceFound, expect_close
from tests.catalogue import LOSSES, METRICS
from tests.optional import optional
from tests.specimens import LossSpecimen, MetricSpecimen, labels_like
from tests.steps import assert_close, draw, same_bits, seeds
from tests.sweep import each
from tests.torch_oracle import assert_within_gamma, to_torch
from tests.ulp.measure import errors

torch = optional("torch")

Float32 = NDArray[np.float32]
EPSILON = float(np.finfo(np.float32).eps)
over_dtypes = each("dtype", [np.float32, np.float64])


def exact(function: Callable[[Any], Any], x: Float32) -> NDArray[np.float64]:
    """Evaluate a function in mpmath to 40 digits, and round to float64."""
    with mpmath.workdps(40):
        return np.array([float(function(mpmath.mpf(float(number)))) for number in x])


def units_off(found: fn.Array, expected: NDArray[np.float64]) -> float:
    """Return the largest error in units in the last place of float32."""
    return float(errors(found, expected).max())


def share_off(found: Any, expected: Any) -> float:
    """Return the largest relative error."""
    return float(np.abs(np.asarray(found, np.float64) / expected - 1).max())


def value_and_slope(layer: fn.Layer[Any], x: Float32) -> tuple[fn.Array, fn.Array]:
    """Return an activation and its derivative."""
    return layer.apply((), x), fn.gradients(layer, (), x, np.ones_like(x))[1]


# Activations and their derivatives in the tails.


def test_gelu_is_not_half_of_x_times_one_plus_erf_which_is_57_percent_wrong_near_minus_5() -> None:
    x = np.linspace(-5.5, -4.5, 101, dtype=np.float32)
    expected = exact(lambda number: number * mpmath.ncdf(number), x)
    naive = x / 2 * (1 + torch.erf(to_torch(x / np.float32(2**0.5))).numpy())
    assert share_off(naive, expected) > 0.56
    assert units_off(fn.gelu().apply((), x), expected) <= 4


def test_sigmoid_is_not_one_formula_for_both_signs_which_loses_2_million_units_in_its_tail() -> None:
    x = np.linspace(-103, -80, 101, dtype=np.float32)
    expected = exact(lambda number: 1 / (1 + mpmath.exp(-number)), x)
    with np.errstate(over="ignore"):
        naive = 1 / (1 + np.exp(-x))
    assert units_off(naive, expected) > 1e6
    assert units_off(fn.sigmoid().apply((), x), expected) <= 4


def test_the_derivative_of_tanh_is_not_1_minus_y_squared_which_is_0_in_the_tails() -> None:
    x = np.array([-40, -20, -10, 10, 20, 40], np.float32)
    y, slope = value_and_slope(fn.tanh(), x)
    assert (1 - y * y).tolist() == [0.0] * 6
    assert units_off(slope, exact(lambda number: mpmath.sech(number) ** 2, x)) <= 8


def test_the_derivative_of_sigmoid_is_not_y_times_1_minus_y_which_is_0_in_the_tail() -> None:
    x = np.array([20, 40, 80], np.float32)
    y, slope = value_and_slope(fn.sigmoid(), x)
    assert (y * (1 - y)).tolist() == [0.0] * 3
    expected = exact(lambda number: mpmath.exp(-number) / (1 + mpmath.exp(-number)) ** 2, x)
    assert units_off(slope, expected) <= 8
    assert same_bits(value_and_slope(fn.sigmoid(), -x)[1], slope)


def test_softplus_does_not_overflow_into_a_gradient_of_nan() -> None:
    x = np.array([-1000, -89, 89, 1000, 3e38], np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        naive = np.exp(x) / (1 + np.exp(x))
    assert np.isnan(naive[2:]).all()
    with np.errstate(over="raise", invalid="raise"):
        y, slope = value_and_slope(fn.softplus(), x)
        _, dy = fn.binary_cross_entropy(x, np.zeros_like(x), reduction="sum")
    assert y[2:].tolist() == x[2:].tolist()
    for gradient in (slope, dy):
        assert gradient[2:].tolist() == [1.0] * 3
        assert units_off(gradient[:2], exact(mpmath.exp, x[:2])) <= 4


# Softmax, its logarithm, and cross-entropy.


@over_dtypes
def test_log_softmax_does_not_round_to_0_at_the_confident_class(dtype: Any) -> None:
    gaps = np.array([40, 60, 80], dtype)
    x = np.stack([gaps, 0 * gaps], axis=1)
    naive = np.log(np.exp(x - gaps[:, None]).sum(axis=1))
    assert naive.tolist() == [0.0] * 3
    assert share_off(fn.log_softmax().apply((), x)[:, 0], -np.exp(-gaps.astype(np.float64))) <= EPSILON


@each("gap", [20.0, 40.0, 80.0, 300.0])
def test_the_loss_of_the_confident_class_does_not_round_to_0(gap: float) -> None:
    # torch's log_softmax gives 0 from a gap of 37 on, and then no gradient at the label.
    y = np.array([[0.0, gap], [gap, 0.0]])
    value, dy = fn.cross_entropy(y, np.array([1, 0]), reduction="none")
    np.testing.assert_allclose(value, log1p(exp(-gap)), rtol=1e-15)
    np.testing.assert_allclose(dy[0], np.array([1, -1]) * exp(-gap) / (1 + exp(-gap)), rtol=1e-15)
    assert same_bits(value, fn.cross_entropy(y, np.eye(2)[::-1].copy(), reduction="none")[0])
    binary, _ = fn.binary_cross_entropy(np.array([gap, -gap]), np.array([1.0, 0.0]), reduction="none")
    np.testing.assert_allclose(binary, log1p(exp(-gap)), rtol=1e-15)


def of_logarithms(y: fn.Array, labels: fn.Array) -> tuple[Any, fn.Array]:
    return fn.nll(fn.log_softmax().apply((), y), labels)


@each("loss", [fn.cross_entropy, partial(fn.cross_entropy, label_smoothing=0.1), of_logarithms])
@each("offset", [1e8, -1e8, 1e30, -1e30])
def test_a_large_offset_of_all_outputs_does_not_make_the_loss_0(loss: fn.Loss, offset: float) -> None:
    y = np.array([[offset, offset]], np.float32)
    naive = np.log(np.exp(y - y.max()).sum()) + y.max() - y[0, 0]
    assert naive == 0
    value, dy = loss(y, np.array([1]))
    assert share_off(value, log(2)) <= EPSILON
    assert np.isfinite(dy).all()


@each("offset", [1e4, -1e4, 1e30, -1e30])
def test_offsets_that_overflow_the_exponential_are_harmless(offset: float) -> None:
    y, labels = np.array([[0.0, offset], [offset, offset]], np.float32), np.array([0, 1])
    value, dy = fn.cross_entropy(y, labels, reduction="none")
    np.testing.assert_allclose(value, [max(offset, 0), np.log(2)], rtol=1e-6)
    assert np.isfinite(dy).all()
    terms, slopes = fn.binary_cross_entropy(y, np.array([[1, 1], [0, 1]], np.float32), reduction="none")
    assert np.isfinite(terms).all()
    assert np.isfinite(slopes).all()


@each("row", [[-np.inf, -np.inf], [np.inf, 1.0], [np.inf, np.inf], [np.nan, 0.0]])
@each("layer", [fn.softmax(), fn.log_softmax()])
@over_dtypes
def test_a_row_of_minus_infinities_or_with_plus_infinity_has_one_answer_which_is_nan_and_spoils_no_other(
    row: list[float], layer: fn.Layer[Any], dtype: Any
) -> None:
    # The answer that the docstrings of both give, and torch.
    x = np.array([row, [0.0, 0.0], [-np.inf, 0.0]], dtype)
    with np.errstate(invalid="ignore"):
        y, dx = value_and_slope(layer, x)
    assert np.isnan(y[0]).all()
    assert np.isnan(dx[0]).all()
    shares = np.exp(y[1:]) if layer.name == "log_softmax()" else y[1:]
    assert_close(shares, np.array([[0.5, 0.5], [0.0, 1.0]], dtype), eps=1)
    assert np.isfinite(dx[1:]).all()


@each("row", [[-np.inf] * 3, [np.inf, 0.0, 1.0], [np.nan, 0.0, 1.0]])
@each("smoothing", [0.0, 0.1])
def test_the_loss_of_a_row_that_names_no_distribution_is_nan_and_spoils_no_other(
    row: list[float], smoothing: float
) -> None:
    # The answer that the docstring of fnmlp/losses/classification.py gives.
    y, labels = np.array([[1.0, 2.0, 3.0], row]), np.array([0, 1])
    loss = partial(fn.cross_entropy, label_smoothing=smoothing, reduction="none")
    with np.errstate(invalid="ignore"):
        value, dy = loss(y, labels)
    expected, slope = loss(y[:1], labels[:1])
    assert np.isnan(value[1])
    assert np.isnan(dy[1]).any()
    assert same_bits((value[:1], dy[:1]), (expected, slope))


# Labels.

CLASSES = 4
ON_LABELS: list[LossSpecimen | MetricSpecimen] = [
    specimen for specimen in (*LOSSES, *METRICS) if specimen.draw is labels_like
]


def called(specimen: LossSpecimen | MetricSpecimen, y: fn.Array, targets: fn.Array) -> Any:
    return specimen.loss(y, targets) if isinstance(specimen, LossSpecimen) else specimen.metric(y, targets)


@each("specimen", ON_LABELS)
@each(("label", "kind"), [(-1, "int64"), (-1, "int8"), (CLASSES, "int64"), (255, "uint8")])
def test_a_label_out_of_range_is_not_taken_in_silence_but_refused_by_row(
    specimen: LossSpecimen | MetricSpecimen, label: int, kind: str
) -> None:
    y = np.full((3, CLASSES), 0.25)
    right = np.array([0, CLASSES - 1, 1], kind)
    called(specimen, y, right)
    wrong = np.array([0, label, 1], kind)
    with pytest.raises(DataError, match=rf"^labels\[1\]: expected 0 to {CLASSES - 1}, got {label};"):
        called(specimen, y, wrong)


def test_the_label_minus_1_is_what_numpys_indexing_takes_for_the_last_class() -> None:
    assert np.eye(3)[[-1]].tolist() == [[0.0, 0.0, 1.0]]


# Means of nothing.

MEANS = [specimen for specimen in LOSSES if "reduction" not in str(specimen.loss)]  # no other one is bound


def nothing(specimen: LossSpecimen | MetricSpecimen) -> tuple[fn.Array, fn.Array]:
    y = np.zeros((0, CLASSES))
    return y, specimen.draw(fn.Key(0), y.shape)


@each("specimen", [*MEANS, *METRICS])
def test_the_mean_over_an_empty_batch_is_not_nan_but_an_error(specimen: LossSpecimen | MetricSpecimen) -> None:
    with pytest.raises(DataError, match="empty batch"):
        called(specimen, *nothing(specimen))


@each("specimen", MEANS)
def test_an_evaluation_or_a_step_on_no_rows_is_not_nan_but_an_error(specimen: LossSpecimen) -> None:
    data = fn.Batch(*nothing(specimen))
    with pytest.raises(DataError, match="at least one row"):
        fn.evaluate(fn.identity(), specimen.loss, (), data, metrics=())
    with pytest.raises(DataError, match="empty batch"):
        fn.value_and_grad(fn.identity(), specimen.loss, (), data)


def test_a_metric_folded_over_no_batches_is_not_nan_but_an_error() -> None:
    with pytest.raises(DataError, match="at least one batch"):
        fn.fold_metric(fn.r2(), iter(()))


# Sums over rows.

ROWS = 60_000


@pytest.mark.parametrize(
    ("layer", "sum_in"),
    [
        pytest.param(fn.linear(3), lambda grads: grads.bias, id="linear"),
        pytest.param(fn.layer_norm(), lambda grads: grads.offset, id="layer_norm"),
    ],
)
@given(seed=seeds)
def test_the_gradient_of_a_bias_is_not_sum_over_axis_0_which_is_70_eps_off_after_60000_rows(
    layer: fn.Layer[Any], sum_in: Callable[[Any], fn.Array], seed: int
) -> None:
    dy = np.random.default_rng(seed).uniform(0, 1, (ROWS, 3)).astype(np.float32)
    grads, _ = fn.gradients(layer, layer.init(fn.Key(0), (3,))[0], np.ones_like(dy), dy)
    assert share_off(sum_in(grads), [fsum(column) for column in dy.astype(np.float64).T]) <= 4 * EPSILON


def test_sum_over_axis_0_of_60000_rows_loses_two_digits_in_numpy() -> None:
    dy = np.random.default_rng(0).uniform(0, 1, (ROWS, 3)).astype(np.float32)
    worst = share_off(dy.sum(axis=0), dy.sum(axis=0, dtype=np.float64))
    assert worst > 32 * EPSILON, "NumPy's own sum has become as good"


# The lab's own slips.


def test_the_sum_of_squares_is_propagated_with_the_gradient_of_the_sum_and_not_of_the_mean() -> None:
    # The lab's MSELoss('sum') propagated the gradient of the mean.
    y, target = np.array([[1.0, 2.0], [3.0, -4.0]]), np.array([[0.0, 2.0], [1.0, -1.0]])
    value, dy = fn.mse(y, target, reduction="sum")
    assert value == 14
    assert dy.tolist() == [[2.0, 0.0], [4.0, -6.0]]
    assert fn.mse(y, target)[1].tolist() != dy.tolist()


def test_linear_without_bias_runs_and_learns() -> None:
    # The lab's Linear(bias=False) could not run.
    model, optimizer = fn.linear(1, bias=False), fn.sgd(0.3)
    state = fn.train_state(model, optimizer, key=fn.Key(0), example=(2,), dtype="float64")
    assert state.params.bias == ()
    x = draw(0, (16, 2))
    batch = x, x @ np.array([[2.0], [-1.0]])
    for _ in range(300):
        state = fn.train_step(model, fn.mse, optimizer, state, batch)
    assert_close(state.params.weight, np.array([[2.0], [-1.0]]), eps=1e4)
    assert state.params.bias == ()


def scaled_cosine(factor: float, x: fn.Array) -> fn.Array:
    slope: fn.Array = factor * np.cos(x)
    return slope


def scaled_mse(factor: float, y: fn.Array, target: fn.Array) -> tuple[Any, fn.Array]:
    value, dy = fn.mse(y, target)
    return value, factor * dy


# The lab's tests compared (a - b) < 1e-6 without an absolute value: every gradient that was too small passed.
off_to_both_sides = each("factor", [-1.0, 0.0, 0.999, 1.001, 2.0])


@off_to_both_sides
def test_the_kit_finds_gradients_that_are_too_small_as_well_as_those_that_are_too_large(factor: float) -> None:
    check_layer(fn.elementwise(np.sin, partial(scaled_cosine, 1.0)), (3,), trials=1)
    check_loss(partial(scaled_mse, 1.0), (3,), trials=1)
    with pytest.raises(LawBrokenError, match="vjp equals the derivative of apply"):
        check_layer(fn.elementwise(np.sin, partial(scaled_cosine, factor)), (3,), trials=1)
    with pytest.raises(LawBrokenError, match="dy equals the derivative of the value"):
        check_loss(partial(scaled_mse, factor), (3,), trials=1)


@each("error", [-1e-3, 1e-3])
def test_what_our_tests_compare_with_minds_errors_of_either_sign(error: float) -> None:
    right = np.array([1.0, 2.0])
    wrong = right + error
    assert ((wrong - right) < 1e-6).all() == (error < 0), "what the lab's tests let pass"
    with pytest.raises(AssertionError):
        assert_close(wrong, right)
    with pytest.raises(AssertionError):
        assert_within_gamma(wrong, to_torch(right), right, 2)
    with pytest.raises(DifferenceFound):
        expect_close("y", right, wrong, 1e-6)


@each("reduction", ["mean", "sum"])
@over_dtypes
def test_the_backward_pass_of_the_labs_network_does_not_go_without_a_comparison_with_torchs(
    reduction: str, dtype: Any
) -> None:
    model = fn.chain(fn.linear(7), fn.relu(), fn.linear(4, bias=False), fn.softmax())
    state = fn.train_state(model, fn.sgd(0.1), key=fn.Key(0), example=(5,), dtype=np.dtype(dtype).name)
    batch = fn.Batch(draw(0, (6, 5), dtype), fn.one_hot(np.arange(6) % 4, 4, dtype=dtype))
    value, grads = fn.value_and_grad(model, partial(fn.mse, reduction=reduction), state.params, batch)
    first, _, second, _ = state.params
    weights = [to_torch(leaf).requires_grad_() for leaf in (first.weight, first.bias, second.weight)]
    hidden = torch.relu(to_torch(batch.inputs) @ weights[0] + weights[1])
    y = torch.softmax(hidden @ weights[2], dim=1)
    oracle: Any = torch.nn.functional.mse_loss(y, to_torch(batch.targets), reduction=reduction)
    oracle.backward()
    assert_close(value, oracle.detach().numpy())
    assert_close(fn.tree_leaves(grads), tuple(np.asarray(weight.grad) for weight in weights))
