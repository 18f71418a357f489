"""What a derivative by a complex step can't see is refused: what strips the type, makes floats, or is not analytic."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.derivatives.analytic import Analytic, moving, rate_of, still, value_of
from fnmlp.testing.numeric import random_like
from tests.derivatives import assert_adjoint, assert_within, change_of_gradient
from tests.steps import assert_close, draw, point_of, same_bits
from tests.sweep import each


def mapped(function: Callable[[Any], Any]) -> fn.Layer[Any]:
    """Make a user's own elementwise layer without `elementwise`; its gradient is wrong."""
    return fn.Layer(
        "mapped()",
        fn.relu().init,
        lambda _, x: function(x),
        lambda _, x, __: (function(x), lambda dy: ((), lambda: dy)),
    )


def into_floats(z: Any) -> Any:
    buffer = np.zeros(z.shape)
    buffer[...] = z
    return buffer


LOSSY: dict[str, Callable[[Any], Any]] = {
    "a real part": lambda z: z.real * z,
    "an imaginary part": lambda z: z + z.imag,
    "numpy.real": lambda z: np.real(z) * z,
    "a cast": lambda z: z.astype(np.float64) * z,
    "a buffer of floats": into_floats,
    "a conjugate": lambda z: z * z.conj(),
    "numpy.conj in place": lambda z: np.conj(z, out=np.empty_like(z)),
    "a norm": lambda z: z / np.linalg.norm(z),
    "norms of rows": lambda z: z / np.linalg.norm(z, axis=1, keepdims=True),
    "a variance": lambda z: z / np.var(z, axis=1, keepdims=True),
    "a deviation": lambda z: z / z.std(axis=1, keepdims=True),
    "numpy.vdot": lambda z: z * np.vdot(z, z),
    "numpy.vecdot": lambda z: z * np.vecdot(z, z)[:, None],
    "a function without complex numbers": np.cbrt,
    "a conjugate element": lambda z: z * z[0, 0].conj(),
    "an array without its type": lambda z: np.abs(np.asarray(z)),
    "an absolute value in place": lambda z: np.abs(z, out=np.empty_like(z)),
}


@each("name", LOSSY)
@each("position", ["first", "later"])
def test_what_loses_the_derivative_is_refused_and_not_a_wrong_number(name: str, position: str) -> None:
    layer = mapped(LOSSY[name])
    model = fn.chain(layer, fn.linear(2)) if position == "first" else fn.chain(fn.linear(4), layer, fn.linear(2))
    params, x, u = point_of(model, (4,), 0, 3)
    with pytest.raises(fn.DtypeError, match="derivative along a direction: expected what is analytic"):
        fn.jvp(model, params, x, params, x)
    if position == "later":
        with pytest.raises(fn.DtypeError, match="derivative along a direction: expected what is analytic"):
            fn.hessian_vector_product(model, fn.mse, params, fn.Batch(x, u), params)


def strips(part: str) -> fn.Layer[Any]:
    """Make a user's own layer whose pullback strips the type of its gradient or of dx."""

    def vjp(weight: fn.Array, x: fn.Array, _: fn.Key | None) -> Any:
        def pull(dy: fn.Array) -> Any:
            gradient, dx = (dy * x).sum(axis=0), dy * weight
            return (np.asarray(gradient), lambda: dx) if part == "gradient" else (gradient, lambda: np.asarray(dx))

        return x * weight, pull

    return fn.Layer(f"strips({part})", lambda _, shape: (np.ones(shape), shape), lambda weight, x: x * weight, vjp)


@each("part", ["gradient", "dx"])
def test_a_pullback_that_strips_the_type_is_refused(part: str) -> None:
    model = fn.chain(fn.linear(3), strips(part))
    params, x, u = point_of(model, (4,), 0, 3)
    fn.jvp(model, params, x, params)
    with pytest.raises(fn.DtypeError, match=rf"got a plain array from strips\({part}\)"):
        fn.hessian_vector_product(model, fn.mse, params, fn.Batch(x, u), params)


def test_a_loss_that_strips_the_type_or_makes_a_float_is_refused() -> None:
    model = fn.linear(2)
    params, x, u = point_of(model, (4,), 0, 3)
    for strip, got in ((np.asarray, "a plain array from the loss"), (float, "float")):

        def loss(y: fn.Array, t: fn.Array, strip: Any = strip) -> tuple[Any, fn.Array]:
            return strip((y * t).sum()), t

        with pytest.raises(fn.DtypeError, match=f"derivative along a direction: .* got {got};"):
            fn.hessian_vector_product(model, loss, params, fn.Batch(x, u), params)


ANALYTIC: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "abs": (np.abs, np.sign),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "sign": (lambda x: x * np.sign(x), np.sign),
    "where": (lambda x: np.where(x > 0, x * x, -x), lambda x: np.where(x > 0, 2 * x, -1)),
    "constant pieces": (lambda x: x * (x > 0), lambda x: (x > 0) * 1.0),
    "einsum": (lambda x: np.einsum("ij,ij->ij", x, x), lambda x: 2 * x),
    "concat": (lambda x: np.concat([x[:1] ** 2, x[1:] ** 2]), lambda x: 2 * x),
    "in place": (lambda x: np.exp(x, out=np.empty_like(x)), np.exp),
    "sorted by": (
        lambda x: np.take_along_axis(x * x, np.argsort(np.argsort(x)) * 0, 1) * 0 + x**3,
        lambda x: 3 * x * x,
    ),
    "counted": (lambda x: x / (1 + x.argmax(axis=1)[:, None] * 0 + np.argmax(x) * 0 / 2), lambda x: 1 + 0 * x),
}


@each("name", ANALYTIC)
def test_what_is_analytic_piece_by_piece_has_its_derivative(name: str) -> None:
    function, slope = ANALYTIC[name]
    x, dx = draw(0, (3, 4)), draw(1, (3, 4))
    y, dy = fn.jvp(mapped(function), (), x, (), dx)
    assert same_bits(y, function(x))
    assert_close(dy, slope(x) * dx)


def test_an_activation_of_a_users_own_needs_complex_numbers_for_its_curvature_alone() -> None:
    cube_root = fn.elementwise(np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2))
    model = fn.chain(fn.linear(2), cube_root)
    params, x, u = point_of(model, (4,), 0, 3)
    assert_adjoint(model, params, x, u, None, eps=64)
    with pytest.raises(fn.DtypeError, match=r"got numpy\.cbrt; write it in operators") as caught:
        fn.hessian_vector_product(model, fn.mse, params, fn.Batch(x, u), params)
    assert isinstance(caught.value.__cause__, TypeError)


def test_softsign_of_absolute_values_has_its_curvature() -> None:
    softsign = fn.elementwise(lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2)
    model = fn.chain(fn.linear(3), softsign, fn.linear(2))
    params, x, u = point_of(model, (4,), 0, 3)
    direction = random_like(params, fn.Key(0))
    found = fn.hessian_vector_product(model, fn.mse, params, fn.Batch(x, u), direction)
    assert_within(found, change_of_gradient(model, fn.mse, params, fn.Batch(x, u), direction, None), 1e-8)


def test_what_moves_is_taken_apart_as_it_was_put_together() -> None:
    x, rate = draw(0, (3,)), draw(1, (3,))
    z = moving(x, rate)
    assert isinstance(z, Analytic)
    assert same_bits((value_of(z), rate_of(z)), (x, rate))
    assert still(z) is z
    assert not rate_of(still(x)).any()
    assert same_bits(still(np.arange(3)), np.arange(3))
