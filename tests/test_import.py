"""What `import fnmlp` costs."""

import subprocess
import sys

import pytest

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
