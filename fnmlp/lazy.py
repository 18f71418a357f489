"""Names that a package offers, each loaded with its module when it is first asked for.

So whoever uses a part of the library waits for that part alone. Each module tells in its `__all__` what it offers;
`python -m tests.names` gathers that in `fnmlp._names`, and in the stubs that type checkers read.
"""

from collections.abc import Callable
from importlib import import_module
import sys
from typing import Any

from fnmlp._names import NAMES

APART = ("fnmlp.augmentation", "fnmlp.data", "fnmlp.interop", "fnmlp.plots", "fnmlp.testing")
"""Rooms whose names are not names of fnmlp itself."""


def offering(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return the `__getattr__`, the `__dir__` and the `__all__` of a package.

    >>> offering("fnmlp.combinators")[2][:3]
    ['add', 'chain', 'concat']
    """
    places = {name: module for module in offered(package) for name in NAMES[module]}

    def load(name: str) -> Any:
        """Import a name with its module, and keep it."""
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(places[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return load, lambda: sorted({*places, *vars(sys.modules[package])}), sorted(places)


def offered(package: str) -> list[str]:
    """Return the modules whose names a package offers: those inside it, but of fnmlp none from the rooms apart.

    >>> offered("fnmlp.combinators")[:2]
    ['fnmlp.combinators.branches', 'fnmlp.combinators.chains']
    """
    within = [module for module in NAMES if module.startswith(f"{package}.")]
    return [module for module in within if package != "fnmlp" or not module.startswith(APART)]
