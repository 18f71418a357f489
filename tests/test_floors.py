"""Imports run strictly downward through the floors of the house."""

import ast
from collections.abc import Iterator
from pathlib import Path
import subprocess
import sys

import pytest

import fnmlp

PACKAGE = Path(fnmlp.__file__).parent

# A fraction is a landing between two floors: errors is below arrays because namespace() raises, files stands on
# its own beside them, and the package's own face is above all that it shows and below the outward rooms.
FLOORS = {
    "errors": 0.0,
    "numpy_namespace": 0.0,
    "arrays": 0.1,
    "files": 0.2,
    "kinds": 0.2,
    "environment": 0.2,
    "options": 0.2,
    "rules": 0.2,
    "rows": 1.1,
    "tree": 1.0,
    "key": 1.0,
    "labels": 1.0,
    "special": 1.0,
    "weights": 1.1,
    "moments": 1.1,
    "layer": 2.0,
    "initializers": 2.0,
    "losses": 2.0,
    "optimizers": 2.0,
    "metrics": 2.0,
    "batches": 2.0,
    "fitting": 2.0,
    "layers": 3.0,
    "combinators": 3.0,
    "checkpoint": 3.0,
    "training": 4.0,
    "derivatives": 4.0,
    "consumers": 4.2,
    "diagnostics": 4.2,
    "rates": 4.2,
    "saving": 4.3,
    "steps": 4.4,
    "outline": 4.0,
    "models": 4.0,
    "recipes": 5.1,
    "": 4.5,
    "augmentation": 5.0,
    "data": 5.0,
    "interop": 5.0,
    "distributed": 5.0,
    "plots": 5.0,
    "testing": 5.0,
}

FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """Return the room that a file belongs to: its module, or the folder that it stands in; "" is the package."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imported_rooms(source: str) -> Iterator[str]:
    """Yield the rooms of fnmlp that a source text imports anywhere, at its top or inside a function."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            paths = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            paths = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for path in paths:
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


CORE = [path for path in FILES if FLOORS.get(room_of(path), 0) < 5]


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
