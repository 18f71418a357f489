"""Lazy imports: a package loads each public name's module when you first use that name.

So you wait only for the parts that you use. Each module lists its public names in `__all__`. `python -m tests.names`
collects them in `fnmlp._names`, and in stubs for type checkers.
"""

from collections.abc import Callable
from importlib import import_module
import sys
from typing import Any

from fnmlp._names import NAMES

APART = (
    "fnmlp.augmentation",
    "fnmlp.data",
    "fnmlp.interop",
    "fnmlp.plots",
    "fnmlp.reports",
    "fnmlp.tables",
    "fnmlp.testing",
)
"""Packages whose names are not also names of fnmlp itself."""


def offering(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return the `__getattr__`, the `__dir__` and the `__all__` of a package.

    >>> offering("fnmlp.combinators")[2][:3]
    ['add', 'chain', 'concat']
    """
    places = {name: module for module in offered(package) for name in NAMES[module]}

    def load(name: str) -> Any:
        """Import the module that has this name, and cache the result."""
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(places[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        """Return the public names, and those that Python gives to every module."""
        return sorted([*places, *(name for name in vars(sys.modules[package]) if name.startswith("__"))])

    return load, names, sorted(places)


def offered(package: str) -> list[str]:
    """Return the modules whose names a package offers: those inside it, except for fnmlp those of `APART`.

    >>> offered("fnmlp.combinators")[:2]
    ['fnmlp.combinators.branches', 'fnmlp.combinators.chains']
    """
    within = [module for module in NAMES if module.startswith(f"{package}.")]
    return [module for module in within if package != "fnmlp" or not module.startswith(APART)]
