"""Strict layers: a row's bits depend only on that row and the parameters; operations that break this are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import array_api_strict
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp.combinators.ordered import Ordered, ordered
from fnmlp.layer import no_parameters
from fnmlp.testing.cases import LAYOUTS
from fnmlp.tree import Tree, tree_leaves, tree_map
from tests.catalogue import LAYERS, Specimen
from tests.steps import assert_close, draw, point_of, same_bits, seeds
from tests.sweep import each

BY_ROW = [specimen for specimen in LAYERS if specimen.by_row]
KINDS = (np.float32, np.float64, np.complex64, np.complex128)
over_kinds = each("kind", KINDS)

MODEL = fn.chain(fn.linear(5), fn.relu(), fn.linear(3), fn.softmax())


def with_specials(x: NDArray[Any], seed: int) -> NDArray[Any]:
    """Put a zero, a NaN or an infinity here and there."""
    if x.dtype.kind != "f":
        return x
    random = np.random.default_rng(seed)
    return np.where(random.random(x.shape) < 0.1, random.choice([0.0, -0.0, np.nan, np.inf, -np.inf], x.shape), x)


@each("specimen", BY_ROW)
@each("dtype", [np.float32, np.float64])
@each("rows", [1, 2, 7, 20])
def test_each_row_is_the_same_alone_and_among_others_in_any_order_and_layout(
    specimen: Specimen, rows: int, dtype: Any
) -> None:
    seed = rows
    layer, order = fn.strict(specimen.layer), np.random.default_rng(seed).permutation(rows)
    params, x, _ = specimen.point(seed, rows, dtype)
    x = with_specials(x, seed).astype(x.dtype)
    with np.errstate(all="ignore"):
        together = layer.apply(params, x)
        alone = np.concatenate([layer.apply(params, x[row : row + 1]) for row in range(rows)])
        assert same_bits(together, alone)
        assert same_bits(layer.apply(params, x[order]), together[order])
        for layout in LAYOUTS.values():
            assert same_bits(layer.apply(tree_map(layout, params), layout(x)), together)
        assert same_bits(layer.vjp(params, x, None)[0], together)


@each("specimen", LAYERS)
def test_outputs_and_gradients_are_plain_arrays_close_to_those_of_the_layer(specimen: Specimen) -> None:
    layer, point = fn.strict(specimen.layer), specimen.point(1, 4)
    found = (layer.apply(*point[:2]), *fn.gradients(layer, *point))
    assert {type(leaf) for leaf in tree_leaves(found)} == {np.ndarray}
    assert_close(found, (specimen.layer.apply(*point[:2]), *fn.gradients(specimen.layer, *point)), at_least=1)


@each("kind", [np.float32, np.float64])
@given(seed=seeds, rows=st.integers(0, 20), terms=st.integers(0, 40), columns=st.integers(1, 20))
def test_a_product_adds_one_after_another(kind: Any, seed: int, rows: int, terms: int, columns: int) -> None:
    x, w = draw(seed, (rows, terms), kind), draw(seed + 1, (terms, columns), kind)
    total = np.zeros((rows, columns), kind)
    for term in range(terms):
        total = total + x[:, term : term + 1] * w[term]
    assert same_bits(ordered(x) @ ordered(w), total)


@over_kinds
@each(
    ("left", "right"),
    [
        ((3,), (3,)),
        ((3,), (3, 2)),
        ((2, 3), (3,)),
        ((2, 3), (3, 1)),
        ((0, 3), (3, 2)),
        ((2, 0), (0, 2)),
        ((2, 3), (3, 0)),
        ((4, 2, 3), (3, 5)),
        ((4, 1, 3), (4, 3, 5)),
        ((4, 1, 2, 3), (2, 3, 1)),
        ((3,), (4, 3, 2)),
        ((4, 2, 3), (3,)),
    ],
)
def test_a_product_is_matmul(kind: Any, left: fn.Shape, right: fn.Shape) -> None:
    x, w = draw(0, left).astype(kind), draw(1, right).astype(kind)
    found, expected = ordered(x) @ w, x @ w
    np.testing.assert_allclose(found, expected, rtol=0, atol=8 * np.finfo(kind).eps)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


@each("kinds", [(np.float32, np.float64), (np.uint8, np.float32), (np.int32, np.int64), (bool, bool)])
def test_a_product_of_two_dtypes_has_that_of_matmul(kinds: tuple[Any, Any]) -> None:
    x, w = np.ones((2, 3), kinds[0]), np.ones((3, 2), kinds[1])
    assert same_bits(x @ ordered(w), x @ w)


@each("shapes", [((2, 1), (3, 4)), ((2, 3), (1, 4)), ((2, 3), (2, 3)), ((5, 2, 3), (4, 3, 2))])
def test_a_product_that_does_not_fit_is_an_error_not_a_broadcast(shapes: tuple[fn.Shape, fn.Shape]) -> None:
    with pytest.raises(ValueError, match=r"matmul|broadcast"):
        ordered(np.ones(shapes[0])) @ np.ones(shapes[1])


@over_kinds
@each("axis", [None, 0, 1, -1, (0, 2), (2, 1), ()])
@each("keepdims", [False, True])
def test_a_reduction_is_numpys(kind: Any, axis: Any, keepdims: bool) -> None:
    x = draw(0, (3, 2, 4)).astype(kind)
    functions: tuple[Callable[..., Any], ...] = (np.add.reduce, np.maximum.reduce, np.mean, np.std)
    for function in functions:
        found, expected = (function(array, axis=axis, keepdims=keepdims) for array in (ordered(x), x))
        np.testing.assert_allclose(found, expected, rtol=0, atol=24 * np.finfo(kind).eps)
        assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


@given(seed=seeds, rows=st.integers(2, 40), features=st.integers(1, 40))
def test_features_in_columns_do_as_well(seed: int, rows: int, features: int) -> None:
    def apply(params: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
        z = params.T @ x.T
        shares = np.exp(z - z.max(axis=0))
        shares[:] /= shares.sum(axis=0)
        result: NDArray[Any] = np.where(shares > 0, shares, 0).T
        return result

    layer = fn.strict(fn.Layer("columns", no_parameters, apply, lambda *_: (np.empty(0), lambda dy: (dy, lambda: dy))))
    w, x = draw(seed, (3, features), np.float32), draw(seed + 1, (rows, 3), np.float32)
    assert same_bits(layer.apply(w, x)[1:2], layer.apply(w, x[1:2]))


@each(
    ("word", "function"),
    [
        ("dot", lambda x, w: x.dot(w)),
        ("dot", np.dot),
        ("inner", lambda x, w: np.inner(x, w.T)),
        ("tensordot", lambda x, w: np.tensordot(x, w, 1)),
        ("einsum", lambda x, w: np.einsum("ij,jk->ik", x, w)),
        ("norm", lambda x, _: x / np.linalg.norm(x, axis=1, keepdims=True)),
        ("rfft", lambda x, _: np.fft.rfft(x)),
        ("vecdot", lambda x, _: np.vecdot(x, x)),
        ("matmul", lambda x, w: np.matmul(x, w, dtype=np.float64)),
        ("add.reduce", lambda x, _: np.sum(x, axis=1, where=x > 0)),
        ("add.reduceat", lambda x, _: np.add.reduceat(x, [0, 2], axis=1)),
    ],
)
def test_what_knows_no_order_is_refused_by_name(word: str, function: Callable[..., Any]) -> None:
    layer = fn.strict(fn.Layer("mine()", no_parameters, function_of(function), no_vjp))
    with pytest.raises(fn.DtypeError, match=rf"with a fixed order, got numpy's {word}; write it as x @ w") as caught:
        layer.apply(draw(0, (4, 2)), draw(1, (3, 4)))
    assert caught.value.__notes__ == ["in the layer of strict(mine())"]


def function_of(function: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    return lambda params, x: function(x, params)


def no_vjp(params: Tree, x: NDArray[Any], key: fn.Key | None) -> Any:
    raise AssertionError


def test_an_output_that_lost_its_guard_is_refused() -> None:
    layer = fn.strict(fn.Layer("mine()", no_parameters, lambda _, x: np.exp(np.asarray(x)), no_vjp))
    with pytest.raises(fn.DtypeError, match=r"strict\(mine\(\)\): expected an output .* without asarray"):
        layer.apply((), draw(0, (4, 2)))


def test_arrays_of_other_libraries_are_refused() -> None:
    params, x, _ = point_of(MODEL, (4,), 0, 2, np.float32)
    foreign: Any = array_api_strict.asarray(x)
    message = r"strict\(chain\(.*expected NumPy arrays, got Array; convert inputs and parameters"
    for call in (fn.strict(MODEL).apply, lambda p, x: fn.strict(MODEL).vjp(p, x, None)):
        with pytest.raises(fn.DtypeError, match=message):
            call(params, foreign)
        with pytest.raises(fn.DtypeError, match=message):
            call(tree_map(array_api_strict.asarray, tree_map(np.copy, params)), x)


def test_what_is_no_layer_is_refused() -> None:
    with pytest.raises(fn.StructureError, match="strict: argument 0: expected a Layer"):
        fn.strict(fn.relu)  # type: ignore[arg-type]


def test_an_error_within_names_the_place() -> None:
    with pytest.raises(fn.ShapeError) as caught:
        fn.strict(fn.linear(2)).init(fn.Key(0), (2, 2))
    assert caught.value.__notes__ == ["in the layer of strict(linear(2))"]


def test_a_trained_model_can_be_wrapped_and_its_file_is_the_same(tmp_path: Path) -> None:
    params, _ = MODEL.init(fn.Key(0), (4,))
    assert fn.tree_equal(fn.strict(MODEL).init(fn.Key(0), (4,))[0], params)
    fn.save_model(tmp_path / "plain", MODEL, params, example=(4,))
    saved = fn.load_model(tmp_path / "plain")
    x = draw(0, (9, 4), np.float32)
    assert_close(fn.strict(saved.model).apply(saved.params, x), MODEL.apply(params, x))
    fn.save_model(tmp_path / "strict", fn.strict(MODEL), params, example=(4,))
    saved = fn.load_model(tmp_path / "strict")
    assert saved.model.name == f"strict({MODEL})"
    assert fn.tree_equal(saved.params, params)


@given(seed=seeds, size=st.integers(1, 20))
def test_predictions_do_not_depend_on_how_they_are_cut(seed: int, size: int) -> None:
    params, x, _ = point_of(MODEL, (4,), seed, 17, np.float32)
    model = fn.strict(MODEL)
    assert same_bits(fn.predict(model, params, x, size=size), model.apply(params, x))


def test_a_file_that_is_mapped_into_memory_is_read_as_an_array_is(tmp_path: Path) -> None:
    params, x, _ = point_of(MODEL, (4,), 0, 7, np.float32)
    np.save(tmp_path / "x.npy", x)
    found = fn.strict(MODEL).apply(params, np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert type(found) is np.ndarray
    assert same_bits(found, fn.strict(MODEL).apply(params, x))


def test_strict_within_strict_changes_nothing() -> None:
    params, x, dy = point_of(MODEL, (4,), 0, 7, np.float32)
    layers = map(fn.build, ("strict(linear(5))", "relu()", "strict(linear(3))", "softmax()"))
    once, twice = fn.strict(MODEL), fn.strict(fn.chain(*layers))
    assert same_bits(twice.apply(params, x), once.apply(params, x))
    assert same_bits(fn.gradients(twice, params, x, dy), fn.gradients(once, params, x, dy))


def test_noise_is_that_of_the_layer() -> None:
    x = draw(0, (9, 4))
    assert same_bits(fn.strict(fn.dropout(0.5)).vjp((), x, fn.Key(1))[0], fn.dropout(0.5).vjp((), x, fn.Key(1))[0])


def test_frozen_rows_of_a_table_keep_the_guard() -> None:
    table = fn.embedding(5, 2).init(fn.Key(0), ())[0]
    layer = fn.frozen(fn.embedding(5, 2), table)
    ids = np.array([4, 0, 4])
    assert same_bits(fn.strict(layer).apply((), ids), layer.apply((), ids))


@each("function", [fn.per_example_gradients, fn.per_example_norms])
def test_gradients_of_examples_are_plain_arrays(function: Callable[..., Tree]) -> None:
    params, x, dy = point_of(MODEL, (4,), 0, 3)
    found, expected = (function(model, fn.mse, params, fn.Batch(x, dy)) for model in (fn.strict(MODEL), MODEL))
    assert {type(leaf) for leaf in tree_leaves(found)} == {np.ndarray}
    assert_close(found, expected, at_least=1)


def test_a_derivative_along_a_direction_is_that_of_the_layer() -> None:
    params, x, _ = point_of(MODEL, (4,), 0, 3)
    assert_close(*(fn.jvp(model, params, x, params, x) for model in (fn.strict(MODEL), MODEL)), at_least=1)


def test_a_result_is_written_where_it_is_wanted() -> None:
    x = draw(0, (4, 6))
    for into in (np.zeros((4, 6)), np.zeros((6, 4)).T, np.zeros((4, 12))[:, ::2]):
        out = ordered(into)
        assert np.multiply(ordered(x), 2, out=out) is out
        assert same_bits(into.copy(), x * 2)
        np.negative(ordered(x), out=out, where=x > 0)
        assert same_bits(into.copy(), np.where(x > 0, -x, 2 * x))
        np.matmul(ordered(x), np.eye(6), out=out)
        assert same_bits(into.copy(), x)


def test_two_results_are_written_and_guarded_as_one_is() -> None:
    x, out = draw(0, (4, 6)), (np.empty((4, 6)), np.empty((6, 4)).T)
    assert [type(part) for part in np.modf(ordered(x))] == [Ordered, Ordered]
    np.modf(ordered(x), out=out)
    assert same_bits(out, np.modf(x))


def test_an_array_regains_its_guard_from_what_is_added_to_it() -> None:
    total = np.ones((4, 6))
    total += ordered(draw(0, (4, 6)))
    assert type(total) is Ordered
    assert same_bits(total, 1 + draw(0, (4, 6)))


def test_single_numbers_and_other_types_need_no_guard() -> None:
    x = ordered(draw(0, (4, 6)))
    assert type(x.sum()) is np.float64
    assert type(x[0, 0] * x) is Ordered
    assert np.shape(x) == (4, 6)
