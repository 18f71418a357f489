"""Layers and states are values: they survive pickling with the same behaviour, in another process too."""

from functools import partial, reduce
from pathlib import Path
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.training import TrainState, train_step
from tests.catalogue import INITIALIZERS, LAYERS, LOSSES, OPTIMIZERS, Specimen
from tests.specimens import LossSpecimen, OptimizerSpecimen
from tests.steps import draw, same_bits

MODEL = fn.chain(fn.linear(5), fn.relu(), fn.linear(3), fn.softmax())
STEP = partial(train_step, MODEL, fn.on_labels(fn.mse), fn.sgd(0.5))
DATA = fn.Batch(draw(0, (12, 4), np.float32), np.arange(12) % 3)
RESUME = """
import pickle, sys
from functools import reduce
with open(sys.argv[1], "rb") as file:
    step, state, rest, layer, (params, x) = pickle.load(file)
y = layer.apply(params, x)
with open(sys.argv[1], "wb") as file:
    pickle.dump((reduce(step, rest, state), y), file)
"""


def copied(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301 (our own bytes)


def trained(steps: int) -> TrainState:
    state = fn.train_state(MODEL, fn.sgd(0.5), key=fn.Key(0), example=(4,))
    return reduce(STEP, list(fn.batches(DATA, size=4, key=fn.Key(1), epoch=0))[:steps], state)


@pytest.mark.parametrize("specimen", LAYERS, ids=repr)
def test_a_pickled_layer_behaves_the_same(specimen: Specimen) -> None:
    layer = copied(specimen.layer)
    params, x, dy = specimen.point(1, 3, np.float32)
    assert layer.name == specimen.layer.name
    for key in (None, fn.Key(5)):
        found = layer.vjp(params, x, key)[0], fn.gradients(layer, params, x, dy, key)
        expected = specimen.layer.vjp(params, x, key)[0], fn.gradients(specimen.layer, params, x, dy, key)
        assert same_bits(found, expected)
    assert fn.tree_equal(layer.init(fn.Key(3), specimen.example), specimen.layer.init(fn.Key(3), specimen.example))


@pytest.mark.parametrize("specimen", LOSSES, ids=repr)
def test_a_pickled_loss_behaves_the_same(specimen: LossSpecimen) -> None:
    y = draw(0, (5, 4), np.float32)
    target = specimen.targets(y, 1)
    assert same_bits(copied(specimen.loss)(y, target), specimen.loss(y, target))


@pytest.mark.parametrize("specimen", OPTIMIZERS, ids=repr)
def test_a_pickled_optimizer_behaves_the_same_and_goes_on_from_a_pickled_state(specimen: OptimizerSpecimen) -> None:
    optimizer, params, grads = specimen.optimizer, (draw(0, (3, 2)),), (draw(1, (3, 2)),)
    moved, state = optimizer.update(params, grads, optimizer.init(params))
    assert same_bits(copied(optimizer).update(params, grads, optimizer.init(params)), (moved, state))
    assert same_bits(copied(optimizer).update(moved, grads, copied(state)), optimizer.update(moved, grads, state))


@pytest.mark.parametrize(("name", "initializer"), INITIALIZERS)
def test_a_pickled_initializer_behaves_the_same(name: str, initializer: fn.initializers.Initializer) -> None:
    arguments = fn.Key(2), (3, 2), (3, 2)
    assert same_bits(copied(initializer)(*arguments), initializer(*arguments)), name


def test_a_pickled_state_is_the_same_state() -> None:
    state = trained(2)
    again = copied(state)
    assert type(again) is TrainState
    assert fn.tree_equal(again, state)


def test_a_fresh_process_goes_on_from_a_pickled_state_with_the_same_bits(tmp_path: Path) -> None:
    specimen = next(specimen for specimen in LAYERS if specimen.layer.name.startswith("chain(flatten"))
    params, x, _ = specimen.point(1, 3, np.float32)
    rest = list(fn.batches(DATA, size=4, key=fn.Key(1), epoch=0, start=1))
    path = tmp_path / "state.pickle"
    path.write_bytes(pickle.dumps((STEP, trained(1), rest, specimen.layer, (params, x))))
    subprocess.run([sys.executable, "-c", RESUME, str(path)], check=True)
    state, y = pickle.loads(path.read_bytes())  # noqa: S301 (our own bytes)
    assert fn.tree_equal(state, trained(3))
    assert same_bits(y, specimen.layer.apply(params, x))
