"""The kit refuses layers and optimisers with a slip, and accepts the same code without it."""

from itertools import chain

import pytest

from fnmlp.testing import LawBrokenError, check_layer, check_optimizer
from tests.sweep import each
from tests.wrong.matrices import MATRICES
from tests.wrong.noise import NOISE
from tests.wrong.optimizers import OPTIMIZERS
from tests.wrong.pieces import Slip
from tests.wrong.pointwise import POINTWISE
from tests.wrong.steps import WrongStep
from tests.wrong.structure import STRUCTURE

LAYERS = [*POINTWISE, *MATRICES, *NOISE, *chain.from_iterable(STRUCTURE.values())]

RIGHT_LAYERS = {slip.made: slip for slip in LAYERS}

RIGHT_OPTIMIZERS = {slip.made: slip for slip in OPTIMIZERS}

SEEDS = (0, 1000, 2000)


@pytest.mark.parametrize("slip", LAYERS, ids=str)
@each("seed", SEEDS)
def test_a_wrong_layer_is_refused(slip: Slip, seed: int) -> None:
    with pytest.raises(LawBrokenError):
        check_layer(slip.wrong, slip.example, seed=seed, **slip.options)


@pytest.mark.parametrize("slip", RIGHT_LAYERS.values(), ids=RIGHT_LAYERS)
def test_the_same_layer_without_the_slip_is_taken(slip: Slip) -> None:
    check_layer(slip.right, slip.example, **slip.options)


@pytest.mark.parametrize("slip", OPTIMIZERS, ids=str)
@each("seed", SEEDS)
def test_a_wrong_optimizer_is_refused(slip: WrongStep, seed: int) -> None:
    with pytest.raises(LawBrokenError):
        check_optimizer(slip.wrong, seed=seed, reference=slip.rule)


@pytest.mark.parametrize("slip", RIGHT_OPTIMIZERS.values(), ids=RIGHT_OPTIMIZERS)
def test_the_same_optimizer_without_the_slip_is_taken(slip: WrongStep) -> None:
    check_optimizer(slip.right, reference=slip.rule)


@each(("law", "slip"), [(law, slip) for law, slips in STRUCTURE.items() for slip in slips])
def test_what_a_layer_says_wrongly_of_itself_is_told_by_name(law: str, slip: Slip) -> None:
    with pytest.raises(LawBrokenError) as caught:
        check_layer(slip.wrong, slip.example, **slip.options | {"noisy": "noise" in slip.says})
    assert caught.value.law == law
