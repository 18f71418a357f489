"""Without an optional package what needs it says which one, and how to get it."""

from collections.abc import Callable
import importlib
from pathlib import Path
import sys

import array_api_strict
import numpy as np
import pytest

from fnmlp import arrays, data, plots
from fnmlp.data.cache import cache_folder
from fnmlp.errors import DataNotFoundError, MissingDependencyError
import fnmlp.testing.strategies


@pytest.mark.parametrize(
    ("package", "call"),
    [
        ("sklearn.datasets", data.digits),
        ("PIL", lambda: data.read_image("a.png", (8, 8))),
        ("matplotlib.figure", lambda: plots.curves([{"epoch": 1, "train_loss": 0.5}])),
        ("array_api_compat", lambda: arrays.namespace(array_api_strict.zeros(1))),
        ("hypothesis", lambda: importlib.reload(fnmlp.testing.strategies)),
    ],
)
def test_what_needs_an_absent_package_names_it(
    package: str, call: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match="pip install"):
        call()


def test_without_pooch_there_is_no_cache_and_no_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.delenv("FNMLP_DATA_DIR", raising=False)
    assert cache_folder() is None
    with pytest.raises(DataNotFoundError, match="--data-dir"):
        data.mnist(tmp_path)


def test_numpy_alone_needs_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "array_api_compat", None)
    assert arrays.namespace(np.zeros(1)).add is np.add
