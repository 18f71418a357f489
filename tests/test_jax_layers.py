"""Layers on JAX: every law of the kit there, mapped over rows and networks; what can't be checked becomes NaN."""

from functools import partial
import re
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import DtypeError
from fnmlp.layers import Embedding
from fnmlp.tree import Tree, tree_leaves, tree_map
from tests.catalogue import LAYERS, PORTABLE, Specimen
from tests.steps import assert_close, draw
from tests.sweep import each

jax = pytest.importorskip("jax", reason="these laws are checked on JAX's arrays")
pytest.importorskip("fnmlp.interop.jax", reason="it makes pytrees of parameters")

NORMAL = 0
"""The seed of the kit's trial of normally distributed numbers."""


def rule(specimen: Specimen) -> str:
    """Return a layer's name without its initializers, which JAX never sees."""
    return re.sub(r", (weight|bias|table)_init=.*", "", specimen.layer.name)


ONCE = {rule(specimen): specimen for specimen in reversed(PORTABLE)}
"""A specimen of each rule. Left out are the same rules on examples of other shapes, which would be compiled again."""

COSTLY = {
    "chain(dropout(0.25), linear(4), silu(), dropout(0.5), linear(2), log_softmax())",
    "chain(embedding(5, 2), flatten(), layer_norm(), linear(3), gelu())",
    "chain(flatten(), scale(0.5), chain(linear(4, bias=False), relu()), chain(), linear(2))",
    "chain(linear(5), relu(), linear(3), softmax())",
    "concat(linear(2), tanh(), linear(1, bias=False))",
    "maxout(2, 3",
    "parallel(relu(), softmax(), widths=(1, 2))",
    "tied(chain(linear(3), tanh()), chain(linear(3), softplus()))",
}
"""Layers made of such as are checked alone. To compile their operations one by one takes a third of all the time; the
function below has them all in it."""


@each("specimen", [specimen for name, specimen in ONCE.items() if name not in COSTLY])
def test_layers_keep_every_law_on_jax(specimen: Specimen) -> None:
    """The bugs: float64 that JAX does not have, ids of embeddings that were read while traced, celu(alpha=1e-300)."""
    specimen.check(on="jax", seed=NORMAL, trials=1)


def results(layer: fn.Layer[Any], params: Tree, x: Any, dy: Any) -> tuple[Any, ...]:
    """Return all that a layer computes, as leaves."""
    y, pullback = layer.vjp(params, x, None)
    gradient, delayed_dx = pullback(dy)
    return layer.apply(params, x), y, *tree_leaves(gradient), delayed_dx()


def of_one_row(layer: fn.Layer[Any], params: Tree, x: Any, dy: Any) -> tuple[Any, ...]:
    y, *_, dx = results(layer, params, x[None], dy[None])
    return y[0], dx[0]


def compiled(function: Any) -> Any:
    """Compile without the optimizations that take the most time."""
    return jax.jit(function, compiler_options={"xla_backend_optimization_level": 0})


@pytest.mark.no_cover  # others run the same lines
def test_vmap_runs_rows_one_by_one_and_several_networks_at_once() -> None:
    """One function of all layers, because each compilation costs a tenth of a second."""
    specimens = list(ONCE.values())
    pairs = [[specimen.point(seed, 4, np.float32) for seed in (3, 4)] for specimen in specimens]

    def mapped(points: list[Tree]) -> list[Any]:
        found = []
        for specimen, networks in zip(specimens, points, strict=True):
            every = jax.vmap(lambda point, layer=specimen.layer: results(layer, *point))(networks)
            params, x, dy = jax.tree.map(lambda leaf: leaf[0], networks)
            rows = jax.vmap(partial(of_one_row, specimen.layer, params))(x, dy) if specimen.by_row else ()
            found.append((every, rows))
        return found

    found = compiled(mapped)([tree_map(lambda *leaves: np.stack(leaves), *pair) for pair in pairs])
    for specimen, pair, (every, rows) in zip(specimens, pairs, found, strict=True):
        expected = [results(specimen.layer, *point) for point in pair]
        assert_close(every, tuple(map(np.stack, zip(*expected, strict=True))), eps=256, at_least=1)
        assert_close(rows, (expected[0][0], expected[0][-1]) if specimen.by_row else (), eps=256, at_least=1)


def test_what_is_left_out_is_there() -> None:
    assert set(ONCE) >= COSTLY


def test_each_network_and_each_step_of_a_mapped_function_has_noise_of_its_own() -> None:
    layer, x = fn.dropout(0.5), np.ones((2, 64), np.float32)
    keys = jax.random.split(jax.random.key(0), 2)
    noise = compiled(jax.vmap(lambda key, x: layer.vjp((), x, fn.fold_in(key, 3))[0]))(keys, x)
    assert set(np.unique(noise)) == {0.0, 2.0}
    assert (noise[0] != noise[1]).any()


STRICT = [specimen for specimen in LAYERS if not specimen.portable]


@each("specimen", STRICT)
def test_strict_refuses_arrays_of_jax_by_name_traced_or_not(specimen: Specimen) -> None:
    params, x, _ = specimen.point(0, 2, np.float32)
    for run in (specimen.layer.apply, jax.jit(specimen.layer.apply)):
        with pytest.raises(DtypeError, match=r"strict\(.*expected NumPy arrays, got .*numpy\.asarray"):
            run(tree_map(jax.numpy.asarray, params), jax.numpy.asarray(x))


def test_an_id_without_a_row_in_the_table_becomes_nan_while_traced() -> None:
    """It must not be the last row, or the nearest one, as indexing would have it."""
    layer, params = fn.embedding(3, 2), Embedding(np.arange(6, dtype=np.float32).reshape(3, 2))
    ids = np.array([[0, -1], [3, 2]])
    found = np.asarray(jax.jit(layer.apply)(params, ids))
    assert np.isnan(found).tolist() == [[[False] * 2, [True] * 2], [[True] * 2, [False] * 2]]
    assert found[1, 1].tolist() == [4.0, 5.0]

    def gradient(params: Any, ids: Any, dy: Any) -> Any:
        return layer.vjp(params, ids, None)[1](dy)[0].table

    found = np.asarray(jax.jit(gradient)(params, ids, np.ones((2, 2, 2), np.float32)))
    assert np.isnan(found).all(axis=1).tolist() == [False, False, True]
    assert found[:2].tolist() == [[1.0, 1.0], [0.0, 0.0]]
    with pytest.raises(fn.DataError, match="row 0 of the inputs"):
        layer.apply(params, ids)
    with pytest.raises(fn.DataError, match="row 0 of the inputs"):
        layer.apply(tree_map(jax.numpy.asarray, params), jax.numpy.asarray(ids))


def test_jax_computes_in_the_widest_floats_that_it_has() -> None:
    x = draw(0, (4, 3))
    with jax.enable_x64(True):
        for layer in (fn.softmax(), fn.gelu(), fn.scale(0.5, dtype="float64")):
            found = layer.apply((), jax.numpy.asarray(x))
            assert_close((found,), (layer.apply((), x),))
        fn.testing.check_layer(fn.chain(fn.linear(2), fn.tanh()), (3,), on="jax", trials=1)
        fn.testing.check_loss(fn.mse, (3,), on="jax", trials=1)
    pixels = np.arange(4, dtype=np.uint8)
    assert fn.scale(0.5, dtype="float64").apply((), jax.numpy.asarray(pixels)).dtype == "float32"
