"""The laws of a layer: how `init`, `apply` and `vjp` must agree, and what they must not do."""

from functools import partial
import pickle
from typing import Any

from attrs import evolve
import numpy as np

from fnmlp.arrays import Array, Shape
from fnmlp.key import fold_in
from fnmlp.testing.cases import LAYOUTS, LayerCase, expect_same_tree, expect_within_rounding
from fnmlp.testing.gradients import (
    a_pulled_gradient_stays_as_it_was,
    float32_stays_float32_and_close,
    the_pullback_is_linear,
    vjp_equals_the_derivative_of_apply,
    vjp_equals_the_derivative_of_its_own_output,
)
from fnmlp.testing.kinks import a_kink_has_the_slope_of_a_side, equal_numbers_share_their_gradient
from fnmlp.testing.numeric import EPSILON, cast
from fnmlp.testing.report import (
    DifferenceFound,
    Law,
    expect_same_bits,
    expect_same_form,
    law,
)
from fnmlp.testing.rounding import largest, smallest
from fnmlp.testing.structure import (
    a_combinator_is_made_again_of_its_parts,
    a_pointwise_layer_maps_each_number_by_itself,
    the_gradients_of_rows_add_up_to_that_of_the_batch,
    vjp_returns_an_output_and_a_pullback,
)
from fnmlp.tree import Tree, tree_leaves, tree_map, tree_paths


def _form(*leaves: Array) -> Shape:
    """Return the first leaf; mapped over trees whose structures should agree."""
    return leaves[0].shape


@law("layer")
def init_declares_the_shape_of_apply(case: LayerCase) -> None:
    """`init` returns the shape of an example after `apply`, and the same parameters for the same key."""
    params, shape = case.layer.init(case.key, case.example)
    again, _ = case.layer.init(case.key, case.example)
    expect_same_tree("params", params, again)
    y = case.layer.apply(cast(params, np.float64), case.x)
    if y.shape != (case.rows, *shape):
        raise DifferenceFound("the shape of apply", (case.rows, *shape), y.shape)


@law("layer")
def init_draws_each_parameter_from_a_key_of_its_own(case: LayerCase) -> None:
    """Another key gives other parameters if any are random, and no two parameters use the same random stream."""
    first = tree_paths(case.layer.init(fold_in(case.key, 0), case.example)[0], "params")
    second = tree_paths(case.layer.init(fold_in(case.key, 1), case.example)[0], "params")
    streams: list[tuple[str, Array]] = []
    for (path, left), (_, right) in zip(first, second, strict=True):
        values = np.ravel(left)[:3].astype(np.float64)
        if values.size < 3 or np.ptp(values) == 0:
            continue
        if np.array_equal(left, right):
            raise DifferenceFound(path, "other numbers from another key", "the same numbers")
        direction = values / values[0]
        for other, known in streams:
            if np.allclose(direction, known, rtol=1e-5, atol=0):
                raise DifferenceFound(path, "numbers of its own", f"those of {other}, scaled")
        streams.append((path, direction))


@law("layer")
def training_without_a_key_is_inference(case: LayerCase) -> None:
    """`vjp(params, x, None)[0]` has the bits of `apply(params, x)`."""
    expect_same_bits("y", case.layer.apply(case.params, case.x), case.layer.vjp(case.params, case.x, None)[0])


@law("layer")
def gradients_have_the_form_of_what_they_belong_to(case: LayerCase) -> None:
    """The gradient of the parameters has their structure, shapes and dtypes, and dx those of x."""
    _, dparams, dx = case.run(case.params, case.x, case.dy)
    tree_map(_form, case.params, dparams)
    for (path, param), (_, gradient) in zip(tree_paths(case.params, "params"), tree_paths(dparams), strict=True):
        expect_same_form(path, param, gradient)
    if case.differentiable:
        expect_same_form("dx", case.x, dx)


@law("layer")
def nothing_given_is_changed_or_shared(case: LayerCase) -> None:
    """Parameters, inputs and cotangents stay unchanged, and no result shares memory that a caller could write to."""
    params, x, dy = cast(case.params, np.float64), case.x.copy(), case.dy.copy()
    before = (cast(params, np.float64), x.copy(), dy.copy())
    key = fold_in(case.key, 4)
    results: list[Any] = [case.layer.apply(params, x)]
    for given in (None, key):
        y, pullback = case.layer.vjp(params, x, given)
        dparams, delayed_dx = pullback(dy)
        results += [y, dparams, delayed_dx(), delayed_dx()]
    expect_same_tree("(params, x, dy)", before, (params, x, dy))
    for result in tree_leaves(tuple(results)):
        for path, given_array in tree_paths((params, x, dy), "(params, x, dy)"):
            if np.shares_memory(result, given_array):
                raise DifferenceFound(path, "memory that no result shares", "a result that is a view of it")


@law("layer")
def the_same_input_gives_the_same_bits(case: LayerCase) -> None:
    """Calls and pullbacks repeat bit for bit, whatever was called or written to a result in between."""
    key = fold_in(case.key, 4)
    y, pullback = case.layer.vjp(case.params, case.x, key)
    y_bits = y.copy()
    dparams, delayed_dx = pullback(case.dy)
    first = (y_bits, cast(dparams, np.float64), delayed_dx().copy())
    other = case.inputs(fold_in(case.key, 9)).astype(case.x.dtype)
    case.run(tree_map(lambda p: p + 1, case.params), other, case.dy + 1, fold_in(case.key, 10))
    for result in (y, *tree_leaves(dparams)):  # an optimiser may reuse the memory of gradients
        if result.flags.writeable:
            result[...] = 7
    dparams, delayed_dx = pullback(case.dy)
    expect_same_tree("(params, dx), pulled back again", first[1:], (dparams, delayed_dx()))
    expect_same_tree("(y, params, dx), called again", first, case.run(case.params, case.x, case.dy, key))


@law("layer")
def only_a_layer_with_noise_minds_its_key(case: LayerCase) -> None:
    """A layer without noise ignores the key; one with noise gives other numbers for another key."""
    plain = case.layer.apply(case.params, case.x)
    keyed = [case.layer.vjp(case.params, case.x, fold_in(case.key, place))[0] for place in range(20, 28)]
    if not case.noisy:
        for y in keyed:
            expect_same_bits("y", plain, y)
    elif plain.size and all(y.tobytes() == keyed[0].tobytes() for y in keyed):
        raise DifferenceFound("y", "other noise from each of 8 keys", "the same output")


@law("layer")
def rows_do_not_mix(case: LayerCase) -> None:
    """Permuting rows permutes the results, and NaN or infinity stays in its own row."""
    if not case.rowwise or case.rows < 2:
        return
    order = np.roll(np.arange(case.rows), 1)
    y, _, dx = case.run(case.params, case.x, case.dy)
    permuted_y, _, permuted_dx = case.run(case.params, case.x[order], case.dy[order])
    plain, permuted = ((y, dx), (permuted_y, permuted_dx)) if case.differentiable else ((y,), (permuted_y,))

    def rounding() -> tuple[Any, ...]:
        of_y, _, of_dx = case.rounding(case.params, case.x, case.dy)
        return (of_y[order], of_dx[order]) if case.differentiable else (of_y[order],)

    where, lost = "(y, dx) of permuted rows", smallest(np.float64, largest(case.dy))
    ordered = tuple(leaf[order] for leaf in plain)
    expect_within_rounding(where, ordered, permuted, 1000 * EPSILON, rounding, lost)
    if not case.differentiable:
        return
    for poison in (np.nan, np.inf, -np.inf):
        x = case.x.copy()
        x[0] = poison
        with np.errstate(all="ignore"):
            poisoned, _, poisoned_dx = case.run(case.params, x, case.dy)
        beside, poisoned_beside = (y[1:], dx[1:]), (poisoned[1:], poisoned_dx[1:])
        where = f"(y, dx) of rows beside one of {poison}"
        expect_within_rounding(where, beside, poisoned_beside, 1000 * EPSILON, partial(_beside_the_first, case), lost)


def _beside_the_first(case: LayerCase) -> tuple[Array, Array]:
    """Return how far rounding may move outputs and input gradients, for all rows but the first."""
    y, _, dx = case.rounding(case.params, case.x, case.dy)
    return y[1:], dx[1:]


@law("layer")
def gradients_add_over_a_split_of_the_batch(case: LayerCase) -> None:
    """The gradient of the parameters over a batch is the sum over its parts; empty batches and single rows work."""
    if not case.rowwise:
        return
    _, whole, _ = case.run(case.params, case.x, case.dy)
    parts = [case.run(case.params, case.x[rows], case.dy[rows]) for rows in (slice(0), slice(1), slice(1, None))]
    for part, count in zip(parts, (0, 1, case.rows - 1), strict=True):
        if part[0].shape[0] != count:
            raise DifferenceFound("y", f"{count} rows", part[0].shape[0])
    total = tree_map(lambda *leaves: sum(leaves), *(part[1] for part in parts))
    lost = smallest(np.float64, largest(case.dy))

    def rounding() -> Tree:
        return case.rounding(case.params, case.x, case.dy)[1]

    expect_within_rounding("params", total, whole, 1000 * EPSILON, rounding, lost)


@law("layer")
def the_layout_of_memory_does_not_matter(case: LayerCase) -> None:
    """Strided, reversed, Fortran-ordered, read-only and big-endian inputs give the results of plain ones."""
    plain = case.run(case.params, case.x, case.dy)
    lost = smallest(np.float64, largest(case.dy))
    given = case.params, case.x, case.dy
    for name, change in LAYOUTS.items():
        for params, x in ((tree_map(change, case.params), change(case.x)), (case.params, case.x)):
            got = case.run(params, x, change(case.dy))
            where = f"(y, params, dx) of {name} arrays"
            expect_within_rounding(where, plain, got, 1000 * EPSILON, partial(case.rounding, *given), lost)
    alike = case.params, case.x, np.broadcast_to(case.dy[:1], case.dy.shape)
    copied = case.run(case.params, case.x, alike[2].copy())
    where = "(y, params, dx) of a dy whose rows share memory"
    expect_within_rounding(where, copied, case.run(*alike), 1000 * EPSILON, partial(case.rounding, *alike), lost)


@law("layer")
def a_pickled_layer_behaves_the_same(case: LayerCase) -> None:
    """A layer can be pickled, and the copy gives the same bits."""
    try:
        copy = pickle.loads(pickle.dumps(case.layer))  # noqa: S301 (our own bytes)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        remedy = "functions of a module, options bound with functools.partial"
        raise DifferenceFound("pickle.dumps(layer)", remedy, error) from error
    key = fold_in(case.key, 4)
    again = evolve(case, layer=copy)
    expect_same_tree("params of the copy", case.params, again.params)
    run = case.run(case.params, case.x, case.dy, key)
    expect_same_tree("(y, params, dx) of the copy", run, again.run(case.params, case.x, case.dy, key))


LAYER_LAWS: tuple[Law[LayerCase], ...] = (
    init_declares_the_shape_of_apply,
    init_draws_each_parameter_from_a_key_of_its_own,
    vjp_returns_an_output_and_a_pullback,
    training_without_a_key_is_inference,
    gradients_have_the_form_of_what_they_belong_to,
    nothing_given_is_changed_or_shared,
    rows_do_not_mix,
    vjp_equals_the_derivative_of_apply,
    vjp_equals_the_derivative_of_its_own_output,
    a_kink_has_the_slope_of_a_side,
    equal_numbers_share_their_gradient,
    the_pullback_is_linear,
    a_pulled_gradient_stays_as_it_was,
    the_gradients_of_rows_add_up_to_that_of_the_batch,
    a_pointwise_layer_maps_each_number_by_itself,
    a_combinator_is_made_again_of_its_parts,
    float32_stays_float32_and_close,
    the_same_input_gives_the_same_bits,
    only_a_layer_with_noise_minds_its_key,
    gradients_add_over_a_split_of_the_batch,
    the_layout_of_memory_does_not_matter,
    a_pickled_layer_behaves_the_same,
)
