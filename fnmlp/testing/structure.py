"""The laws of what a layer returns and says of itself: pairs, its parts, each row's gradients, and pointwise ones."""

from collections.abc import Callable
from functools import partial
from typing import Any

from attrs import evolve
import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import fold_in
from fnmlp.layer import Layer, with_parts
from fnmlp.rows import Rows
from fnmlp.testing.cases import LayerCase, expect_same_tree, expect_within_rounding
from fnmlp.testing.numeric import EPSILON, normal
from fnmlp.testing.report import DifferenceFound, expect_pair, expect_same_bits, expect_same_form, law
from fnmlp.testing.rounding import largest, smallest
from fnmlp.tree import Tree, tree_leaves, tree_map, tree_paths

MASKS = 4
"""How often half of the numbers are changed. That two numbers are changed together each time has a chance of 1/16."""


@law("layer")
def vjp_returns_an_output_and_a_pullback(case: LayerCase) -> None:
    """`vjp` returns (y, pullback), and the pullback of dy returns (gradients, a function that returns dx)."""
    for key in (None, fold_in(case.key, 4)):
        _, pullback = expect_pair(
            "what vjp returns", "(y, pullback)", case.layer.vjp(case.params, case.x, key), function=True
        )
        expect_pair(
            "what the pullback returns", "(gradients, a function that returns dx)", pullback(case.dy), function=True
        )


@law("layer")
def a_combinator_is_made_again_of_its_parts(case: LayerCase) -> None:
    """Made again of its `parts`, a layer gives the same bits, and each part gets the parameters that `deal` says."""
    layer = case.layer
    if bool(layer.parts) > (layer.deal is not None) or (layer.deal is None) != (layer.remake is None):
        raise DifferenceFound("parts, deal and remake", "all three or none", (layer.parts, layer.deal, layer.remake))
    if layer.deal is None:
        return
    params, x, dy = case.as_float32()
    dealt, seen = layer.deal(params), list[tuple[int, Tree]]()
    parts = [evolve(part, vjp=partial(_noted_vjp, seen, place, part)) for place, part in enumerate(layer.parts)]
    again = evolve(case, layer=with_parts(layer, parts))
    key = fold_in(case.key, 4)
    where = "(y, params, dx) of the layer made again"
    expect_same_tree(where, case.run(params, x, dy, key), again.run(params, x, dy, key))
    for place, given in seen:
        expect_same_tree(f"params of part {place}", dealt[place], given)
    if idle := set(range(len(parts))) - {place for place, _ in seen}:
        raise DifferenceFound(f"part {min(idle)} that the layer was made again of", "a call of its vjp", "none")


def _noted_vjp(seen: list[tuple[int, Tree]], place: int, part: Layer[Any], params: Tree, x: Array, key: Any) -> Any:
    seen.append((place, params))
    return part.vjp(params, x, key)


@law("layer")
def the_gradients_of_rows_add_up_to_that_of_the_batch(case: LayerCase) -> None:
    """`rows` gives each row the gradient of a batch of it alone, in the parameters' form; their sum is the batch's."""
    if case.layer.rows is None:
        return
    gradients_of = partial(_gradients_of_rows, case.layer.rows)
    gradients_of(*case.as_float32())
    params, x, dy = case.params, case.x, case.dy
    gradients_of(params, x[:0], dy[:0])
    by_row = gradients_of(params, x, dy)
    lost = smallest(np.float64, largest(dy))
    total = tree_map(lambda gradient: gradient.sum(axis=0), by_row)
    rounding = partial(_rounding_of_gradient, case, x, dy)
    expect_within_rounding("sum of rows", case.run(params, x, dy)[1], total, 1000 * EPSILON, rounding, lost)
    for row in range(case.rows if case.rowwise else 0):
        alone = x[row : row + 1], dy[row : row + 1]
        own = tree_map(lambda gradient, row=row: gradient[row], by_row)
        rounding = partial(_rounding_of_gradient, case, *alone)
        where = f"gradient of row {row} alone"
        expect_within_rounding(where, case.run(params, *alone)[1], own, 1000 * EPSILON, rounding, lost)


def _gradients_of_rows(rows_of: Callable[..., Tree], params: Tree, x: Array, dy: Array) -> Tree:
    """Return what `rows` gives as arrays, with an axis of rows before those of the parameters."""
    before = tree_map(np.copy, (params, x, dy))
    by_row = rows_of(params, x, dy)
    expect_same_tree("(params, x, dy) after rows", before, (params, x, dy))
    tree_map(lambda *_: (), params, by_row)
    for (path, param), rows in zip(tree_paths(params, "rows"), tree_leaves(by_row), strict=True):
        if not isinstance(rows, Rows):
            raise DifferenceFound(path, "Rows", type(rows).__name__)
        expect_same_form(path, np.broadcast_to(param, (len(dy), *param.shape)), rows.multiplied())
    return tree_map(Rows.multiplied, by_row)


def _rounding_of_gradient(case: LayerCase, x: Array, dy: Array) -> Tree:
    return case.rounding(case.params, x, dy)[1]


@law("layer")
def a_pointwise_layer_maps_each_number_by_itself(case: LayerCase) -> None:
    """With `pointwise=True`: no parameters, no noise, and each y and dx depends on the x and dy in its place alone."""
    if not case.layer.pointwise or not case.differentiable:
        return
    if type(case.params) is not tuple or case.params:
        raise DifferenceFound("params", "() of a pointwise layer", case.params)
    x, dy = case.x, case.dy
    y, _, dx = case.run((), x, dy)
    expect_same_form("y", x, y)
    expect_same_bits("y with a key", y, case.layer.vjp((), x, fold_in(case.key, 4))[0])
    other = case.inputs(fold_in(case.key, 13)).astype(x.dtype)
    lost = smallest(np.float64, largest(dy))
    for number in range(MASKS):
        kept = normal(fold_in(fold_in(case.key, 14), number), x.shape) > 0
        moved_y, _, moved_dx = case.run((), np.where(kept, x, other), np.where(kept, dy, dy + 1))
        before, beside = (y[kept], dx[kept]), (moved_y[kept], moved_dx[kept])
        rounding = partial(_rounding_where, case, kept)
        expect_within_rounding("(y, dx) beside other numbers", before, beside, 1000 * EPSILON, rounding, lost)


def _rounding_where(case: LayerCase, kept: Array) -> tuple[Array, Array]:
    y, _, dx = case.rounding((), case.x, case.dy)
    return y[kept], dx[kept]
