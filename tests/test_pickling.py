"""Layers and states are values: they survive pickling with the same behaviour, in another process too."""

from collections.abc import Callable, Iterable
from functools import partial, reduce
from pathlib import Path
import pickle
import subprocess
import sys
from typing import Any

import numpy as np

import fnmlp as fn
from fnmlp.training.loop import TrainState, train_step
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


def unlike(specimens: Iterable[Any], behaves_the_same: Callable[[Any], bool]) -> list[str]:
    """Return which specimens a pickled copy does not behave like."""
    found = []
    for specimen in specimens:
        try:
            same = behaves_the_same(specimen)
        except Exception as error:  # noqa: BLE001 (of whichever specimen, to be named with it)
            found.append(f"{specimen!r}: {error!r}")
        else:
            found += [] if same else [repr(specimen)]
    return found


def test_a_pickled_layer_behaves_the_same() -> None:
    def behaves_the_same(specimen: Specimen) -> bool:
        layer = copied(specimen.layer)
        params, x, dy = specimen.point(1, 3, np.float32)
        same = [
            layer.name == specimen.layer.name,
            fn.tree_equal(layer.init(fn.Key(3), specimen.example), specimen.layer.init(fn.Key(3), specimen.example)),
        ]
        for key in (None, fn.Key(5)):
            found = layer.vjp(params, x, key)[0], fn.gradients(layer, params, x, dy, key)
            expected = specimen.layer.vjp(params, x, key)[0], fn.gradients(specimen.layer, params, x, dy, key)
            same.append(same_bits(found, expected))
        return all(same)

    assert unlike(LAYERS, behaves_the_same) == []


def test_a_pickled_loss_behaves_the_same() -> None:
    def behaves_the_same(specimen: LossSpecimen) -> bool:
        y = draw(0, (5, 4), np.float32)
        target = specimen.targets(y, 1)
        return same_bits(copied(specimen.loss)(y, target), specimen.loss(y, target))

    assert unlike(LOSSES, behaves_the_same) == []


def test_a_pickled_optimizer_behaves_the_same_and_goes_on_from_a_pickled_state() -> None:
    params, grads = (draw(0, (3, 2)),), (draw(1, (3, 2)),)

    def behaves_the_same(specimen: OptimizerSpecimen) -> bool:
        optimizer = specimen.optimizer
        moved, state = optimizer.update(params, grads, optimizer.init(params))
        first = same_bits(copied(optimizer).update(params, grads, optimizer.init(params)), (moved, state))
        second = copied(optimizer).update(moved, grads, copied(state))
        return first and same_bits(second, optimizer.update(moved, grads, state))

    assert unlike(OPTIMIZERS, behaves_the_same) == []


def test_a_pickled_initializer_behaves_the_same() -> None:
    arguments = fn.Key(2), (3, 2), (3, 2)

    def behaves_the_same(specimen: tuple[str, fn.initializers.Initializer]) -> bool:
        return same_bits(copied(specimen[1])(*arguments), specimen[1](*arguments))

    assert unlike(INITIALIZERS, behaves_the_same) == []


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
