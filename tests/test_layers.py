"""Layers, one by one: the formula by hand, conventions at kinks and infinities, and refusals."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from fnmlp.errors import DataError, DtypeError, FnmlpError, OptionError, ShapeError, StructureError
from fnmlp.initializers import constant, zeros
from fnmlp.key import Key
from fnmlp.layer import Layer, gradients
from fnmlp.layers import (
    Embedding,
    LayerNorm,
    Linear,
    Prelu,
    celu,
    elementwise,
    elu,
    embedding,
    flatten,
    gelu,
    glu,
    identity,
    layer_norm,
    leaky_relu,
    linear,
    log_softmax,
    maxout,
    prelu,
    relu,
    rms_norm,
    scale,
    softmax,
    swiglu,
)
from tests.catalogue import LAYERS, Specimen
from tests.steps import assert_close, draw, same_bits, seeds
from tests.sweep import each

TINY = float(np.finfo(np.float64).smallest_subnormal)
W, B = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([10.0, 20.0])


def test_linear_is_x_w_plus_b_with_the_gradients_of_the_formula() -> None:
    x, dy = np.array([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]]), np.array([[1.0, 0.0], [0.5, -1.0]])
    assert linear(2).apply(Linear(W, B), x).tolist() == [[6.0, 16.0], [16.0, 28.0]]
    grads, dx = gradients(linear(2), Linear(W, B), x, dy)
    assert grads.weight.tolist() == [[1.0, 0.0], [1.0, -2.0], [-1.0, 0.0]]
    assert np.asarray(grads.bias).tolist() == [1.5, -1.0]
    assert dx.tolist() == [[1.0, 3.0, 5.0], [-1.5, -2.5, -3.5]]


def test_the_default_weights_and_biases_fill_one_over_the_root_of_the_inputs() -> None:
    params, shape = linear(64).init(Key(0), (100,))
    assert (params.weight.shape, np.shape(params.bias), shape) == ((100, 64), (64,), (64,))
    assert 0.099 < np.abs(params.weight).max() <= np.float32(0.1)
    assert 0.08 < np.abs(params.bias).max() <= np.float32(0.1)
    assert not np.isin(params.bias, params.weight).any()


def test_weights_and_biases_are_drawn_as_the_options_say() -> None:
    params, _ = linear(2, weight_init=constant(3), bias_init=zeros()).init(Key(0), (4,))
    assert params.weight.tolist() == [[3.0, 3.0]] * 4
    assert np.asarray(params.bias).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("x", "kind", "said"),
    [
        (np.zeros((2, 4)), ShapeError, r"linear\(2\): expected inputs of shape \(batch, 3\), got \(2, 4\)"),
        (np.zeros(3), ShapeError, r"got \(3,\)"),
        (np.zeros((2, 3, 1)), ShapeError, r"got \(2, 3, 1\)"),
        (np.zeros((2, 3), np.float32), DtypeError, r"inputs of float64.*convert the inputs with .astype\('float64'\)"),
        (np.zeros((2, 3), np.uint8), DtypeError, r"for pixels put scale\(1 / 255\) first"),
    ],
)
def test_inputs_that_do_not_fit_the_weight_are_refused(x: Any, kind: type[FnmlpError], said: str) -> None:
    for use in (linear(2).apply, lambda params, x: linear(2).vjp(params, x, None)):
        with pytest.raises(kind, match=said):
            use(Linear(W, B), x)


@pytest.mark.parametrize("shape", [(), (2, 3), (0,)])
def test_linear_refuses_examples_of_other_than_one_axis_at_init(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"linear\(2\): expected examples of shape \(n,\)"):
        linear(2).init(Key(0), shape)


@pytest.mark.parametrize(
    "make",
    [
        lambda: linear(0),
        lambda: linear(-1),
        lambda: linear(2.0),  # type: ignore[arg-type]
        lambda: linear(2, weight_init=3),  # type: ignore[arg-type]
        lambda: linear(2, bias_init="zeros"),  # type: ignore[arg-type]
        lambda: softmax(axis=1.0),  # type: ignore[arg-type]
        lambda: softmax(axis=True),
        lambda: softmax(axis=None),  # type: ignore[arg-type]
        lambda: scale(float("nan")),
        lambda: scale(1, offset=float("inf")),
        lambda: scale(1, dtype="float16"),
        lambda: gelu(approximate="erf"),
        lambda: elu(alpha=0),
        lambda: elu(alpha=-1.0),
        lambda: celu(alpha=0),
        lambda: celu(alpha=float("inf")),
        lambda: prelu(initial=float("nan")),
        lambda: prelu(initial="zeros"),  # type: ignore[arg-type]
        lambda: leaky_relu(slope=1.0),
        lambda: leaky_relu(slope=-0.1),
        lambda: log_softmax(axis=1.0),  # type: ignore[arg-type]
        lambda: layer_norm(epsilon=0),
        lambda: rms_norm(epsilon=float("nan")),
        lambda: embedding(0, 2),
        lambda: embedding(2, 0),
        lambda: embedding(2, 2, table_init=0.1),  # type: ignore[arg-type]
        lambda: maxout(0, 2),
        lambda: maxout(2, 1),
        lambda: maxout(2, 2, weight_init="zeros"),  # type: ignore[arg-type]
        lambda: elementwise(np.sin, 3),  # type: ignore[arg-type]
        lambda: elementwise(None, np.cos),  # type: ignore[arg-type]
        lambda: elementwise(relu(), relu()),  # type: ignore[arg-type]
    ],
)
def test_bad_options_are_refused_at_the_door(make: Callable[[], Layer[Any]]) -> None:
    with pytest.raises(OptionError):
        make()


@pytest.mark.parametrize(
    ("slope", "x", "kind", "said"),
    [
        (np.ones(1), np.zeros((2, 3), np.float32), DtypeError, "prelu: expected inputs of float64"),
        (np.ones(3), np.zeros((2, 3), np.float32), DtypeError, "prelu: expected inputs of float64"),
        (np.ones(3), np.zeros((2, 4)), ShapeError, r"inputs of shape \(batch, 3\), got \(2, 4\)"),
        (np.ones(3), np.zeros((2, 2, 3)), ShapeError, r"inputs of shape \(batch, 3\), got \(2, 2, 3\)"),
    ],
)
def test_inputs_that_do_not_fit_the_slopes_of_prelu_are_refused(
    slope: Any, x: Any, kind: type[FnmlpError], said: str
) -> None:
    for use in (prelu().apply, lambda params, x: prelu().vjp(params, x, None)):
        with pytest.raises(kind, match=said):
            use(Prelu(slope), x)
        with pytest.raises(StructureError, match="prelu: expected Prelu parameters, got tuple"):
            use((), x)  # type: ignore[arg-type]


def test_prelu_has_one_slope_or_one_for_each_feature() -> None:
    assert prelu().init(Key(0), (2, 3))[0].slope.tolist() == [0.25]
    params, shape = prelu(per_feature=True, initial=0.5).init(Key(0), (3,))
    assert (params.slope.tolist(), str(params.slope.dtype), shape) == ([0.5] * 3, "float32", (3,))
    with pytest.raises(ShapeError, match=r"prelu\(per_feature=True\): expected examples of shape \(n,\), got \(2, 3\)"):
        prelu(per_feature=True).init(Key(0), (2, 3))


@pytest.mark.parametrize("make", [glu, swiglu])
def test_a_gated_linear_unit_needs_two_halves(make: Callable[[], Layer[tuple[()]]]) -> None:
    for shape in ((), (0,), (3,), (4, 1)):
        with pytest.raises(ShapeError, match=r"glu.*: expected examples whose last axis is even"):
            make().init(Key(0), shape)
    for use in (make().apply, lambda params, x: make().vjp(params, x, None)):
        with pytest.raises(ShapeError, match=r"glu.*: expected inputs whose last axis is even"):
            use((), np.zeros((2, 3)))
    assert make().init(Key(0), (2, 6)) == ((), (2, 3))


@pytest.mark.parametrize("axis", [-3, 2, 5])
def test_softmax_refuses_an_axis_that_examples_do_not_have(axis: int) -> None:
    with pytest.raises(ShapeError, match=rf"softmax\(axis={axis}\): expected an axis from -2 to 1"):
        softmax(axis=axis).init(Key(0), (3,))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_derivative_of_relu_is_0_at_0_and_1_above_and_stays_so_in_subnormals(dtype: Any) -> None:
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([[-1, -tiny, -0.0, 0.0, tiny, 1, np.inf, -np.inf]], dtype)
    dy = np.full_like(x, 7)
    assert relu().apply((), x).tolist() == [[0, 0, 0, 0, tiny, 1, np.inf, 0]]
    assert gradients(relu(), (), x, dy)[1].tolist() == [[0, 0, 0, 0, 7, 7, 7, 0]]


@pytest.mark.parametrize("bad", [np.inf, -np.inf, np.nan])
def test_a_cotangent_that_is_not_finite_stays_in_its_element_of_relu(bad: float) -> None:
    # The documented answer: 0 times infinity is NaN, also where relu is closed; a mask that selects is 7 times slower.
    with np.errstate(invalid="ignore"):
        _, dx = gradients(relu(), (), np.array([[-1.0, 0.0, 2.0, -4.0]]), np.array([[bad, bad, 3.0, 5.0]]))
    assert np.isnan(dx[0, :2]).all()
    assert dx[0, 2:].tolist() == [3.0, 0.0]


@given(seeds, st.sampled_from((-1, 0, 1)), st.integers(-1000, 1000))
def test_softmax_gives_distributions_that_a_shift_does_not_change(seed: int, axis: int, shift: int) -> None:
    x = np.random.default_rng(seed).integers(-640, 640, (4, 3)) / 64
    y = softmax(axis=axis).apply((), x)
    assert (y >= 0).all()
    assert_close(y.sum(axis=axis), np.ones(y.sum(axis=axis).shape), eps=4)
    # x and the shift are dyadic, so that the shifted numbers are exact and the bits must be the same.
    assert same_bits(softmax(axis=axis).apply((), x + shift), y)


def test_softmax_of_huge_and_of_tiny_numbers_is_finite() -> None:
    x = np.array([[1e308, -1e308, 0], [1000, 0, 0], [-1e4, -1e4, -1e4], [TINY, 0, -TINY]])
    with np.errstate(under="ignore", over="ignore"):
        y = softmax().apply((), x)
    assert y[:2].tolist() == [[1, 0, 0], [1, 0, 0]]
    assert_close(y[2:], np.full((2, 3), 1 / 3), eps=4)


@given(seeds)
def test_each_row_of_the_input_gradient_of_softmax_sums_to_0(seed: int) -> None:
    _, dx = gradients(softmax(), (), draw(seed, (4, 5)), draw(seed + 1, (4, 5)))
    assert np.abs(dx.sum(axis=1)).max() <= 16 * np.finfo(np.float64).eps


@pytest.mark.parametrize("kind", ["uint8", "int32", "bool"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scale_makes_floats_of_integers_without_wrapping(kind: str, dtype: str) -> None:
    x = np.array([[0, 1, 255]]).astype(kind)
    y = scale(2, offset=-1, dtype=dtype).apply((), x)
    assert (str(y.dtype), y.tolist()) == (dtype, (2 * x.astype(float) - 1).tolist())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("factor", [np.float64(0.5), np.float32(0.5), 0.5])
def test_scale_keeps_the_dtype_of_floats_whatever_the_type_of_its_factor(dtype: Any, factor: float) -> None:
    for layer in (scale(factor, offset=factor), scale(factor, dtype="float64")):
        assert layer.apply((), np.ones((1, 2), dtype)).dtype == dtype
        assert gradients(layer, (), np.ones((1, 2), dtype), np.ones((1, 2), dtype))[1].dtype == dtype


def test_flatten_lays_out_examples_in_c_order_and_takes_them_back() -> None:
    x = np.arange(12.0).reshape(2, 3, 2)
    for lay in (x, np.asfortranarray(x), x[::-1][::-1]):
        assert flatten().apply((), lay).tolist() == [list(range(6)), list(range(6, 12))]
    dy = np.arange(12.0).reshape(2, 6)
    assert gradients(flatten(), (), x, dy)[1].tolist() == x.tolist()
    assert flatten().init(Key(0), (3, 2))[1] == (6,)


@pytest.mark.parametrize("make", [layer_norm, rms_norm])
def test_normalization_refuses_examples_and_inputs_of_another_shape_or_dtype(make: Callable[[], Layer[Any]]) -> None:
    layer = make()
    for shape in ((), (2, 3), (0,)):
        with pytest.raises(ShapeError, match=r"_norm\(\): expected examples of shape \(n,\)"):
            layer.init(Key(0), shape)
    params, _ = layer.init(Key(0), (3,))
    for use in (layer.apply, lambda params, x: layer.vjp(params, x, None)):
        with pytest.raises(ShapeError, match=r"_norm: expected inputs of shape \(batch, 3\), got \(2, 4\)"):
            use(params, np.zeros((2, 4), np.float32))
        with pytest.raises(DtypeError, match=r"_norm: expected inputs of float32"):
            use(params, np.zeros((2, 3)))
        with pytest.raises(StructureError, match=r"_norm: expected \w+ parameters, got tuple; pass what init returned"):
            use((), np.zeros((2, 3), np.float32))


def test_layer_norm_gives_each_example_mean_0_and_variance_1_and_then_stretches_and_shifts() -> None:
    x = 100 + 3 * draw(0, (5, 64))
    params, _ = layer_norm().init(Key(0), (64,))
    plain = LayerNorm(*(leaf.astype(np.float64) for leaf in (params.gain, params.offset)))
    y = layer_norm(epsilon=1e-12).apply(plain, x)
    assert_close(y.mean(axis=1), np.zeros(5), at_least=100)
    assert_close((y * y).mean(axis=1), np.ones(5), at_least=100)
    stretched = LayerNorm(2 * plain.gain, plain.offset + 7)
    assert_close(layer_norm(epsilon=1e-12).apply(stretched, x), 2 * y + 7, eps=4)


def test_an_example_of_equal_numbers_is_normalized_to_0_with_a_finite_gradient() -> None:
    params = LayerNorm(np.ones(4), np.zeros(4))
    x = np.full((2, 4), 3.0)
    assert layer_norm().apply(params, x).tolist() == [[0.0] * 4] * 2
    _, dx = gradients(layer_norm(), params, x, draw(0, (2, 4)))
    assert np.isfinite(dx).all()


@pytest.mark.parametrize(
    ("x", "kind", "said"),
    [
        (np.array([0.0]), DtypeError, "embedding: expected integers, got float64"),
        (np.array([True]), DtypeError, "embedding: expected integers, got bool"),
        (np.array([0, 3, 9]), DataError, "embedding: row 1 of the inputs: expected 0 to 2, got 3"),
        (np.array([[0, 1], [2, -1]]), DataError, "embedding: row 1 of the inputs: expected 0 to 2, got -1"),
    ],
)
def test_an_id_that_is_none_is_refused_by_row(x: Any, kind: type[FnmlpError], said: str) -> None:
    # NumPy's own indexing takes -1 for the last row, in silence.
    layer, params = embedding(3, 2), Embedding(np.zeros((3, 2)))
    for use in (layer.apply, lambda params, x: layer.vjp(params, x, None)):
        with pytest.raises(kind, match=said):
            use(params, x)


def test_embedding_refuses_examples_of_two_axes_and_parameters_of_another_layer() -> None:
    with pytest.raises(ShapeError, match=r"embedding\(3, 2\): expected examples of shape \(\) or \(n,\)"):
        embedding(3, 2).init(Key(0), (2, 2))
    with pytest.raises(StructureError, match="expected Embedding parameters, got tuple"):
        embedding(3, 2).apply((), np.array([0]))  # type: ignore[arg-type]


def test_the_gradient_of_a_table_adds_up_what_each_id_was_given() -> None:
    layer, params = embedding(4, 2), Embedding(np.zeros((4, 2)))
    dy = np.arange(12.0).reshape(2, 3, 2)
    grads, dx = gradients(layer, params, np.array([[1, 3, 1], [1, 0, 3]], np.int8), dy)
    assert grads.table.tolist() == [[8.0, 9.0], [10.0, 13.0], [0.0, 0.0], [12.0, 14.0]]
    assert dx.tolist() == [[0.0] * 3] * 2


def test_rows_of_a_table_are_drawn_with_deviation_1() -> None:
    params, shape = embedding(500, 40).init(Key(0), (3,))
    assert shape == (3, 40)
    assert abs(float(params.table.std()) - 1) < 0.02
    assert not params.table.flags.writeable


def test_maxout_refuses_what_linear_refuses() -> None:
    with pytest.raises(ShapeError, match=r"maxout\(2, 3\): expected examples of shape \(n,\), got \(2, 2\)"):
        maxout(2, 3).init(Key(0), (2, 2))
    params, shape = maxout(2, 3).init(Key(0), (4,))
    assert (params.weight.shape, np.shape(params.bias), shape) == ((4, 6), (6,), (2,))
    with pytest.raises(ShapeError, match=r"expected inputs of shape \(batch, 4\)"):
        maxout(2, 3).apply(params, np.zeros((1, 5), np.float32))


def cube(x: Any) -> Any:
    return x**3


def cube_slope(x: Any) -> Any:
    return 3 * x**2


def test_a_function_of_ones_own_is_a_layer_with_the_name_that_constructs_it() -> None:
    x = np.array([-2.0, 0.5])
    for layer, name in (
        (elementwise(cube, cube_slope), "elementwise(cube, cube_slope)"),
        (elementwise(cube, cube_slope, name="cubed()"), "cubed()"),
    ):
        assert layer.name == name
        assert layer.apply((), x).tolist() == [-8.0, 0.125]
        assert gradients(layer, (), x, np.array([1.0, 4.0]))[1].tolist() == [12.0, 3.0]


@each("specimen", [one for one in LAYERS if "embedding" not in one.layer.name])
def test_integers_are_refused_unless_they_give_the_right_numbers(specimen: Specimen) -> None:
    """The bug: the softplus of a uint8 of 3 was 6.05, because -3 is 253, and the sigmoid of 200 was NaN."""
    params, x, _ = specimen.point(0, 4)
    whole = np.abs(100 * x).astype(np.uint8)
    try:
        y, _ = specimen.layer.vjp(params, whole, None)
    except DtypeError:
        with pytest.raises(DtypeError):
            specimen.layer.apply(params, whole)
    else:
        expected = specimen.layer.apply(params, whole.astype(np.float64))
        np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-4)
        assert np.array_equal(specimen.layer.apply(params, whole), y)


def test_identity_keeps_any_dtype() -> None:
    for x in (np.arange(3, dtype=np.uint8), np.array([True]), np.array([1.5], np.float32)):
        assert same_bits(identity().apply((), x), x)
