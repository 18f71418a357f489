"""Public names: each is offered once, by the module that defines it, and is loaded with that module alone."""

import ast
from importlib import import_module
from pathlib import Path
import subprocess
import sys
from types import FunctionType, ModuleType

import pytest

import fnmlp
from fnmlp._names import NAMES
from fnmlp.lazy import APART
from tests import names
from tests.names import ROOT, gathered, module_of, packages, stale, unlisted

PACKAGES = [module_of(folder) for folder in packages()]


def package_of(module: str) -> str:
    return next((package for package in APART if f"{module}.".startswith(f"{package}.")), "fnmlp")


def test_every_package_has_names_and_so_a_page_of_the_reference() -> None:
    """The page of the plots was empty, because their module had no `__all__`."""
    assert {package_of(module) for module in NAMES} == {"fnmlp", *APART}


def test_what_the_modules_offer_is_written_where_it_is_read() -> None:
    assert stale() == []


def test_what_documents_its_shapes_is_offered() -> None:
    assert unlisted() == []


def test_a_constructor_that_is_not_offered_is_named_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "offers", lambda _: ())
    assert "add 'relu' to __all__ in fnmlp/layers/rectifiers.py" in unlisted()
    assert "fnmlp/layers/__init__.pyi is out of date: run python -m tests.names" in stale()


def test_every_name_is_offered_once_by_the_module_that_defines_it() -> None:
    offered_names = [(package_of(module), name) for module, offered in gathered().items() for name in offered]
    assert sorted(offered_names) == sorted(set(offered_names))
    for module, offered in gathered().items():
        tree = ast.parse(Path(ROOT, *module.split(".")).with_suffix(".py").read_text(encoding="utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        targets = [
            node.targets if isinstance(node, ast.Assign) else [node.target]
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
        ]
        defined |= {target.id for each in targets for target in each if isinstance(target, ast.Name)}
        assert set(offered) <= defined, module


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_offers_what_its_modules_define_and_no_module_hides_it(package: str) -> None:
    """The bug: once fnmlp.batches was loaded, fn.batches was the module in place of the function."""
    room = import_module(package)
    for name in room.__all__:
        module = next(module for module in NAMES if module.startswith(f"{package}.") and name in NAMES[module])
        value = getattr(room, name)
        assert value is getattr(import_module(module), name)
        assert not isinstance(value, ModuleType)
        # An alias of a type, such as Loss, can't carry a docstring.
        assert not isinstance(value, type | FunctionType) or value.__doc__
    siblings = {module.removeprefix(f"{package}.").partition(".")[0] for module in NAMES if module.startswith(package)}
    assert siblings.isdisjoint(room.__all__)
    # What a package is made with, and whichever module was loaded already, was shown among its names.
    assert [name for name in dir(room) if not name.startswith("__")] == room.__all__


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_is_not_there_is_an_attribute_error(package: str) -> None:
    with pytest.raises(AttributeError, match="no attribute 'linaer'"):
        getattr(import_module(package), "linaer")  # noqa: B009 (as a user's slip would be asked for)


LOADED = """
import sys
import fnmlp
fnmlp.{name}
print(*sorted(name for name in sys.modules if name.startswith("fnmlp.")))
"""


@pytest.mark.parametrize(
    ("name", "unneeded"),
    [
        ("save_model", ["layers", "losses", "optimizers", "training", "combinators", "metrics"]),
        ("linear", ["losses", "optimizers", "training", "storage", "combinators"]),
        ("adam", ["layers", "losses", "training", "storage", "combinators"]),
        ("mse", ["layers", "optimizers", "training", "storage", "combinators"]),
    ],
)
def test_a_name_loads_its_module_and_what_that_needs(name: str, unneeded: list[str]) -> None:
    """The bug: fn.save_model loaded every layer and every optimiser."""
    command = [sys.executable, "-c", LOADED.format(name=name)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    rooms = {module.split(".")[1] for module in finished.stdout.split()}
    assert rooms.isdisjoint(unneeded)


def test_fnmlp_shows_its_version() -> None:
    assert "__version__" in dir(fnmlp)
