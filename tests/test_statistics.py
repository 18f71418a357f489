"""Statistics of leaves: exact at any scale, and an infinite number doesn't hide the others."""

from math import inf, isclose, nan, sqrt
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import StructureError
from fnmlp.training.statistics import LeafStatistics, statistics_table, tree_statistics, update_ratios
from tests.optional import optional
from tests.steps import draw

torch = optional("torch")


def of(*numbers: float, dtype: Any = np.float64) -> LeafStatistics:
    (leaf,) = tree_statistics(np.array(numbers, dtype))
    return leaf


def test_there_is_one_record_a_leaf_with_its_path_and_shape() -> None:
    params, _ = fn.chain(fn.linear(3), fn.relu(), fn.linear(2, bias=False)).init(fn.Key(0), (4,))
    found = [(leaf.path, leaf.shape) for leaf in tree_statistics(params, root="params")]
    assert found == [("params[0].weight", (4, 3)), ("params[0].bias", (3,)), ("params[2].weight", (3, 2))]


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50), st.integers(-900, 900))
def test_numbers_of_any_size_have_the_statistics_of_their_multiples(numbers: list[float], power: int) -> None:
    # As multiples of 1/16 they can be scaled by powers of two without rounding.
    plain = np.round(np.array(numbers) * 16) / 16
    scale = 2.0**power
    here, there = of(*plain), of(*(plain * scale))
    for name in ("mean", "deviation", "norm", "largest"):
        assert getattr(there, name) == getattr(here, name) * scale
    assert (there.zeros, there.not_finite) == (here.zeros, 0)
    assert isclose(here.mean, plain.mean(), rel_tol=1e-14, abs_tol=1e-13)
    assert isclose(here.deviation, plain.std(), rel_tol=1e-12, abs_tol=1e-12)
    assert isclose(here.norm, sqrt((plain * plain).sum()), rel_tol=1e-14)
    assert here.largest == np.abs(plain).max()
    assert here.zeros == (plain == 0).mean()


def test_the_largest_and_smallest_numbers_neither_overflow_nor_vanish() -> None:
    huge, tiny = np.finfo(np.float64).max, np.finfo(np.float64).smallest_subnormal
    assert (of(huge, -huge).mean, of(huge, -huge).deviation, of(huge).norm) == (0.0, huge, huge)
    assert (of(tiny).norm, of(tiny).largest, of(tiny).zeros) == (tiny, tiny, 0.0)


def test_float32_is_reckoned_in_float64() -> None:
    leaf = of(*np.full(100_000, 0.1, np.float32), dtype=np.float32)
    assert isclose(leaf.mean, float(np.float32(0.1)), rel_tol=1e-14)
    assert leaf.deviation < 1e-15
    assert type(leaf.mean) is type(leaf.norm) is type(leaf.largest) is float


def test_what_is_not_finite_is_counted_and_left_out_of_the_rest() -> None:
    leaf = of(3.0, nan, -4.0, inf, -inf, 0.0, -0.0, 1.0)
    assert (leaf.not_finite, leaf.mean, leaf.largest) == (3, 0.0, 4.0)
    assert leaf.norm == sqrt(26)
    assert leaf.zeros == 2 / 8


@pytest.mark.parametrize("numbers", [(), (nan, inf)], ids=repr)
def test_of_no_finite_number_all_statistics_are_0(numbers: tuple[float, ...]) -> None:
    assert of(*numbers) == LeafStatistics("", (len(numbers),), 0.0, 0.0, 0.0, 0.0, 0.0, len(numbers))


def test_integers_and_tensors_of_torch_have_statistics_too() -> None:
    assert of(-3, 4, dtype=np.int8) == of(-3, 4)
    (leaf,) = tree_statistics(torch.tensor([-3.0, 4.0]))
    assert leaf == of(-3.0, 4.0)


def test_gradients_show_which_layer_learns_nothing() -> None:
    model = fn.chain(fn.linear(4), fn.relu(), fn.linear(2))
    params, _ = model.init(fn.Key(0), (3,))
    dead = (fn.tree_map(lambda leaf: leaf * 0 - 1, params[0]), *params[1:])
    batch = fn.Batch(np.abs(draw(0, (5, 3), np.float32)), draw(1, (5, 2), np.float32))
    _, grads = fn.value_and_grad(model, fn.mse, dead, batch)
    assert [leaf.zeros for leaf in tree_statistics(grads)] == [1.0, 1.0, 1.0, 0.0]


def test_a_table_has_a_line_for_each_leaf_in_columns() -> None:
    statistics = tree_statistics((np.full((2, 3), -0.5), (np.array(nan),)), root="params")
    assert statistics_table(statistics).splitlines() == [
        "path           shape  mean  deviation  norm  largest  zeros  not finite",
        "params[0]     (2, 3)  -0.5          0  1.22      0.5      0           0",
        "params[1][0]      ()     0          0     0        0      0           1",
    ]
    assert statistics_table(()) == "path  shape  mean  deviation  norm  largest  zeros  not finite"


def test_the_ratio_of_an_update_is_that_of_its_norm_to_the_parameters() -> None:
    params, _ = fn.linear(3).init(fn.Key(0), (4,))
    moved = fn.sgd_update(params, params, rate=0.25)
    ratios = dict(update_ratios(params, moved))
    assert list(ratios) == [".weight", ".bias"]
    assert all(abs(ratio - 0.25) < 1e-7 for ratio in ratios.values())
    assert {ratio for _, ratio in update_ratios(params, params)} == {0.0}


def test_what_was_0_has_moved_infinitely_far_or_not_at_all() -> None:
    zero, one = np.zeros(2, np.float32), np.ones(2, np.float32)
    assert update_ratios((zero, zero), (one, zero)) == (("[0]", inf), ("[1]", 0.0))


def test_trees_of_other_structures_have_no_ratio() -> None:
    with pytest.raises(StructureError):
        update_ratios((np.zeros(2),), (np.zeros(2), np.zeros(2)))
