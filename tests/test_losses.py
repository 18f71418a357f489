"""Losses: values by hand, the gradient of what was asked for, and refusals where NumPy would broadcast or wrap."""

from functools import partial
from math import fsum
from typing import Any

from hypothesis import given
import numpy as np
import pytest

from fnmlp.errors import DataError, DtypeError, FnmlpError, OptionError, ShapeError
from fnmlp.losses import check_alike, mse, on_labels
from tests.catalogue import LOSSES
from tests.specimens import LossSpecimen
from tests.steps import draw, same_bits, seeds

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


@pytest.mark.parametrize("specimen", LOSSES, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_value_and_gradient_keep_the_dtype(specimen: LossSpecimen, dtype: Any) -> None:
    y = draw(0, (5, 4), dtype)
    value, dy = specimen.loss(y, specimen.targets(y, 0))
    assert (np.asarray(value).dtype, np.asarray(value).shape) == (dtype, (5,) if specimen.by_row else ())
    assert (dy.dtype, dy.shape) == (dtype, y.shape)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)])
def test_the_mean_of_nothing_is_an_error_and_not_nan(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="empty batch"):
        mse(np.zeros(shape), np.zeros(shape))
    value, dy = mse_sum(np.zeros(shape), np.zeros(shape))
    assert (float(value), dy.shape) == (0, shape)


@pytest.mark.parametrize("reduction", ["Sum", "Mean", "", None, 1])
def test_an_unknown_reduction_is_refused(reduction: Any) -> None:
    with pytest.raises(OptionError, match=r"mse\(reduction\): expected 'mean' or 'sum' or 'none'"):
        mse(np.zeros(1), np.zeros(1), reduction=reduction)


@pytest.mark.parametrize("shape", [(4,), (4, 1), (1, 3), (3, 4), (4, 3, 1), ()])
def test_a_target_that_would_be_broadcast_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"targets of shape \(4, 3\)"):
        mse(np.zeros((4, 3)), np.zeros(shape))


def test_labels_given_to_mse_are_told_of_on_labels() -> None:
    with pytest.raises(ShapeError, match=r"for integer labels use on_labels\(mse\)"):
        mse(np.zeros((4, 3)), np.zeros(4, np.int64))


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, np.uint8, np.bool_])
def test_a_target_that_would_promote_is_refused_with_the_conversion(dtype: Any) -> None:
    with pytest.raises(DtypeError, match=r"convert the targets with .astype\('float32'\)"):
        mse(np.zeros((4, 3), np.float32), np.zeros((4, 3), dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_integer_outputs_whose_differences_would_wrap_are_refused(dtype: Any) -> None:
    # 0 - 1 in uint8 is 255: the loss would be 1 and the gradient 510.
    with pytest.raises(DtypeError, match="mse"):
        mse(np.zeros((1, 1), dtype), np.ones((1, 1), dtype))


@pytest.mark.parametrize(("y_order", "target_order"), [("<", ">"), (">", "<"), (">", ">")])
def test_byte_order_is_no_difference(y_order: str, target_order: str) -> None:
    y, target = draw(0, (4, 3), np.float32), draw(1, (4, 3), np.float32)
    check_alike("mse", y.astype(f"{y_order}f4"), target.astype(f"{target_order}f4"))
    assert same_bits(mse(y.astype(f"{y_order}f4"), target.astype(f"{target_order}f4")), mse(y, target))


@pytest.mark.parametrize(
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
