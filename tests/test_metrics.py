"""Metrics: what plain loops and scikit-learn find, on ties and edges too, and the same however rows are cut."""

from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest
from sklearn import metrics as sk

import fnmlp as fn
from fnmlp.errors import DataError, DtypeError, FnmlpError, OptionError, ShapeError
from fnmlp.weights import with_weights
from tests.catalogue import METRICS
from tests.specimens import MetricSpecimen, labels_like, shares_like
from tests.steps import draw, seeds
from tests.sweep import each

CLASSES = 5
FOLDS = [specimen for specimen in METRICS if isinstance(specimen.metric, fn.Metric)]
Scores = Callable[..., Any]
CLASSIFYING = [specimen for specimen in METRICS if specimen.draw is labels_like]
over_metrics = pytest.mark.parametrize("metric", [one.metric for one in CLASSIFYING], ids=map(repr, CLASSIFYING))


@pytest.mark.parametrize("specimen", METRICS, ids=repr)
@given(seed=seeds, rows=st.integers(2, 9))
def test_each_metric_is_what_plain_loops_find(specimen: MetricSpecimen, seed: int, rows: int) -> None:
    y, target = specimen.point((rows, 4), seed)
    for weights in (np.ones(rows), np.random.default_rng(seed).uniform(0.5, 2, rows)):
        expected = specimen.formula(y.tolist(), target.tolist(), weights.tolist())
        # A share of r2 is what is left of two sums, of which one may be some thousand times as large.
        np.testing.assert_allclose(with_weights(specimen.metric, y, target, weights), expected, rtol=1e-9, atol=1e-12)
    assert np.array_equal(specimen.metric(y, target), with_weights(specimen.metric, y, target, ()))


@given(seeds)
def test_metrics_count_what_a_loop_counts(seed: int) -> None:
    y, labels = draw(seed, (9, 4)), np.random.default_rng(seed).integers(0, 4, 9)
    table = np.zeros((4, 4), np.int64)
    for row, label in zip(y.tolist(), labels.tolist(), strict=True):
        table[label, row.index(max(row))] += 1
    found = fn.confusion_matrix(y, labels)
    assert (str(found.dtype), found.tolist()) == ("int64", table.tolist())
    assert fn.accuracy(y, labels) == table.trace() / 9
    assert type(fn.accuracy(y, labels)) is float


def test_of_equal_outputs_the_first_counts() -> None:
    y = np.array([[0.5, 0.5], [1.0, 1.0]])
    assert fn.accuracy(y, np.array([0, 1])) == 0.5
    assert fn.confusion_matrix(y, np.array([0, 1])).tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize("kind", ["uint8", "int8", "int32", "uint64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_integers_and_floats_are_taken(kind: str, dtype: str) -> None:
    y, labels = np.eye(3, dtype=dtype), np.array([0, 1, 1], kind)
    assert fn.accuracy(y, labels) == 2 / 3
    assert fn.confusion_matrix(y, labels).tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]


@over_metrics
@pytest.mark.parametrize(
    ("shape", "labels", "kind"),
    [
        ((2, 3), np.zeros(3, np.int64), ShapeError),
        ((2, 3), np.zeros((2, 3)), ShapeError),
        ((2, 3), np.zeros((2, 1), np.int64), ShapeError),
        ((2,), np.zeros(2, np.int64), ShapeError),
        ((2, 3), np.zeros(2), DtypeError),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    metric: Callable[..., Any], shape: tuple[int, ...], labels: Any, kind: type[FnmlpError]
) -> None:
    with pytest.raises(kind):
        metric(np.zeros(shape), labels)


def classified(seed: int, rows: int = 40) -> tuple[NDArray[Any], NDArray[Any]]:
    """Draw outputs and labels; with few rows some classes have none."""
    return shares_like(fn.Key(seed), (rows, CLASSES)), labels_like(fn.Key(seed + 1), (rows, CLASSES))


@each(("make", "oracle"), [(fn.precision, sk.precision_score), (fn.recall, sk.recall_score), (fn.f1, sk.f1_score)])
@each("average", ["macro", "micro", "weighted", "none"])
@given(seed=seeds, rows=st.integers(1, 40), weighted=st.booleans())
def test_scores_of_classes_are_scikit_learns(
    make: Scores, oracle: Scores, average: str, seed: int, rows: int, weighted: bool
) -> None:
    y, labels = classified(seed, rows)
    weights = np.random.default_rng(seed).uniform(0.5, 2, rows) if weighted else None
    options = {"labels": range(CLASSES), "average": None if average == "none" else average, "zero_division": 0}
    expected = oracle(labels, y.argmax(axis=1), sample_weight=weights, **options)
    found = make(average=average)(y, labels, sample_weights=() if weights is None else weights)
    # Sums of at most 40 positive terms, divided, and a mean of 5 of them: (2 * 40 + 8) * 2**-53 on either side.
    np.testing.assert_allclose(found, expected, rtol=2e-14)


@each("make", [fn.precision, fn.recall, fn.f1])
@given(seed=seeds)
def test_a_micro_average_is_the_accuracy_with_nan_too(make: Scores, seed: int) -> None:
    y, labels = classified(seed)
    for _ in range(2):
        assert abs(make(average="micro")(y, labels) - fn.accuracy(y, labels)) <= 1e-15
        y[::7] = np.nan


# Of what a model of NaN is worth.


def test_a_model_whose_outputs_are_nan_is_not_counted_as_class_0() -> None:
    # NumPy's argmax takes NaN for the largest: 9 of 10 rows of class 0 made an accuracy of 0.9, the best of a run.
    y, labels = np.full((10, 3), np.nan), np.array([0] * 9 + [1])
    assert fn.accuracy(y, labels) == 0
    assert not fn.confusion_matrix(y, labels).any()
    for metric in (fn.top_k_accuracy(1), fn.top_k_accuracy(3)):
        assert metric(y, labels) == 0
    for make in (fn.precision, fn.recall, fn.f1):
        for average in ("macro", "micro", "weighted"):
            assert make(average=average)(y, labels) == 0
        assert make(average="none")(y, labels).tolist() == [0, 0, 0]
    assert np.isnan(fn.expected_calibration_error()(y, labels))
    for regression in (fn.mean_absolute_error(), fn.r2()):
        assert np.isnan(regression(y[:, 0], np.arange(10.0)))
        assert np.isnan(regression(y[:, 0], np.ones(10)))


@given(seed=seeds, column=st.integers(0, CLASSES - 1))
def test_a_row_with_one_nan_is_wrong_and_spoils_no_other(seed: int, column: int) -> None:
    y, labels = classified(seed)
    right = y.argmax(axis=1) == labels
    y[::3, column] = np.nan
    right[::3] = False
    assert fn.accuracy(y, labels) == right.mean()
    matrix = fn.confusion_matrix(y, labels)
    assert (matrix.trace(), matrix.sum()) == (right.sum(), len(y) - len(y[::3]))
    np.testing.assert_allclose(
        fn.recall(average="none")(y, labels),
        [right[labels == label].sum() / max((labels == label).sum(), 1) for label in range(CLASSES)],
        rtol=1e-15,
    )


@each("specimen", [one for one in METRICS if one.draw is labels_like])
def test_outputs_of_one_column_are_refused_and_not_all_of_class_0(specimen: MetricSpecimen) -> None:
    with pytest.raises(ShapeError, match=r"at least 2 classes, got \(3, 1\); give each class a column"):
        specimen.metric(np.ones((3, 1)), np.zeros(3, int))


@each("specimen", METRICS)
def test_lists_are_taken_where_numpy_would_take_them(specimen: MetricSpecimen) -> None:
    y, target = specimen.point((8, CLASSES), 1)
    weights = np.arange(8)
    expected = specimen.metric(y, target, sample_weights=weights)  # type: ignore[call-arg]
    found = specimen.metric(y.tolist(), target.tolist(), sample_weights=weights.tolist())  # type: ignore[call-arg]
    np.testing.assert_array_equal(found, expected)


@given(seed=seeds, k=st.integers(1, CLASSES - 1))
def test_top_k_accuracy_is_scikit_learns(seed: int, k: int) -> None:
    y, labels = classified(seed)
    expected = sk.top_k_accuracy_score(labels, y, k=k, labels=range(CLASSES))
    assert fn.top_k_accuracy(k)(y, labels) == expected
    assert fn.top_k_accuracy(1)(y, labels) == fn.accuracy(y, labels)
    assert fn.top_k_accuracy(CLASSES)(y, labels) == 1


def test_of_equal_outputs_the_first_are_the_top_and_nan_hits_nothing() -> None:
    y = np.array([[0.5, 0.5, 0.5]] * 3)
    assert [fn.top_k_accuracy(2)(y[:1], np.array([label])) for label in range(3)] == [1, 1, 0]
    assert fn.top_k_accuracy(2)(np.array([[np.nan, 0.9, 0.1]] * 3), np.arange(3)) == 0
    assert fn.top_k_accuracy(3)(np.array([[np.nan, 0.9, 0.1]] * 3), np.arange(3)) == 0


@given(seed=seeds, outputs=st.integers(1, 3), offset=st.sampled_from([0.0, 1e6]))
def test_scores_of_regression_are_scikit_learns(seed: int, outputs: int, offset: float) -> None:
    y, target = offset + draw(seed, (20, outputs)), offset + draw(seed + 1, (20, outputs))
    np.testing.assert_allclose(fn.r2()(y, target), sk.r2_score(target, y), rtol=1e-9)
    np.testing.assert_allclose(fn.mean_absolute_error()(y, target), sk.mean_absolute_error(target, y), rtol=1e-12)
    np.testing.assert_allclose(fn.r2()(y[:, 0], target[:, 0]), sk.r2_score(target[:, 0], y[:, 0]), rtol=1e-9)


@each("miss", [0.0, 1.0])
def test_r2_of_targets_that_do_not_vary_is_scikit_learns(miss: float) -> None:
    target = np.array([[2.0, 1.0], [2.0, 3.0]])
    y = target + np.array([[miss, 0.0], [0.0, 0.0]])
    assert fn.r2()(y, target) == sk.r2_score(target, y) == 1 - miss / 2


@given(seed=seeds, bins=st.integers(1, 20))
def test_calibration_error_is_what_a_loop_over_bins_adds_up(seed: int, bins: int) -> None:
    y, labels = classified(seed)
    confidence, right = y.max(axis=1), y.argmax(axis=1) == labels
    expected = 0.0
    for upper in range(1, bins + 1):
        inside = (confidence > (upper - 1) / bins) & (confidence <= upper / bins)
        expected += abs(right[inside].sum() - confidence[inside].sum()) / len(y)
    assert abs(fn.expected_calibration_error(bins=bins)(y, labels) - expected) <= 1e-12


def test_calibration_of_certainty_is_how_often_it_is_wrong() -> None:
    y = np.eye(3, dtype=np.float32)[[0, 1, 2, 0]]
    assert fn.expected_calibration_error()(y, np.array([0, 1, 2, 1])) == 0.25
    for shares in ([[1.5, 0.0]], [[-0.1, 0.5]], [[np.nan, 1.5]]):
        with pytest.raises(DataError, match="end the model with softmax"):
            fn.expected_calibration_error()(np.array(shares), np.array([0]))


@each("specimen", FOLDS)
@given(seed=seeds, cuts=st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_a_fold_over_batches_is_the_metric_of_all_rows(specimen: MetricSpecimen, seed: int, cuts: list[int]) -> None:
    y, target = specimen.point((sum(cuts), CLASSES), seed)
    ends = np.cumsum(cuts).tolist()
    pairs = [(y[end - size : end], target[end - size : end]) for size, end in zip(cuts, ends, strict=True)]
    assert isinstance(specimen.metric, fn.Metric)
    np.testing.assert_allclose(fn.fold_metric(specimen.metric, iter(pairs)), specimen.metric(y, target), rtol=1e-9)


def test_evaluate_takes_folds_beside_functions() -> None:
    y, labels = classified(3)
    data = fn.Batch(y, labels)
    metrics = fn.accuracy, fn.top_k_accuracy(1), fn.f1()
    value, *scores = fn.evaluate(fn.identity(), fn.cross_entropy, (), data, metrics=metrics)
    assert value == float(fn.cross_entropy(y, labels)[0])
    assert scores == [fn.accuracy(y, labels), fn.accuracy(y, labels), fn.f1()(y, labels)]


@each("metric", [fn.r2(), fn.mean_absolute_error()])
def test_what_does_not_fit_is_refused(metric: fn.Metric) -> None:
    for shape in ((3,), (3, 1), (2, 3)):
        with pytest.raises(ShapeError):
            metric(np.zeros((3, 2)), np.zeros(shape))
    with pytest.raises(ShapeError, match="flatten"):
        fn.r2()(np.zeros((2, 2, 2)), np.zeros((2, 2, 2)))


@each(
    "make",
    [lambda: fn.top_k_accuracy(0), lambda: fn.f1(average="samples"), lambda: fn.expected_calibration_error(bins=0)],
)
def test_options_out_of_range_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(OptionError):
        make()


def test_labels_that_do_not_fit_are_refused_by_folds_too() -> None:
    for labels in (np.array([0, 5]), np.array([0]), np.array([0.0, 1.0])):
        with pytest.raises(FnmlpError):
            fn.top_k_accuracy(2)(np.zeros((2, 5)), labels)


# Of rows whose label is ignored.

LEAVING_OUT: tuple[Callable[[int | None], Callable[..., Any]], ...] = (
    lambda label: partial(fn.accuracy, ignore_label=label),
    lambda label: partial(fn.confusion_matrix, ignore_label=label),
    lambda label: fn.top_k_accuracy(2, ignore_label=label),
    lambda label: fn.precision(ignore_label=label),
    lambda label: fn.recall(average="none", ignore_label=label),
    lambda label: fn.f1(average="weighted", ignore_label=label),
    lambda label: fn.expected_calibration_error(ignore_label=label),
)


@each("make", LEAVING_OUT)
@each(("ignored", "kind"), [(-100, np.int64), (2, np.int64), (2, np.uint8), (255, np.uint8)])
@each("seed", range(3))
def test_rows_of_the_ignored_label_are_left_out_whatever_their_outputs(
    make: Callable[[int | None], Callable[..., Any]], ignored: int, kind: Any, seed: int
) -> None:
    y, labels = classified(seed, 12)
    labels[[1, 4, 7]] = ignored
    kept, labels = labels != ignored, labels.astype(kind)
    y[~kept] = np.nan
    weights = np.arange(12)
    assert np.array_equal(make(ignored)(y, labels), make(None)(y[kept], labels[kept]))
    weighted = make(ignored)(y, labels, sample_weights=weights)
    assert np.array_equal(weighted, make(None)(y[kept], labels[kept], sample_weights=weights[kept]))


@each("make", LEAVING_OUT)
def test_where_every_row_is_left_out_no_metric_has_a_value(make: Callable[[int | None], Callable[..., Any]]) -> None:
    y, labels = np.eye(3), np.array([0, 1, 0])
    nothing, metric = np.full(3, -1), make(-1)
    if isinstance(metric, fn.Metric):
        assert np.array_equal(fn.fold_metric(metric, [(y, nothing), (y, labels)]), metric(y, labels))
    if np.ndim(metric(y, labels)) == 2:
        assert not metric(y, nothing).any()
        return
    with pytest.raises(DataError, match="sum above 0"):
        metric(y, nothing)


@each("make", LEAVING_OUT)
def test_labels_that_are_not_ignored_must_still_fit(make: Callable[[int | None], Callable[..., Any]]) -> None:
    for labels in ([0, -1, -100], [0, 3, -100], [0.0, 1.0, -100.0], [0, 1], [[0], [1], [-100]]):
        with pytest.raises(FnmlpError):
            make(-100)(np.eye(3), np.array(labels))
    with pytest.raises(OptionError, match=r"\w+\(ignore_label\): expected an integer, got 1.5"):
        make(1.5)(np.eye(3), np.arange(3))  # type: ignore[arg-type]
