"""What `import fnmlp` costs and shows."""

import subprocess
import sys
from types import FunctionType

import pytest

import fnmlp

NEEDS = {"fnmlp", "numpy", "attr", "attrs"}
SHOW_IMPORTS = """
import sys
before = set(sys.modules)
import fnmlp
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_importing_fnmlp_imports_numpy_and_attrs_and_nothing_else() -> None:
    finished = subprocess.run([sys.executable, "-c", SHOW_IMPORTS], capture_output=True, text=True, check=True)
    imported = set(finished.stdout.split())
    assert "fnmlp" in imported
    assert imported - set(sys.stdlib_module_names) - NEEDS == set()
    assert finished.stderr == ""


@pytest.mark.parametrize("name", fnmlp.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(fnmlp, name)
    # An alias of a type, such as Loss, can't carry a docstring.
    assert value.__doc__ or not isinstance(value, type | FunctionType)


def test_public_names_are_each_listed_once_and_complete() -> None:
    assert len(fnmlp.__all__) == len(set(fnmlp.__all__))
    shown = {name for name, value in vars(fnmlp).items() if isinstance(value, type | FunctionType)}
    assert shown - set(fnmlp.__all__) == set()
