"""The kit on other libraries: which it knows, what it says of one that is missing, and the mistakes that it finds."""

from functools import partial
import sys
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.arrays import Array, namespace, to_dtype
from fnmlp.errors import MissingDependencyError, OptionError
from fnmlp.testing import LawBrokenError, check_layer, check_loss, layer_test
from tests.catalogue import LOSSES, PORTABLE, Specimen
from tests.specimens import LossSpecimen
from tests.sweep import each

NORMAL, WIDE = 0, 7
"""Seeds of the kit's trials: of normally distributed numbers, and of numbers of all magnitudes."""


@each("specimen", PORTABLE)
@each("seed", [NORMAL, WIDE])
def test_layers_keep_every_law_on_arrays_of_the_standard(specimen: Specimen, seed: int) -> None:
    specimen.check(on="array_api_strict", seed=seed, trials=1)


@each("specimen", LOSSES)
@each("seed", [NORMAL, WIDE])
def test_losses_keep_every_law_on_arrays_of_the_standard(specimen: LossSpecimen, seed: int) -> None:
    specimen.check(on="array_api_strict", seed=seed, trials=1)


def test_another_library_is_refused_with_those_that_are_known() -> None:
    for check in (partial(check_layer, fn.relu()), partial(check_loss, fn.mse)):
        with pytest.raises(OptionError, match=r"'numpy' or 'jax' or 'torch' or 'array_api_strict', got 'tensorflow'"):
            check((2,), on="tensorflow")


@pytest.mark.parametrize("name", ["jax", "torch", "array_api_strict"])
def test_a_library_that_is_missing_is_named_with_the_way_to_install_it(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingDependencyError, match=rf"check_layer\(on='{name}'\): expected {name}.*pip install"):
        check_layer(fn.relu(), (2,), on=name)


def test_options_of_the_check_take_the_library() -> None:
    layer_test(fn.tanh(), example=(3,), on="array_api_strict")()
    with pytest.raises(LawBrokenError, match=r"check_layer\(.*, seed=0, trials=1, on='array_api_strict'\)"):
        check_layer(fn.elementwise(np.tanh, np.cos), (2,), on="array_api_strict")
    with pytest.raises(LawBrokenError, match=r"check_loss\(by_numpy, .*, seed=0, trials=1, on='array_api_strict'\)"):
        check_loss(by_numpy, (2,), on="array_api_strict")


def by_numpy(y: Array, target: Array) -> tuple[Any, Array]:
    """Be a loss that leaves the library of its arguments."""
    return fn.mse(np.asarray(y), np.asarray(target))


def square(x: Array) -> Array:
    return x * x


def double(x: Array) -> Array:
    return 2 * x


def widened_elsewhere(x: Array) -> Array:
    """Keep float32 on NumPy alone."""
    return x * x if isinstance(x, np.ndarray) else to_dtype(x * x, "float64")


def wrong_elsewhere(x: Array) -> Array:
    """Be right on NumPy alone."""
    return x * x if isinstance(x, np.ndarray) else x * x + 1e-3


def by_branches(x: Array) -> Array:
    """Ask for the sign of a number, which can't be known while a compiler traces."""
    return x * x if namespace(x).all(x * x >= 0) else x


def detached(x: Any) -> Array:
    """Hide half of a square from whatever differentiates it."""
    fixed = x.detach() if hasattr(x, "detach") else x
    return fixed * x


def spoiling(x: Array) -> Array:
    """Double a number, and write to what was given."""
    y = 2 * x
    if not isinstance(x, np.ndarray):
        x *= 1.5
    return y


MISTAKES = [
    ("array_api_strict", widened_elsewhere, "results are those of numpy", "dtype float32"),
    ("array_api_strict", wrong_elsewhere, "results are those of numpy", ""),
    ("array_api_strict", np.square, "results are those of numpy", ""),
    ("torch", detached, "differentiating apply gives our gradients", ""),
    ("torch", wrong_elsewhere, "results are those of numpy", ""),
    ("jax", by_branches, "compiled results are those of single calls", "no exception"),
    ("jax", np.square, "results are those of numpy", "an array of jax"),
]


@pytest.mark.parametrize(("on", "function", "law", "expected"), MISTAKES)
def test_a_mistake_that_only_another_library_shows_is_found(on: str, function: Any, law: str, expected: str) -> None:
    pytest.importorskip(on, reason=f"{on} is not installed")
    layer = fn.elementwise(function, double)
    with pytest.raises(LawBrokenError) as caught:
        check_layer(layer, (3,), on=on, trials=1)
    assert caught.value.law == law
    assert expected in str(caught.value.expected)
    check_layer(fn.elementwise(square, double), (3,), on=on, trials=1)


def test_a_layer_that_changes_its_inputs_elsewhere_is_found() -> None:
    with pytest.raises(LawBrokenError, match=r"results are those of numpy'\n +where: +\(params, x, dy\)\n"):
        check_layer(fn.elementwise(square, spoiling), (3,), on="array_api_strict", trials=1)


def changing(y: Array, target: Array) -> tuple[Any, Array]:
    value, dy = fn.mse(y, target)
    if not isinstance(y, np.ndarray):
        y *= 1.5
    return value, dy


def test_a_loss_that_changes_its_outputs_elsewhere_is_found() -> None:
    with pytest.raises(LawBrokenError, match=r"value and gradient are those of numpy'\n +where: +\(y, target\)\n"):
        check_loss(changing, (3,), on="array_api_strict", trials=1)
