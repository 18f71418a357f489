"""Schedules and the algebra of optimisers: shapes of curves, edges, laws of combination, masks and refusals."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from itertools import pairwise
import pickle
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import DtypeError, FnmlpError, OptionError, ShapeError, StructureError
from fnmlp.optimizers.core import fade
from fnmlp.tree import Tree, tree_equal, tree_leaves, tree_map
from tests.catalogue import SCHEDULES
from tests.steps import draw, same_bits

TINY = float(np.finfo(np.float32).smallest_normal)


def params_of(dtype: Any = np.float32) -> tuple[fn.Linear, ...]:
    return fn.Linear(draw(0, (4, 3), dtype), draw(1, (3,), dtype)), fn.Linear(draw(2, (3, 2), dtype), ())


def grads_of(step: int, dtype: Any = np.float32) -> tuple[fn.Linear, ...]:
    seed = 10 * step + 3
    return fn.Linear(draw(seed, (4, 3), dtype), draw(seed + 1, (3,), dtype)), fn.Linear(
        draw(seed + 2, (3, 2), dtype), ()
    )


def run(optimizer: fn.Optimizer, grads: Sequence[Tree], params: Tree) -> tuple[Tree, Tree]:
    return reduce(lambda now, grad: optimizer.update(now[0], grad, now[1]), grads, (params, optimizer.init(params)))


GRADS = [grads_of(step) for step in range(6)]


@pytest.mark.parametrize("schedule", [schedule for _, schedule in SCHEDULES], ids=[name for name, _ in SCHEDULES])
def test_a_schedule_gives_python_floats_between_0_and_its_rate_for_any_step(schedule: fn.Schedule) -> None:
    rates = [schedule(step) for step in [*range(120), 10**6, 10**9]]
    assert {type(rate) for rate in rates} == {float}
    assert 0 <= min(rates) <= max(rates) <= 0.25
    assert max(rates) > 0
    assert [pickle.loads(pickle.dumps(schedule))(step) for step in range(120)] == rates[:120]  # noqa: S301


@pytest.mark.parametrize("make", [fn.linear_decay, fn.cosine_decay])
def test_a_decay_falls_at_every_step_and_then_stays(make: Any) -> None:
    rates = [make(0.5, steps=40, last=0.1)(step) for step in range(60)]
    assert (rates[0], rates[-1]) == (0.5, 0.1)
    assert all(late < early for early, late in pairwise(rates[:41]))
    assert set(rates[40:]) == {0.1}


def test_one_cycle_climbs_to_its_rate_and_falls_below_its_start() -> None:
    rates = [fn.one_cycle(0.5, steps=20, rise=0.25)(step) for step in range(25)]
    assert max(rates) == rates[4] == 0.5
    assert all(early < late for early, late in pairwise(rates[:5]))
    assert rates[0] == 0.5 / 25
    assert rates[19] == rates[24] == 0.5 / 250_000
    assert fn.one_cycle(0.5, steps=1)(0) == 0.5 / 250_000
    assert fn.one_cycle(0.5, steps=2, rise=0.0)(0) == 0.5


def test_a_warm_up_is_a_straight_line_to_the_start_of_what_follows() -> None:
    schedule = fn.warm_up(fn.linear_decay(1.0, steps=10), steps=4)
    np.testing.assert_allclose([schedule(step) for step in range(7)], [0.2, 0.4, 0.6, 0.8, 1.0, 0.9, 0.8])


@pytest.mark.parametrize(
    "make",
    [
        partial(fn.constant_rate, 0),
        partial(fn.piecewise, (0.1, 0.2), at=()),
        partial(fn.piecewise, (0.1, 0.2, 0.3), at=(5, 5)),
        partial(fn.piecewise, (0.1, 0.2, 0.3), at=(6, 5)),
        partial(fn.piecewise, (0.1, -0.2), at=(5,)),
        partial(fn.step_decay, 0.1, every=0),
        partial(fn.step_decay, 0.1, every=3, factor=1.0),
        partial(fn.exponential_decay, 0.1, factor=-0.1),
        partial(fn.linear_decay, float("nan"), steps=3),
        partial(fn.linear_decay, 0.1, steps=3, last=-1),
        partial(fn.cosine_decay, 0.1, steps=True),
        partial(fn.cosine_restarts, 0.1, period=2, growth=0),
        partial(fn.warm_up, fn.constant_rate(0.1), steps=0),
        partial(fn.one_cycle, 0.1, steps=5, rise=1.0),
        partial(fn.one_cycle, 0.1, steps=5, last=1.5),
    ],
)
def test_schedules_out_of_range_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(OptionError):
        make()


def test_a_constant_schedule_is_the_rate_to_the_bit() -> None:
    for make in (fn.sgd, fn.adamw, partial(fn.sgd, momentum=0.9)):
        found, state = run(fn.scheduled(make, fn.constant_rate(0.1)), GRADS, params_of())
        expected, inner = run(make(0.1), GRADS, params_of())
        assert same_bits(found, expected)
        assert tree_equal(state.inner, inner)
        assert state.step == len(GRADS)


@pytest.mark.parametrize("make", [fn.sgd, fn.adamw, fn.lion])
def test_at_a_rate_of_0_parameters_stand_still_while_the_state_goes_on(make: Any) -> None:
    optimizer = fn.scheduled(make, fn.linear_decay(0.1, steps=1))
    moved, state = run(optimizer, GRADS[:1], params_of())
    still, after = optimizer.update(moved, GRADS[1], state)
    assert same_bits(still, moved)
    assert after.step == 2
    assert same_bits(after.inner, make(0.1).update(moved, GRADS[1], state.inner)[1])


def test_a_rate_below_0_is_refused_when_it_comes() -> None:
    optimizer = fn.scheduled(fn.sgd, lambda step: 0.5 - step)
    params, state = run(optimizer, GRADS[:1], params_of())
    with pytest.raises(OptionError, match=r"sgd\(rate\): expected a finite number above 0, got -0.5"):
        optimizer.update(params, GRADS[1], state)


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


@pytest.mark.parametrize(
    "make",
    [
        partial(fn.sgd, 0.1, momentum=1.0),
        partial(fn.sgd, 0.1, momentum=0.9, dampening=-0.1),
        partial(fn.sgd, 0.1, nesterov=True),
        partial(fn.sgd, 0.1, momentum=0.9, dampening=0.1, nesterov=True),
        partial(fn.adam, 0),
        partial(fn.adam, 0.1, betas=(0.9, 1.0)),
        lambda: fn.adam(0.1, betas=0.9),  # type: ignore[arg-type]
        lambda: fn.adam(0.1, betas=(0.9,)),  # type: ignore[arg-type]
        partial(fn.adam, 0.1, epsilon=0),
        partial(fn.adamw, 0.1, weight_decay=-0.1),
        partial(fn.adamw, 0.5, weight_decay=2.0),
        partial(fn.rmsprop, 0.1, decay=1.0),
        partial(fn.adagrad, 0.1, initial=-1.0),
        partial(fn.lion, -0.1),
        partial(fn.clip_by_value, 0),
        partial(fn.clip_by_global_norm, 1.0, epsilon=-1),
        partial(fn.weight_decay, float("inf")),
        partial(fn.accumulated, fn.sgd(0.1), steps=0),
        partial(fn.averaged, fn.sgd(0.1), decay=1.0),
        partial(fn.max_norm, fn.sgd(0.1), limit=-1),
    ],
)
def test_options_out_of_range_are_refused_at_the_door(make: Callable[[], object]) -> None:
    with pytest.raises(OptionError):
        make()


@pytest.mark.parametrize(
    "optimizer",
    [
        fn.adam(0.1),
        fn.adagrad(0.1),
        fn.rmsprop(0.1),
        fn.lion(0.1),
        fn.sgd(0.1, momentum=0.9),
        fn.accumulated(fn.sgd(0.1), steps=2),
        fn.compose(fn.weight_decay(0.1), fn.sgd(0.1)),
    ],
)
@pytest.mark.parametrize(("grad", "kind"), [(np.ones((1, 3), np.float32), ShapeError), (np.ones(3), DtypeError)])
def test_a_gradient_that_does_not_fit_is_refused(optimizer: fn.Optimizer, grad: Any, kind: type[FnmlpError]) -> None:
    params = (np.ones(3, np.float32),)
    with pytest.raises(kind):
        optimizer.update(params, (grad,), optimizer.init(params))


@pytest.mark.parametrize("make", [fn.adam, partial(fn.sgd, momentum=0.9), fn.lion, fn.rmsprop])
def test_sums_of_gradients_that_have_died_become_0_and_not_subnormal(make: Any) -> None:
    # Subnormal moments are slow to compute with, and k · 0.9 rounds to k there: they would stay for ever.
    params, grad = (np.ones(64, np.float32),), (np.full(64, 1e-30, np.float32),)
    optimizer = make(0.1)
    params, state = run(optimizer, [grad] + [(np.zeros(64, np.float32),)] * 999, params)
    left = [leaf for leaf in tree_leaves(state) if isinstance(leaf, np.ndarray)]
    assert not any(((leaf != 0) & (abs(leaf) < TINY)).any() for leaf in left)


def test_fading_flushes_only_what_is_tiny_and_keeps_nan() -> None:
    total = np.array([1.0, 1e-36, -1e-36, 1e-33, np.nan, -np.inf], np.float32)
    kept = fade(total, 1.0, np.zeros_like(total), 64)
    np.testing.assert_array_equal(kept, np.array([1.0, 0.0, 0.0, 1e-33, np.nan, -np.inf], np.float32))
    np.testing.assert_array_equal(fade(total, 1.0, np.zeros_like(total), 65), total)
