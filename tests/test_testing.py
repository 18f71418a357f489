"""The kit itself: how it reports a broken law, what it accepts, and what its strategies draw."""

from collections.abc import Callable, Generator
from functools import partial
import os
import re
from time import sleep
from typing import Any

from attrs import evolve, frozen
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import DeadlineExceeded
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.testing import (
    LawBrokenError,
    check_layer,
    check_loss,
    check_optimizer,
    each_number,
    laws,
    layer_test,
    report,
    strategies,
)
from fnmlp.testing.cases import LAYOUTS, LayerCase
from fnmlp.testing.discrepancy import Claim, find_discrepancy
from fnmlp.testing.numeric import normal
from fnmlp.testing.report import DifferenceFound, expect_close, expect_same_form
from fnmlp.tree import Tree
from tests.catalogue import ids
from tests.closures import PICKLING, UNPICKLED, away_from_zero, layer
from tests.specimens import labels_like


def test_every_law_has_a_name_of_its_own_and_a_statement() -> None:
    names = [(one.kind, one.name) for one in laws()]
    assert len(set(names)) == len(names)
    assert all(one.statement.endswith(".") and str(one).startswith(f"{one.kind}: {one.name}: ") for one in laws())


def test_a_broken_law_names_layer_place_both_values_and_the_call_that_shows_it_again() -> None:
    wrong = layer(lambda x: x * x, lambda x: x * 2.002)
    with pytest.raises(LawBrokenError) as caught:
        check_layer(wrong, (2,), seed=5)
    broken = caught.value
    assert (broken.law, broken.subject) == ("vjp equals the derivative of apply", "mine()")
    assert re.fullmatch(r"x\[\d+, \d\]", broken.where)
    numeric, analytic = (float(str(text).split()[0]) for text in (broken.expected, broken.got))
    assert analytic == pytest.approx(numeric * 1.001)
    assert broken.reproduce == "check_layer(mine(), (2,), seed=5, trials=1)"
    assert all(part in str(broken) for part in (broken.law, broken.where, broken.reproduce))
    check_layer(layer(lambda x: x * x, lambda x: x * 2), (2,), seed=5, laws=UNPICKLED)


def test_options_are_said_in_the_call_that_reproduces() -> None:
    with pytest.raises(LawBrokenError, match=r"seed=0, trials=1, noisy=True, rowwise=False, draw=labels_like\)"):
        check_layer(layer(abs, np.zeros_like), (2,), noisy=True, rowwise=False, draw=labels_like)
    with pytest.raises(LawBrokenError, match=r"check_loss\(mse\(reduction='max'\), \(3,\), seed=0, trials=1, draw_t"):
        check_loss(partial(fn.mse, reduction="max"), (3,), draw_target=labels_like)


def test_a_function_that_complex_numbers_break_is_judged_by_differences() -> None:
    check_layer(layer(np.abs, np.sign), (3,), laws=UNPICKLED)
    check_layer(layer(np.cbrt, lambda x: 1 / (3 * np.cbrt(x) ** 2)), (3,), laws=UNPICKLED, draw=away_from_zero)
    with pytest.raises(LawBrokenError, match="vjp equals the derivative of apply"):
        check_layer(layer(np.abs, lambda x: 1.001 * np.sign(x)), (3,), laws=UNPICKLED)


def test_an_exception_in_a_layer_breaks_the_law_that_met_it() -> None:
    def refuse(x: fn.Array) -> fn.Array:
        raise ZeroDivisionError(f"on {x.ndim} axes")

    with pytest.raises(LawBrokenError, match="ZeroDivisionError: on 2 axes"):
        check_layer(layer(refuse, refuse), (3,))


def test_a_layer_of_closures_breaks_only_the_law_of_pickling() -> None:
    good = layer(np.exp, np.exp)
    check_layer(good, (3,), laws=UNPICKLED)
    with pytest.raises(LawBrokenError, match="functions of a module"):
        check_layer(good, (3,), laws=(PICKLING,))


def test_a_layer_that_promises_noise_must_make_some() -> None:
    with pytest.raises(LawBrokenError, match="other noise from each of 8 keys"):
        check_layer(fn.relu(), (3,), noisy=True)


def test_a_layer_that_keeps_its_promise_of_noise_passes() -> None:
    def vjp(params: tuple[()], x: fn.Array, key: fn.Key | None) -> Any:
        return x + (0 if key is None else normal(key, x.shape).astype(x.real.dtype)), lambda dy: ((), lambda: dy * 1)

    noise = fn.Layer("noise()", fn.identity().init, lambda params, x: x + 0, vjp)  # noqa: ARG005
    check_layer(noise, (3,), noisy=True, laws=UNPICKLED)
    with pytest.raises(LawBrokenError, match="only a layer with noise minds its key"):
        check_layer(noise, (3,), laws=UNPICKLED)


def test_a_gradient_that_cancels_along_one_direction_is_still_found() -> None:
    def flat(point: Tree) -> fn.Array:
        return np.asarray(point[0] * 0.0)

    point = (np.ones(2),)
    assert find_discrepancy(Claim(flat, point, np.ones(2), (np.zeros(2),), "p"), fn.Key(0)) is None
    found = find_discrepancy(Claim(flat, point, np.ones(2), (np.array([0.0, 1e-3]),), "p"), fn.Key(0))
    assert found is not None
    assert (found.where, found.numeric, found.analytic) == ("p[0][1]", 0.0, 1e-3)


def test_comparisons_name_the_first_thing_that_differs() -> None:
    for expected, got, said in (
        (np.zeros(2), np.zeros(3), "shape"),
        (np.zeros(2), np.zeros(2, np.float32), "dtype"),
        (np.zeros(2), [0.0, 0.0], "list"),
    ):
        with pytest.raises(DifferenceFound, match=said):
            expect_same_form("y", expected, got)
    with pytest.raises(DifferenceFound, match="shape"):
        expect_close("y", np.zeros(2), np.zeros(3), 0.0)
    with pytest.raises(DifferenceFound, match=r"y\[1\]"):
        report.expect_same_bits("y", np.array([0.0, 0.0]), np.array([0.0, -0.0]))
    expect_close("y", np.array([np.nan, 1.0]), np.array([np.nan, 1.5]), 0.5)


def test_what_is_no_layer_is_refused_by_layer_test() -> None:
    with pytest.raises(fn.StructureError, match=r"layer_test\(layer\): .*; call it, as in relu"):
        layer_test(fn.relu, (3,))  # type: ignore[arg-type]
    with pytest.raises(AttributeError, match="no attribute 'layer_tests'"):
        _ = fnmlp_testing().layer_tests


def fnmlp_testing() -> Any:
    from fnmlp import testing

    return testing


test_relu = layer_test(fn.relu(), example=(3,))


def noting(seen: list[LayerCase], *, wait: float = 0.0) -> report.Law[LayerCase]:
    """Make a law that notes each case, and takes its time."""

    def noted(case: LayerCase) -> None:
        """Note a case."""
        seen.append(case)
        sleep(wait)

    return report.law("layer")(noted)


def test_laws_from_an_iterator_are_checked_in_every_trial() -> None:
    seen: list[LayerCase] = []
    check_layer(fn.relu(), (2,), trials=3, laws=iter([noting(seen)]))
    assert len(seen) == 3


def test_a_layer_test_has_no_deadline_and_takes_a_users_own_settings() -> None:
    # On a busy machine Hypothesis's 200 ms failed right layers.
    seen: list[LayerCase] = []
    slow = noting(seen, wait=0.01)
    hasty = settings(deadline=1, max_examples=2, database=None)
    settings.register_profile("hasty", hasty)
    settings.load_profile("hasty")
    try:
        without, own = (layer_test(fn.relu(), (2,), laws=(slow,)) for _ in range(2))
    finally:
        settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))
    without()
    assert len(seen) == 2
    with pytest.raises(DeadlineExceeded):
        hasty(own)()


def test_sgd_passes_and_an_optimizer_that_stands_still_does_not() -> None:
    check_optimizer(fn.sgd(0.5))
    lazy = fn.Optimizer(lambda params: (), lambda params, grads, state: (fn.tree_map(np.copy, params), state))  # noqa: ARG005
    with pytest.raises(LawBrokenError, match="the first step goes downhill"):
        check_optimizer(lazy)


def test_an_optimizer_is_held_against_its_reference_and_the_place_is_named() -> None:
    def descent(p: float) -> Generator[float, float, None]:
        while True:
            g = yield p
            p -= 0.5 * g

    check_optimizer(fn.sgd(0.5), reference=each_number(descent))
    with pytest.raises(LawBrokenError) as caught:
        check_optimizer(fn.sgd(0.501), reference=each_number(descent))
    assert caught.value.law == "the steps are the references"
    assert caught.value.where.startswith("after 1 steps: params")
    assert caught.value.reproduce == "check_optimizer(optimizer, seed=0, trials=1, reference=reference)"


@given(data=st.data(), shape=strategies.shapes(least=0), dtype=st.sampled_from(["float32", "float64"]))
def test_arrays_have_the_shape_and_dtype_that_were_asked_for(data: st.DataObject, shape: fn.Shape, dtype: str) -> None:
    x = data.draw(strategies.arrays(shape, dtype=dtype))
    assert (x.shape, x.dtype.newbyteorder("=")) == (shape, np.dtype(dtype))
    assert np.isfinite(x).all()


@given(x=strategies.arrays((4, 3), dtype="float32", extreme=True, special=True))
def test_relu_survives_extreme_and_special_numbers(x: fn.Array) -> None:
    y = fn.relu().apply((), x)
    assert np.array_equal(y, np.where(x > 0, x, np.where(np.isnan(x), x, 0)), equal_nan=True)


LOOKS: dict[str, Callable[[Any], bool]] = {
    "strided": lambda x: not x.flags.c_contiguous and not x.flags.f_contiguous and x.strides[0] > 0,
    "reversed": lambda x: x.strides[0] < 0,
    "Fortran-ordered": lambda x: x.flags.f_contiguous and not x.flags.c_contiguous,
    "read-only": lambda x: not x.flags.writeable,
    "big-endian": lambda x: not x.dtype.isnative,
}


AS_DRAWN = settings(max_examples=1000, database=None, phases=[Phase.generate])
"""Without a search for the simplest."""


def test_arrays_come_in_every_layout() -> None:
    assert set(LOOKS) == set(LAYOUTS)
    for looks in LOOKS.values():
        find(strategies.arrays((3, 2)), looks, settings=AS_DRAWN)


@given(key=strategies.keys(), model=strategies.models(features=3, classes=3))
def test_models_start_from_any_key(key: fn.Key, model: tuple[fn.Layer[Any], fn.Shape]) -> None:
    params, shape = model[0].init(key, model[1])
    assert model[0].apply(params, np.zeros((2, *model[1]), np.float32)).shape == (2, *shape)


def test_a_gradient_that_is_coarse_in_float32_alone_is_found() -> None:
    def coarse(x: fn.Array) -> fn.Array:
        return 2 * x if x.dtype != np.float32 else 2 * x.astype(np.float16).astype(np.float32)

    with pytest.raises(LawBrokenError, match="float32 stays float32 and close"):
        check_layer(layer(lambda x: x * x, coarse), (3,))


@frozen(eq=False)
class Shrink:
    """A threshold for each feature."""

    threshold: fn.Array


def shrink(rounded: Callable[[fn.Array], fn.Array] = np.asarray) -> fn.Layer[Shrink]:
    """Make a soft shrinkage with learnt thresholds, for thresholds above 0; below, the thresholds cancel."""

    def init(key: fn.Key, shape: fn.Shape) -> tuple[Shrink, fn.Shape]:
        return Shrink(np.full(shape, 0.5, np.float32)), shape

    def apply(params: Shrink, x: fn.Array) -> fn.Array:
        return rounded(np.maximum(x - params.threshold, 0) + np.minimum(x + params.threshold, 0))

    def vjp(params: Shrink, x: fn.Array, key: fn.Key | None) -> Any:
        above, below = (side.astype(x.dtype) for side in (x > params.threshold, x < -params.threshold))
        return apply(params, x), lambda dy: (
            Shrink((dy * (below - above)).sum(axis=0)),
            lambda: dy * (above + below),
        )

    return fn.Layer("shrink()", init, apply, vjp)


def shrinks_with(vjp: Callable[[Any, Any], Any]) -> fn.Layer[Shrink]:
    """Make a soft shrinkage whose `vjp` returns what a function makes of y and the pullback."""
    right = shrink()
    return evolve(right, vjp=lambda params, x, key: vjp(*right.vjp(params, x, key)))


OF_VJP = "what vjp returns", "(y, pullback)"
OF_PULLBACK = "what the pullback returns", "(gradients, a function that returns dx)"


@pytest.mark.parametrize("on", ["numpy", "array_api_strict"])
@pytest.mark.parametrize(
    ("vjp", "said", "got"),
    [
        (lambda _, pullback: pullback, OF_VJP, "function"),
        (lambda y, pullback: (pullback, y), OF_VJP, "(function, ndarray)"),
        (lambda y, pullback: (y, lambda dy: (pullback(dy)[0], pullback(dy)[1]())), OF_PULLBACK, "(Shrink, ndarray)"),
        (lambda y, pullback: (y, lambda dy: pullback(dy)[::-1]), OF_PULLBACK, "(function, Shrink)"),
        (lambda y, pullback: (y, lambda dy: pullback(dy)[0]), OF_PULLBACK, "Shrink"),
    ],
)
def test_a_vjp_or_a_pullback_that_returns_another_pair_is_named(vjp: Any, said: Any, got: str, on: str) -> None:
    pytest.importorskip(on, reason="the library to check on")
    with pytest.raises(LawBrokenError) as caught:
        check_layer(shrinks_with(vjp), (3,), on=on)
    broken = caught.value
    assert broken.law == "vjp returns an output and a pullback"
    assert (broken.where, broken.expected, broken.got) == (*said, got)


def alone(y: fn.Array, target: fn.Array) -> Any:
    """Compute a loss without its gradient."""
    return ((y - target) ** 2).mean()


def test_a_loss_or_an_update_that_returns_no_pair_is_named() -> None:
    with pytest.raises(LawBrokenError) as of_loss:
        check_loss(alone, (3,))
    assert (of_loss.value.where, of_loss.value.expected) == ("what the loss returns", "(value, dy)")
    with pytest.raises(LawBrokenError) as of_update:
        check_optimizer(evolve(fn.sgd(0.1), update=lambda params, grads, state: params))  # noqa: ARG005
    broken = of_update.value
    assert (broken.where, broken.expected) == ("what update returns", "(params, state)")
    assert broken.got == "(ndarray, tuple, ndarray)"


def test_kinks_that_a_parameter_moves_are_checked_with_the_parameter_frozen() -> None:
    right = shrink()

    def steep(params: Shrink, x: fn.Array, key: fn.Key | None) -> Any:
        y, pullback = right.vjp(params, x, key)
        return y, lambda dy: (pullback(dy)[0], lambda: np.where(x == params.threshold, 2 * dy, pullback(dy)[1]()))

    def check(layer: fn.Layer[Shrink]) -> None:
        fixed = evolve(fn.frozen(layer, Shrink(np.full(3, 0.5, np.float32))), name="fixed()")
        check_layer(fixed, (3,), kinks=(-0.5, 0.5), laws=UNPICKLED)

    check(right)
    check_layer(evolve(right, vjp=steep), (3,), laws=UNPICKLED)
    with pytest.raises(LawBrokenError, match="a kink has the slope of a side"):
        check(evolve(right, vjp=steep))


def test_an_output_in_which_a_parameter_cancels_is_judged_by_its_size() -> None:
    for seed in (47, 112, 137):  # thresholds of some hundreds below 0 beside small inputs
        check_layer(shrink(), (3,), seed=seed, trials=1, laws=UNPICKLED)
    check_layer(fn.chain(shrink(), fn.scale(0.5)), (1,), seed=282, trials=1, laws=UNPICKLED)
    check_layer(fn.residual(shrink()), (1,), seed=982, trials=1, laws=UNPICKLED)


def test_an_output_that_is_coarse_in_float32_is_found_beside_parameters() -> None:
    def coarse(y: fn.Array) -> fn.Array:
        return y * (1 + 1e-5) if y.dtype == np.float32 else y

    with pytest.raises(LawBrokenError, match="float32 stays float32 and close"):
        check_layer(shrink(coarse), (3,), laws=UNPICKLED)


def test_an_empty_batch_that_gets_a_row_is_found() -> None:
    def filled(x: fn.Array) -> fn.Array:
        return x * 1 if len(x) else np.zeros((1, *x.shape[1:]))

    with pytest.raises(LawBrokenError, match="gradients add over a split of the batch") as found:
        check_layer(layer(filled, np.ones_like), (3,))
    assert (found.value.where, found.value.expected, found.value.got) == ("y", "0 rows", 1)


def test_a_loss_with_a_draw_of_its_own_has_the_kinks_that_are_named_alone() -> None:
    def above(key: fn.Key, shape: fn.Shape) -> fn.Array:
        return 1 + np.abs(normal(key, shape))

    check_loss(fn.l1, (3,), draw=above, draw_target=lambda key, shape: -above(key, shape), trials=2)


def test_a_loss_whose_gradient_is_a_view_of_its_outputs_is_found() -> None:
    with pytest.raises(LawBrokenError, match="a view of y or of the target"):
        check_loss(lambda y, target: (0.5 * (y * y).sum() + 0 * target.sum(), y), (3,))


@pytest.mark.parametrize(
    ("text", "example", "seed", "by_row"),
    [
        ("chain(linear(1), relu(), linear(1), relu(), linear(1), relu(), linear(2), softmax())", (1,), 74, True),
        ("chain(linear(1), relu(), linear(1), relu(), linear(2), relu(), linear(2), softmax())", (1,), 74, True),
        ("chain(linear(3), softmax(axis=0), identity())", (2,), 3151656, False),
    ],
)
def test_rows_whose_gradients_cancel_are_judged_by_their_sizes(
    text: str, example: fn.Shape, seed: int, by_row: bool
) -> None:
    # Found among 10,000 examples a law: the gradient is the small difference of large rows, and as exact as they are.
    check_layer(fn.build(text), example, seed=seed, trials=1, rowwise=by_row)


def test_a_gradient_that_a_layer_cancels_is_judged_by_the_dy_that_it_cancelled() -> None:
    # Found among 10,000 examples: layer_norm takes nearly all of a dy away; what is left is as exact as that dy was.
    model = fn.build("chain(embedding(5, 2), flatten(), layer_norm(), linear(3), gelu())")
    check_layer(model, (4,), seed=1093301464, trials=1, draw=ids)
