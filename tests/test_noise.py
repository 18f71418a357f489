"""Noise: only with a key, drawn from that key alone, of the right size, and the same in the pullback."""

from math import sqrt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from numpy.typing import NDArray
import pytest

import fnmlp as fn
from fnmlp.testing import check_layer
from fnmlp.testing.layers import LAYER_LAWS, only_a_layer_with_noise_minds_its_key
from fnmlp.testing.strategies import chains, shapes
from fnmlp.tree import tree_leaves
from tests.optional import optional
from tests.steps import draw, same_bits, seeds

torch = optional("torch")

MANY = 400_000
NOISES = (fn.dropout(0.25), fn.gaussian_noise(0.5))
KEY = fn.Key(0)
RATES = (0.1, 0.25, 0.5, 0.9)


def trained(layer: fn.Layer[tuple[()]], x: NDArray[Any], key: fn.Key | None = KEY) -> NDArray[Any]:
    """Return what a layer makes of x in training."""
    return layer.vjp((), x, key)[0]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dropout_drops_what_its_rate_says_and_keeps_the_mean(rate: float, dtype: Any) -> None:
    # In one library the rate was the share that is kept.
    y = trained(fn.dropout(rate), np.ones(MANY, dtype))
    dropped = float((y == 0).mean())
    five_deviations = 5 * sqrt(rate * (1 - rate) / MANY)
    assert abs(dropped - rate) <= five_deviations + 2**-17
    assert abs(float(y.mean(dtype=np.float64)) - 1) <= five_deviations / (1 - rate)
    kept = y[y != 0]
    assert y.dtype == dtype
    assert (kept == kept[0]).all()
    assert abs(float(kept[0]) * (1 - rate) - 1) <= 2**-16 / (1 - rate)


def test_what_is_kept_is_divided_by_exactly_the_probability_with_which_it_is() -> None:
    # 0.1 is no multiple of 1/65536; 6554 of 65536 values are dropped, and the others scaled by 65536 / 58982.
    assert trained(fn.dropout(0.1), np.ones(64)).max() == 65536 / 58982


@pytest.mark.parametrize("layer", NOISES, ids=repr)
def test_noise_is_a_function_of_the_key(layer: fn.Layer[tuple[()]]) -> None:
    x = draw(0, (8, 5))
    assert same_bits(trained(layer, x), trained(layer, x))
    assert not same_bits(trained(layer, x), trained(layer, x, fn.Key(1)))


@pytest.mark.parametrize("layer", NOISES, ids=repr)
def test_without_a_key_there_is_no_noise(layer: fn.Layer[tuple[()]]) -> None:
    x, dy = draw(0, (8, 5)), draw(1, (8, 5))
    assert same_bits((layer.apply((), x), trained(layer, x, None)), (x, x))
    assert same_bits(fn.gradients(layer, (), x, dy), ((), dy))


@given(seeds)
def test_the_pullback_of_dropout_drops_what_was_dropped(seed: int) -> None:
    x = draw(seed, (6, 5))
    layer = fn.dropout(0.5)
    y, pullback = layer.vjp((), x, fn.Key(seed))
    assert same_bits(pullback(x)[1](), y)
    dx = pullback(np.ones_like(x))[1]()
    assert set(dx.ravel().tolist()) <= {0.0, 2.0}
    assert ((dx == 0) == (y == 0)).all()


def test_the_pullback_of_gaussian_noise_passes_dy() -> None:
    x, dy = draw(0, (3, 2)), draw(1, (3, 2))
    assert same_bits(fn.gradients(fn.gaussian_noise(0.5), (), x, dy, fn.Key(0)), ((), dy))


def test_gaussian_noise_has_mean_0_and_the_deviation_asked_for() -> None:
    noise = trained(fn.gaussian_noise(0.5), np.zeros(MANY))
    assert abs(float(noise.mean())) <= 5 * 0.5 / sqrt(MANY)
    assert abs(float(noise.std()) / 0.5 - 1) <= 5 / sqrt(2 * MANY)
    within = float((np.abs(noise) < 0.5).mean())
    assert abs(within - 0.6826895) <= 5 * sqrt(0.22 / MANY)


@pytest.mark.parametrize("layer", NOISES, ids=repr)
def test_float32_and_float64_get_the_same_noise(layer: fn.Layer[tuple[()]]) -> None:
    x = draw(0, (40, 5), np.float32)
    single, double = trained(layer, x), trained(layer, x.astype(np.float64))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, double, rtol=1e-6, atol=1e-6)


def test_equal_layers_of_a_chain_drop_different_numbers() -> None:
    model = fn.chain(fn.dropout(0.5), fn.dropout(0.5), fn.chain(fn.dropout(0.5)))
    ones = np.ones((20, 20))
    masks = []
    for place, key in enumerate((fn.Key(7, (0,)), fn.Key(7, (1,)), fn.Key(7, (2, 0)))):
        masks.append(trained(fn.dropout(0.5), ones, key))
        assert not any(same_bits(masks[place], other) for other in masks[:place])
    y, _ = model.vjp(((), (), ((),)), ones, fn.Key(7))
    assert same_bits(y, masks[0] * masks[1] * masks[2])


@pytest.mark.parametrize(
    "make",
    [
        lambda: fn.repeat(fn.dropout(0.5), 2),
        lambda: fn.tied(fn.dropout(0.5), fn.dropout(0.5)),
        lambda: fn.concat(fn.dropout(0.5), fn.dropout(0.5)),
        lambda: fn.add(fn.dropout(0.5), fn.dropout(0.5)),
        lambda: fn.parallel(fn.dropout(0.5), fn.dropout(0.5), widths=(2, 2)),
    ],
)
def test_equal_layers_of_every_combinator_draw_numbers_of_their_own(make: Any) -> None:
    # Were both to draw the same mask, each number would be doubled twice or dropped, or both halves would be equal.
    layer = make()
    params, _ = layer.init(fn.Key(0), (4,))
    y, _ = layer.vjp(params, np.ones((30, 4)), fn.Key(3))
    if layer.name.startswith(("repeat", "tied")):
        kept = float((y != 0).mean())
        assert 0.1 < kept < 0.4
    elif layer.name.startswith("add"):
        assert {0.0, 2.0, 4.0} == set(y.ravel().tolist())
    else:
        half = y.shape[1] // 2
        assert not same_bits(y[:, :half], y[:, half:])


def test_dropout_of_rate_0_draws_nothing_and_a_rate_near_1_keeps_a_few() -> None:
    x = draw(0, (5, 4))
    assert same_bits(trained(fn.dropout(0), x), x)
    assert same_bits(trained(fn.dropout(1e-6), x), x)
    y = trained(fn.dropout(1 - 1e-9), np.ones(2**20))
    assert np.isfinite(y).all()
    assert 1 <= (y != 0).sum() < 100


@pytest.mark.parametrize("rate", [1, 1.0, -0.1, 1.5, float("nan"), "0.5", None])
def test_a_rate_that_leaves_nothing_or_makes_no_sense_is_refused(rate: Any) -> None:
    with pytest.raises(fn.OptionError, match=r"dropout\(rate\): expected a number"):
        fn.dropout(rate)


@pytest.mark.parametrize("deviation", [0, -1.0, float("inf"), None])
def test_a_deviation_that_is_none_is_refused(deviation: Any) -> None:
    with pytest.raises(fn.OptionError, match=r"gaussian_noise\(deviation\)"):
        fn.gaussian_noise(deviation)


@pytest.mark.parametrize("layer", NOISES, ids=repr)
def test_integers_are_refused_where_noise_is_drawn(layer: fn.Layer[tuple[()]]) -> None:
    pixels = np.zeros((2, 3), np.uint8)
    assert same_bits(trained(layer, pixels, None), pixels)
    with pytest.raises(fn.DtypeError, match=r"expected floats, got uint8; put scale\(1 / 255\) before it"):
        trained(layer, pixels)


@pytest.mark.parametrize("layer", NOISES, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_torch_tensors_get_the_noise_that_arrays_get(layer: fn.Layer[tuple[()]], dtype: Any) -> None:
    x, dy = draw(0, (6, 4), dtype), draw(1, (6, 4), dtype)
    y, pullback = layer.vjp((), x, fn.Key(5))
    torch_x: Any = torch.from_numpy(x)
    torch_y, torch_pullback = layer.vjp((), torch_x, fn.Key(5))
    torch_dy: Any = torch.from_numpy(dy)
    found: Any = torch_y, torch_pullback(torch_dy)[1]()
    assert [type(tensor) for tensor in found] == [torch.Tensor] * 2
    assert same_bits((y, pullback(dy)[1]()), found)


@given(data=st.data(), example=shapes(), seed=seeds)
def test_random_chains_with_noise_keep_the_laws(data: st.DataObject, example: tuple[int, ...], seed: int) -> None:
    # Whether noise is seen depends on what follows it: relu may hide it.
    laws = [law for law in LAYER_LAWS if law is not only_a_layer_with_noise_minds_its_key]
    check_layer(data.draw(chains(example, noise=True)), example, seed=seed, trials=1, laws=laws)


def test_dropout_does_not_learn_and_inference_after_training_has_no_noise() -> None:
    model = fn.chain(fn.linear(3), fn.dropout(0.5), fn.linear(2))
    state = fn.train_state(model, fn.sgd(0.1), key=fn.Key(0), example=(4,))
    batch = fn.Batch(draw(0, (16, 4), np.float32), draw(1, (16, 2), np.float32))
    after = fn.train_step(model, fn.mse, fn.sgd(0.1), state, batch)
    assert after.params[1] == ()
    assert not any(map(same_bits, tree_leaves(after.params), tree_leaves(state.params)))
    assert same_bits(model.apply(after.params, batch.inputs), model.apply(after.params, batch.inputs))
