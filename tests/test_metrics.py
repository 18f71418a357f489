"""Metrics: by hand, on ties and on edges, and refusals of what has no answer."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from fnmlp import metrics
from fnmlp.errors import DtypeError, FnmlpError, ShapeError
from fnmlp.metrics import accuracy, confusion_matrix
from fnmlp.weights import with_weights
from tests.catalogue import METRICS
from tests.metric_oracles import ORACLES
from tests.names import public
from tests.specimens import MetricSpecimen, labels_like
from tests.steps import draw, seeds

CLASSIFYING = [specimen for specimen in METRICS if specimen.draw is labels_like]
over_metrics = pytest.mark.parametrize("metric", [one.metric for one in CLASSIFYING], ids=map(repr, CLASSIFYING))


def test_no_public_metric_goes_without_an_oracle() -> None:
    named = {name.split("(")[0] for name in ORACLES}
    names = [name for name, _ in public(metrics) if name != "fold_metric"]
    assert names
    assert [name for name in names if name not in named] == [], "give it an oracle in tests/metric_oracles.py"


@pytest.mark.parametrize("specimen", METRICS, ids=repr)
@given(seed=seeds, rows=st.integers(2, 9))
def test_each_metric_is_what_plain_loops_find(specimen: MetricSpecimen, seed: int, rows: int) -> None:
    y, target = specimen.point((rows, 4), seed)
    for weights in (np.ones(rows), np.random.default_rng(seed).uniform(0.5, 2, rows)):
        expected = ORACLES[specimen.name](y.tolist(), target.tolist(), weights.tolist())
        # A share of r2 is what is left of two sums, of which one may be some thousand times as large.
        np.testing.assert_allclose(with_weights(specimen.metric, y, target, weights), expected, rtol=1e-9, atol=1e-12)
    assert np.array_equal(specimen.metric(y, target), with_weights(specimen.metric, y, target, ()))


@given(seeds)
def test_metrics_count_what_a_loop_counts(seed: int) -> None:
    y, labels = draw(seed, (9, 4)), np.random.default_rng(seed).integers(0, 4, 9)
    table = np.zeros((4, 4), np.int64)
    for row, label in zip(y.tolist(), labels.tolist(), strict=True):
        table[label, row.index(max(row))] += 1
    found = confusion_matrix(y, labels)
    assert (str(found.dtype), found.tolist()) == ("int64", table.tolist())
    assert accuracy(y, labels) == table.trace() / 9
    assert type(accuracy(y, labels)) is float


def test_of_equal_outputs_the_first_counts() -> None:
    y = np.array([[0.5, 0.5], [1.0, 1.0]])
    assert accuracy(y, np.array([0, 1])) == 0.5
    assert confusion_matrix(y, np.array([0, 1])).tolist() == [[1, 0], [1, 0]]


@pytest.mark.parametrize("kind", ["uint8", "int8", "int32", "uint64"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_any_integers_and_floats_are_taken(kind: str, dtype: str) -> None:
    y, labels = np.eye(3, dtype=dtype), np.array([0, 1, 1], kind)
    assert accuracy(y, labels) == 2 / 3
    assert confusion_matrix(y, labels).tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0]]


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
