"""What `import fnmlp` costs and shows."""

import ast
from importlib import import_module
from pathlib import Path
import subprocess
import sys
from types import FunctionType, ModuleType

import pytest

import fnmlp

NEEDS = {"fnmlp", "numpy", "attr", "attrs"}
SHOW_IMPORTS = """
import sys
before = set(sys.modules)
import fnmlp
{use}
print(*sorted({{name.partition(".")[0] for name in set(sys.modules) - before}}))
"""


@pytest.mark.parametrize("use", ["", "from fnmlp import *"])
def test_importing_fnmlp_imports_numpy_and_attrs_and_nothing_else(use: str) -> None:
    program = SHOW_IMPORTS.format(use=use)
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(finished.stdout.split())
    assert "fnmlp" in imported
    assert imported - set(sys.stdlib_module_names) - NEEDS == set()
    assert finished.stderr == ""


def homes() -> list[tuple[str, str]]:
    """Return where type checkers are told that each public name comes from."""
    tree = ast.parse(Path(fnmlp.__file__).read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    told = [(str(node.module), alias.name) for node in imports for alias in node.names]
    return [(module, name) for module, name in told if module.startswith("fnmlp")]


def test_every_name_asked_for_is_the_one_that_type_checkers_see() -> None:
    asked = {(module, name): getattr(fnmlp, name) for module, name in homes()}
    others = [place for place, value in asked.items() if value is not getattr(import_module(place[0]), place[1])]
    assert asked
    assert others == []


def test_every_public_name_is_there_and_documented() -> None:
    values = {name: getattr(fnmlp, name) for name in fnmlp.__all__}
    hidden = [name for name, value in values.items() if isinstance(value, ModuleType)]
    assert hidden == [], "a module hides it: import it at once in __init__"
    # An alias of a type, such as Loss, can't carry a docstring.
    made = {name: value for name, value in values.items() if isinstance(value, type | FunctionType)}
    assert [name for name, value in made.items() if not value.__doc__] == []


def test_public_names_are_each_listed_once_and_complete() -> None:
    assert sorted(fnmlp.__all__) == sorted(name for _, name in homes())
    assert set(dir(fnmlp)) == {*fnmlp.__all__, "__version__"}


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'linaer'"):
        _ = fnmlp.linaer
