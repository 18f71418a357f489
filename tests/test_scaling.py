"""Standardization is fitted once, to training rows; it is exact, invertible, and stored in model files."""

from pathlib import Path
from typing import Any

import array_api_strict as strict
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

import fnmlp as fn
from fnmlp.errors import DataError, DtypeError, OptionError, ShapeError, StructureError
from fnmlp.expressions import build
from fnmlp.layers import standardize, unstandardize
from fnmlp.layers.scaling import fit_standardize
from fnmlp.storage.models import load_model, save_model
from tests.optional import optional
from tests.steps import draw, same_bits, seeds

torch = optional("torch")


def columns(seed: int, rows: int) -> fn.Array:
    """Return features of very different sizes, one of them always the same."""
    return draw(seed, (rows, 4)) * [1e-3, 1.0, 1e5, 0.0] + [5.0, 0.0, -1e5, 0.1]


@given(seeds, st.integers(1, 700))
def test_what_is_fitted_is_what_scikit_learn_fits(seed: int, rows: int) -> None:
    x = columns(seed, rows)
    mean, deviation = fit_standardize(x)
    scaler = StandardScaler().fit(x)
    np.testing.assert_allclose(mean, scaler.mean_, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(deviation, scaler.scale_, rtol=1e-9)
    assert all(type(number) is float for number in (*mean, *deviation))


@pytest.mark.parametrize("rows", [1, 2, 127, 128, 129, 1000])
def test_a_feature_that_is_always_the_same_becomes_exactly_0(rows: int) -> None:
    x = np.full((rows, 1), 0.1, np.float32)
    assert fit_standardize(x) == ((float(np.float32(0.1)),), (1.0,))
    assert not standardize(*fit_standardize(x)).apply((), x).any()


@pytest.mark.parametrize("offset", [0.0, 1e6, -1e9])
def test_large_offsets_cost_no_digits(offset: float) -> None:
    x = np.arange(1001.0)[:, None]
    assert fit_standardize(x + offset) == ((500.0 + offset,), (np.sqrt((1001**2 - 1) / 12),))


def test_the_order_of_rows_matters_no_more_than_rounding() -> None:
    x = columns(3, 1000)
    for ours, reversed_ in zip(fit_standardize(x), fit_standardize(x[::-1]), strict=True):
        np.testing.assert_allclose(ours, reversed_, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_standardized_data_have_mean_0_and_deviation_1(dtype: Any) -> None:
    x = columns(1, 500)[:, :3].astype(dtype)
    y = standardize(*fit_standardize(x)).apply((), x)
    assert y.dtype == dtype
    eps = float(np.finfo(dtype).eps)
    assert np.abs(y.mean(axis=0, dtype=np.float64)).max() < 1e4 * eps
    assert np.abs(y.std(axis=0, dtype=np.float64) - 1).max() < 1e4 * eps


@pytest.mark.parametrize("shape", [(7,), (7, 3), (7, 2, 3), (300, 5), (5, 300)])
def test_one_number_for_all_is_that_of_all_numbers(shape: tuple[int, ...]) -> None:
    x = draw(2, shape) + 3
    mean, deviation = fit_standardize(x, per_feature=False)
    assert (type(mean), type(deviation)) == (float, float)
    np.testing.assert_allclose((mean, deviation), (x.mean(), x.std()), rtol=1e-13)
    assert fit_standardize(np.full(shape, 0.1), per_feature=False) == (0.1, 1.0)


def test_rows_of_a_single_number_have_one_mean() -> None:
    assert fit_standardize(np.array([1.0, 3.0])) == (2.0, 1.0)


@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.bool_, np.float32, ">f4", ">f8"])
def test_numbers_of_any_kind_are_fitted_alike(kind: Any) -> None:
    x = np.array([[1, 0], [0, 0], [1, 1]]).astype(kind)
    assert fit_standardize(x) == fit_standardize(x.astype(np.float64))


def test_arrays_of_other_libraries_are_fitted_alike() -> None:
    x = columns(5, 300)
    for foreign in (torch.tensor(x), strict.asarray(x)):
        np.testing.assert_allclose(fit_standardize(foreign), fit_standardize(x), rtol=1e-13)  # type: ignore[arg-type]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_named(bad: float) -> None:
    x = columns(0, 9)
    x[6, 2] = bad
    with pytest.raises(DataError, match=r"fit_standardize: row 6: expected finite numbers"):
        fit_standardize(x)


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (np.zeros((0, 3)), DataError),
        (np.zeros((3, 0)), DataError),
        (np.zeros((3, 2, 2)), ShapeError),
        (np.zeros(()), ShapeError),
        (np.zeros((3, 2), complex), DtypeError),
        (np.zeros((3, 2), object), DtypeError),
        (np.array([["1"]]), DtypeError),
        ([["1"]], DtypeError),
    ],
)
def test_what_can_not_be_fitted_is_refused(x: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        fit_standardize(x)


def test_standardizing_is_subtracting_the_mean_and_dividing_by_the_deviation() -> None:
    x, dy = np.array([[3.0, 1.0], [7.0, 2.0]]), np.array([[1.0, 1.0], [2.0, -3.0]])
    there, back = standardize((5.0, 1.0), (2.0, 0.5)), unstandardize((5.0, 1.0), (2.0, 0.5))
    assert there.apply((), x).tolist() == [[-1.0, 0.0], [1.0, 2.0]]
    assert fn.gradients(there, (), x, dy)[1].tolist() == [[0.5, 2.0], [1.0, -6.0]]
    assert back.apply((), there.apply((), x)).tolist() == x.tolist()
    assert fn.gradients(back, (), x, dy)[1].tolist() == [[2.0, 0.5], [4.0, -1.5]]


@given(seeds)
def test_one_layer_is_the_inverse_of_the_other(seed: int) -> None:
    x = columns(seed, 20)
    fit = fit_standardize(x)
    again = unstandardize(*fit).apply((), standardize(*fit).apply((), x))
    # x - mean is rounded as a number of their size, however small what is left of it.
    assert (np.abs(again - x) <= 4 * np.finfo(np.float64).eps * (np.abs(x) + np.abs(fit[0]))).all()


@pytest.mark.parametrize("make", [standardize, unstandardize])
@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.bool_])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_integers_become_floats_of_the_dtype_that_was_asked_for(make: Any, kind: Any, dtype: str) -> None:
    x = np.array([[0, 1], [1, 1]]).astype(kind)
    for numbers in ((0.5, 2.0), ((0.5, 1.0), (2.0, 4.0))):
        y, pullback = make(*numbers, dtype=dtype).vjp((), x, None)
        assert y.dtype == pullback(y)[1]().dtype == np.dtype(dtype)
        assert y.tolist() == make(*numbers).apply((), x.astype(np.float64)).tolist()


def test_numbers_may_come_in_any_sequence_and_become_pythons_own() -> None:
    name = "standardize((1.0, 2.0), (0.5, 4.0))"
    kinds: list[Any] = [tuple, list, np.array, lambda numbers: np.array(numbers, np.float32)]
    for kind in kinds:
        assert standardize(kind([1.0, 2.0]), kind([0.5, 4])).name == name
    scalars: list[Any] = [np.float32(0.5), np.array(2)]
    assert standardize(*scalars).name == "standardize(0.5, 2.0)"
    assert standardize((1,), (2,), dtype="float64").name == "standardize((1.0,), (2.0,), dtype='float64')"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (((1.0, np.nan), (1.0, 1.0)), r"standardize\(mean\): expected a finite number, got nan"),
        (((1.0, 2.0), (1.0, 0.0)), r"standardize\(deviation\): expected a finite number above 0, got 0.0"),
        (((), ()), r"standardize\(mean\): expected a finite number, got \(\)"),
        (((1.0, 2.0), 1.0), r"one deviation for each mean, got means of shape \(2,\) and deviations of shape \(\)"),
        (((1.0, 2.0), (1.0,)), r"one deviation for each mean"),
        ((((1.0,),), ((1.0,),)), r"standardize\(mean\): expected a finite number"),
        (("12", "34"), r"standardize\(mean\)"),
        ((None, 1.0), r"standardize\(mean\)"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(options: Any, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        standardize(*options)
    with pytest.raises(OptionError, match=f"un{said}" if said.startswith("standardize") else said):
        unstandardize(*options)


def test_a_dtype_that_is_none_of_two_is_refused() -> None:
    with pytest.raises(OptionError, match=r"standardize\(dtype\)"):
        standardize(0.0, 1.0, dtype="float16")


@pytest.mark.parametrize(("shape", "remedy"), [((3,), "fit it to examples"), ((2, 2), "put flatten"), ((), "fit it")])
def test_examples_of_other_features_are_refused_at_init(shape: tuple[int, ...], remedy: str) -> None:
    with pytest.raises(ShapeError, match=rf"standardize: expected examples of shape \(2,\).*{remedy}"):
        standardize((0.0, 1.0), (1.0, 1.0)).init(fn.Key(0), shape)


@pytest.mark.parametrize("shape", [(5, 3), (5, 1), (2,), (5, 2, 2)])
@pytest.mark.parametrize("kind", [np.float32, np.uint8])
def test_inputs_that_numpy_would_broadcast_are_refused(shape: tuple[int, ...], kind: Any) -> None:
    with pytest.raises(ShapeError, match=r"standardize: expected inputs of shape \(batch, 2\)"):
        standardize((0.0, 1.0), (1.0, 1.0)).apply((), np.zeros(shape, kind))


def test_a_model_file_holds_what_was_fitted_bit_for_bit(tmp_path: Path) -> None:
    x = columns(7, 50).astype(np.float32)
    model = fn.chain(
        standardize(*fit_standardize(x)), fn.linear(3), unstandardize(*fit_standardize(x[:, :1] / 3, per_feature=False))
    )
    params, _ = model.init(fn.Key(0), (4,))
    save_model(tmp_path / "m", model, params, example=(4,))
    saved = load_model(tmp_path / "m")
    assert saved.model.name == build(model.name).name == model.name
    assert same_bits(saved.model.apply(saved.params, x), model.apply(params, x))


def test_784_pixels_of_their_own_means_fit_into_a_model_file_and_5000_are_refused(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 5000), np.uint8)
    for features, said in ((784, None), (5000, r"save_model: expected a name of at most 65536 characters")):
        model = standardize(*fit_standardize(pixels[:, :features]))
        if said:
            with pytest.raises(StructureError, match=said):
                save_model(tmp_path / "big", model, (), example=(features,))
            assert not (tmp_path / "big").exists()
        else:
            save_model(tmp_path / "m", model, (), example=(features,))
            assert load_model(tmp_path / "m").model.name == model.name


def test_an_error_beside_many_means_is_short_enough_to_read() -> None:
    model = fn.chain(standardize((0.1,) * 784, (0.3,) * 784), fn.linear(2))
    with pytest.raises(ShapeError, match="in layer 0 of chain") as caught:
        model.init(fn.Key(0), (28, 28))
    assert len(fn.one_line(caught.value)) < 600


def test_no_optimizer_moves_what_was_fitted() -> None:
    layer = standardize((1.0, 2.0), (3.0, 4.0))
    model = fn.chain(layer, fn.linear(2))
    optimizer = fn.adamw(0.1, weight_decay=0.5)
    state = fn.train_state(model, optimizer, key=fn.Key(0), example=(2,))
    moved = fn.train_step(model, fn.mse, optimizer, state, fn.Batch(draw(0, (4, 2), "f4"), draw(1, (4, 2), "f4")))
    assert state.params[0] == moved.params[0] == ()
    assert moved.params[1].weight.tolist() != state.params[1].weight.tolist()
