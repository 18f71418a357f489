"""Every public layer has an oracle, and agrees with it: in the tails, beside the kinks, and on either side of 0."""

from collections.abc import Callable
from functools import cache
from typing import Any

from attrs import frozen
import mpmath
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp import expressions, initializers
from fnmlp.key import Key
from fnmlp.layer import Layer, gradients
from fnmlp.layers import elementwise, hardtanh, silu
from fnmlp.tree import Tree, tree_flatten, tree_leaves, tree_map
from tests.catalogue import CURVES, LAYERS, Specimen
from tests.catalogue.activations import Curve
from tests.catalogue.layers import FORMULAS
from tests.oracles.layers import bound, constructor_of
from tests.sweep import each
from tests.ulp.measure import errors

Float64 = NDArray[np.float64]

EPSILON = float(np.finfo(np.float64).eps)
LEAST = float(np.finfo(np.float64).smallest_subnormal)
HALF = 10.0 ** np.linspace(-3, 3, 25)
MAGNITUDES = np.concatenate([-HALF, HALF]).astype(np.float32)
"""Numbers of float32 from a thousandth to a thousand, of either sign."""


def public_layers() -> list[str]:
    return sorted({*expressions.constructors(), *expressions.NO_TEXT}.difference(initializers.__all__))


@each("name", public_layers())
def test_every_public_layer_has_an_oracle(name: str) -> None:
    curves = {constructor_of(text) for text in CURVES}
    remedy = (
        "a specimen of it in tests/catalogue/layers.py, with formula=, or its curve in tests/catalogue/activations.py"
    )
    assert (name in curves) != (name in FORMULAS), f"{name} has no oracle: add {remedy}"


def test_every_specimen_of_an_activation_has_a_curve_of_its_own() -> None:
    curves = {constructor_of(text) for text in CURVES}
    names = {specimen.layer.name for specimen in LAYERS}
    assert {name for name in names if constructor_of(name) in curves} <= set(CURVES)


def points(text: str, dtype: Any) -> NDArray[Any]:
    """Return numbers of all magnitudes, and numbers beside the points where the pieces of an activation meet."""
    meets = np.array([*CURVES[text].meets], dtype)
    near = [meets + (1 + np.abs(meets)) * dtype(share) for share in (-1e-3, -1e-6, 1e-6, 1e-3)]
    beside = [np.nextafter(meets, dtype(side)) for side in (-np.inf, np.inf)]
    x = np.concatenate([MAGNITUDES.astype(dtype), *near, *beside])
    return x[~np.isin(x, meets)]


@frozen
class Exact:
    """A function at a point, rounded once, and how far an error of its argument carries: |x f'(x)|."""

    value: float
    carried: float


@cache
def exact(text: str, order: int, x: float) -> Exact:
    """Return an activation or its derivative of this order at a point."""
    with mpmath.workdps(CURVES[text].digits):
        value, steeper = (mpmath.diff(CURVES[text].value, mpmath.mpf(x), order + more) for more in (0, 1))
        return Exact(float(value), float(abs(x * steeper)))


def found(layer: Layer[Any], order: int, x: NDArray[Any]) -> NDArray[Any]:
    """Return an activation, or its derivative as the pullback gives it."""
    if order == 0:
        y: NDArray[Any] = layer.apply((), x)
        return y
    return gradients(layer, (), x, np.ones_like(x))[1]


def expect_curve(layer: Layer[Any], text: str, order: int, dtype: Any) -> None:
    """Claim that a layer is a curve, or its derivative the curve's: its value to 4 ULP of float32, its derivative to 8.

    In float64 the bound allows some roundings of the argument and of the result. Values too large for the dtype are
    left out.
    """
    x = points(text, dtype)
    truth = [exact(text, order, float(number)) for number in x]
    values, carried = (np.array([getattr(one, name) for one in truth]) for name in ("value", "carried"))
    holds = np.abs(values) <= np.finfo(dtype).max  # exp overflows
    x, values, carried = x[holds], values[holds], carried[holds]
    with np.errstate(under="ignore"):
        y = found(layer, order, x)
    assert y.dtype == dtype
    if dtype is np.float32:
        wrong = errors(y, values) > (4, 8)[order]
    else:
        # Underflow adds multiples of the smallest number, times at most x.
        wrong = np.abs(y - values) > 16 * EPSILON * (np.abs(values) + carried) + 4 * LEAST * (1 + np.abs(x))
    assert not wrong.any(), f"at {x[wrong]}: expected {values[wrong]}, got {y[wrong]}"


over_curves = each("text", CURVES)
over_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


@over_curves
@over_dtypes
def test_an_activation_is_its_curve(text: str, dtype: Any) -> None:
    expect_curve(expressions.build(text), text, 0, dtype)


@over_curves
@over_dtypes
def test_the_pullback_of_an_activation_is_the_derivative_of_its_curve(text: str, dtype: Any) -> None:
    expect_curve(expressions.build(text), text, 1, dtype)


@over_curves
@over_dtypes
def test_where_pieces_meet_the_derivative_is_the_one_that_is_written_down(text: str, dtype: Any) -> None:
    meets = CURVES[text].meets
    for sign in (1, -1):  # 0.0 and -0.0
        x = np.array([point or sign * 0.0 for point in meets], dtype)
        assert found(expressions.build(text), 1, x).tolist() == [dtype(slope) for slope in meets.values()]


@over_curves
@over_dtypes
def test_infinite_numbers_have_the_limits_and_nan_stays_nan(text: str, dtype: Any) -> None:
    x = np.array([-np.inf, np.inf, np.nan], dtype)
    curve, layer = CURVES[text], expressions.build(text)
    with np.errstate(invalid="raise", over="raise", under="ignore"):
        y, dx = found(layer, 0, x), found(layer, 1, x)
    assert y[:2].tolist() == [dtype(end) for end in curve.ends]
    assert dx[:2].tolist() == [dtype(slope) for slope in curve.slopes]
    assert np.isnan(y[2])


def inputs(specimen: Specimen, seed: int) -> NDArray[Any]:
    """Draw inputs of all magnitudes side by side, or a layer's own kind of inputs."""
    shape = (6, *specimen.example)
    if specimen.differentiable:
        return np.random.default_rng(seed).choice(MAGNITUDES.astype(np.float64), shape)
    return np.asarray(specimen.draw(Key(seed), shape))


def moved(tree: Tree, seed: int) -> Tree:
    """Return parameters in float64, moved a little, so that zeros and ones are not special."""
    random = np.random.default_rng(seed)
    return tree_map(lambda leaf: leaf + random.normal(size=leaf.shape) / 8, tree)


OTHERS = [specimen for specimen in LAYERS if constructor_of(specimen.layer.name) in FORMULAS]


@each("specimen", OTHERS)
@each("seed", range(3))
def test_a_layer_is_its_formula_and_its_pullback_the_derivative(specimen: Specimen, seed: int) -> None:
    expect_formula(specimen.layer, formula_of(specimen), specimen, seed)


def formula_of(specimen: Specimen) -> Callable[[Any, Any], Any]:
    """Return the formula of a specimen, with the options that its name shows."""
    return bound(FORMULAS[constructor_of(specimen.layer.name)], specimen.layer.name)


def expect_formula(layer: Layer[Any], formula: Callable[[Any, Any], Any], specimen: Specimen, seed: int) -> None:
    """Claim that a layer is a formula, and each number of its gradients the complex step of the formula.

    The error of a gradient grows with the terms that are summed: its own, and dy and dy times x, which cancel before.
    """
    params, x = moved(layer.init(Key(seed), specimen.example)[0], seed), inputs(specimen, seed)
    y, pullback = layer.vjp(params, x, None)
    expected, epsilon = formula(params, x), float(np.finfo(y.dtype).eps)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max(initial=0) <= 64 * epsilon * np.abs(expected).max(initial=0)
    dy = np.random.default_rng(seed).normal(size=y.shape).astype(y.dtype)
    dparams, delayed_dx = pullback(dy)
    at, found = ((params, x), (dparams, delayed_dx())) if specimen.differentiable else ((params,), (dparams,))
    for place, gradient in enumerate(tree_leaves(found)):
        terms = [slopes(formula, at, place, index, x) * dy for index in np.ndindex(gradient.shape)]
        sums = np.reshape([part.sum() for part in terms], gradient.shape)
        size = max(np.abs(part).sum() for part in terms) + np.abs(dy).max() * (1 + np.nanmax(np.abs(x)))
        assert np.abs(gradient - sums).max() <= 256 * EPSILON * size, f"gradient {place}"


def slopes(formula: Callable[..., Any], at: Tree, place: int, index: tuple[int, ...], x: NDArray[Any]) -> Float64:
    """Return the derivative of each output by one number of one leaf; `x` is the input if it isn't a leaf."""
    leaves, rebuild = tree_flatten(at)
    point = [leaf.astype(complex) for leaf in leaves]
    point[place][index] += 1e-20j
    arguments = rebuild(point)
    return np.asarray(np.imag(formula(arguments[0], arguments[1] if len(arguments) > 1 else x)) / 1e-20)


def wrong_square(x: NDArray[Any]) -> NDArray[Any]:
    """Return x² + 1, but forget the 1 far out."""
    y: NDArray[Any] = np.where(np.abs(x) > 3, x * x, x * x + 1)
    return y


def wrong_tanh_slope(x: NDArray[Any]) -> NDArray[Any]:
    """Return the derivative of tanh as often written, which vanishes in the tails."""
    slope: NDArray[Any] = 1 - np.tanh(x) ** 2
    return slope


def wrong_softsign_slope(x: NDArray[Any]) -> NDArray[Any]:
    """Return the derivative of softsign, wrong for small negative numbers."""
    return np.where((x < 0) & (x > -0.01), 1.0, (1 + np.abs(x)) ** -2.0).astype(x.dtype)


@over_dtypes
def test_a_slip_in_a_tail_or_beside_a_kink_alone_is_caught(dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CURVES, "square()", Curve(lambda x: x * x + 1, (np.inf, np.inf), (-np.inf, np.inf)))
    slips = (
        ("square()", 0, elementwise(wrong_square, wrong_square)),
        ("tanh()", 1, elementwise(np.tanh, wrong_tanh_slope)),
        ("softsign()", 1, elementwise(np.sin, wrong_softsign_slope)),
        ("relu6()", 1, hardtanh()),
        ("hardswish()", 0, silu()),
    )
    for text, order, layer in slips:
        with pytest.raises(AssertionError, match="expected"):
            expect_curve(layer, text, order, dtype)


@each(("wrong", "right"), [("glu()", "swiglu()"), ("layer_norm()", "layer_norm(epsilon=0.5)")])
def test_a_wrong_layer_is_caught(wrong: str, right: str) -> None:
    [specimen] = [one for one in LAYERS if one.layer.name == right]
    with pytest.raises(AssertionError):
        expect_formula(expressions.build(wrong), formula_of(specimen), specimen, 0)
