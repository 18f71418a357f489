"""Losses against torch.nn.functional and its autograd, and where torch rounds to 0, gives NaN or is silent, by hand."""

from collections.abc import Callable
from functools import partial
from math import exp, inf, log1p
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp.errors import DataError, DtypeError, FnmlpError, OptionError, ShapeError
from fnmlp.key import Key
from fnmlp.losses import (
    Loss,
    binary_cross_entropy,
    cross_entropy,
    focal,
    hinge,
    huber,
    kl,
    l1,
    nll,
)
from fnmlp.testing.losses import DrawTarget
from fnmlp.testing.numeric import normal
from tests.catalogue import LOSSES
from tests.optional import optional
from tests.oracles import torch_losses as by_torch
from tests.specimens import LossSpecimen, labels_like, shares_like
from tests.steps import draw, same_bits, seeds
from tests.sweep import each

torch = optional("torch")
F = optional("torch.nn.functional")

CLASSES = 5
WEIGHTS = (0.5, 1.0, 2.0, 0.0, 3.0)


def torch_nll(y: Any, target: Any, reduction: str) -> Any:
    return F.nll_loss(y, target, weight=torch.tensor(WEIGHTS, dtype=y.dtype), reduction=reduction)


def torch_entropy(smoothing: float, y: Any, target: Any, reduction: str) -> Any:
    return F.cross_entropy(
        y, target, torch.tensor(WEIGHTS, dtype=y.dtype), label_smoothing=smoothing, reduction=reduction
    )


IGNORED = 1
POSITIVE = (0.5, 1.0, 2.0, 4.0, 3.0)


def some_ignored(key: Key, shape: tuple[int, ...]) -> NDArray[Any]:
    """Draw labels, of which the first is not the one that is ignored."""
    labels = labels_like(key, shape)
    labels[:1] = np.where(labels[:1] == IGNORED, 0, labels[:1])
    return labels


def torch_positive(y: Any, target: Any, reduction: str) -> Any:
    weights = torch.tensor(POSITIVE, dtype=y.dtype)
    return F.binary_cross_entropy_with_logits(y, target, pos_weight=weights, reduction=reduction)


WEIGHED = partial(cross_entropy, class_weights=WEIGHTS)
PAIRS: dict[str, tuple[Loss, Callable[..., Any], DrawTarget]] = {
    **{one.name: (one.loss, one.torch, one.draw) for one in LOSSES if one.torch is not None},
    "huber 2": (partial(huber, delta=2.0), partial(F.huber_loss, delta=2.0), normal),
    "pos_weight": (partial(binary_cross_entropy, pos_weight=POSITIVE), torch_positive, shares_like),
    "focal 1.5": (partial(focal, gamma=1.5), partial(by_torch.focal, gamma=1.5), labels_like),
    "labels, ignored": (
        partial(cross_entropy, ignore_label=IGNORED),
        partial(F.cross_entropy, ignore_index=IGNORED),
        some_ignored,
    ),
    "labels, smooth and ignored": (
        partial(cross_entropy, ignore_label=IGNORED, label_smoothing=0.2),
        partial(F.cross_entropy, ignore_index=IGNORED, label_smoothing=0.2),
        some_ignored,
    ),
    "nll, ignored": (partial(nll, ignore_label=IGNORED), partial(F.nll_loss, ignore_index=IGNORED), some_ignored),
    "nll, weights": (partial(nll, class_weights=WEIGHTS), torch_nll, labels_like),
    "hinge 0.25": (partial(hinge, margin=0.25), partial(F.multi_margin_loss, margin=0.25), labels_like),
    "labels, weights": (WEIGHED, partial(torch_entropy, 0.0), labels_like),
    "labels, both": (partial(WEIGHED, label_smoothing=0.3), partial(torch_entropy, 0.3), labels_like),
    "shares, weights": (WEIGHED, partial(torch_entropy, 0.0), shares_like),
    "shares, both": (partial(WEIGHED, label_smoothing=0.3), partial(torch_entropy, 0.3), shares_like),
}


@each("name", PAIRS)
@each("reduction", ["mean", "sum", "none"])
@each(("dtype", "bound"), [(np.float64, 1e-12), (np.float32, 4e-6)])
@each("rows", [1, 2, 4, 9])
@each("seed", range(2))
def test_value_and_gradient_are_torchs(
    name: str, reduction: str, dtype: Any, bound: float, seed: int, rows: int
) -> None:
    loss, oracle, draw_target = PAIRS[name]
    y, target = (4 * draw(seed, (rows, CLASSES))).astype(dtype), draw_target(Key(seed), (rows, CLASSES))
    target = target if target.dtype.kind == "i" else target.astype(dtype)
    if target.ndim == 1 and not np.take(WEIGHTS, target).any():
        target = (target + 1) % CLASSES
    torch_y: Any = torch.from_numpy(y).requires_grad_()
    expected = oracle(torch_y, torch.from_numpy(target), reduction=reduction)
    expected = expected.sum(dim=1) if expected.ndim == 2 else expected
    expected.sum().backward()
    value, dy = loss(y, target, reduction=reduction)  # type: ignore[call-arg]
    assert dy.dtype == np.asarray(value).dtype == dtype
    np.testing.assert_allclose(value, expected.detach().numpy(), rtol=bound, atol=bound)
    np.testing.assert_allclose(dy, torch_y.grad, rtol=bound, atol=bound)


@each("specimen", LOSSES)
def test_the_same_lines_run_on_tensors(specimen: LossSpecimen) -> None:
    y = draw(3, (6, 4), np.float32)
    target = specimen.targets(y, 3)
    target = target.astype(np.uint8) if target.dtype.kind == "i" else target  # a mask, if torch takes it as an index
    tensors: tuple[Any, Any] = torch.from_numpy(y), torch.from_numpy(target)
    found, expected = specimen.loss(*tensors), specimen.loss(y, target)
    assert all(type(tensor) is torch.Tensor for tensor in found)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=4e-6, atol=4e-6)


@given(seed=seeds, scale=st.sampled_from([0.01, 1.0, 100.0]), smoothing=st.sampled_from([0.0, 0.1]))
def test_every_row_of_the_gradient_of_cross_entropy_adds_up_to_0(seed: int, scale: float, smoothing: float) -> None:
    y = scale * draw(seed, (6, CLASSES))
    for target in (labels_like(Key(seed), y.shape), shares_like(Key(seed), y.shape)):
        _, dy = cross_entropy(y, target, label_smoothing=smoothing, reduction="sum")
        assert np.abs(dy.sum(axis=1)).max() <= 8 * np.finfo(float).eps


@each("reduction", ["sum", "mean"])
@each("name", PAIRS)
def test_rows_without_reduction_add_up_to_the_sum_and_share_its_gradient(name: str, reduction: str) -> None:
    loss, _, draw_target = PAIRS[name]
    y, target = draw(1, (7, CLASSES)), draw_target(Key(1), (7, CLASSES))
    rows, dy = loss(y, target, reduction="none")  # type: ignore[call-arg]
    value, reduced = loss(y, target, reduction=reduction)  # type: ignore[call-arg]
    factor = float(value) / float(rows.sum())
    assert rows.shape == (7,)
    assert reduction == "mean" or abs(factor - 1) <= 1e-14
    np.testing.assert_allclose(reduced, dy * factor, rtol=1e-13, atol=1e-15)


@each("smoothing", [0.0, 0.2])
def test_the_weight_of_a_sample_is_how_often_it_counts(smoothing: float) -> None:
    y, labels, times = draw(2, (3, CLASSES)), np.array([4, 0, 1]), np.array([2.0, 0.0, 3.0])
    often = [0, 0, 2, 2, 2]
    loss = partial(WEIGHED, label_smoothing=smoothing)
    for targets in (labels, shares_like(Key(3), y.shape)):
        value, dy = loss(y, targets, sample_weights=times)
        expected, rows = loss(y[often], targets[often])
        np.testing.assert_allclose(value, expected, rtol=1e-14)
        np.testing.assert_allclose(dy[2], rows[2:].sum(axis=0), rtol=1e-13)
        assert not dy[1].any()
    value, dy = nll(y, labels, class_weights=WEIGHTS, sample_weights=times)
    np.testing.assert_allclose(value, nll(y[often], labels[often], class_weights=WEIGHTS)[0], rtol=1e-14)
    assert nll(y, labels, sample_weights=times)[1][0, 4] == -0.4


def test_a_class_that_is_ruled_out_costs_nothing_unless_it_is_the_label() -> None:
    y = np.array([[1.0, -inf, 0.0], [1.0, -inf, 0.0]])
    value, dy = cross_entropy(y, np.array([0, 1]), reduction="none")
    assert value[1] == inf
    np.testing.assert_allclose(value[0], log1p(exp(-1)), rtol=1e-15)
    np.testing.assert_allclose(dy[0], np.array([-1, 0, 1]) / (1 + exp(1)), rtol=1e-15)
    assert dy[1, 1] == -1
    shares = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert same_bits(cross_entropy(y, shares, reduction="none")[0], value)
    assert kl(np.log(shares[:1].clip(1e-300)), shares[:1], reduction="none")[0] == 0
    assert kl(np.array([[0.0, -inf]]), np.array([[1.0, 0.0]]))[0] == 0
    assert kl(np.array([[0.0, -inf]]), np.array([[0.0, 1.0]]))[0] == inf
    assert nll(y, np.array([1, 2]), reduction="none")[0].tolist() == [inf, 0.0]
    assert hinge(y, np.array([0, 0]), reduction="none")[0].tolist() == [0.0, 0.0]


def test_an_infinite_logit_of_binary_cross_entropy_costs_0_or_infinity() -> None:
    # torch gives NaN where the infinity is on the right side.
    y, target = np.array([inf, inf, -inf, -inf]), np.array([1.0, 0.0, 0.0, 0.5])
    value, dy = binary_cross_entropy(y, target, reduction="none")
    assert value.tolist() == [0.0, inf, 0.0, inf]
    assert dy.tolist() == [0.0, 1.0, 0.0, -0.5]


@each("loss", [cross_entropy, nll, hinge])
def test_labels_that_do_not_fit_are_refused(loss: Loss) -> None:
    y = np.zeros((4, 3))
    for targets, kind in (
        (np.zeros(3, int), ShapeError),
        (np.zeros(4), DtypeError),
        (np.zeros((4, 1), int), ShapeError),
    ):
        with pytest.raises(kind):
            loss(y, targets)
    for outputs in (np.zeros(4), np.zeros((4, 0)), np.zeros((4, 3, 2)), np.zeros((4, 3), int)):
        with pytest.raises(FnmlpError, match="linear"):
            loss(outputs, np.zeros(4, int))
    assert loss(y[:0], np.zeros(0, int), reduction="none")[0].shape == (0,)  # type: ignore[call-arg]


@each(
    ("loss", "kind", "message"),
    [
        (partial(cross_entropy, label_smoothing=1.0), OptionError, "label_smoothing"),
        (partial(cross_entropy, class_weights=(1.0, 2.0)), ShapeError, "3 weights"),
        (partial(cross_entropy, class_weights=(1.0, -2.0, 1.0)), DataError, "at least 0"),
        (partial(cross_entropy, class_weights=(1.0, 0.0, 1.0)), DataError, "sum above 0"),
        (partial(nll, sample_weights=np.ones(2)), ShapeError, "1 weights"),
        (partial(nll, sample_weights=np.array([np.nan])), DataError, "at least 0"),
        (partial(hinge, margin=inf), OptionError, "margin"),
        (partial(cross_entropy, reduction="max"), OptionError, "reduction"),
    ],
)
def test_options_out_of_range_are_refused(loss: Loss, kind: type[FnmlpError], message: str) -> None:
    with pytest.raises(kind, match=message):
        loss(np.zeros((1, 3)), np.array([1]))


@each("loss", [cross_entropy, kl])
@each("share", [-0.5, np.nan])
def test_shares_below_0_are_refused(loss: Loss, share: float) -> None:
    with pytest.raises(DataError, match="targets of at least 0"):
        loss(np.zeros((1, 2)), np.array([[1.0, share]]))


@each("delta", [0, -1, inf, "a"])
def test_huber_needs_a_delta_above_0(delta: Any) -> None:
    with pytest.raises(OptionError, match=r"huber\(delta\)"):
        huber(np.zeros(1), np.zeros(1), delta=delta)


def test_the_kinks_have_torchs_slopes() -> None:
    assert l1(np.zeros(3), np.zeros(3))[1].tolist() == [0.0, 0.0, 0.0]
    assert hinge(np.array([[1.0, 0.0]]), np.array([0]))[1].tolist() == [[0.0, 0.0]]
    assert huber(np.array([1.0, -1.0]), np.zeros(2), reduction="sum")[1].tolist() == [1.0, -1.0]
