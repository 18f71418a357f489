"""Layers for the columns of a table, and their fitted parameters: against NumPy, torch, JAX and RealMLP's rules."""

from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import Any

import array_api_strict
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.tree import tree_leaves
from tests.catalogue.layers import with_gaps
from tests.optional import optional
from tests.refusals import refusal
from tests.steps import assert_close, draw, seeds
from tests.sweep import each
from tests.torch_oracle import backward, leaf, to_torch

torch = optional("torch")
jax = optional("jax")

over_dtypes = each("dtype", [np.float32, np.float64])


@over_dtypes
def test_rescale_is_torchs_arithmetic(dtype: Any) -> None:
    x, dy = draw(0, (50, 4), dtype), draw(1, (50, 4), dtype)
    center, factor = draw(2, (4,), dtype), draw(3, (4,), dtype)
    torch_center, torch_factor = leaf(center), leaf(factor)
    y, dx = backward(lambda x: (x - torch_center) * torch_factor, x, dy)
    grads, our_dx = fn.gradients(fn.rescale(), fn.Rescale(center, factor), x, dy)
    found = fn.rescale().apply(fn.Rescale(center, factor), x), grads.center, grads.factor, our_dx
    oracle = y.detach().numpy(), torch_center.grad.numpy(), torch_factor.grad.numpy(), dx.numpy()
    assert_close(found, oracle, eps=200, at_least=1)


@over_dtypes
def test_impute_is_torchs_where(dtype: Any) -> None:
    x, dy = with_gaps(fn.Key(0), (50, 4)).astype(dtype), draw(1, (50, 4), dtype)
    value = draw(2, (4,), dtype)
    torch_value = leaf(value)
    y, dx = backward(lambda x: torch.where(x.isnan(), torch_value, x), x, dy)
    grads, our_dx = fn.gradients(fn.impute(), fn.Impute(value), x, dy)
    assert np.isnan(x).sum() > 20
    assert np.array_equal(fn.impute().apply(fn.Impute(value), x), y.detach().numpy())
    assert_close((grads.value, our_dx), (torch_value.grad.numpy(), dx.numpy()), eps=100, at_least=1)


def test_a_gap_stays_out_of_the_gradients_even_if_dy_is_infinite() -> None:
    """A product with 0 or 1 would make NaN of it."""
    x, dy = np.array([[nan, 1.0], [2.0, nan]]), np.array([[1.0, inf], [inf, 2.0]])
    grads, dx = fn.gradients(fn.impute(), fn.Impute(np.zeros(2)), x, dy)
    assert (grads.value.tolist(), dx.tolist()) == ([1.0, 2.0], [[0.0, inf], [inf, 0.0]])


def test_an_infinity_is_not_missing() -> None:
    x = np.array([[inf, -inf]])
    assert fn.impute().apply(fn.Impute(np.zeros(2)), x).tolist() == x.tolist()


CODES = np.array([[0.0, 2.0], [-0.0, -1.0], [1.0, 3.0], [nan, inf], [0.5, 1.0], [2.0, -inf]])
EXPECTED = np.array([[1, 0, 0, 0, 1], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0] * 5, [0, 0, 0, 1, 0], [0] * 5])

LIBRARIES: dict[str, Callable[[Any], Any]] = {
    "numpy": np.array,
    "torch": to_torch,
    "jax": jax.numpy.asarray,
    "array_api_strict": array_api_strict.asarray,
}
over_libraries = each("array", LIBRARIES.values())


@over_libraries
@over_dtypes
def test_a_category_that_is_missing_or_new_becomes_zeros(array: Callable[[Any], Any], dtype: Any) -> None:
    layer = fn.one_hot_columns((2, 3))
    x = array(CODES.astype(dtype))
    y, pullback = layer.vjp((), x, None)
    assert np.array_equal(np.asarray(y), EXPECTED)
    assert y.dtype == x.dtype
    dx = pullback(y)[1]()
    assert (dx.shape, dx.dtype, bool(np.asarray(dx).any())) == (x.shape, x.dtype, False)


@each("kind", [np.int64, np.uint8, bool])
def test_integer_codes_give_floats_of_the_dtype(kind: Any) -> None:
    codes = np.array([[0, 1], [1, 0]], kind)
    assert fn.one_hot_columns((2, 1)).apply((), codes).tolist() == [[1, 0, 0], [0, 1, 1]]
    assert fn.one_hot_columns((2, 1)).apply((), codes).dtype == np.float32
    wide = fn.build("one_hot_columns((2, 1), dtype='float64')")
    assert wide.name == "one_hot_columns((2, 1), dtype='float64')"
    assert wide.apply((), codes).dtype == np.float64


def test_one_hot_columns_are_torchs_one_hot() -> None:
    codes = np.random.default_rng(0).integers(0, (3, 1, 7), (20, 3))
    torchs = [torch.nn.functional.one_hot(to_torch(codes[:, i]), size).numpy() for i, size in enumerate((3, 1, 7))]
    assert np.array_equal(fn.one_hot_columns((3, 1, 7)).apply((), codes), np.concatenate(torchs, axis=1))


def test_codes_are_compiled_by_jax() -> None:
    found = jax.jit(fn.one_hot_columns((2, 3)).apply)((), jax.numpy.asarray(CODES))
    assert np.array_equal(found, EXPECTED)


def table(seed: int, rows: int, features: int) -> fn.Array:
    """Return columns of very different sizes, with gaps; the last is always missing."""
    x = with_gaps(fn.Key(seed), (rows, features)) * 10.0 ** np.arange(-2, features - 2) + np.arange(features)
    x[:, -1] = nan
    return x


@given(seeds, st.integers(1, 40))
def test_what_is_fitted_are_numpys_quantiles_of_what_is_there(seed: int, rows: int) -> None:
    x = table(seed, rows, 5)
    x[0, :-1] = 1.0  # so that only the last is empty
    lower, median, upper = np.nanquantile(x[:, :-1], (0.25, 0.5, 0.75), axis=0)
    spread, reach = upper - lower, np.nanmax(x[:, :-1], axis=0) - np.nanmin(x[:, :-1], axis=0)
    with np.errstate(divide="ignore"):
        factor = np.where(spread > 0, 1 / spread, np.where(reach > 0, 2 / reach, 0.0))
    fitted = fn.fit_robust_scale(x)
    np.testing.assert_allclose(fn.fit_impute(x).value, [*median, 0.0], rtol=1e-14)
    np.testing.assert_allclose(fitted.center, [*median, 0.0], rtol=1e-14)
    np.testing.assert_allclose(fitted.factor, [*factor, 0.0], rtol=1e-9)  # the quartiles may nearly cancel


@over_libraries
@over_dtypes
def test_fitted_parameters_are_arrays_of_the_library_and_the_dtype(array: Callable[[Any], Any], dtype: Any) -> None:
    x = array(table(0, 30, 4).astype(dtype))
    impute, rescale = fn.fit_impute(x), fn.fit_robust_scale(x)
    assert {type(one) for one in tree_leaves((impute, rescale))} == {type(x)}
    assert {one.dtype for one in tree_leaves((impute, rescale))} == {x.dtype}
    filled = fn.impute().apply(impute, x)
    y = np.asarray(fn.smooth_clip().apply((), fn.rescale().apply(rescale, filled)))
    assert np.isfinite(y).all()
    assert np.abs(y).max() < 3
    assert not y[:, -1].any()
    expected = fn.fit_robust_scale(np.asarray(x, np.float64))
    np.testing.assert_allclose(np.asarray(rescale.factor), expected.factor, rtol=1e-5)


def test_lists_and_integers_are_fitted_in_float32() -> None:
    listed: Any = [[1], [2], [4]]
    for rows in (listed, np.array(listed, np.uint8)):
        assert fn.fit_impute(rows).value.tolist() == [2.0]
        assert fn.fit_robust_scale(rows).factor.dtype == np.float32
    listed = [[1.5], [nan]]
    assert fn.fit_impute(listed).value.dtype == np.float64


def test_a_constant_feature_becomes_0_and_one_that_hardly_varies_keeps_its_size() -> None:
    x = np.array([[0.1, 3.0], [0.1, 3.0], [0.1, 3.0], [0.1, 3.0], [0.1, 5.0]], np.float32)
    fitted = fn.fit_robust_scale(x)
    assert fitted.factor.tolist() == [0.0, 1.0]
    assert fn.rescale().apply(fitted, x)[:, 0].tolist() == [0.0] * 5


@over_dtypes
def test_no_spread_is_too_large_or_too_small_for_a_finite_factor(dtype: Any) -> None:
    info = np.finfo(dtype)
    for size in (info.max, 8 * info.smallest_subnormal):
        x = np.array([[-1.0], [-1.0], [1.0], [1.0]], dtype) * size
        fitted = fn.fit_robust_scale(x)
        assert np.isfinite(fitted.factor).all()
        assert fitted.factor[0] > 0
        assert np.isfinite(fn.rescale().apply(fitted, x)).all()


@each("fit", [fn.fit_impute, fn.fit_robust_scale])
def test_an_infinity_in_the_training_rows_is_named(fit: Callable[[Any], Any]) -> None:
    x = np.array([[1.0, 2.0], [1.0, nan], [3.0, -inf]])
    refusal(lambda: fit(x), fn.DataError, fit.__name__, "row 2, column 1", "infinity")
    refusal(lambda: fit(x[:, 0]), fn.ShapeError, fit.__name__)
    refusal(lambda: fit(x[:0]), fn.DataError, "at least one row")
    refusal(lambda: fit(np.ones((2, 2)) * 1j), fn.DtypeError, "real numbers")


@each("limit", [3.0, 1e-300, 1e300])
def test_a_smooth_clip_overflows_nowhere(limit: float) -> None:
    """Written as it stands, x / √(1 + (x / limit)²) is 0 where the square overflows."""
    x = np.array([1e200, -inf, inf])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        y, pullback = fn.smooth_clip(limit=limit).vjp((), x, None)
        slope = pullback(np.ones(3))[1]()
    np.testing.assert_allclose(y, [min(limit, 1e200), -limit, limit], rtol=1e-15)
    assert slope[1:].tolist() == [0.0, 0.0]


def test_columns_may_be_read_only_views_and_any_kind_of_numbers() -> None:
    x = np.arange(6).reshape(2, 3)
    y, pullback = fn.columns(1, 2).vjp((), x, None)
    assert (y.tolist(), y.dtype) == ([[1], [4]], x.dtype)
    assert pullback(y + 5.0)[1]().tolist() == [[0.0, 6.0, 0.0], [0.0, 9.0, 0.0]]
    assert not np.shares_memory(x, y)


def test_a_model_file_holds_the_preprocessing(tmp_path: Path) -> None:
    x = np.concatenate([table(1, 30, 3), np.random.default_rng(0).integers(0, 4, (30, 2))], axis=1).astype(np.float32)
    numbers = fn.chain(fn.columns(0, 3), fn.impute(), fn.rescale(), fn.smooth_clip())
    model = fn.chain(fn.concat(numbers, fn.chain(fn.columns(3, 5), fn.one_hot_columns((3, 4)))), fn.linear(2))
    params, _ = model.init(fn.Key(0), (5,))
    fitted = ((), fn.fit_impute(x[:, :3]), fn.fit_robust_scale(x[:, :3]), ())
    params = ((fitted, params[0][1]), params[1])
    fn.save_model(tmp_path / "model.safetensors", model, params, example=(5,))
    loaded = fn.load_model(tmp_path / "model.safetensors")
    y = model.apply(params, x)
    assert np.isfinite(y).all()
    assert np.array_equal(loaded.model.apply(loaded.params, x), y)


def test_the_gradient_of_each_row_is_that_of_the_row_alone() -> None:
    model = fn.chain(fn.impute(), fn.rescale(), fn.linear(2))
    params, _ = model.init(fn.Key(0), (3,))
    x, target = with_gaps(fn.Key(2), (6, 3)).astype(np.float32), draw(1, (6, 2), np.float32)
    rows = fn.per_example_gradients(model, fn.mse, params, (x, target))
    for row in range(6):
        alone = fn.value_and_grad(model, fn.mse, params, (x[row : row + 1], target[row : row + 1]))[1]
        assert_close(tuple(leaf[row] for leaf in tree_leaves(rows)), tree_leaves(alone), at_least=1)
    assert pytest.approx(0) == abs(rows[0].value[~np.isnan(x)]).max()


def test_a_one_hot_layer_takes_no_memory_before_it_is_used() -> None:
    # The bug: the expression of a model file could ask for terabytes.
    layer = fn.build("one_hot_columns((1000000000000, 3))")
    assert layer.init(fn.Key(0), (2,))[1] == (1_000_000_000_003,)
