"""`python -m tests.names` gathers what every module offers in its `__all__`: for the lazy loader, and as type stubs.

The files that it writes are part of the source. A test fails if they differ from what the modules say.
"""

import ast
from collections.abc import Callable, Mapping
from inspect import getmembers, isfunction
from pathlib import Path
import sys
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "fnmlp"
NOTE = "Written by `python -m tests.names` from what each module says in its `__all__`."
WIDTH = 120


def offers(path: Path) -> tuple[str, ...]:
    """Return what a module offers: the names in its `__all__`, or none."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [target.id for target in node.targets if isinstance(target, ast.Name)] == [
            "__all__"
        ]:
            return tuple(ast.literal_eval(node.value))
    return ()


def module_of(path: Path) -> str:
    """Return the dotted name of a module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def gathered() -> dict[str, tuple[str, ...]]:
    """Return what every module offers, by its name, in alphabetical order."""
    paths = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    return {module_of(path): names for path in paths if (names := offers(path))}


def public(room: ModuleType) -> list[tuple[str, Callable[..., Any]]]:
    """Return the functions that a package offers and defines, with their names."""
    named = getmembers(room, isfunction)
    inside = f"{room.__name__}."
    return [(name, made) for name, made in named if f"{made.__module__}.".startswith(inside) and name[0] != "_"]


def packages() -> list[Path]:
    """Return the folders that load their names when they are first asked for."""
    inits = sorted(PACKAGE.rglob("__init__.py"))
    return [init.parent for init in inits if "offering(__name__)" in init.read_text(encoding="utf-8")]


def written() -> dict[Path, str]:
    """Return the text of every file that is generated from the modules' names."""
    # Imported late, because it needs a file that this program may have to write first.
    from fnmlp.lazy import APART

    names = gathered()
    texts = {PACKAGE / "_names.py": _table(names)}
    for folder in packages():
        package = module_of(folder)
        inside = {module: offered for module, offered in names.items() if module.startswith(f"{package}.")}
        if folder == PACKAGE:
            inside = {module: offered for module, offered in inside.items() if not module.startswith(APART)}
        texts[folder / "__init__.pyi"] = _stub(inside, version=folder == PACKAGE)
    return texts


def _table(names: Mapping[str, tuple[str, ...]]) -> str:
    rows = [_listed(f'    "{module}": (', [f'"{name}"' for name in offered], "),") for module, offered in names.items()]
    head = f'"""What every module offers.\n\n{NOTE}\n"""\n\n'
    return head + "\n".join(["NAMES: dict[str, tuple[str, ...]] = {", *rows, "}", ""])


def _stub(names: Mapping[str, tuple[str, ...]], *, version: bool) -> str:
    rows = [
        _listed(f"from {module} import (", [f"{name} as {name}" for name in offered], ")")
        for module, offered in names.items()
    ]
    own = ["__version__: str"] if version else []
    return "\n".join([f"# {NOTE}", *rows, "", "__all__: list[str]", *own, ""])


def _listed(head: str, items: list[str], tail: str) -> str:
    """Write items on one line if they fit, or else each on its own."""
    line = f"{head}{', '.join(items)}{',' if len(items) == 1 else ''}{tail}"
    if len(line) <= WIDTH:
        return line
    indent = " " * (len(head) - len(head.lstrip()) + 4)
    return "\n".join([head, *(f"{indent}{item}," for item in items), f"{indent[4:]}{tail}"])


VOCABULARY = ("layers", "combinators", "losses", "optimizers", "metrics")
"""The rooms in which every function that documents its shapes is public."""


def unlisted() -> list[str]:
    """Return a line for each function that documents its shapes and is not in its module's `__all__`."""
    lines = []
    for path in sorted(path for room in VOCABULARY for path in (PACKAGE / room).rglob("*.py")):
        functions = [node for node in ast.parse(path.read_text("utf-8")).body if isinstance(node, ast.FunctionDef)]
        names = [node.name for node in functions if "Shapes:" in (ast.get_docstring(node) or "")]
        lines += [f"add {name!r} to __all__ in {path.relative_to(ROOT)}" for name in names if name not in offers(path)]
    return lines


def stale() -> list[str]:
    """Return a line for each written file that is out of date."""
    return [
        f"{path.relative_to(ROOT)} is out of date: run python -m tests.names"
        for path, text in written().items()
        if path.read_text("utf-8") != text
    ]


def main() -> None:
    """Write the files that differ, and name them."""
    for path, text in written().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
