"""Losses: values by hand, the gradient of what was asked for, and refusals where NumPy would broadcast or wrap."""

from functools import partial
from math import fsum
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from fnmlp import losses
from fnmlp.errors import DataError, DtypeError, FnmlpError, OptionError, ShapeError
from fnmlp.key import Key
from fnmlp.losses import (
    Loss,
    binary_cross_entropy,
    binary_focal,
    cross_entropy,
    focal,
    hinge,
    kl,
    log_cosh,
    mse,
    nll,
    on_labels,
    poisson_nll,
)
from fnmlp.losses.shared import check_alike
from tests.catalogue import LOSSES
from tests.catalogue.losses import FORMULAS
from tests.names import public
from tests.specimens import LossSpecimen, labels_like, shares_like
from tests.steps import draw, same_bits, seeds
from tests.sweep import each

mse_sum = partial(mse, reduction="sum")


def test_mse_is_the_mean_over_all_elements_and_not_over_rows() -> None:
    y, target = np.array([[1.0, 2.0], [3.0, -4.0]]), np.array([[0.0, 2.0], [1.0, -1.0]])
    value, dy = mse(y, target)
    assert value == (1 + 0 + 4 + 9) / 4
    assert dy.tolist() == [[0.5, 0.0], [1.0, -1.5]]


@given(seeds)
def test_the_value_is_of_squared_errors_and_not_of_squared_gradients(seed: int) -> None:
    # A library reported the sum of squared gradients as its loss.
    y, target = draw(seed, (5, 3)), draw(seed + 1, (5, 3))
    exact = fsum(float(d) ** 2 for d in (y - target).flat)
    assert abs(float(mse_sum(y, target)[0]) - exact) <= 16 * np.finfo(float).eps * exact
    assert abs(float(mse(y, target)[0]) * 15 - exact) <= 17 * np.finfo(float).eps * exact


def test_a_loss_at_its_target_is_0_and_so_is_its_gradient() -> None:
    y = draw(0, (4, 2), np.float32)
    for loss in (mse, mse_sum):
        value, dy = loss(y, y.copy())
        assert float(value) == 0
        assert not dy.any()


@each("specimen", LOSSES)
@each("dtype", [np.float32, np.float64])
def test_value_and_gradient_keep_the_dtype(specimen: LossSpecimen, dtype: Any) -> None:
    y = draw(0, (5, 4), dtype)
    value, dy = specimen.loss(y, specimen.targets(y, 0))
    assert (np.asarray(value).dtype, np.asarray(value).shape) == (dtype, (5,) if specimen.by_row else ())
    assert (dy.dtype, dy.shape) == (dtype, y.shape)


@each("shape", [(0, 3), (3, 0), (0,)])
def test_the_mean_of_nothing_is_an_error_and_not_nan(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="empty batch"):
        mse(np.zeros(shape), np.zeros(shape))
    value, dy = mse_sum(np.zeros(shape), np.zeros(shape))
    assert (float(value), dy.shape) == (0, shape)


@each("reduction", ["Sum", "Mean", "", None, 1])
def test_an_unknown_reduction_is_refused(reduction: Any) -> None:
    with pytest.raises(OptionError, match=r"mse\(reduction\): expected 'mean' or 'sum' or 'none'"):
        mse(np.zeros(1), np.zeros(1), reduction=reduction)


@each("shape", [(4,), (4, 1), (1, 3), (3, 4), (4, 3, 1), ()])
def test_a_target_that_would_be_broadcast_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"targets of shape \(4, 3\)"):
        mse(np.zeros((4, 3)), np.zeros(shape))


def test_labels_given_to_mse_are_told_of_on_labels() -> None:
    with pytest.raises(ShapeError, match=r"for integer labels use on_labels\(mse\)"):
        mse(np.zeros((4, 3)), np.zeros(4, np.int64))


@each("dtype", [np.float64, np.float16, np.int64, np.uint8, np.bool_])
def test_a_target_that_would_promote_is_refused_with_the_conversion(dtype: Any) -> None:
    with pytest.raises(DtypeError, match=r"convert the targets with .astype\('float32'\)"):
        mse(np.zeros((4, 3), np.float32), np.zeros((4, 3), dtype))


@each("dtype", [np.uint8, np.int64])
def test_integer_outputs_whose_differences_would_wrap_are_refused(dtype: Any) -> None:
    # 0 - 1 in uint8 is 255: the loss would be 1 and the gradient 510.
    with pytest.raises(DtypeError, match="mse"):
        mse(np.zeros((1, 1), dtype), np.ones((1, 1), dtype))


@each(("y_order", "target_order"), [("<", ">"), (">", "<"), (">", ">")])
def test_byte_order_is_no_difference(y_order: str, target_order: str) -> None:
    y, target = draw(0, (4, 3), np.float32), draw(1, (4, 3), np.float32)
    check_alike("mse", y.astype(f"{y_order}f4"), target.astype(f"{target_order}f4"))
    assert same_bits(mse(y.astype(f"{y_order}f4"), target.astype(f"{target_order}f4")), mse(y, target))


@each(
    ("y", "labels"),
    [
        (np.zeros(3), np.zeros(3, np.int64)),
        (np.zeros((3, 2, 2)), np.zeros(3, np.int64)),
        (np.zeros((3, 2)), np.zeros(4, np.int64)),
        (np.zeros((3, 2)), np.zeros((3, 1), np.int64)),
        (np.zeros((3, 2)), np.zeros(3)),
    ],
)
def test_labels_that_do_not_fit_the_outputs_are_refused(y: Any, labels: Any) -> None:
    with pytest.raises(FnmlpError):
        on_labels(mse)(y, labels)


@given(seeds)
def test_on_labels_is_the_loss_on_one_hot_rows(seed: int) -> None:
    y = draw(seed, (5, 3), np.float32)
    labels = np.random.default_rng(seed).integers(0, 3, 5)
    for loss in (mse, mse_sum):
        assert same_bits(on_labels(loss)(y, labels), loss(y, np.eye(3, dtype=np.float32)[labels]))


# Oracles.


def test_no_public_loss_goes_without_an_oracle() -> None:
    judged = {one.name.partition("(")[0] for one in LOSSES if one.formula or one.torch}
    names = [name for name, _ in public(losses) if name != "check_alike"]
    assert names
    remedy = "give its first specimen in tests/catalogue/losses.py formula= or torch="
    assert [name for name in names if name not in judged] == [], remedy


@each("specimen", [one for one in LOSSES if one.name.partition("(")[0] in FORMULAS])
@each("rows", range(1, 7))
@each("seed", range(2))
def test_each_loss_is_its_formula_in_plain_floats(specimen: LossSpecimen, seed: int, rows: int) -> None:
    y = 3 * draw(seed, (rows, 4))
    target = specimen.targets(y, seed)
    options = dict(getattr(specimen.loss, "keywords", {}))
    reduction = options.pop("reduction", "mean")
    oracle = FORMULAS[specimen.name.partition("(")[0]]
    if specimen.name.startswith(("on_labels", "over_members")):  # the loss inside has the option
        reduction = next((one for one in ("sum", "none") if one in specimen.name), "mean")
    pairs = [oracle(*pair, **options) for pair in zip(y.tolist(), target.tolist(), strict=True)]
    costs, counts = ([*column] for column in zip(*pairs, strict=True))
    expected: Any = {"none": costs, "sum": fsum(costs), "mean": fsum(costs) / fsum(counts)}[reduction]
    value, _ = specimen.loss(y, target)
    # The plain formulas lose up to 2**9 of their digits, in a share that is 1 - exp(-7) or so.
    np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-11)


@each("loss", [cross_entropy, nll, focal, partial(cross_entropy, label_smoothing=0.2)])
@each("ignored", [-100, 2, 255])
@each("kind", ["int64", "uint8", "int8"])
@each("seed", range(2))
def test_rows_of_the_ignored_label_cost_nothing_and_the_mean_is_over_the_others(
    loss: Loss, ignored: int, kind: str, seed: int
) -> None:
    if not np.iinfo(kind).min <= ignored <= np.iinfo(kind).max:
        return
    y, labels = draw(seed, (7, 3)), np.array([0, 1, ignored, 1, ignored, 0, ignored], kind)
    kept = [0, 1, 3, 5]
    value, dy = loss(y, labels, ignore_label=ignored)  # type: ignore[call-arg]
    expected, rows = loss(y[kept], labels[kept])
    np.testing.assert_allclose(value, expected, rtol=1e-14)
    np.testing.assert_allclose(dy[kept], rows, rtol=1e-13, atol=1e-15)
    assert not dy[[2, 4, 6]].any()
    weighted, _ = loss(y, labels, ignore_label=ignored, sample_weights=[1, 2, 3, 0, 1, 1, 1])  # type: ignore[call-arg]
    repeated, _ = loss(y[[0, 1, 1, 5]], labels[[0, 1, 1, 5]])
    np.testing.assert_allclose(weighted, repeated, rtol=1e-14)


def test_labels_that_are_not_ignored_must_still_fit() -> None:
    y = np.zeros((3, 3))
    for labels in ([0, -1, -100], [0, 3, -100], [0.0, 1.0, -100.0], [0, 1], [[0], [1], [-100]]):
        with pytest.raises(FnmlpError):
            cross_entropy(y, np.array(labels), ignore_label=-100)
    with pytest.raises(DataError, match="sum above 0"):
        cross_entropy(y, np.full(3, -100), ignore_label=-100)
    with pytest.raises(OptionError, match=r"cross_entropy\(ignore_label\): expected labels as targets"):
        cross_entropy(y, np.eye(3), ignore_label=1)
    with pytest.raises(OptionError, match=r"nll\(ignore_label\): expected an integer"):
        nll(y, np.zeros(3, int), ignore_label=1.5)  # type: ignore[arg-type]


# Targets that have a domain.


@each("loss", [binary_cross_entropy, binary_focal])
@each("target", [2.0, 255.0, -0.5, 1.01, np.nan, np.inf])
def test_targets_that_are_no_probabilities_are_refused_and_not_a_negative_loss(loss: Loss, target: float) -> None:
    with pytest.raises(DataError, match=r"expected targets in \[0, 1\], got numbers outside it or NaN; scale them"):
        loss(np.full((2, 2), 3.0), np.array([[0.0, 1.0], [1.0, target]]))
    assert loss(np.full((1, 2), 3.0), np.array([[0.0, 1 + 1e-7]]))[0] >= 0


@each("loss", [cross_entropy, kl])
@each("row", [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.5, 0.4, 0.0], [255.0, 0.0, 0.0]])
def test_rows_that_are_no_distributions_are_refused_by_row(loss: Loss, row: list[float]) -> None:
    targets = np.array([[0.2, 0.3, 0.5], row])
    with pytest.raises(DataError, match=r"targets\[1\]: expected shares that add up to 1, got a sum of"):
        loss(np.zeros((2, 3)), targets)


@each("loss", [cross_entropy, kl])
@each("share", [-0.5, np.nan])
def test_shares_below_0_and_nan_are_refused(loss: Loss, share: float) -> None:
    with pytest.raises(DataError, match="targets of at least 0"):
        loss(np.zeros((1, 2)), np.array([[1.5, share]]))


@each("dtype", [np.float32, np.float16])
def test_distributions_may_be_rounded(dtype: Any) -> None:
    shares = shares_like(Key(1), (4, 1000)).astype(dtype)
    assert cross_entropy(np.zeros((4, 1000), dtype), shares)[0] > 6


@each("loss", [cross_entropy, nll, hinge, focal, on_labels(mse)])
def test_one_column_is_refused_and_not_a_loss_of_0(loss: Loss) -> None:
    with pytest.raises(
        ShapeError, match=r"at least 2 classes, got \(3, 1\); for one output a row use binary_cross_entropy"
    ):
        loss(np.ones((3, 1)), np.zeros(3, int))
    with pytest.raises(ShapeError, match="binary_cross_entropy"):
        kl(np.zeros((3, 1)), np.ones((3, 1)))


@each("specimen", LOSSES)
@each("dtype", [np.float32, np.float64])
def test_lists_are_taken_where_numpy_would_take_them(specimen: LossSpecimen, dtype: Any) -> None:
    y = draw(2, (5, 4), dtype)
    target = specimen.targets(y, 2)
    assert same_bits(specimen.loss(y, target.tolist()), specimen.loss(y, target))


@each("option", ["class_weights", "sample_weights"])
def test_none_for_weights_is_told_to_be_left_out(option: str) -> None:
    with pytest.raises(OptionError, match=rf"nll\({option}\): .* got None; leave it out if all count equally"):
        nll(np.zeros((2, 2)), np.zeros(2, int), **{option: None})  # type: ignore[arg-type]


# Tails of the losses that have no counterpart in torch.


@given(st.floats(-1e300, 1e300))
def test_log_cosh_is_exact_near_its_target_and_far_from_it(error: float) -> None:
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(60):
        size = abs(mpmath.mpf(error))
        near = mpmath.log1p(2 * mpmath.sinh(size / 2) ** 2) if size < 1 else 0
        expected = near or size + mpmath.log1p(mpmath.exp(-2 * size)) - mpmath.log(2)
    value, dy = log_cosh(np.array([error]), np.zeros(1))
    # At 1, 0.43 is what is left of 1 + 0.13 - 0.69, each off by a few units; near 0, the error of sinh counts twice.
    np.testing.assert_allclose(value, float(expected), rtol=32 * 2.0**-53, atol=2.0**-1022)
    np.testing.assert_allclose(dy, float(mpmath.tanh(error)), rtol=8 * 2.0**-53)


@each("count", [-1.0, -1e-9, np.nan])
def test_counts_below_zero_are_refused(count: float) -> None:
    with pytest.raises(DataError, match=r"poisson_nll: expected targets of at least 0.*; give counts or rates"):
        poisson_nll(np.zeros((1, 2)), np.array([[1.0, count]]))


def test_a_rate_of_zero_costs_nothing_where_nothing_was_counted() -> None:
    value, dy = poisson_nll(np.array([[-np.inf, 0.0]]), np.array([[0.0, 0.0]]), reduction="sum")
    assert (float(value), dy.tolist()) == (1.0, [[0.0, 1.0]])


def test_an_infinite_error_of_log_cosh_costs_infinity_with_a_slope_of_1() -> None:
    with np.errstate(all="raise"):
        value, dy = log_cosh(np.array([np.inf, -np.inf, 1e300]), np.zeros(3), reduction="none")
    assert (value.tolist()[:2], dy.tolist()) == ([np.inf, np.inf], [1.0, -1.0, 1.0])


@each("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_losses_are_finite_in_both_tails(gamma: float) -> None:
    far = np.array([-800.0, -40.0, 40.0, 800.0])
    value, dy = binary_focal(far, np.ones(4), gamma=gamma, reduction="none")
    assert np.isfinite(value).all()
    np.testing.assert_allclose(dy[:2], -0.25, rtol=1e-12)
    assert (np.abs(dy[2:]) <= 0.25 * np.exp(-40)).all()
    y = np.stack([far, -far], axis=1)
    value, dy = focal(y, np.zeros(4, int), gamma=gamma, reduction="none")
    np.testing.assert_allclose(value[:2], [1600, 80], rtol=1e-12)
    assert np.isfinite(dy).all()
    assert value[3] == 0


def test_an_infinite_logit_of_a_focal_loss_costs_0_or_infinity() -> None:
    y, target = np.array([np.inf, np.inf, -np.inf]), np.array([1.0, 0.0, 0.0])
    value, dy = binary_focal(y, target, alpha=0.5, reduction="none")
    assert value.tolist() == [0.0, np.inf, 0.0]
    assert dy.tolist() == [0.0, 0.5, 0.0]
    value, dy = focal(np.array([[1.0, -np.inf], [1.0, -np.inf]]), np.array([0, 1]), reduction="none")
    assert value.tolist() == [0.0, np.inf]
    assert dy.tolist() == [[0.0, 0.0], [1.0, -1.0]]


def test_focal_loss_without_focus_is_cross_entropy() -> None:
    y, labels = draw(1, (6, 4)), labels_like(Key(1), (6, 4))
    np.testing.assert_allclose(focal(y, labels, gamma=0)[0], cross_entropy(y, labels)[0], rtol=1e-15)
    np.testing.assert_allclose(focal(y, labels, gamma=0)[1], cross_entropy(y, labels)[1], rtol=1e-15)


@each(
    ("loss", "message"),
    [
        (partial(focal, gamma=-1), r"focal\(gamma\)"),
        (partial(on_labels(partial(binary_focal, gamma=-1))), r"binary_focal\(gamma\)"),
        (partial(on_labels(partial(binary_focal, alpha=1.5))), r"binary_focal\(alpha\): expected a number from 0 to 1"),
        (partial(on_labels(partial(binary_focal, alpha=-1))), r"binary_focal\(alpha\)"),
        (partial(on_labels(partial(binary_cross_entropy, pos_weight=-1.0))), r"binary_cross_entropy\(pos_weight\)"),
        (partial(on_labels(partial(binary_cross_entropy, pos_weight=[1, 2]))), r"binary_cross_entropy\(pos_weight\)"),
    ],
)
def test_options_out_of_range_are_refused(loss: Loss, message: str) -> None:
    with pytest.raises(FnmlpError, match=message):
        loss(np.zeros((1, 3)), np.array([1]))
