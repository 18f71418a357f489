"""Without an optional package, errors name it and say how to get it."""

from collections.abc import Callable
import importlib
import importlib.abc
import sys
from typing import Any

import array_api_strict
import numpy as np
import pytest

from fnmlp import arrays, data, plots
from fnmlp.data.cache import cache_folder
from fnmlp.errors import DataNotFoundError, DtypeError, MissingDependencyError
import fnmlp.interop.keras.models
import fnmlp.interop.onnx.library
import fnmlp.interop.sklearn.classifier
import fnmlp.interop.sklearn.reading
import fnmlp.interop.sklearn.regressor
import fnmlp.testing.strategies

CALLS = pytest.mark.parametrize(
    ("package", "call"),
    [
        ("sklearn.datasets", data.digits),
        ("PIL", lambda: data.read_image("a.png", (8, 8))),
        ("matplotlib.figure", lambda: plots.curves([{"epoch": 1, "train_loss": 0.5}])),
        ("array_api_compat", lambda: arrays.namespace(array_api_strict.zeros(1))),  # type: ignore[arg-type]
        ("sklearn.base", lambda: importlib.reload(fnmlp.interop.sklearn.classifier)),
        ("sklearn.base", lambda: importlib.reload(fnmlp.interop.sklearn.regressor)),
        ("sklearn.pipeline", lambda: importlib.reload(fnmlp.interop.sklearn.reading)),
        ("onnx", lambda: importlib.reload(fnmlp.interop.onnx.library)),
        ("h5py", lambda: importlib.reload(fnmlp.interop.keras.models)),
        ("hypothesis", lambda: importlib.reload(fnmlp.testing.strategies)),
    ],
)


@CALLS
def test_what_needs_an_absent_package_names_it(
    package: str, call: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=f"no module {package}; pip install"):
        call()


class Broken(importlib.abc.MetaPathFinder):
    """Finds one package, whose import fails as if it was built for another machine."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, name: str, path: object, target: object = None) -> None:  # noqa: ARG002 (a finder takes them)
        """Fail for the package."""
        if name == self.package:
            raise ImportError("libgomp.so.1: cannot open shared object file")


@pytest.fixture
def broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Break the import of the package that the test names."""
    package: str = request.getfixturevalue("package")
    monkeypatch.delitem(sys.modules, package, raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(package), *sys.meta_path])
    return package


@CALLS
@pytest.mark.usefixtures("broken")
def test_a_broken_package_is_not_called_missing(package: str, call: Callable[[], object]) -> None:
    with pytest.raises(MissingDependencyError, match="got ImportError: libgomp") as caught:
        call()
    assert "no module" not in str(caught.value), package


@pytest.mark.parametrize("value", [[1.0], 1.0, "text"])
def test_what_is_no_array_is_refused_as_such_without_array_api_compat(
    value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "array_api_compat", None)
    with pytest.raises(DtypeError, match="namespace"):
        arrays.namespace(value)


@pytest.mark.parametrize("package", ["pooch"])
@pytest.mark.usefixtures("broken")
def test_a_broken_pooch_is_no_reason_to_go_without_a_cache(package: str) -> None:
    with pytest.raises(MissingDependencyError, match=f"expected {package}, got ImportError: libgomp"):
        cache_folder()


def test_without_pooch_there_is_no_cache_and_no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.delenv("FNMLP_DATA_DIR", raising=False)
    assert cache_folder() is None
    with pytest.raises(DataNotFoundError, match="--data-dir"):
        data.mnist()


def test_numpy_alone_needs_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "array_api_compat", None)
    assert arrays.namespace(np.zeros(1)).add is np.add
