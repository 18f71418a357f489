"""A complex step counts only where differences bear it out: what NumPy takes for a constant is differentiated too."""

from collections.abc import Callable
from functools import partial
from typing import Any
import warnings

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.testing import LawBrokenError, check_layer, check_loss
from fnmlp.testing.discrepancy import Claim, find_discrepancy
from fnmlp.testing.gradients import vjp_equals_the_derivative_of_apply
from fnmlp.testing.kinks import a_kink_has_the_slope_of_a_side
from fnmlp.testing.witness import refuted
from tests.closures import UNPICKLED, layer
from tests.sweep import each

Maps = Callable[[Any], Any]

DERIVATIVE = (vjp_equals_the_derivative_of_apply,)


def norm(x: Any) -> Any:
    return np.linalg.norm(x, axis=1, keepdims=True)


def along(x: Any, dy: Any) -> Any:
    return (x * dy).sum(axis=1, keepdims=True)


def of_row(f: Maps, pull: Callable[[Any, Any], Any]) -> fn.Layer[Any]:
    """Make a layer of a function of rows that keeps their shape, and of (x, dy) -> dx."""

    def vjp(params: tuple[()], x: fn.Array, key: fn.Key | None) -> Any:
        return f(x), lambda dy: ((), lambda: pull(x, dy))

    return fn.Layer("mine()", lambda key, shape: ((), shape), lambda params, x: f(x), vjp)  # noqa: ARG005


def by_variance(x: Any, dy: Any) -> Any:
    off = x - x.mean(axis=1, keepdims=True)
    return dy * x.var(axis=1, keepdims=True) + along(x, dy) * 2 * off / x.shape[1]


def by_deviation(x: Any, dy: Any) -> Any:
    off, deviation = x - x.mean(axis=1, keepdims=True), x.std(axis=1, keepdims=True)
    return dy * deviation + along(x, dy) * off / deviation / x.shape[1]


CONSTANTS: dict[str, tuple[Maps, Any, Any]] = {
    "abs": (lambda x: x * abs(x), lambda x, dy: abs(x) * dy, lambda x, dy: 2 * abs(x) * dy),
    "absolute": (lambda x: np.absolute(x) ** 3, lambda x, dy: 0 * x * dy, lambda x, dy: 3 * x * np.abs(x) * dy),
    "softsign": (
        lambda x: x / (1 + np.abs(x)),
        lambda x, dy: dy / (1 + np.abs(x)),
        lambda x, dy: dy / (1 + np.abs(x)) ** 2,
    ),
    "real": (lambda x: x * np.real(x), lambda x, dy: x * dy, lambda x, dy: 2 * x * dy),
    "conj": (lambda x: x * np.conj(x), lambda x, dy: 0 * x * dy, lambda x, dy: 2 * x * dy),
    "vecdot": (
        lambda x: np.vecdot(x, x)[:, None] * x,
        lambda x, dy: (x * x).sum(axis=1, keepdims=True) * dy,
        lambda x, dy: (x * x).sum(axis=1, keepdims=True) * dy + 2 * x * along(x, dy),
    ),
    "norm": (
        lambda x: x * norm(x),
        lambda x, dy: dy * norm(x),
        lambda x, dy: dy * norm(x) + x * along(x, dy) / norm(x),
    ),
    "var": (
        lambda x: x * x.var(axis=1, keepdims=True),
        lambda x, dy: dy * x.var(axis=1, keepdims=True),
        by_variance,
    ),
    "std": (
        lambda x: x * x.std(axis=1, keepdims=True),
        lambda x, dy: dy * x.std(axis=1, keepdims=True),
        by_deviation,
    ),
    "sign": (lambda x: x * np.sign(x), lambda x, dy: 2 * np.sign(x) * dy, lambda x, dy: np.sign(x) * dy),
    "a cast": (lambda x: x * x.astype("float64"), lambda x, dy: x * dy, lambda x, dy: 2 * x * dy),
    "fabs": (lambda x: x * np.fabs(x), lambda x, dy: np.fabs(x) * dy, lambda x, dy: 2 * np.fabs(x) * dy),
    "hypot": (lambda x: np.hypot(x, 1), lambda x, dy: 0 * x * dy, lambda x, dy: dy * x / np.hypot(x, 1)),
}
"""A function that NumPy does not continue analytically, dx if that part were a constant, and the right dx."""


@each("name", CONSTANTS)
def test_what_a_complex_step_takes_for_a_constant_is_differentiated(name: str) -> None:
    # A gradient that equalled the complex step was taken, so |x| could be forgotten.
    f, wrong, right = CONSTANTS[name]
    for pull in (wrong, lambda x, dy: 1.001 * right(x, dy), lambda x, dy: 0 * dy):  # noqa: ARG005
        with pytest.raises(LawBrokenError, match="derivative of apply"):
            check_layer(of_row(f, pull), (3,), laws=DERIVATIVE)
    check_layer(of_row(f, right), (3,), laws=DERIVATIVE, trials=20)


def weighted(factor: float) -> fn.Layer[Any]:
    """Make y = |w| x, and multiply the gradient of w."""

    def vjp(w: fn.Array, x: fn.Array, key: fn.Key | None) -> Any:
        return np.abs(w) * x, lambda dy: (
            x.dtype.type(factor) * np.sign(w) * (dy * x).sum(axis=0),
            lambda: dy * np.abs(w),
        )

    return fn.Layer(
        "weighted()",
        lambda key, shape: (np.ones(shape, np.float32), shape),  # noqa: ARG005
        lambda w, x: np.abs(w) * x,
        vjp,
    )


def test_a_parameter_whose_size_is_taken_for_a_constant_is_found_also_among_many() -> None:
    for features in (3, 40):
        check_layer(weighted(1.0), (features,), laws=UNPICKLED, trials=4)
        for factor in (0.0, 1.001):
            with pytest.raises(LawBrokenError, match="derivative of apply"):
                check_layer(weighted(factor), (features,), laws=UNPICKLED)


def cubes(factor: float, y: fn.Array, target: fn.Array) -> Any:
    if len(y) != len(target):
        raise fn.ShapeError("cubes", f"{len(y)} targets", len(target), "give one for each row")
    off = y - target
    size = np.abs(off)
    return (off * off * size).sum(), (y.dtype.type(factor) * off * size).astype(y.dtype)


def test_a_loss_whose_distance_is_taken_for_a_constant_is_found() -> None:
    check_loss(partial(cubes, 3.0), (3,), trials=20)
    for factor in (2.0, 3.003):
        with pytest.raises(LawBrokenError, match="derivative of the value"):
            check_loss(partial(cubes, factor), (3,))


def test_beside_a_kink_too_a_size_is_no_constant() -> None:
    def bent(x: fn.Array) -> fn.Array:
        return np.maximum(np.abs(x), 1)

    def slope(edge: float, x: fn.Array) -> fn.Array:
        return ((np.abs(x) > edge) * np.sign(x)).astype(x.dtype)

    def check(edge: float) -> None:
        check_layer(layer(bent, partial(slope, edge)), (3,), laws=(a_kink_has_the_slope_of_a_side,), kinks=(-1.0, 1.0))

    check(1.0)
    with pytest.raises(LawBrokenError, match="the slopes of its sides"):
        check(1.002)


def logistic(x: fn.Array) -> fn.Array:
    return 1 / (1 + np.exp(-x))


def test_beside_numbers_that_complex_ones_do_not_survive_the_rest_is_as_exact_as_ever() -> None:
    def check(wrong: Maps) -> None:
        check_layer(layer(logistic, lambda x: logistic(x) * logistic(-x) + wrong(x)), (2,), laws=DERIVATIVE, seed=5)

    with np.errstate(all="ignore"):
        assert np.isnan(logistic(np.array([-1000 + 1e-20j]))).all()
    check(np.zeros_like)
    for wrong in (lambda x: 1e-11 * (np.abs(x) < 1), lambda x: 1e-3 * (x < -750)):
        with pytest.raises(LawBrokenError, match="derivative of apply"):
            check(wrong)


def test_a_kink_or_noise_refutes_no_complex_step() -> None:
    at = (np.array([1.0, -2.0, 3.0]),)
    smooth = {
        "a kink at the point": lambda tree: np.maximum(tree[0], at[0]),
        "a kink beside it": lambda tree: np.maximum(tree[0], at[0] + 1e-7),
        "noise": lambda tree: np.tanh(tree[0]) + 1e-9 * np.sin(np.real(1e20 * tree[0])),
        "much curvature": lambda tree: np.sin(1e4 * tree[0]),
        "steep": lambda tree: np.exp(200 * tree[0]),
    }
    for name, function in smooth.items():
        assert not any(refuted(function, at, fn.Key(seed)) for seed in range(20)), name
    assert all(refuted(lambda tree: tree[0] + 1e-5 * np.abs(tree[0]), at, fn.Key(seed)) for seed in range(20))


def test_a_cast_of_complex_numbers_warns_nobody() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f, _, right = CONSTANTS["a cast"]
        check_layer(of_row(f, right), (3,), laws=DERIVATIVE, trials=1)


def test_one_wrong_element_among_many_is_found_along_a_direction_by_differences() -> None:
    x = np.linspace(0.5, 4, 100)
    for place in range(100):
        gradient = 3 * x**2
        gradient[place] *= 2
        claim = Claim(lambda point: np.abs(point[0]) ** 3, (x,), np.ones(100), (gradient,), "x")
        found = find_discrepancy(claim, fn.Key(0))
        assert found is not None
        assert found.where in (f"x[0][{place}]", "x, along a random direction")
