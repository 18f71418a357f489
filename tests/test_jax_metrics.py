"""Metrics and derivatives under JAX: compiled they give NumPy's numbers, or refuse by name."""

from functools import partial
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.metrics import accuracy, confusion_matrix, expected_calibration_error, mean_absolute_error, r2
from fnmlp.tree import tree_map
from tests.catalogue import METRICS
from tests.specimens import MetricSpecimen
from tests.steps import assert_close, draw
from tests.sweep import each

jax = pytest.importorskip("jax", reason="metrics are compiled by JAX")
pytest.importorskip("fnmlp.interop.jax", reason="it makes pytrees of parameters")


def compiled(function: Any) -> Any:
    """Compile without the optimizations that take the most time."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})


def point(specimen: MetricSpecimen) -> tuple[Any, Any]:
    y, target = specimen.point((6, 3), 0)
    return y.astype(np.float32), target.astype(np.float32) if target.dtype.kind == "f" else target


def assert_is(found: Any, expected: Any) -> None:
    """Claim that a metric is another to the rounding of sums of a few float32 numbers."""
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=64 * float(np.finfo(np.float32).eps))


@each("specimen", [specimen for specimen in METRICS if "=" not in specimen.name or "bins" in specimen.name])
def test_metrics_of_jaxs_arrays_are_pythons_numbers_and_numpys(specimen: MetricSpecimen) -> None:
    """The bugs: float64 and int64, which JAX does not have."""
    y, target = point(specimen)
    found, expected = specimen.metric(*map(jax.numpy.asarray, (y, target))), specimen.metric(y, target)
    assert isinstance(found, float) == isinstance(expected, float)
    assert_is(found, expected)


def test_compiled_metrics_are_numpys() -> None:
    """One function of all metrics, because each compilation costs a tenth of a second."""
    points = [point(specimen) for specimen in METRICS]
    expected = [specimen.metric(*given) for specimen, given in zip(METRICS, points, strict=True)]

    def every(points: Any) -> list[Any]:
        return [specimen.metric(*given) for specimen, given in zip(METRICS, points, strict=True)]

    for found, right in zip(compiled(every)(points), expected, strict=True):
        assert_is(found, right)


Y = np.array([[0.75, 0.25], [0.5, 0.5], [0.25, 0.75]], np.float32)
LABELS = np.array([0, 1, 1])
WEIGHTS = np.array([1.0, 2.0, 4.0], np.float32)


def test_what_a_metric_would_refuse_is_nan_while_traced() -> None:
    def every(y: Any, labels: Any, weights: Any) -> Any:
        return (
            accuracy(y, labels),
            confusion_matrix(y, labels),
            accuracy(y, labels, ignore_label=5, sample_weights=weights),
            accuracy(y, 0 * labels, sample_weights=0 * weights),
            accuracy(y, 0 * labels, sample_weights=-weights),
            expected_calibration_error()(y + 1, 0 * labels),
        )

    assert all(np.isnan(one).any() for one in compiled(every)(Y, LABELS + 2, WEIGHTS))


def test_weights_count_while_traced() -> None:
    def every(y: Any, labels: Any, weights: Any) -> Any:
        return (
            accuracy(y, labels, sample_weights=weights),
            accuracy(y, labels, sample_weights=weights, ignore_label=0),
            fn.mean_over_rows(accuracy)(y, labels, sample_weights=weights),
            mean_absolute_error()(y, y + 1, sample_weights=weights),
        )

    for found, expected in zip(compiled(every)(Y, LABELS, WEIGHTS), every(Y, LABELS, WEIGHTS), strict=True):
        assert_is(found, expected)


def test_r2_refuses_traced_weights_by_name() -> None:
    with pytest.raises(fn.DtypeError, match=r"r2\(sample_weights\): expected weights that can be read, got traced"):
        compiled(lambda y, weights: r2()(y, y, sample_weights=weights))(Y, WEIGHTS)


MODEL = fn.chain(fn.linear(4), fn.layer_norm(), fn.tanh(), fn.maxout(3, 2), fn.prelu())
BATCH = fn.Batch(draw(0, (6, 5), np.float32), np.arange(6) % 3)
BY_ROW = partial(fn.cross_entropy, reduction="none")


def test_the_gradients_of_examples_and_saliency_are_compiled() -> None:
    params, _ = MODEL.init(fn.Key(0), (5,))

    def every(params: Any, batch: Any) -> Any:
        return (
            fn.per_example_gradients(MODEL, BY_ROW, params, batch),
            fn.per_example_norms(MODEL, fn.cross_entropy, params, batch),
            fn.saliency(MODEL, params, batch.inputs, of=batch.targets),
        )

    assert_close(compiled(every)(params, BATCH), every(params, BATCH), eps=256, at_least=1)
    found = fn.per_example_norms(MODEL, BY_ROW, tree_map(jax.numpy.asarray, params), BATCH)
    assert_close((found,), (fn.per_example_norms(MODEL, BY_ROW, params, BATCH),), eps=256, at_least=1)


def test_derivatives_by_a_complex_step_refuse_arrays_of_jax_by_name() -> None:
    params = tree_map(jax.numpy.asarray, MODEL.init(fn.Key(0), (5,))[0])
    with pytest.raises(fn.DtypeError, match=r"jvp\(dparams\): expected NumPy arrays of floats.*numpy\.asarray"):
        fn.jvp(MODEL, params, BATCH.inputs, params)
    with pytest.raises(fn.DtypeError, match=r"hessian_vector_product\(direction\): expected NumPy arrays"):
        compiled(lambda own: fn.hessian_vector_product(MODEL, fn.cross_entropy, own, BATCH, own))(params)
