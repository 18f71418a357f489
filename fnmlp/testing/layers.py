"""The laws of a layer: what `init`, `apply` and `vjp` owe each other and those who call them."""

import pickle
from typing import Any

import numpy as np

from fnmlp.arrays import Array, Shape
from fnmlp.key import Key, fold_in
from fnmlp.testing.cases import LAYOUTS, LayerCase, expect_same_tree
from fnmlp.testing.numeric import EPSILON, along_direction, cast, find_discrepancy, normal, random_like, size_of_parts
from fnmlp.testing.report import (
    DifferenceFound,
    Law,
    expect_close,
    expect_same_bits,
    expect_same_form,
    law,
)
from fnmlp.tree import Tree, tree_leaves, tree_map, tree_paths

EPSILON32 = float(np.finfo(np.float32).eps)


def _form(*leaves: Array) -> Shape:
    """Be mapped over trees whose structures should agree."""
    return leaves[0].shape


@law("layer")
def init_declares_the_shape_of_apply(case: LayerCase) -> None:
    """`init` returns the shape that an example has after `apply`, and the same parameters for the same key."""
    params, shape = case.layer.init(case.key, case.example)
    again, _ = case.layer.init(case.key, case.example)
    expect_same_tree("params", params, again)
    y = case.layer.apply(cast(params, np.float64), case.x)
    if y.shape != (case.rows, *shape):
        raise DifferenceFound("the shape of apply", (case.rows, *shape), y.shape)


@law("layer")
def init_draws_each_parameter_from_a_key_of_its_own(case: LayerCase) -> None:
    """Another key gives other parameters where any are random, and no two parameters repeat one stream."""
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
def vjp_equals_the_derivative_of_apply(case: LayerCase) -> None:
    """In float64 the pullback agrees with the complex step of `apply` within 50 eps of the sum of |g_i v_i|."""
    _expect_derivative(case, None)


@law("layer")
def vjp_equals_the_derivative_of_its_own_output(case: LayerCase) -> None:
    """With a key too, the pullback is the derivative of the output that `vjp` returned: the same noise in both."""
    _expect_derivative(case, fold_in(case.key, 4))


def _expect_derivative(case: LayerCase, key: Key | None) -> None:
    def output(params: Tree, x: Array) -> Array:
        return case.layer.apply(params, x) if key is None else case.layer.vjp(params, x, key)[0]

    def of_point(point: Tree) -> Array:
        return output(point[0], point[1] if case.differentiable else case.x)

    at = (case.params, case.x) if case.differentiable else (case.params,)
    gradient = case.gradients(case.params, case.x, case.dy, key)
    if not tree_leaves(at):
        return
    found = find_discrepancy(
        of_point, at, case.dy, gradient, fold_in(case.key, 5), root="(params, x)", parts=lambda: case.parts(key)
    )
    if found is not None:
        where = found.where.replace("(params, x)[0]", "params").replace("(params, x)[1]", "x")
        raise DifferenceFound(where, f"{found.numeric!r} (numeric)", f"{found.analytic!r} (analytic)")


@law("layer")
def float32_stays_float32_and_close(case: LayerCase) -> None:
    """float32 in, float32 out; the gradients are within 32 eps32 of the sum of |g_i v_i| of the float64 ones."""
    params, x, dy = case.as_float32()
    y = case.layer.apply(params, x)
    if y.dtype != np.float32 and (case.differentiable or tree_leaves(params)):
        raise DifferenceFound("y", "dtype float32", f"dtype {y.dtype}")
    gradients = case.gradients(params, x, dy)
    for path, gradient in tree_paths(gradients, "(params, dx)"):
        if gradient.dtype != np.float32:
            raise DifferenceFound(path, "dtype float32", f"dtype {gradient.dtype}")
    wide = x.astype(np.float64) if case.differentiable else x
    along = random_like(cast(gradients, np.float64), fold_in(case.key, 7))
    exact, size = along_direction(case.gradients(cast(params, np.float64), wide, dy.astype(np.float64)), along)
    error = abs(along_direction(gradients, along)[0] - exact)
    share = 32 * EPSILON32
    if not error <= share * size and not error <= (most := share * size_of_parts(case.parts(), along)):
        raise DifferenceFound("(params, dx), along a random direction", f"an error of at most {most!r}", error)


@law("layer")
def the_pullback_is_linear(case: LayerCase) -> None:
    """The pullback of u + 2 v is that of u and twice that of v; of 4 u exactly four times that of u; of 0 it is 0."""
    other = normal(fold_in(case.key, 8), case.dy.shape).astype(case.dy.dtype)
    _, pullback = case.layer.vjp(case.params, case.x, None)

    def pull(dy: Array) -> tuple[tuple[str, Array], ...]:
        dparams, delayed_dx = pullback(dy)
        dx = delayed_dx()
        return tree_paths(((dparams, dx) if case.differentiable else (dparams,)), "gradients (params, dx)")

    one, two, both = pull(case.dy), pull(other), pull(case.dy + 2 * other)
    fourfold, nothing = pull(4 * case.dy), pull(np.zeros_like(case.dy))
    scale = max(float(np.abs(leaf).max(initial=0.0)) for _, leaf in (*one, *two, ("dy", case.dy), ("dy", other)))
    for (path, u), (_, v), (_, w), (_, four), (_, none) in zip(one, two, both, fourfold, nothing, strict=True):
        expect_close(path, u + 2 * v, w, 1000 * EPSILON * scale)
        expect_same_bits(f"{path} of 4 dy", 4 * u + 0.0, four + 0.0)
        expect_same_bits(f"{path} of dy = 0", np.zeros_like(none), none + 0.0)


@law("layer")
def nothing_given_is_changed_or_shared(case: LayerCase) -> None:
    """Parameters, inputs and cotangents keep their bits, and no result shares memory that a caller could write to."""
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
    """Calls repeat bit for bit, pullbacks can be called again, and no later call or writing to results disturbs one."""
    key = fold_in(case.key, 4)
    y, pullback = case.layer.vjp(case.params, case.x, key)
    y_bits = y.copy()
    dparams, delayed_dx = pullback(case.dy)
    first = (y_bits, cast(dparams, np.float64), delayed_dx().copy())
    other = case.draw(fold_in(case.key, 9), case.x.shape).astype(case.x.dtype)
    case.run(tree_map(lambda p: p + 1, case.params), other, case.dy + 1, fold_in(case.key, 10))
    for result in (y, *tree_leaves(dparams)):  # an optimiser may use the memory of gradients
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
    for where, plain, permuted in (("y", y, permuted_y), ("dx", dx, permuted_dx)):
        if where == "y" or case.differentiable:
            expect_close(
                f"{where} of permuted rows",
                plain[order],
                permuted,
                1000 * EPSILON * (1 + np.abs(plain).max(initial=0.0)),
            )
    if not case.differentiable:
        return
    for poison in (np.nan, np.inf, -np.inf):
        x = case.x.copy()
        x[0] = poison
        with np.errstate(all="ignore"):
            poisoned, _, poisoned_dx = case.run(case.params, x, case.dy)
        bound = 1000 * EPSILON * (1 + np.abs(y).max(initial=0.0))
        expect_close(f"y of rows beside one of {poison}", y[1:], poisoned[1:], bound)
        bound = 1000 * EPSILON * (1 + np.abs(dx).max(initial=0.0))
        expect_close(f"dx of rows beside one of {poison}", dx[1:], poisoned_dx[1:], bound)


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
    # What was added up counts, not the sum: in the rows, and inside a layer that cancels most of a dy.
    scale = max(float(np.abs(leaf).max(initial=0.0)) for leaf in (case.dy, *tree_leaves(tuple(p[1] for p in parts))))
    for (path, left), right in zip(tree_paths(whole, "params"), tree_leaves(total), strict=True):
        expect_close(path, right, left, 1000 * EPSILON * scale)


@law("layer")
def the_layout_of_memory_does_not_matter(case: LayerCase) -> None:
    """Strided, reversed, Fortran-ordered, read-only and big-endian inputs give the results of plain ones."""
    plain = case.run(case.params, case.x, case.dy)
    scale = 1000 * EPSILON * (1 + max(float(np.abs(leaf).max(initial=0.0)) for leaf in tree_leaves(plain)))
    for name, change in LAYOUTS.items():
        changed = case.run(tree_map(change, case.params), change(case.x), change(case.dy))
        for (path, left), (_, right) in zip(tree_paths(plain, "(y, params, dx)"), tree_paths(changed), strict=True):
            expect_close(f"{path} of {name} arrays", left, right, scale)


@law("layer")
def a_pickled_layer_behaves_the_same(case: LayerCase) -> None:
    """A layer survives pickling, as it must to cross a process boundary: the same bits from the copy."""
    try:
        copy = pickle.loads(pickle.dumps(case.layer))  # noqa: S301 (our own bytes)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        remedy = "functions of a module, options bound with functools.partial"
        raise DifferenceFound("pickle.dumps(layer)", remedy, error) from error
    key = fold_in(case.key, 4)
    again = LayerCase(copy, case.example, case.key, case.rows, case.draw)
    expect_same_tree("params of the copy", case.params, again.params)
    run = case.run(case.params, case.x, case.dy, key)
    expect_same_tree("(y, params, dx) of the copy", run, again.run(case.params, case.x, case.dy, key))


LAYER_LAWS: tuple[Law[LayerCase], ...] = (
    init_declares_the_shape_of_apply,
    init_draws_each_parameter_from_a_key_of_its_own,
    training_without_a_key_is_inference,
    gradients_have_the_form_of_what_they_belong_to,
    nothing_given_is_changed_or_shared,
    vjp_equals_the_derivative_of_apply,
    vjp_equals_the_derivative_of_its_own_output,
    the_pullback_is_linear,
    float32_stays_float32_and_close,
    the_same_input_gives_the_same_bits,
    only_a_layer_with_noise_minds_its_key,
    rows_do_not_mix,
    gradients_add_over_a_split_of_the_batch,
    the_layout_of_memory_does_not_matter,
    a_pickled_layer_behaves_the_same,
)
