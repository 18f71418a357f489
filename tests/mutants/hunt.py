"""Check every mutant of every specimen with the kit, and count which law catches it."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from attrs import frozen
import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import Key
from fnmlp.layer import Layer
from fnmlp.testing import LawBrokenError
from fnmlp.testing.cases import LayerCase
from fnmlp.testing.layers import LAYER_LAWS
from fnmlp.tree import Tree, tree_leaves
from tests.catalogue import LAYERS, LOSSES, OPTIMIZERS, Specimen
from tests.mutants.behaviour import behaviour_mutants, noise_mutants
from tests.mutants.gradients import gradient_mutants
from tests.mutants.others import loss_mutants, optimizer_mutants
from tests.mutants.steps import wrong_steps
from tests.mutants.tails import loss_tail_mutants, tail_mutants


@frozen
class Verdict:
    """A mutant: its specimen, what was changed, and the law that caught it, or None."""

    specimen: str
    change: str
    law: str | None


def hunt(first: int = 0, step: int = 1) -> Iterator[Verdict]:
    """Check mutants of every `step`-th specimen, with the kit's default number of trials."""
    for specimen in LAYERS[first::step]:
        params, _ = specimen.layer.init(Key(0), specimen.example)
        mutants = [
            (name, layer) for name, layer in gradient_mutants(specimen.layer, params) if _differs(specimen, layer)
        ]
        mutants += behaviour_mutants(specimen, params)
        if specimen.differentiable and "(" not in specimen.layer.name.partition("(")[2]:
            mutants += tail_mutants(specimen)
        mutants += noise_mutants(specimen) if specimen.noisy else ()
        for name, layer in mutants:
            # Mutants are closures, which can't be pickled; that counts only for the mutant about pickling.
            laws = LAYER_LAWS if "pickle" in name else LAYER_LAWS[:-1]
            yield Verdict(repr(specimen), name, _caught(partial(specimen.check, layer, laws=laws)))
    for loss in LOSSES[first::step]:
        for name, wrong in (*loss_mutants(loss.loss), *loss_tail_mutants(loss)):
            yield Verdict(repr(loss), name, _caught(partial(loss.check, wrong)))
    for stepper in OPTIMIZERS[first::step]:
        for name, mutant in [*optimizer_mutants(stepper.optimizer), *wrong_steps(stepper.name).items()]:
            yield Verdict(repr(stepper), name, _caught(partial(stepper.check, mutant)))


def _caught(check: Callable[[], None]) -> str | None:
    try:
        with np.errstate(all="ignore"):
            check()
    except LawBrokenError as broken:
        return broken.law
    return None


def _differs(specimen: Specimen, mutant: Layer[Any]) -> bool:
    """Tell whether a slip changes a gradient by more than rounding. If not, it isn't a mistake."""
    for seed in range(3):
        right, wrong = (
            LayerCase(layer, specimen.example, Key(seed), 4, specimen.draw) for layer in (specimen.layer, mutant)
        )
        for arguments in ((right.params, right.x, right.dy), right.as_float32()):
            with np.errstate(all="ignore"):
                if not all(map(_close, _gradients(right, arguments), _gradients(wrong, arguments))):
                    return True
    return False


def _gradients(case: LayerCase, arguments: tuple[Tree, Array, Array]) -> tuple[Array, ...]:
    _, dparams, dx = case.run(*arguments)
    return tree_leaves((dparams, dx) if case.differentiable else (dparams,))


def _close(left: Array, right: Array) -> bool:
    if left.dtype != right.dtype or left.shape != right.shape:
        return False
    return bool(
        np.abs(left - right).max(initial=0.0) <= 8 * np.finfo(left.dtype).eps * (1 + np.abs(left).max(initial=0.0))
    )


def table(verdicts: Iterable[Verdict]) -> str:
    """Format the number of mutants that each law caught, and the names of those that none did."""
    verdicts = list(verdicts)
    caught = Counter(verdict.law for verdict in verdicts if verdict.law is not None)
    lines = [f"{count:6d}  {law}" for law, count in caught.most_common()]
    missed = [f"missed: {verdict.change}, in {verdict.specimen}" for verdict in verdicts if verdict.law is None]
    lines.append(f"{sum(caught.values()):6d}  of {len(verdicts)} mutants were caught")
    return "\n".join([*missed, *lines])
