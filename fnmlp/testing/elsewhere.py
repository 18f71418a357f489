"""The laws of layers and losses on another library: its results are NumPy's, and its derivatives are ours."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import fold_in
from fnmlp.rows import Rows
from fnmlp.testing.cases import LayerCase, expect_within_rounding, grown
from fnmlp.testing.libraries import Library, as_it_is, pulls_nothing
from fnmlp.testing.losses import LossCase
from fnmlp.testing.numeric import cast
from fnmlp.testing.report import DifferenceFound, Law, law
from fnmlp.testing.rounding import largest, smallest
from fnmlp.tree import Tree, tree_equal, tree_flatten, tree_leaves, tree_map

SHARE = 32
"""How many times its rounding error a result may be off, in units of the dtype's eps."""


Point: TypeAlias = tuple[Tree, Any, Any]
"""Parameters, inputs and a cotangent: NumPy's arrays, or the library's."""


@frozen(slots=False, eq=False)
class LayerElsewhere:
    """Hold one trial of a layer, and the library that it runs on."""

    case: LayerCase
    library: Library

    def point(self, dtype: str) -> Point:
        """Return parameters, inputs and a cotangent in a dtype, as NumPy arrays."""
        case = self.case
        return cast(case.params, dtype), case.x.astype(dtype) if case.differentiable else case.x, case.dy.astype(dtype)

    def run(self, point: Point, key: Any) -> tuple[Any, ...]:
        """Return the output, the gradient of the parameters, dx, and each row's gradient if the layer has `rows`."""
        rows = self.case.layer.rows
        by_row = () if rows is None else tree_map(Rows.multiplied, rows(*point))
        return *self.case.run(*point, key), by_row

    def rounding(self, point: Point, key: Any, *, loosely: bool = False) -> tuple[Any, ...]:
        """Return how far rounding may move these results, in units of eps.

        `loosely` is for results of other formulas or of other noise, in which anything may cancel.
        """
        wide: Point = widened(point)
        plain = self.run(wide, key)
        level = max(largest(plain), grown(*wide))
        known = *self.case.rounding(*wide, key), tree_map(lambda gradient: np.abs(gradient) + level, plain[3])
        return tuple(tree_map(lambda size: size + level, one) for one in known) if loosely else known

    def gradients(self, results: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the gradients that the library has too: of the parameters, and of inputs if they are floats."""
        return results[1:3] if self.case.differentiable else results[1:2]

    def derivative(self, point: Point, key: Any) -> tuple[Any, ...]:
        """Return the same gradients as the library itself finds them, by differentiating the output."""
        layer, (params, x, dy) = self.case.layer, point
        leaves, rebuild = tree_flatten((params, x) if self.case.differentiable else (params,))

        def output(*leaves: Any) -> Any:
            at = *rebuild(leaves), x
            return layer.apply(*at[:2]) if key is None else layer.vjp(at[0], at[1], key)[0]

        return rebuild(self.library.pull(output, leaves, dy) if leaves else ())

    @property
    def keys(self) -> tuple[Any, ...]:
        """No key, and one of the library if there is noise."""
        return (None, self.library.key(self.case.rows)) if self.case.noisy else (None,)

    @cached_property
    def compiled(self) -> dict[str, tuple[Any, ...]]:
        """For each dtype and each key: the results, and the library's derivatives, compiled as one function."""
        return {dtype: self._compiled(self.library.brought(self.point(dtype))) for dtype in self.library.floats}

    def _compiled(self, given: Point) -> tuple[Any, ...]:
        leaves, rebuild = tree_flatten(given)
        forms: list[Callable[[Any], Any]] = []

        def everything(keys: tuple[Any, ...], *leaves: Any) -> tuple[Any, ...]:
            at: Any = rebuild(leaves)
            found = tuple((self.run(at, key), self.derivative(at, key)) for key in keys)
            forms.append(tree_flatten(found)[1])
            return tree_leaves(found)

        found = self.library.compiled(everything)(self.keys, *leaves)
        pairs: tuple[Any, ...] = forms[0](found)
        return pairs


def widened(tree: Tree) -> Any:
    """Return a tree of NumPy arrays with its floats in float64."""
    return tree_map(lambda leaf: leaf.astype(np.float64) if leaf.dtype.kind == "f" else leaf, tree)


def _expect(where: str, expected: Tree, got: Tree, rounding: Callable[[], Tree], dy: Array) -> None:
    narrowest = max((leaf.dtype for leaf in tree_leaves((got, dy))), key=lambda dtype: np.finfo(dtype).eps)
    share, lost = SHARE * float(np.finfo(narrowest).eps), smallest(narrowest, largest(dy))
    expect_within_rounding(where, expected, got, share, rounding, lost)


RESULTS = "(y, params, dx, rows)"


@law("layer on another library")
def results_are_those_of_numpy(elsewhere: LayerElsewhere) -> None:
    """The results are the library's arrays in the inputs' dtype, and equal NumPy's; nothing given is changed."""
    for dtype in elsewhere.library.floats:
        point = elsewhere.point(dtype)
        given = elsewhere.library.brought(point)
        before = tree_map(np.array, elsewhere.library.returned(given))
        for key in (None, fold_in(elsewhere.case.key, 4)):
            found = elsewhere.library.results(RESULTS, elsewhere.run(given, key), elsewhere.run(point, key))
            rounding = partial(elsewhere.rounding, point, key)
            _expect(RESULTS, elsewhere.run(widened(point), key), found, rounding, point[2])
            if not tree_equal(before, elsewhere.library.returned(given)):
                raise DifferenceFound("(params, x, dy)", "what was given", "other numbers")


@law("layer on another library")
def compiled_results_are_those_of_single_calls(elsewhere: LayerElsewhere) -> None:
    """If the library compiles functions, the compiled results are those of single calls, with its own keys too."""
    library, where = elsewhere.library, f"compiled {RESULTS}"
    for dtype in library.floats if library.compiled is not as_it_is else ():
        point = elsewhere.point(dtype)
        given, like = library.brought(point), elsewhere.run(point, None)
        for (found, _), key in zip(elsewhere.compiled[dtype], elsewhere.keys, strict=True):
            single, results = (library.results(where, one, like) for one in (elsewhere.run(given, key), found))
            rounding = partial(elsewhere.rounding, point, None, loosely=key is not None)
            _expect(where, single, results, rounding, point[2])


@law("layer on another library")
def differentiating_apply_gives_our_gradients(elsewhere: LayerElsewhere) -> None:
    """If the library differentiates functions, its derivative of `apply` is our own, and with a key that of `vjp`."""
    library, where = elsewhere.library, "(params, dx) by the library's derivative of apply"
    for dtype in library.floats if library.pull is not pulls_nothing else ():
        point = elsewhere.point(dtype)
        for found, derived in elsewhere.compiled[dtype]:
            ours = elsewhere.gradients(library.returned(found))
            rounding = partial(_rounding_of_gradients, elsewhere, point)
            _expect(where, ours, library.results(where, derived, ours), rounding, point[2])


def _rounding_of_gradients(elsewhere: LayerElsewhere, point: Point) -> tuple[Any, ...]:
    return elsewhere.gradients(elsewhere.rounding(point, None, loosely=True))


ELSEWHERE_LAYER_LAWS: tuple[Law[LayerElsewhere], ...] = (
    results_are_those_of_numpy,
    compiled_results_are_those_of_single_calls,
    differentiating_apply_gives_our_gradients,
)


@frozen(slots=False, eq=False)
class LossElsewhere:
    """Hold one trial of a loss, and the library that it runs on."""

    case: LossCase
    library: Library

    def point(self, dtype: str) -> tuple[Array, Array]:
        """Return outputs and targets in a dtype, as NumPy arrays."""
        target = self.case.target
        return self.case.y.astype(dtype), target.astype(dtype) if target.dtype.kind == "f" else target

    @cached_property
    def compiled(self) -> dict[str, tuple[Any, ...]]:
        """For each dtype: the value, dy, and dy as the library finds it, compiled as one function."""
        run = self.library.compiled(self._everything)
        return {dtype: run(*self.library.brought(self.point(dtype))) for dtype in self.library.floats}

    def _everything(self, y: Any, target: Any) -> tuple[Any, ...]:
        def total(y: Any) -> Any:
            value = self.case.run(y, target)[0]
            return value.sum() if value.ndim else value

        value, dy = self.case.run(y, target)
        one = self.library.brought(np.ones((), str(y.dtype).rpartition(".")[2]))
        return value, dy, *self.library.pull(total, (y,), one)

    def expect(self, where: str, found: tuple[Any, ...], y: Array, target: Array) -> None:
        """Raise unless a value and a gradient are NumPy's, to rounding; without a value, compare the gradient."""
        wide = widened((y, target))
        like, expected = (tuple(map(np.asarray, self.case.run(*given)))[-len(found) :] for given in ((y, target), wide))

        def rounding() -> tuple[Any, ...]:
            level = largest(expected) if len(found) == 1 else 0.0
            return tuple(size + level for size in self.case.rounding(*wide)[-len(found) :])

        _expect(where, expected, self.library.results(where, found, like), rounding, np.ones(1, y.dtype))


@law("loss on another library")
def value_and_gradient_are_those_of_numpy(elsewhere: LossElsewhere) -> None:
    """The value and dy are the library's arrays in the dtype of y, and equal NumPy's; nothing given is changed."""
    for dtype in elsewhere.library.floats:
        point = elsewhere.point(dtype)
        given = elsewhere.library.brought(point)
        before = tree_map(np.array, elsewhere.library.returned(given))
        elsewhere.expect("(value, dy)", elsewhere.case.run(*given), *point)
        if not tree_equal(before, elsewhere.library.returned(given)):
            raise DifferenceFound("(y, target)", "what was given", "other numbers")


@law("loss on another library")
def a_compiled_loss_is_that_of_numpy(elsewhere: LossElsewhere) -> None:
    """If the library compiles functions, the compiled loss gives the same value and dy."""
    library = elsewhere.library
    for dtype in library.floats if library.compiled is not as_it_is else ():
        elsewhere.expect("compiled (value, dy)", elsewhere.compiled[dtype][:2], *elsewhere.point(dtype))


@law("loss on another library")
def differentiating_the_value_gives_our_dy(elsewhere: LossElsewhere) -> None:
    """If the library differentiates functions, its derivative of the value, or of the sum of all rows', is dy."""
    library = elsewhere.library
    for dtype in library.floats if library.pull is not pulls_nothing else ():
        found = elsewhere.compiled[dtype][2:]
        elsewhere.expect("dy by the library's derivative of the value", found, *elsewhere.point(dtype))


ELSEWHERE_LOSS_LAWS: tuple[Law[LossElsewhere], ...] = (
    value_and_gradient_are_those_of_numpy,
    a_compiled_loss_is_that_of_numpy,
    differentiating_the_value_gives_our_dy,
)
