"""The laws of a layer, over the catalogue and over random chains, and of a loss, over the catalogue."""

from collections.abc import Callable
from functools import partial
from inspect import getmembers, isfunction
from types import ModuleType
from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp import initializers, losses, metrics, models, optimizers
from fnmlp.combinators import chain
from fnmlp.key import Key
from fnmlp.layer import Layer, Pullback, gradients, input_pullback
from fnmlp.layers import Linear, identity, linear, relu, scale, softmax
from fnmlp.tree import Tree, tree_leaves, tree_map
from tests import catalogue
from tests.catalogue import LAYERS, LOSSES, LossSpecimen, Specimen
from tests.steps import (
    assert_close,
    assert_is_gradient,
    assert_vjp_is_complex_step,
    draw,
    gradient_bound,
    point_of,
    same_bits,
    seeds,
)

DTYPES = (np.float32, np.float64)
rows = st.integers(1, 5)
over_layers = pytest.mark.parametrize("specimen", LAYERS, ids=repr)
over_losses = pytest.mark.parametrize("specimen", LOSSES, ids=repr)
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)


@st.composite
def chains(draw_from: st.DrawFn) -> Specimen:
    """Draw a chain whose shapes fit, of at most five layers."""
    width = st.integers(1, 6)
    layer = st.one_of(
        st.builds(linear, width, bias=st.booleans()),
        st.just(relu()),
        st.builds(softmax, axis=st.sampled_from((-1, 1))),
        # Factors stay below 1, so that softmax is not driven to where the digits of 1 - y are lost in any arithmetic.
        st.builds(scale, st.sampled_from((0.5, -0.75, 0.3)), offset=st.sampled_from((0.0, 0.25))),
        st.just(identity()),
    )
    layers = draw_from(st.lists(layer, max_size=5))
    return Specimen(chain(*layers), (draw_from(width),))


def public(room: ModuleType) -> list[tuple[str, Callable[..., Any]]]:
    named = getmembers(room, isfunction)
    return [(name, made) for name, made in named if made.__module__ == room.__name__ and not name.startswith("_")]


def has_specimen(name: str) -> bool:
    """Tell whether a specimen's name shows this constructor, or it is bound in one."""
    texts = [specimen.layer.name for specimen in LAYERS] + [specimen.name for specimen in LOSSES]
    texts += [label for label, _ in (*catalogue.OPTIMIZERS, *catalogue.INITIALIZERS, *catalogue.METRICS)]
    return any(f"{name}(" in text or name == text for text in texts)


@pytest.mark.parametrize("name", sorted(models.constructors()))
def test_every_constructor_of_models_is_in_the_catalogue(name: str) -> None:
    assert has_specimen(name), f"add a specimen of {name} to tests/catalogue.py"


@pytest.mark.parametrize("room", [losses, optimizers, metrics, initializers], ids=lambda room: room.__name__)
def test_every_loss_optimizer_metric_and_initializer_is_in_the_catalogue(room: ModuleType) -> None:
    # check_alike and sgd_update are no constructors: one refuses, the other is the map that sgd lifts.
    helpers = {"check_alike", "sgd_update"}
    names = [name for name, _ in public(room) if name not in helpers]
    assert names
    assert [name for name in names if not has_specimen(name)] == []


@over_layers
@over_dtypes
@given(seed=seeds, size=rows)
def test_vjp_is_the_complex_step_of_apply(specimen: Specimen, dtype: Any, seed: int, size: int) -> None:
    assert_vjp_is_complex_step(specimen.layer, *point_of(specimen.layer, specimen.example, seed, size, dtype))


@over_dtypes
@given(specimen=chains(), seed=seeds, size=rows)
def test_vjp_of_random_chains_is_the_complex_step_of_apply(
    dtype: Any, specimen: Specimen, seed: int, size: int
) -> None:
    params, x, dy = point_of(specimen.layer, specimen.example, seed, size, dtype)
    assert_vjp_is_complex_step(specimen.layer, params, x, dy)
    assert same_bits(specimen.layer.vjp(params, x, None)[0], specimen.layer.apply(params, x))


@over_losses
@over_dtypes
@given(seed=seeds, size=rows)
def test_the_gradient_of_a_loss_is_the_complex_step_of_its_value(
    specimen: LossSpecimen, dtype: Any, seed: int, size: int
) -> None:
    y = draw(seed, (size, 3), dtype)
    target = specimen.targets(y, seed)
    _, dy = specimen.loss(y, target)
    assert dy.dtype == dtype

    def value(point: Tree) -> NDArray[Any]:
        wide = target if specimen.labels else target.astype(point.dtype)
        return np.asarray(specimen.loss(point, wide)[0])

    assert_is_gradient(dy, value, y, np.ones(1), gradient_bound(dtype))


@over_layers
@over_dtypes
@given(seed=seeds, size=st.integers(0, 5))
def test_outputs_and_gradients_have_the_declared_shapes_and_keep_the_dtype(
    specimen: Specimen, dtype: Any, seed: int, size: int
) -> None:
    layer = specimen.layer
    params, x, dy = point_of(layer, specimen.example, seed, size, dtype)
    y = layer.apply(params, x)
    assert (y.shape, y.dtype) == (dy.shape, dtype)
    grads, dx = gradients(layer, params, x, dy)
    assert (dx.shape, dx.dtype) == (x.shape, dtype)
    alike = tree_map(lambda p, g: (p.shape, p.dtype) == (g.shape, g.dtype), params, grads)
    assert all(tree_leaves(alike))


@over_layers
@given(seed=seeds, size=st.integers(0, 5))
def test_the_output_of_vjp_is_apply_bit_for_bit(specimen: Specimen, seed: int, size: int) -> None:
    params, x, _ = point_of(specimen.layer, specimen.example, seed, size, np.float32)
    assert same_bits(specimen.layer.vjp(params, x, None)[0], specimen.layer.apply(params, x))


@over_layers
@given(seed=seeds, size=rows, power=st.integers(-9, 9))
def test_the_pullback_is_linear_in_powers_of_two_and_0_at_0(
    specimen: Specimen, seed: int, size: int, power: int
) -> None:
    params, x, dy = point_of(specimen.layer, specimen.example, seed, size)
    factor = 2.0**power
    once, scaled = (gradients(specimen.layer, params, x, dy * times) for times in (1.0, factor))
    assert same_bits(scaled, tree_map(lambda g: g * factor, once))
    assert not any(np.any(leaf) for leaf in tree_leaves(gradients(specimen.layer, params, x, dy * 0)))


@over_layers
@given(seed=seeds, size=rows)
def test_the_pullback_is_additive(specimen: Specimen, seed: int, size: int) -> None:
    params, x, dy = point_of(specimen.layer, specimen.example, seed, size)
    other = draw(seed + 2, dy.shape)
    parts = [gradients(specimen.layer, params, x, part) for part in (dy, other)]
    # The sum can cancel, its terms can't: both sides are moved by a multiple of the terms' size.
    size_of = tree_map(lambda a, b: np.abs(a) + np.abs(b) + 1, *parts)
    whole = gradients(specimen.layer, params, x, dy + other)
    assert_close(tree_map(np.add, whole, size_of), tree_map(lambda a, b, c: a + b + c, *parts, size_of))


@over_layers
@given(seed=seeds, data=st.data())
def test_permuting_the_rows_permutes_the_result(specimen: Specimen, seed: int, data: st.DataObject) -> None:
    params, x, dy = point_of(specimen.layer, specimen.example, seed, 4)
    order = np.array(data.draw(st.permutations(range(4))))
    y, (grads, dx) = specimen.layer.apply(params, x), gradients(specimen.layer, params, x, dy)
    moved = specimen.layer.apply(params, x[order]), *gradients(specimen.layer, params, x[order], dy[order])
    assert_close(moved, (y[order], grads, dx[order]), eps=256, at_least=1)


@over_layers
@given(seed=seeds, cut=st.integers(0, 4))
def test_gradients_of_parameters_add_over_a_split_of_the_batch(specimen: Specimen, seed: int, cut: int) -> None:
    if not specimen.by_row:  # the rows of such a layer belong together
        cut = 4
    params, x, dy = point_of(specimen.layer, specimen.example, seed, 4)
    whole, _ = gradients(specimen.layer, params, x, dy)
    parts = [gradients(specimen.layer, params, x[part], dy[part])[0] for part in (slice(cut), slice(cut, None))]
    assert_close(tree_map(np.add, *parts), whole, eps=256, at_least=1)


@over_layers
@given(seed=seeds, row=st.integers(0, 3))
def test_nan_stays_in_its_own_row(specimen: Specimen, seed: int, row: int) -> None:
    params, x, dy = point_of(specimen.layer, specimen.example, seed, 4)
    x[row] = np.nan
    y, (_, dx) = specimen.layer.apply(params, x), gradients(specimen.layer, params, x, dy)
    assert np.isnan(y[row]).all()
    others = np.delete(np.arange(4), row)
    assert np.isfinite(y[others]).all() == specimen.by_row
    assert np.isfinite(dx[others]).all() == specimen.by_row


LAYOUTS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim > 1 else np.repeat(x, 2)[::2],
    "negative stride": lambda x: x[::-1].copy()[::-1],
    "big-endian": lambda x: x.astype(x.dtype.newbyteorder(">")),
    "unaligned": lambda x: np.frombuffer(b"\0" + x.tobytes(), x.dtype, offset=1).reshape(x.shape),
}


@over_layers
@over_dtypes
@pytest.mark.parametrize("layout", LAYOUTS)
@given(seed=seeds)
def test_any_memory_layout_gives_the_same_numbers(specimen: Specimen, dtype: Any, layout: str, seed: int) -> None:
    params, x, dy = point_of(specimen.layer, specimen.example, seed, 3, dtype)
    expected = specimen.layer.apply(params, x), gradients(specimen.layer, params, x, dy)
    lay = LAYOUTS[layout]
    found = specimen.layer.apply(params, lay(x)), gradients(specimen.layer, params, lay(x), lay(dy))
    assert_close(found, expected, eps=256, at_least=1)


def wrong_linear(change: Callable[[NDArray[Any], Linear, NDArray[Any]], tuple[Linear, NDArray[Any]]]) -> Layer[Linear]:
    """Make linear(3) with a gradient that is changed; `change` gets x, the true gradients, and the true dx."""

    def vjp(params: Linear, x: NDArray[Any], key: Key | None) -> tuple[NDArray[Any], Pullback[Linear]]:
        y, pullback = linear(3).vjp(params, x, key)

        def changed(dy: NDArray[Any]) -> tuple[Linear, Callable[[], NDArray[Any]]]:
            grads, delayed_dx = pullback(dy)
            grads, dx = change(x, grads, delayed_dx())
            return grads, partial(np.array, dx)

        return y, changed

    return attrs.evolve(linear(3), vjp=vjp)


MUTANTS: dict[str, Callable[[NDArray[Any], Linear, NDArray[Any]], tuple[Linear, NDArray[Any]]]] = {
    "wrong sign": lambda _, grads, dx: (grads, -dx),
    "transposed weight": lambda _, grads, dx: (attrs.evolve(grads, weight=grads.weight.T), dx),
    "mean for sum": lambda x, grads, dx: (tree_map(lambda g: g / len(x), grads), dx),
    "0.1 % too much": lambda _, grads, dx: (tree_map(lambda g: g * 1.001, grads), dx),
    "1e-12 too much": lambda _, grads, dx: (grads, dx * (1 + 1e-12)),
    "dropped bias": lambda _, grads, dx: (attrs.evolve(grads, bias=grads.bias * 0), dx),
    "rows in reverse": lambda _, grads, dx: (grads, dx[::-1]),
    "dropped row": lambda x, grads, dx: (attrs.evolve(grads, weight=grads.weight - x[:1].T * 1e-9), dx),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_the_complex_step_catches_a_wrong_gradient(mutant: str) -> None:
    params, x, dy = point_of(linear(3), (3,), 1, 4)
    with pytest.raises(AssertionError, match="terms off"):
        assert_vjp_is_complex_step(wrong_linear(MUTANTS[mutant]), params, x, dy)


def test_the_complex_step_catches_a_relu_that_lets_half_of_dy_pass_below_0() -> None:
    def vjp(params: tuple[()], x: NDArray[Any], key: Key | None) -> tuple[NDArray[Any], Pullback[tuple[()]]]:
        return relu().vjp(params, x, key)[0], input_pullback(lambda dy: np.where(x > 0, dy, dy / 2))

    with pytest.raises(AssertionError, match="terms off"):
        assert_vjp_is_complex_step(attrs.evolve(relu(), vjp=vjp), (), draw(1, (3, 3)), draw(2, (3, 3)))


def test_the_complex_step_catches_a_sum_with_the_gradient_of_the_mean() -> None:
    def slip(y: NDArray[Any], target: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
        return losses.mse(y, target, reduction="sum")[0], losses.mse(y, target)[1]

    y, target = draw(1, (2, 3)), draw(2, (2, 3))
    with pytest.raises(AssertionError, match="terms off"):
        assert_is_gradient(
            slip(y, target)[1],
            lambda point: np.asarray(slip(point, target.astype(point.dtype))[0]),
            y,
            np.ones(1),
            1e-14,
        )
