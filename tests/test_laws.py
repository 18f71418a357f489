"""The laws of the kit over the catalogue, over random chains and over random models; and the catalogue is complete."""

from types import ModuleType
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
import pytest

from fnmlp import expressions, initializers, losses, metrics, optimizers
from fnmlp.testing import TRIALS, check_layer
from fnmlp.testing.strategies import chains, shapes
from fnmlp.testing.strategies import models as random_models
from tests import catalogue
from tests.catalogue import LAYERS, LOSSES, OPTIMIZERS, Specimen
from tests.names import public
from tests.specimens import LossSpecimen, OptimizerSpecimen
from tests.steps import seeds
from tests.sweep import each

all_trials = settings(max_examples=max(1, settings().max_examples // (2 * TRIALS)))
"""Each example makes every kind of trial, one after another: where few are wanted, those from seed 0 on are enough."""


def has_specimen(name: str) -> bool:
    """Tell whether a specimen's name shows this constructor, or it is bound in one."""
    texts = [specimen.layer.name for specimen in LAYERS] + [specimen.name for specimen in LOSSES]
    texts += [specimen.name for specimen in OPTIMIZERS] + [specimen.name for specimen in catalogue.METRICS]
    texts += [label for label, _ in catalogue.INITIALIZERS]
    return any(f"{name}(" in text or name == text for text in texts)


LAYER_NAMES = sorted({*expressions.constructors()}.difference(initializers.__all__))
HELPERS = {"check_alike", "sgd_update", "averaged_params", "everywhere", "is_weight", "fold_metric"}
"""No constructors: what refuses, the map that sgd lifts, and what reads or feeds something constructed."""


@each("name", LAYER_NAMES)
def test_every_layer_is_in_the_catalogue(name: str) -> None:
    remedy = "add a specimen to LAYERS in tests/catalogue/layers.py, or an activation to CURVES in activations.py there"
    assert has_specimen(name), f"{name}: {remedy}"


@each("room", [losses, optimizers, metrics, initializers])
def test_every_loss_optimizer_metric_and_initializer_is_in_the_catalogue(room: ModuleType) -> None:
    names = [name for name, _ in public(room) if name not in HELPERS]
    kind = room.__name__.rpartition(".")[2]
    assert names
    remedy = f"add a specimen to {kind.upper()} in tests/catalogue/{kind}.py"
    assert [name for name in names if not has_specimen(name)] == [], remedy


def test_every_optimizer_has_an_oracle() -> None:
    # Without bias correction, with swapped betas or with |g| for g² an optimiser kept every other law.
    without = [specimen.name for specimen in OPTIMIZERS if specimen.reference is None]
    assert without == [], "give its specimen in tests/catalogue/optimizers.py its rule as the paper writes it"


@pytest.mark.parametrize("specimen", LAYERS, ids=repr)
@all_trials
@given(seed=seeds)
def test_layers_keep_every_law(specimen: Specimen, seed: int) -> None:
    specimen.check(seed=seed)


@pytest.mark.parametrize("specimen", LOSSES, ids=repr)
@all_trials
@given(seed=seeds)
def test_losses_keep_every_law(specimen: LossSpecimen, seed: int) -> None:
    specimen.check(seed=seed)


@pytest.mark.parametrize("specimen", OPTIMIZERS, ids=repr)
@all_trials
@given(seed=seeds)
def test_optimizers_keep_every_law(specimen: OptimizerSpecimen, seed: int) -> None:
    specimen.check(seed=seed)


@given(data=st.data(), example=shapes(), seed=seeds)
def test_random_chains_keep_every_law(data: st.DataObject, example: tuple[int, ...], seed: int) -> None:
    check_layer(data.draw(chains(example)), example, seed=seed, trials=1)


@given(model=random_models(), seed=seeds)
def test_random_models_keep_every_law(model: tuple[Any, tuple[int, ...]], seed: int) -> None:
    check_layer(*model, seed=seed, trials=1)
