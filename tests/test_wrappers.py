"""The algebra of optimisers: what wraps one, changes gradients before it or masks it is what its formula says."""

from collections.abc import Callable

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import OptionError, StructureError
from fnmlp.tree import tree_leaves, tree_map
from tests.steps import same_bits
from tests.updates import GRADS, params_of, run


def test_accumulated_gradients_give_the_step_of_their_mean() -> None:
    found, state = run(fn.accumulated(fn.adam(0.1), steps=3), GRADS, params_of(np.float32))
    means = [tree_map(lambda *g: (g[0] + g[1] + g[2]) * (1 / 3), *GRADS[i : i + 3]) for i in (0, 3)]
    assert same_bits(found, run(fn.adam(0.1), means, params_of())[0])
    assert state.held == 0
    waiting, held = run(fn.accumulated(fn.adam(0.1), steps=3), GRADS[:2], params_of())
    assert same_bits(waiting, params_of())
    assert (held.held, held.inner.step) == (2, 0)
    assert same_bits(
        run(fn.accumulated(fn.sgd(0.1), steps=1), GRADS, params_of())[0], run(fn.sgd(0.1), GRADS, params_of())[0]
    )


def test_composition_nests_and_refuses_what_is_no_chain() -> None:
    clip, decay = fn.clip_by_value(0.5), fn.weight_decay(0.1)
    flat, nested = fn.compose(clip, decay, fn.sgd(0.1)), fn.compose(clip, fn.compose(decay, fn.sgd(0.1)))
    assert same_bits(run(flat, GRADS, params_of())[0], run(nested, GRADS, params_of())[0])
    assert same_bits(run(fn.compose(fn.sgd(0.1)), GRADS, params_of())[0], run(fn.sgd(0.1), GRADS, params_of())[0])
    for stages in ((), (clip,), (fn.sgd(0.1), clip), (fn.sgd(0.1), fn.sgd(0.1)), (clip, fn.sgd)):
        with pytest.raises(OptionError, match="transforms and then one optimiser"):
            fn.compose(*stages)


def test_adamw_is_decoupled_decay_of_adam_and_adam_without_it() -> None:
    expected, _ = run(fn.decoupled_decay(fn.adam(0.1), share=0.1 * 0.01), GRADS, params_of())
    assert same_bits(run(fn.adamw(0.1), GRADS, params_of())[0], expected)
    plain = run(fn.adamw(0.1, weight_decay=0.0), GRADS, params_of())[0]
    assert same_bits(plain, run(fn.adam(0.1), GRADS, params_of())[0])


@pytest.mark.parametrize(
    "decaying",
    [
        lambda only: fn.compose(fn.weight_decay(0.5, only=only), fn.sgd(0.1)),
        lambda only: fn.decoupled_decay(fn.sgd(0.1), share=0.5, only=only),
        lambda only: fn.adamw(0.1, weight_decay=5.0, only=only),
        lambda only: fn.max_norm(fn.sgd(0.1), limit=0.01, only=only),
    ],
)
def test_a_mask_spares_what_it_leaves_out_and_is_asked_once(decaying: Callable[[fn.PathFilter], fn.Optimizer]) -> None:
    asked: list[str] = []

    def first_weight(path: str) -> bool:
        asked.append(path)
        return path == "[0].weight"

    still = [tree_map(np.zeros_like, GRADS[0])] * 3
    moved, _ = run(decaying(first_weight), still, params_of())
    before = params_of()
    assert np.abs(moved[0].weight).sum() < np.abs(before[0].weight).sum()
    assert same_bits((moved[0].bias, moved[1]), (before[0].bias, before[1]))
    assert asked == ["[0].weight", "[0].bias", "[1].weight"]


def test_max_norm_holds_columns_at_the_limit_and_leaves_shorter_ones_alone() -> None:
    long = fn.Linear(np.array([[3.0, 0.3], [4.0, 0.4]]), np.array([9.0, 9.0]))
    optimizer = fn.max_norm(fn.sgd(1.0), limit=2.0)
    moved, _ = optimizer.update(long, tree_map(np.zeros_like, long), optimizer.init(long))
    np.testing.assert_allclose(moved.weight[:, 0], [1.2, 1.6], rtol=1e-15)
    assert same_bits((moved.weight[:, 1], moved.bias), (long.weight[:, 1], long.bias))


def test_clipping_by_norm_takes_all_gradients_together() -> None:
    clip = fn.clip_by_global_norm(1.0, epsilon=0.0)
    grads = (np.array([3.0, 0.0]), (np.array([[4.0]]), np.array(12.0)))
    clipped, _ = clip.update(grads, grads, clip.init(grads))
    np.testing.assert_allclose(
        np.concatenate([np.ravel(leaf) for leaf in tree_leaves(clipped)]), [3 / 13, 0, 4 / 13, 12 / 13]
    )
    short = tree_map(lambda g: g / 100, grads)
    assert clip.update(short, short, ())[0] is short
    assert clip.update((), (), ())[0] == ()


def test_the_average_starts_at_the_parameters_and_only_averaged_has_one() -> None:
    optimizer = fn.averaged(fn.sgd(0.1), decay=0.5)
    assert same_bits(fn.averaged_params(optimizer.init(params_of())), params_of())
    moved, state = run(optimizer, GRADS[:1], params_of())
    middle = tree_map(lambda p, q: p + (q - p) * np.float32(0.5), params_of(), moved)
    assert all(
        np.allclose(a, b) for a, b in zip(tree_leaves(middle), tree_leaves(fn.averaged_params(state)), strict=True)
    )
    with pytest.raises(StructureError, match="averaged"):
        fn.averaged_params(fn.sgd(0.1).init(params_of()))


def test_the_average_is_the_fading_mean_of_the_parameters_that_were() -> None:
    params, optimizer = (np.array([4.0, -1.0]),), fn.averaged(fn.sgd(0.25), decay=0.75)
    state, numbers, means = optimizer.init(params), [4.0, -1.0], [4.0, -1.0]
    for _ in range(20):
        params, state = optimizer.update(params, params, state)
        numbers = [p - 0.25 * p for p in numbers]
        means = [0.75 * mean + 0.25 * p for mean, p in zip(means, numbers, strict=True)]
        np.testing.assert_allclose(fn.averaged_params(state)[0], means, rtol=1e-14)


def test_a_schedule_that_returns_no_number_is_refused_and_not_taken_for_a_rate_of_0() -> None:
    with pytest.raises(OptionError, match=r"sgd\(rate\): expected a finite number above 0, got None"):
        fn.scheduled(fn.sgd, lambda step: None)  # type: ignore[arg-type, return-value] # noqa: ARG005
