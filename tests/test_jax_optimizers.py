"""Every optimiser, wrapper, transform and schedule under JAX: traced, compiled once, mapped, and equal to NumPy's."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import OptionError
from fnmlp.optimizers.core import copied, owned
from fnmlp.optimizers.moments import adam_numbers, rectified_divisor
from fnmlp.tree import Tree, tree_leaves, tree_map, tree_paths
from tests.catalogue import OPTIMIZERS, SCHEDULES, is_first
from tests.specimens import OptimizerSpecimen
from tests.steps import draw
from tests.sweep import each

jax = pytest.importorskip("jax", reason="JAX is not installed")
jnp = pytest.importorskip("jax.numpy")
pytest.importorskip("fnmlp.interop.jax")

STEPS = 66
"""Two of these steps flush sums that have faded."""

EPS = float(np.finfo(np.float32).eps)

ROUNDINGS = 32
"""More than any rule rounds one number: a rule has a dozen operations, and a dozen more make its numbers."""

QUICK = {"xla_backend_optimization_level": 0}
"""Compile fast; the results differ by rounding only."""

STRETCH = 3.4445**5
"""How much the five steps of Muon's iteration may stretch an error: 3.4445 is the slope of each at 0."""


def tree(seed: int, dtype: Any) -> Tree:
    return draw(seed, (3, 2), dtype), ((), draw(seed + 1, (), dtype))


def gradients(dtype: Any) -> list[Tree]:
    """Return gradients that fade, so that sums do."""
    return [tree_map(partial(faded, 0.75**step), tree(2 * step + 9, dtype)) for step in range(STEPS)]


def faded(share: float, gradient: Any) -> Any:
    return np.asarray(gradient * gradient.dtype.type(share))


def strong(state: Tree) -> Tree:
    """Give each leaf the type of an array, as after a compiled step."""
    kinds = {bool: jnp.bool_, int: jnp.int32, float: jnp.result_type(float)}
    return tree_map(lambda leaf: jnp.asarray(leaf, kinds.get(type(leaf))), state)


def forms(arrays: Tree) -> Tree:
    """Tell the shape and the type of each array, and whether it is a weak one."""
    return tree_map(str, jax.eval_shape(lambda same: same, arrays))


def positive(state: Tree) -> Tree:
    """Make all sums positive, so that nothing cancels."""
    return tree_map(lambda leaf: leaf if isinstance(leaf, int) else np.abs(leaf), state)


def assert_within(name: str, found: Tree, expected: Tree, bounds: Tree) -> None:
    for (path, a), b, bound in zip(tree_paths(found, name), tree_leaves(expected), tree_leaves(bounds), strict=True):
        assert np.shape(a) == np.shape(b), path
        assert (np.abs(np.float64(a) - np.float64(b)) <= bound).all(), f"{path}: {a} for {b}"


def test_one_compiled_step_serves_all_steps_and_rounds_as_numpy_does() -> None:
    # Each step starts from the numbers of NumPy's run, so that no error is stretched by the steps after it. An error
    # of a rounding is as large as the terms of its sum: those of the same step with all gradients and sums positive.
    optimizers = {specimen.name: specimen.optimizer for specimen in OPTIMIZERS}
    traces: list[str] = []

    def update(held: dict[str, tuple[Tree, Tree]], grads: Tree) -> dict[str, tuple[Tree, Tree]]:
        traces.extend(held)
        return {name: optimizers[name].update(params, grads, state) for name, (params, state) in held.items()}

    step, params = jax.jit(update, compiler_options=QUICK), tree(0, np.float32)
    held = {name: (params, optimizer.init(params)) for name, optimizer in optimizers.items()}
    for grads in gradients(np.float32):
        found = step(held, grads)
        for name, optimizer in optimizers.items():
            before, state = held[name]
            held[name] = optimizer.update(before, grads, state)
            sizes = positive(before), positive(grads), positive(state)
            moved, sums = optimizer.update(*sizes)
            terms = tree_map(lambda *x: sum(map(np.abs, x)), *sizes[:1], moved, held[name][0])
            times = ROUNDINGS * EPS * (STRETCH if "muon" in name else 1)
            bounds = tree_map(lambda x, times=times: times * np.max(np.abs(x)), (terms, sums))
            assert_within(name, found[name], held[name], bounds)
    assert traces == sorted(optimizers)


@each("specimen", OPTIMIZERS)
def test_a_step_keeps_structure_shapes_and_types_whatever_the_type_of_its_numbers(
    specimen: OptimizerSpecimen,
) -> None:
    # So that it can be the body of a scan, and so that one compiled step serves all.
    params = tree_map(jnp.asarray, tree(0, np.float32))
    state = strong(specimen.optimizer.init(params))
    after = jax.eval_shape(specimen.optimizer.update, params, params, state)
    assert tree_paths(tree_map(str, after)) == tree_paths(forms((params, state)))


SETTINGS: dict[str, Callable[[Any, Any], fn.Optimizer]] = {
    "sgd": lambda rate, _: fn.sgd(rate),
    "momentum": lambda rate, share: fn.sgd(rate, momentum=share, dampening=share / 2),
    "nesterov": lambda rate, share: fn.sgd(rate, momentum=share, nesterov=True),
    "adam": lambda rate, share: fn.adam(rate, betas=(share, share / 2), epsilon=rate / 1024),
    "adamw": lambda rate, share: fn.adamw(rate, betas=(share, share), weight_decay=share, amsgrad=True),
    "nadam": lambda rate, share: fn.nadam(rate, betas=(share, share), momentum_decay=share),
    "radam": lambda rate, share: fn.radam(rate, betas=(share, share)),
    "adamax": lambda rate, share: fn.adamax(rate, betas=(share, share)),
    "adadelta": lambda rate, share: fn.adadelta(rate, decay=share, epsilon=rate / 1024),
    "rmsprop": lambda rate, share: fn.rmsprop(rate, decay=share, momentum=share, centered=True),
    "adagrad": lambda rate, share: fn.adagrad(rate, rate_decay=share, initial=share),
    "lion": lambda rate, share: fn.lion(rate, betas=(share, share), weight_decay=share),
    "lamb": lambda rate, share: fn.lamb(rate, betas=(share, share), weight_decay=share),
    "muon": lambda rate, share: fn.partitioned(
        fn.muon(rate, momentum=share, weight_decay=share), fn.sgd(rate), only=is_first
    ),
    "compose": lambda rate, share: fn.compose(
        fn.clip_by_value(share), fn.clip_by_global_norm(share), fn.weight_decay(share), fn.sgd(rate)
    ),
    "accumulated": lambda rate, share: fn.accumulated(fn.sgd(rate, momentum=share), steps=3),
    "apply_if_finite": lambda rate, _: fn.apply_if_finite(fn.adagrad(rate), max_consecutive_errors=2),
    "averaged": lambda rate, share: fn.averaged(fn.sgd(rate), decay=share),
    "max_norm": lambda rate, share: fn.max_norm(fn.sgd(rate), limit=share, only=fn.everywhere),
    "decoupled_decay": lambda rate, share: fn.decoupled_decay(fn.sgd(rate), share=share / 8),
    "piecewise": lambda rate, share: fn.scheduled(fn.sgd, fn.piecewise((rate, rate * share), at=(3,))),
    "step_decay": lambda rate, share: fn.scheduled(fn.sgd, fn.step_decay(rate, every=20, factor=share)),
    "exponential_decay": lambda rate, share: fn.scheduled(fn.sgd, fn.exponential_decay(rate, factor=share)),
    "linear_decay": lambda rate, _: fn.scheduled(fn.sgd, fn.linear_decay(rate, steps=9)),
    "cosine_restarts": lambda rate, share: fn.scheduled(
        fn.sgd, fn.warm_up(fn.cosine_restarts(rate, period=3, growth=2, last=rate * share), steps=3)
    ),
    "one_cycle": lambda rate, share: fn.scheduled(
        fn.sgd, fn.one_cycle(rate, steps=30, rise=share / 2, first=share, last=share)
    ),
}
RATES, SHARES = (0.125, 0.25, 0.0625), (0.5, 0.75, 0.875)


def test_rates_momenta_and_decays_may_be_traced_and_each_setting_equals_its_run_alone() -> None:
    # In float64, whose rounding is far below the bound; 66 steps as one scan, all settings at once.
    with jax.enable_x64(True):
        slopes = gradients(np.float64)
        start = tree(0, np.float64)

        def runs(rate: Any, share: Any, grads: Tree) -> dict[str, tuple[Tree, Tree]]:
            optimizers = {name: make(rate, share) for name, make in SETTINGS.items()}

            def advance(held: Any, grads: Tree) -> Any:
                return {n: optimizer.update(held[n][0], grads, held[n][1]) for n, optimizer in optimizers.items()}, None

            params = tree_map(jnp.asarray, start)
            first = {name: (params, strong(optimizer.init(params))) for name, optimizer in optimizers.items()}
            return jax.lax.scan(advance, first, grads)[0]

        stacked = tree_map(lambda *g: np.stack(g), *slopes)
        mapped = jax.jit(jax.vmap(runs, (0, 0, None)), compiler_options=QUICK)(
            np.array(RATES), np.array(SHARES), stacked
        )
    for name, make in SETTINGS.items():
        for place, (rate, share) in enumerate(zip(RATES, SHARES, strict=True)):
            optimizer, params = make(rate, share), start
            state = optimizer.init(params)
            for grads in slopes:
                params, state = optimizer.update(params, grads, state)
            alone = tree_map(lambda leaf, i=place: leaf[i], mapped[name])
            bounds = tree_map(lambda leaf: 1e-12 * max(1.0, float(np.max(np.abs(leaf)))), (params, state))
            assert_within(f"{name}({rate}, {share})", alone, (params, state), bounds)


@each("name, make", SETTINGS.items())
def test_parameters_keep_their_type_beside_traced_numbers_in_float64(
    name: str, make: Callable[[Any, Any], fn.Optimizer]
) -> None:
    def update(rate: Any, share: Any, params: Tree, state: Tree) -> tuple[Tree, Tree]:
        return make(rate, share).update(params, params, state)

    with jax.enable_x64(True):
        params, number = tree_map(jnp.asarray, tree(0, np.float32)), jnp.float64(0.5)
        state = strong(make(0.5, 0.5).init(params))
        after = jax.eval_shape(update, number, number, params, state)
        assert tree_paths(tree_map(str, after)) == tree_paths(forms((params, state)))


def test_a_traced_number_out_of_range_makes_the_parameters_nan_and_never_a_wrong_step() -> None:
    makes: dict[str, Callable[[Any], fn.Optimizer]] = {
        "rate": fn.sgd,
        "momentum": lambda x: fn.sgd(0.1, momentum=x - 1),
        "beta 1": lambda x: fn.adam(0.1, betas=(x - 1, 0.5)),
        "beta 2": lambda x: fn.adam(0.1, betas=(0.5, x - 1)),
        "epsilon": lambda x: fn.adam(0.1, epsilon=x),
        "decay": lambda x: fn.adamw(0.1, weight_decay=x - 1),
        "limit": lambda x: fn.compose(fn.clip_by_value(x), fn.sgd(0.1)),
        "norm": lambda x: fn.compose(fn.clip_by_global_norm(x), fn.sgd(0.1)),
        "schedule": lambda x: fn.scheduled(fn.sgd, lambda step: x - 1 + 0 * step),
        "max_norm": lambda x: fn.max_norm(fn.sgd(0.1), limit=x, only=fn.everywhere),
    }
    params = (np.ones((2, 2), np.float32),)

    def moved(x: Any) -> dict[str, Any]:
        return {name: (make(x).update(params, params, make(x).init(params))[0][0]) for name, make in makes.items()}

    for bad in (0.0, -1.0, np.nan, np.inf):
        for name, found in jax.jit(moved)(bad).items():
            assert np.isnan(found).all(), f"{name}: {bad}"


def test_what_a_compiler_must_know_is_refused_by_name() -> None:
    with pytest.raises(OptionError, match=r"sgd\(rate\): expected one real number, got an array of shape \(2,\)"):
        jax.jit(lambda rate: fn.sgd(rate).update(rate, rate, ()))(np.ones(2, np.float32))
    with pytest.raises(OptionError, match=r"sgd\(nesterov\): expected True or False"):
        jax.jit(lambda flag: fn.sgd(0.1, momentum=0.5, nesterov=flag).init(flag))(True)
    with pytest.raises(OptionError, match=r"sgd\(nesterov\): expected momentum above 0 without dampening"):
        jax.jit(lambda x: fn.sgd(0.1, momentum=0.5, dampening=x, nesterov=True).init(x))(0.0)
    with pytest.raises(OptionError, match=r"accumulated\(steps\): expected an integer"):
        jax.jit(lambda steps: fn.accumulated(fn.sgd(0.1), steps=steps).init(steps))(2)


def test_schedules_give_the_rates_of_numpy_for_traced_steps() -> None:
    steps, schedules = np.arange(120), {**dict(SCHEDULES), "equal periods": fn.cosine_restarts(0.25, period=7)}
    rates = jax.jit(jax.vmap(lambda step: {name: 1.0 * schedule(step) for name, schedule in schedules.items()}))(steps)
    for name, schedule in schedules.items():
        expected = np.array([schedule(step) for step in steps.tolist()])
        # A power rounds its exponent's product with a logarithm, which is below 120 · |log 0.5| here.
        np.testing.assert_allclose(rates[name], expected, rtol=0, atol=100 * EPS * 0.25, err_msg=name)


def test_a_traced_rate_of_0_moves_nothing_and_leaves_the_sums_at_work() -> None:
    optimizer = fn.scheduled(lambda rate: fn.sgd(rate, momentum=0.5), lambda step: 0.5 * (step > 0))
    params, state = jax.jit(optimizer.update)((jnp.ones(2),), (jnp.ones(2),), optimizer.init((jnp.ones(2),)))
    assert np.array_equal(params[0], np.ones(2))
    assert np.array_equal(optimizer.update(params, params, state)[0][0], np.full(2, 0.25))


@each("betas", [(0.9, 0.999), (0.0, 0.5), (0.5, 0.9999)])
def test_corrections_are_right_to_float32_though_1_minus_a_power_cancels(betas: tuple[float, float]) -> None:
    # 1 - 0.999**t computed in float32 has lost three digits at t = 1.
    steps = [*range(40), 1000, 10**5]

    def numbers(step: Any) -> Any:
        made = adam_numbers(betas, 1e-8, step)
        return made.epsilon, made.factor, made.mean

    found = np.stack(jax.vmap(numbers)(np.array(steps)), axis=1)
    np.testing.assert_allclose(found, [numbers(step) for step in steps], rtol=8 * EPS)


def test_gradients_of_jax_are_never_copied() -> None:
    one = jnp.ones(2)
    grads = (one, one)
    assert all(leaf is one for leaf in (*owned(grads), *copied(grads)))


def test_steps_that_are_skipped_or_clipped_under_a_compiler_are_those_of_numpy() -> None:
    optimizer = fn.compose(
        fn.clip_by_global_norm(1.0), fn.apply_if_finite(fn.sgd(1.0, momentum=0.5), max_consecutive_errors=2)
    )
    update, params = jax.jit(optimizer.update), (np.array([1.0, 2.0], np.float32),)
    found, state = params, optimizer.init(params)
    expected, right = params, state
    for slope in ([1.0, 0.0], [np.nan, 1.0], [3.0, 4.0], [np.inf, 0.0], [np.nan, 0.0], [1.0, 0.0]):
        grads = (np.array(slope, np.float32),)
        with np.errstate(invalid="ignore"):
            expected, right = optimizer.update(expected, grads, right)
        found, state = update(found, grads, state)
        np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=4 * EPS * 2)
        assert [int(x) for x in tree_leaves(state)[:2]] == list(tree_leaves(right)[:2])


def test_a_filter_is_asked_again_where_a_compiler_must_know_its_answers() -> None:
    optimizer = fn.partitioned(fn.sgd(0.5), fn.sgd(0.25), only=is_first)
    params = (jnp.ones(2), jnp.ones(2))
    moved, state = jax.jit(optimizer.update)(params, params, optimizer.init(params))
    assert [leaf.tolist() for leaf in moved] == [[0.5, 0.5], [0.75, 0.75]]
    assert np.array_equal(optimizer.update(params, params, state)[0][1], moved[1])


@each("make", [fn.sgd, lambda rate: fn.sgd(rate, momentum=0.5), fn.adam])
def test_a_loss_can_be_differentiated_by_the_rate_through_some_steps(make: Callable[[Any], fn.Optimizer]) -> None:
    def loss(rate: Any) -> Any:
        optimizer, params = make(rate), (jnp.array([1.0, -2.0, 0.5]),)
        state = optimizer.init(params)
        for _ in range(3):
            params, state = optimizer.update(params, tree_map(jnp.sin, params), state)
        return (params[0] ** 2).sum()

    with jax.enable_x64(True):
        slope = jax.jit(jax.grad(loss))(0.1)
        # The error of a central difference is h² times a third derivative of order 1, and its rounding 1e-16 / h.
        assert abs(slope - (loss(0.1 + 1e-5) - loss(0.1 - 1e-5)) / 2e-5) < 1e-8


@each("second", [0.5, 0.9, 0.999, 0.9999])
def test_radam_begins_to_divide_at_the_same_step_in_float32(second: float) -> None:
    # Its length is the difference of two numbers of the size of 2 / (1 - β₂), so in float32 it loses as many digits:
    # with β₂ = 0.9999 the length of step 5, which is just below 5, may round to more.
    steps = np.arange(1, 40)
    found = np.stack(jax.vmap(lambda step: rectified_divisor(second, step))(steps), axis=1)
    expected = np.array([rectified_divisor(second, step) for step in steps.tolist()])
    assert np.array_equal(found[:, 1], expected[:, 1])
    np.testing.assert_allclose(found[:, 0], expected[:, 0], rtol=8 * EPS * 2 / (1 - second))
