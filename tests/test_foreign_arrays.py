"""What is nearly an array is refused with the way to make one of it, wherever arrays come in."""

from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path
import re
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.augmentation import cutout
from tests.catalogue import LAYERS, LOSSES, METRICS, Specimen
from tests.specimens import LossSpecimen, MetricSpecimen


class Sparse:
    """Looks like one of SciPy's sparse arrays."""

    def __init__(self, x: Any) -> None:
        self.shape, self.ndim, self.dtype = x.shape, x.ndim, x.dtype

    def toarray(self) -> None:
        """Exist: by this method it is recognized."""


class Table:
    """Looks like a table of pandas or polars."""

    def __init__(self, x: Any) -> None:
        self.shape, self.ndim = x.shape, x.ndim

    def to_numpy(self) -> None:
        """Exist: by this method it is recognized."""


def masked(x: Any) -> Any:
    """Hide one number of an array."""
    array = np.ma.masked_array(x)
    array[(0,) * array.ndim] = np.ma.masked
    return array


KINDS: tuple[tuple[str, Callable[[Any], Any], str], ...] = (
    ("masked", masked, r"\.filled\(number\)"),
    ("matrix", lambda x: np.asmatrix(np.atleast_2d(x)), r"numpy\.asarray"),
    ("sparse", Sparse, r"\.toarray\(\)"),
    ("table", Table, r"\.to_numpy\(\)"),
)


def accepted(takers: Iterable[Callable[[Callable[[Any], Any]], Any]], *, but: str = "") -> list[str]:
    """Return the kinds that a function takes, or refuses without naming the way to convert them."""
    found = []
    for (kind, make, remedy), take in product(KINDS, takers):
        if kind == but:
            continue
        try:
            take(make)
        except fn.FnmlpError as error:
            if not re.search(remedy, str(error)):
                found.append(f"{kind}: {error}")
        else:
            found.append(f"{kind}: taken")
    return found


@pytest.mark.parametrize("specimen", LAYERS, ids=repr)
def test_a_layer_refuses_what_is_nearly_an_array(specimen: Specimen) -> None:
    params, x, _ = specimen.point(0, 4, np.float32)
    key = fn.Key(0) if specimen.noisy else None
    takers = (
        lambda make: specimen.layer.apply(params, make(x)),
        lambda make: specimen.layer.vjp(params, make(x), key),
    )
    assert accepted(takers, but="matrix" if x.ndim > 2 else "") == []


@pytest.mark.parametrize("specimen", LOSSES, ids=repr)
def test_a_loss_refuses_it(specimen: LossSpecimen) -> None:
    """The bug: the squares of a matrix are a product of matrices, so that mse was 13.5 for 7.5."""
    y = fn.generator(fn.Key(0)).standard_normal((4, 4))
    target = specimen.targets(y, 0)
    takers = (lambda make: specimen.loss(make(y), target), lambda make: specimen.loss(y, make(target)))
    assert accepted(takers) == []


@pytest.mark.parametrize("specimen", METRICS, ids=repr)
def test_a_metric_refuses_it(specimen: MetricSpecimen) -> None:
    y, target = specimen.point((4, 4), 0)
    takers = (lambda make: specimen.metric(make(y), target), lambda make: specimen.metric(y, make(target)))
    assert accepted(takers) == []


X = np.ones((4, 3), np.float32)
LABELS = np.arange(4) % 3
MODEL = fn.linear(3)
STATE = fn.train_state(MODEL, fn.sgd(0.1), key=fn.Key(0), example=(3,))

PLACES: dict[str, Callable[[Any], Any]] = {
    "Batch": lambda x: fn.Batch(x, LABELS),
    "targets": lambda x: fn.Batch(X, x),
    "train_step": lambda x: fn.train_step(MODEL, fn.cross_entropy, fn.sgd(0.1), STATE, (x, LABELS)),
    "evaluate": lambda x: fn.evaluate(MODEL, fn.cross_entropy, STATE.params, (x, LABELS)),
    "predict": lambda x: fn.predict(MODEL, STATE.params, x),
    "batches": lambda x: fn.batches((x, LABELS), size=2, key=fn.Key(0), epoch=0),
    "fit_impute": fn.fit_impute,
    "fit_robust_scale": fn.fit_robust_scale,
    "fit_standardize": fn.fit_standardize,
    "saliency": lambda x: fn.saliency(MODEL, STATE.params, x),
    "one_hot": lambda x: fn.one_hot(x, 3),
    "cutout": lambda x: cutout(fn.Key(0), x, size=1),
    "save": lambda x: fn.save("never-written", (x,), {}),
    "frozen": lambda x: fn.frozen(MODEL, fn.Linear(x, ())),
}


@pytest.mark.parametrize("place", PLACES)
def test_it_is_refused_at_every_door(place: str) -> None:
    assert accepted([lambda make: PLACES[place](make(X))]) == []
    assert not Path("never-written").exists()


@pytest.mark.parametrize(
    "layer", [fn.sigmoid(), fn.gelu(), fn.softmax(), fn.relu(), fn.scale(0.5), fn.linear(3)], ids=repr
)
def test_a_layer_names_a_dtype_of_no_numbers(layer: fn.Layer[Any]) -> None:
    """The bug: NumPy's "did not contain a loop with signature matching types", from the depths."""
    params, _ = layer.init(fn.Key(0), (3,))
    answers = {}
    for dtype in ("U3", "S3", "i4,f4", "M8[s]"):
        try:
            layer.apply(params, np.zeros((4, 3), dtype))
        except Exception as error:  # noqa: BLE001 (whatever comes in place of ours)
            answers[dtype] = type(error)
    assert answers == dict.fromkeys(("U3", "S3", "i4,f4", "M8[s]"), fn.DtypeError)


def test_a_file_mapped_into_memory_is_an_array(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")
    batch = fn.Batch(mapped, LABELS)
    assert np.shares_memory(batch.inputs, mapped)
    assert type(batch.inputs) is np.ndarray
    expected = fn.evaluate(MODEL, fn.cross_entropy, STATE.params, (X, LABELS))
    assert fn.evaluate(MODEL, fn.cross_entropy, STATE.params, (mapped, LABELS)) == expected
    assert fn.tree_equal(fn.predict(MODEL, STATE.params, mapped), fn.predict(MODEL, STATE.params, X))
    assert fn.fit_standardize(mapped) == fn.fit_standardize(X)
    assert fn.tree_equal(MODEL.apply(STATE.params, mapped), MODEL.apply(STATE.params, X))


def test_real_sparse_arrays_are_refused_too() -> None:
    sparse = pytest.importorskip("scipy.sparse", reason="SciPy makes sparse arrays")
    with pytest.raises(fn.DtypeError, match=r"toarray\(\)"):
        fn.Batch(sparse.csr_array(X), LABELS)
    with pytest.raises(fn.DtypeError, match=r"toarray\(\)"):
        MODEL.apply(STATE.params, sparse.csr_array(X))
