"""The laws of an optimiser: it is pure, keeps structures and shapes, and goes downhill."""

from collections.abc import Iterator
from functools import cached_property

from attrs import frozen
import numpy as np

from fnmlp.errors import FnmlpError
from fnmlp.key import Key, fold_in, generator
from fnmlp.optimizers.core import Optimizer, spending
from fnmlp.testing.cases import expect_same_tree
from fnmlp.testing.numeric import EPSILON, cast, normal
from fnmlp.testing.references import Reference
from fnmlp.testing.report import DifferenceFound, Law, expect_close, expect_pair, expect_same_form, law
from fnmlp.tree import Tree, tree_flatten, tree_leaves, tree_map, tree_paths


@frozen(slots=False, eq=False)
class OptimizerCase:
    """Hold one trial: an optimiser, and the key for parameters and gradients.

    `steps`      the number of updates until the parameters move; above 1 if it accumulates gradients.
    `reference`  computes the expected steps, if given.
    """

    optimizer: Optimizer
    key: Key
    steps: int = 1
    reference: Reference | None = None

    @cached_property
    def params(self) -> Tree:
        """A small tree of parameters, in float64."""
        first, second, third = (normal(fold_in(self.key, i), shape) for i, shape in enumerate(((3, 2), (2,), ())))
        return (first, ((), second), np.asarray(third))

    @cached_property
    def grads(self) -> Tree:
        """The gradients of half the parameters' squared length."""
        return cast(self.params, np.float64)

    def slopes(self) -> Iterator[Tree]:
        """Yield gradients of all sizes: numbers differ by up to 1e6, and one in eight is 0.

        The largest of a trial is between 1e-3 and 1e3, so that limits are sometimes reached, and epsilons matter.
        """
        random, leaves = generator(fold_in(self.key, 3)), tree_leaves(self.params)
        top = random.uniform(-3, 3)
        sizes = [10 ** (top - random.uniform(0, 6, leaf.shape)) for leaf in leaves]
        for _ in range(REFERENCE_STEPS):
            drawn = [
                np.asarray(size * random.normal(size=size.shape) * (random.random(size.shape) > 1 / 8))
                for size in sizes
            ]
            yield tree_flatten(self.params)[1](drawn)

    def run(self, params: Tree, grads: Tree) -> tuple[Tree, Tree, Tree]:
        """Return the parameters after two moves, the state after them, and the state before."""
        before = self.optimizer.init(params)
        return *self.repeat(2 * self.steps, params, grads, before), before

    def repeat(self, times: int, params: Tree, grads: Tree, state: Tree) -> tuple[Tree, Tree]:
        """Return parameters and state after several updates with the same gradients."""
        for _ in range(times):
            updated = self.optimizer.update(params, grads, state)
            params, state = expect_pair("what update returns", "(params, state)", updated)
        return params, state


REFERENCE_STEPS = 40
"""The number of steps compared with a reference; above 32, because every 32nd step flushes faded sums to 0."""


def _first(*leaves: object) -> object:
    """Return the first leaf; mapped over trees whose structures should agree."""
    return leaves[0]


@law("optimizer")
def forms_are_kept(case: OptimizerCase) -> None:
    """Parameters and state keep structure, shapes and dtypes, in float64 and in float32."""
    for dtype in (np.float64, np.float32):
        params, grads = cast(case.params, dtype), cast(case.grads, dtype)
        moved, after, before = case.run(params, grads)
        for name, left, right in (("params", params, moved), ("state", before, after)):
            tree_map(_first, left, right)
            for (path, old), new in zip(tree_paths(left, name), tree_leaves(right), strict=True):
                expect_same_form(path, np.asarray(old), np.asarray(new))


@law("optimizer")
def nothing_given_is_changed_or_shared(case: OptimizerCase) -> None:
    """Parameters, gradients and state stay unchanged, and no result shares memory that a caller could write to."""
    params, grads = cast(case.params, np.float64), cast(case.grads, np.float64)
    state = case.optimizer.init(params)
    before = tree_map(np.copy, (params, grads, state))
    moved, after = case.optimizer.update(params, grads, state)
    expect_same_tree("(params, grads, state)", before, tree_map(np.asarray, (params, grads, state)))
    for path, result in tree_paths((moved, after), "(params, state)"):
        if any(np.shares_memory(result, given) for given in tree_leaves((params, grads))):
            raise DifferenceFound(path, "memory of its own", "a view of the parameters or gradients")


@law("optimizer")
def spending_gives_what_updating_gives(case: OptimizerCase) -> None:
    """`spend` gives the bits of `update`, also where gradients share memory, and changes nothing but them."""
    params = cast(case.params, np.float64)
    state = case.optimizer.init(params)
    for _ in range(case.steps):
        one = np.ones((3, 2))  # made anew, because `spend` may write to gradients
        shared = (one, ((), one[:2, 0]), np.asarray(one[0, 0]))
        for grads in (cast(case.grads, np.float64), shared):
            before = tree_map(np.copy, (params, state))
            updated = case.optimizer.update(params, grads, state)
            spent = spending(case.optimizer)(params, grads, state)
            expect_same_tree("(params, state) of spend", *(tree_map(np.asarray, both) for both in (updated, spent)))
            expect_same_tree("(params, state) given", before, tree_map(np.asarray, (params, state)))
        state = updated[1]


@law("optimizer")
def the_same_input_gives_the_same_bits(case: OptimizerCase) -> None:
    """Updates repeat bit for bit: an optimiser remembers nothing but its state."""
    first = case.run(case.params, case.grads)
    case.run(case.params, tree_map(lambda g: g + 1, case.grads))
    again = case.run(case.params, case.grads)
    expect_same_tree("(params, state, first state)", tree_map(np.asarray, first), tree_map(np.asarray, again))


@law("optimizer")
def the_first_step_goes_downhill(case: OptimizerCase) -> None:
    """With half the parameters' squared length as the loss, the first step makes every leaf shorter."""
    moved, _ = case.repeat(case.steps, case.params, case.grads, case.optimizer.init(case.params))
    for (path, old), new, grad in zip(
        tree_paths(case.params, "params"), tree_leaves(moved), tree_leaves(case.grads), strict=True
    ):
        if old.size and not float(((new - old) * grad).sum()) < 0:
            raise DifferenceFound(path, "a step against the gradient", f"{new - old} along {grad}")


@law("optimizer")
def the_steps_are_the_references(case: OptimizerCase) -> None:
    """Parameters follow the reference, to a billionth of the distance that it moves, plus rounding."""
    if case.reference is None:
        return
    params, state = case.params, case.optimizer.init(case.params)
    paths = [path for path, _ in tree_paths(params, "params")]
    run = case.reference(dict(zip(paths, tree_leaves(cast(params, np.float64)), strict=True)))
    expected = next(run)
    sizes, ways = dict.fromkeys(expected, 0.0), dict.fromkeys(expected, 0.0)
    for step, grads in enumerate(case.slopes(), 1):
        before, expected = expected, run.send(dict(zip(paths, tree_leaves(cast(grads, np.float64)), strict=True)))
        params, state = case.optimizer.update(params, grads, state)
        for path, found in zip(paths, tree_leaves(params), strict=True):
            right = np.asarray(expected[path])
            ways[path] += float(np.abs(right - before[path]).max(initial=0.0))
            sizes[path] = max(sizes[path], float(np.abs(right).max(initial=0.0)))
            bound = 1e-9 * ways[path] + 4 * REFERENCE_STEPS * EPSILON * sizes[path]
            expect_close(f"after {step} steps: {path}", right, found, bound)


@law("optimizer")
def what_does_not_fit_is_refused(case: OptimizerCase) -> None:
    """Gradients of another structure or shape raise an FnmlpError; nothing is broadcast silently."""
    first, second, third = case.grads
    for grads in ((first, second), (first[:1], second, third), (first, second, (third,))):
        try:
            case.optimizer.update(case.params, grads, case.optimizer.init(case.params))
        except FnmlpError:
            continue
        raise DifferenceFound("gradients that do not match", "an FnmlpError", "a step")


OPTIMIZER_LAWS: tuple[Law[OptimizerCase], ...] = (
    forms_are_kept,
    nothing_given_is_changed_or_shared,
    spending_gives_what_updating_gives,
    the_same_input_gives_the_same_bits,
    the_first_step_goes_downhill,
    the_steps_are_the_references,
    what_does_not_fit_is_refused,
)
