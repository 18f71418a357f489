"""Imports run strictly downward through the floors of the house, and none comes from a file of tests."""

import ast
from collections.abc import Iterator
from pathlib import Path
import subprocess
import sys

import pytest

import fnmlp
from tests.sweep import each

PACKAGE = Path(fnmlp.__file__).parent

# From the ground up: a room imports from those on the floors below its own.
HOUSE = (
    ("errors", "numpy_namespace", "_names"),
    ("lazy", "arrays", "scalars"),
    ("",),
    ("kinds", "checks", "rules"),
    ("files", "tree", "key"),
    ("conditions", "draws", "whole_files"),
    ("labels", "options"),
    ("moving",),
    ("weights", "moments", "rows"),
    ("layer",),
    ("expressions",),
    ("initializers", "batching", "drawn"),
    ("layers",),
    ("losses", "optimizers", "metrics", "combinators", "augmentation", "data", "plots", "reports"),
    ("training", "derivatives"),
    ("storage",),
    ("tables",),
    ("testing", "interop"),
)
FLOORS = {room: floor for floor, rooms in enumerate(HOUSE) for room in rooms}

FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """Return the room that a file belongs to: its module, or the folder that it stands in; "" is the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imported_names(source: str) -> Iterator[str]:
    """Yield what a source text imports anywhere, at its top or inside a function: modules, and names in them."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_rooms(source: str) -> Iterator[str]:
    """Yield the rooms of fnmlp that a source text imports."""
    for path in imported_names(source):
        package, _, rest = path.partition(".")
        room = rest.partition(".")[0]
        if package == "fnmlp":
            yield room if room in FLOORS or (PACKAGE / f"{room}.py").exists() else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_file_has_a_floor_and_imports_only_what_lies_below(path: Path) -> None:
    room = room_of(path)
    assert room in FLOORS, f"give {room} a floor in tests/test_floors.py"
    inside = {room} if path.parent != PACKAGE else set()
    upward = {
        other for other in imported_rooms(path.read_text()) if other not in inside and FLOORS[other] >= FLOORS[room]
    }
    assert not upward, f"{room} (floor {FLOORS[room]}) imports {sorted(upward)}"


@pytest.mark.parametrize(
    ("source", "rooms"),
    [
        ("import fnmlp", [""]),
        ("import fnmlp.training as t", ["training"]),
        ("from fnmlp import layers, chain", ["layers", ""]),
        ("from fnmlp.data.idx import read_idx", ["data"]),
        ("def f():\n    from fnmlp.plots import curve", ["plots"]),
        ("import numpy as np", []),
    ],
)
def test_an_import_is_seen_wherever_and_however_it_is_written(source: str, rooms: list[str]) -> None:
    assert list(imported_rooms(source)) == rooms


def test_every_room_on_a_floor_is_there() -> None:
    # The floors once listed rooms that had been taken down.
    assert FLOORS.keys() <= {room_of(path) for path in FILES}


CORE = [path for path in FILES if room_of(path) not in ("augmentation", "data", "interop", "plots", "testing")]


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_only_key_uses_the_random_numbers_of_numpy(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    modules = {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    assert ("random" in attributes or "numpy.random" in modules) == (path.stem == "key")


IMPORT_EACH_FIRST = """
import importlib, sys
for room in sys.argv[1:]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "fnmlp"]:
        del sys.modules[name]
    print(room, flush=True)
    importlib.import_module(f"fnmlp.{room}")
"""


def test_every_room_of_the_core_can_be_imported_first() -> None:
    rooms = sorted({room_of(path) for path in CORE} - {""})
    command = [sys.executable, "-c", IMPORT_EACH_FIRST, *rooms]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (finished.stdout.split(), finished.stderr) == (rooms, "")


TESTS = sorted(Path(__file__).parent.rglob("*.py"))


@each("path", TESTS)
def test_what_tests_share_stands_in_a_helper_and_not_in_a_file_of_tests(path: Path) -> None:
    # A change of one test broke others, and each ran the fixtures of the file that it took a function from.
    names = imported_names(path.read_text(encoding="utf-8"))
    shared = [name for name in names if name.startswith("tests.test_")]
    assert not shared, f"{path.name} takes {shared}: move it into a helper"


@each("folder", [PACKAGE, PACKAGE.parent / "examples", PACKAGE.parent / "tests"])
def test_files_are_split_by_subject_and_not_by_length(folder: Path) -> None:
    assert not list(folder.rglob("*_more.py")), "name the file for what is in it"
