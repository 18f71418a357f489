"""Optional libraries: the tests that need one are skipped, and name it, if it is missing."""

from importlib import import_module
from typing import Any

from attrs import frozen
import pytest


@frozen
class Missing:
    """Stands for a library that is not installed and for everything in it; a test that calls it is skipped."""

    name: str

    def __getattr__(self, attribute: str) -> "Missing":
        if attribute.startswith("__"):  # what Python and pytest ask of every object
            raise AttributeError(attribute)
        return Missing(f"{self.name}.{attribute}")

    def __call__(self, *_: object, **__: object) -> Any:
        pytest.skip(f"{self.name} is not installed")


def optional(name: str) -> Any:
    """Import a module, or return a stand-in if its library is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != name.partition(".")[0]:
            raise  # installed, but broken
        return Missing(name)
