"""The laws of a layer's gradients: the pullback is the derivative, linear, and as exact as its dtype allows."""

from typing import Any

import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import Key, fold_in
from fnmlp.testing.cases import LayerCase, expect_same_tree, expect_within_rounding
from fnmlp.testing.discrepancy import Claim, find_discrepancy
from fnmlp.testing.numeric import EPSILON, cast, normal
from fnmlp.testing.report import (
    DifferenceFound,
    expect_same_bits,
    law,
)
from fnmlp.testing.rounding import largest, smallest
from fnmlp.tree import Tree, tree_equal, tree_leaves, tree_map, tree_paths

EPSILON32 = float(np.finfo(np.float32).eps)


@law("layer")
def vjp_equals_the_derivative_of_apply(case: LayerCase) -> None:
    """In float64 each gradient equals the complex step of `apply`, within 50 times its rounding error."""
    _expect_derivative(case, None)


@law("layer")
def vjp_equals_the_derivative_of_its_own_output(case: LayerCase) -> None:
    """With a key too, the pullback is the derivative of the output that `vjp` returned, with the same noise."""
    key = fold_in(case.key, 4)
    plain, keyed = (case.run(case.params, case.x, case.dy, given) for given in (None, key))
    if not tree_equal(plain, keyed):  # results that equal those without a key were checked already
        _expect_derivative(case, key)


def _expect_derivative(case: LayerCase, key: Key | None) -> None:
    def output(params: Tree, x: Array) -> Array:
        return case.layer.apply(params, x) if key is None else case.layer.vjp(params, x, key)[0]

    def of_point(point: Tree) -> Array:
        return output(point[0], point[1] if case.differentiable else case.x)

    at = (case.params, case.x) if case.differentiable else (case.params,)
    if not tree_leaves(at):
        return
    claim = Claim(
        of_point,
        at,
        case.dy,
        case.gradients(case.params, case.x, case.dy, key),
        "(params, x)",
        by_row=case.rowwise and case.differentiable,
        allowance=lambda: case.rounding(case.params, case.x, case.dy, key)[1 : len(at) + 1],
        probe=(case.params, case.draw(fold_in(case.key, 13), case.x.shape)) if case.differentiable else None,
        floor=smallest(np.float64, largest(case.dy)),
    )
    found = find_discrepancy(claim, fold_in(case.key, 5))
    if found is not None:
        where = found.where.replace("(params, x)[0]", "params").replace("(params, x)[1]", "x")
        raise DifferenceFound(where, f"{found.numeric!r} (numeric)", f"{found.analytic!r} (analytic)")


@law("layer")
def float32_stays_float32_and_close(case: LayerCase) -> None:
    """float32 in gives float32 out, with a key too, within 32 times the rounding error of the float64 results."""
    params, x, dy = case.as_float32()
    if case.differentiable or tree_leaves(params):
        drawn, _ = case.layer.init(fold_in(case.key, 0), case.example)
        _expect_float32("y of the parameters that init draws", case.layer.apply(drawn, x))
        for key in (None, fold_in(case.key, 4)):
            y, pullback = case.layer.vjp(params, x, key)
            _expect_float32("y", y)
            dparams, delayed_dx = pullback(dy)
            _expect_float32("(params, dx)", (dparams, delayed_dx()) if case.differentiable else (dparams,))
    wide = x.astype(np.float64) if case.differentiable else x
    given = cast(params, np.float64), wide, dy.astype(np.float64)
    kept = 3 if case.differentiable else 2
    expect_within_rounding(
        "(y, params, dx) in float32",
        case.run(*given)[:kept],
        case.run(params, x, dy)[:kept],
        32 * EPSILON32,
        lambda: case.rounding(*given)[:kept],
        smallest(np.float32, largest(dy)),
    )


def _expect_float32(where: str, results: Tree) -> None:
    for path, result in tree_paths(results, where):
        if result.dtype != np.float32:
            raise DifferenceFound(path, "dtype float32", f"dtype {result.dtype}")


@law("layer")
def the_pullback_is_linear(case: LayerCase) -> None:
    """The pullback is linear: u + 2 v gives the sum, 4 u exactly four times that of u, and 0 gives 0."""
    other = normal(fold_in(case.key, 8), case.dy.shape).astype(case.dy.dtype)
    _, pullback = case.layer.vjp(case.params, case.x, None)

    def pull(dy: Array) -> tuple[Any, ...]:
        dparams, delayed_dx = pullback(dy)
        dx = delayed_dx()
        return (dparams, dx) if case.differentiable else (dparams,)

    def rounding() -> tuple[Any, ...]:
        of_each = (case.rounding(case.params, case.x, dy)[1 : len(one) + 1] for dy in (case.dy, other))
        summed: tuple[Any, ...] = tree_map(lambda u, v: u + 2 * v, *of_each)
        return summed

    one, two, both = pull(case.dy), pull(other), pull(case.dy + 2 * other)
    fourfold, nothing = pull(4 * case.dy), pull(np.zeros_like(case.dy))
    where = "gradients (params, dx)"
    added = tree_map(lambda u, v: u + 2 * v, one, two)
    lost = smallest(np.float64, largest((case.dy, other)))
    expect_within_rounding(where, added, both, 1000 * EPSILON, rounding, lost)
    for (path, u), four, none in zip(tree_paths(one, where), tree_leaves(fourfold), tree_leaves(nothing), strict=True):
        whole = np.abs(u) >= lost  # below this, underflow takes digits of u that 4 u still has
        expect_same_bits(f"{path} of 4 dy", np.where(whole, 4 * u + 0.0, 0), np.where(whole, four + 0.0, 0))
        expect_same_bits(f"{path} of dy = 0", np.zeros_like(none), none + 0.0)


@law("layer")
def a_pulled_gradient_stays_as_it_was(case: LayerCase) -> None:
    """A delayed dx belongs to its own dy: called late, twice, or after other pullbacks, it is the same."""
    other = case.dy[::-1].copy() + 1
    _, pullback = case.layer.vjp(case.params, case.x, None)
    _, first = pullback(case.dy)
    _, second = pullback(other)
    late = second().copy(), first().copy(), second().copy(), first().copy()
    at_once = pullback(other)[1]().copy(), pullback(case.dy)[1]().copy()
    expect_same_tree("(dx of another dy, dx), asked for late and twice", (*at_once, *at_once), late)
