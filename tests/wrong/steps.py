"""What the wrong optimisers are made of: a rule for one array, applied to every array of a tree."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from attrs import frozen
import numpy as np

import fnmlp as fn
from fnmlp.optimizers.core import Sums, check_gradient, map_apart
from fnmlp.testing import Reference
from fnmlp.tree import tree_map

Array: TypeAlias = Any


@frozen
class WrongStep:
    """What was made, a slip in one sentence, the optimiser that makes it, that without it, and the rule for both."""

    made: str
    says: str
    wrong: fn.Optimizer
    right: fn.Optimizer
    rule: Reference

    def __str__(self) -> str:
        return f"{self.made}: {self.says}"


def slips(make: Callable[[str], fn.Optimizer], rule: Reference, *says: str) -> list[WrongStep]:
    return [WrongStep(make.__name__, text, make(text), make(""), rule) for text in says]


def of_leaves(rule: Callable[..., tuple[Array, ...]], kinds: int) -> fn.Optimizer:
    """Make an optimiser of (steps before, p, g, sums …) -> (p, sums …), from the ground."""
    return fn.Optimizer(partial(zeros, kinds), partial(update, rule))


def zeros(kinds: int, params: Any) -> Sums:
    return Sums(0, tuple(tree_map(np.zeros_like, params) for _ in range(kinds)))


def update(rule: Any, params: Any, grads: Any, state: Sums) -> tuple[Any, Sums]:
    tree_map(partial(check_gradient, "update"), params, grads)
    moved, *sums = map_apart(partial(rule, state.step), 1 + len(state.trees), params, grads, *state.trees)
    return moved, Sums(state.step + 1, tuple(sums))
