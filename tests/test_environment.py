"""The environment is recorded as far as it is known, and compared where both sides know it."""

import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from fnmlp.storage import environment as environment_module
from fnmlp.storage.environment import UNKNOWN, differences, environment


def test_an_environment_names_the_library_that_numpy_multiplies_with() -> None:
    found = environment()
    assert found["numpy"] == np.__version__
    assert "blas" in found["blas"].lower()
    assert found["blas kernel"] != UNKNOWN
    assert int(found["blas threads"]) >= 1


def test_threads_that_change_are_told() -> None:
    with threadpool_limits(1):
        assert environment()["blas threads"] == "1"
    with threadpool_limits(2):
        assert environment()["blas threads"] == "2"


def test_without_threadpoolctl_kernel_and_threads_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    environment_module._pools.cache_clear()
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    found = environment()
    assert (found["blas kernel"], found["blas threads"]) == (UNKNOWN, UNKNOWN)
    assert differences(environment(), found) == ()


def test_what_differs_is_said_and_what_is_unknown_is_not() -> None:
    before = {"numpy": "2.3.0", "blas kernel": "Haswell", "blas threads": UNKNOWN, "gone": "1"}
    now = {"numpy": "2.4.0", "blas kernel": "Zen", "blas threads": "2", "python": "3.12"}
    assert differences(before, now) == ("numpy 2.3.0, now 2.4.0", "blas kernel Haswell, now Zen")
    assert differences(now, now) == ()
