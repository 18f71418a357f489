"""Write the pages of the reference from what every module offers, and make Sphinx read the docstrings."""

from collections.abc import Iterator
from importlib import import_module
import inspect
from pathlib import Path
from posixpath import dirname, join, normpath
import re
from typing import Any

from fnmlp._names import NAMES
from fnmlp.lazy import APART

PAGES = {
    "fnmlp.layers": "Layers",
    "fnmlp.combinators": "Combinators",
    "fnmlp.initializers": "Initializers",
    "fnmlp.losses": "Losses",
    "fnmlp.optimizers": "Optimizers and schedules",
    "fnmlp.metrics": "Metrics",
    "fnmlp.training": "Training",
    "fnmlp.derivatives": "More derivatives",
    "fnmlp.storage": "Files",
    "fnmlp.augmentation": "Augmentation",
    "fnmlp.data": "Data",
    "fnmlp.tables": "Tables",
    "fnmlp.plots": "Plots",
    "fnmlp.reports": "Reports",
    "fnmlp.testing": "The law kit",
    "fnmlp.interop": "Other libraries",
    "fnmlp": "Trees, keys and other ground",
}
"""The page that a package's names are on; the last one takes what is left."""


def room_of(module: str) -> str:
    """Return the package whose page has the names of a module.

    >>> room_of("fnmlp.layers.affine"), room_of("fnmlp.tree")
    ('fnmlp.layers', 'fnmlp')
    """
    return next(room for room in PAGES if f"{module}.".startswith(f"{room}."))


def pages() -> dict[str, str]:
    """Return the text of each page by the name of its file, and that of the list of pages."""
    texts = {f"{_file(room)}.md": "\n".join(_page(room, title)) for room, title in PAGES.items()}
    return {**texts, "index.md": "\n".join(_contents())}


def _file(room: str) -> str:
    return room.removeprefix("fnmlp.")


def _contents() -> Iterator[str]:
    yield "# Reference\n\nEvery public name. `fn` stands for `fnmlp`.\n"
    yield "```{toctree}\n:hidden:\n\n" + "\n".join(map(_file, PAGES)) + "\n```\n"
    for room, title in PAGES.items():
        names = [f"{{py:obj}}`{name} <{_target(module, name)}>`" for module, name in _names_of(room)]
        yield f"**[{title}]({_file(room)}.md)**: {', '.join(names)}\n"


def _names_of(room: str) -> Iterator[tuple[str, str]]:
    for module, names in NAMES.items():
        if room_of(module) == room:
            yield from ((module, name) for name in names)


def _page(room: str, title: str) -> Iterator[str]:
    yield f"# {title}\n"
    own = import_module(room).__doc__ if room != "fnmlp" else ""
    yield f"{own or ''}\n"
    for module, names in NAMES.items():
        if room_of(module) == room:
            yield f"## {_heading(module)}\n"
            for name in names:
                yield f"```{{eval-rst}}\n.. auto{_directive(module, name)}\n```\n"


def _heading(module: str) -> str:
    """Return the subject of a module: the first sentence of its docstring."""
    first = (import_module(module).__doc__ or module).partition("\n")[0]
    return first.partition(": ")[0].rstrip(".")


def _place(module: str) -> str:
    """Return the package that a user imports the names of a module from."""
    if module.startswith("fnmlp.interop"):
        return ".".join(module.split(".")[:3])
    return next((room for room in APART if f"{module}.".startswith(f"{room}.")), "fnmlp")


def _is_data(value: object) -> bool:
    return not inspect.isfunction(value) and not (inspect.isclass(value) and value.__module__.startswith("fnmlp."))


def _target(module: str, name: str) -> str:
    """Return the full name that Sphinx knows a name by: only its own module has the docstring of a constant."""
    return f"{module if _is_data(getattr(import_module(module), name)) else _place(module)}.{name}"


def _directive(module: str, name: str) -> str:
    """Return the rest of Sphinx's directive for a name."""
    value, target = getattr(import_module(module), name), _target(module, name)
    if inspect.isfunction(value):
        return f"function:: {target}"
    if _is_data(value):
        return f"data:: {target}\n   :no-value:"
    return f"{'exception' if issubclass(value, Exception) else 'class'}:: {target}\n   :members:"


def write_pages(folder: Path) -> None:
    """Write all pages into a folder; one that has not changed is not touched, so that nothing is built twice."""
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        place = folder / name
        if not place.exists() or place.read_text(encoding="utf-8") != text:
            place.write_text(text, encoding="utf-8")


LINK = re.compile(r"\[([^\[\]]+)\]\((\.\./[^)]*)\)")


def without_outside(app: Any, page: str, source: list[str]) -> None:
    """Make text of a page's links to what is outside the site, such as a test; Sphinx calls this for each page.

    >>> source = ["[1, see [`tests`](../../tests) and [Speed](../speed.md)"]
    >>> without_outside(None, "tutorial/digits", source)
    >>> source
    ['[1, see `tests` and [Speed](../speed.md)']
    """

    def kept(link: re.Match[str]) -> str:
        outside = normpath(join(dirname(page), link[2])).startswith("..")
        return link[1] if outside else link[0]

    source[0] = LINK.sub(kept, source[0])


BLOCK_OF_CODE = re.compile(r"^(```\w.*?)\n\n```$", re.DOTALL | re.MULTILINE)


def without_last_lines(app: Any, page: str, source: list[str]) -> None:
    r"""Leave out the empty line at the end of each block of code, which a doctest needs and a reader does not.

    >>> source = ["```pycon\n>>> 1\n1\n\n>>> 2\n2\n\n```\n\nText\n\n```sh\nls\n```\n"]
    >>> without_last_lines(None, "start", source)
    >>> source
    ['```pycon\n>>> 1\n1\n\n>>> 2\n2\n```\n\nText\n\n```sh\nls\n```\n']
    """
    source[0] = BLOCK_OF_CODE.sub(r"\1\n```", source[0])


def is_foreign(app: Any, what: str, name: str, obj: object, skip: object, options: object) -> bool | None:
    """Tell Sphinx to pass over a member that another library made; else leave it to Sphinx."""
    foreign = name.startswith("set_") and name.endswith("_request")  # scikit-learn gives them to estimators
    return True if foreign else None


CODE = re.compile(r"(`[^`]*`)")


def _escaped(line: str) -> str:
    r"""Return a line of prose with what would be markup outside backticks marked as plain text.

    >>> _escaped("the sign of |x|, see `x_`")
    'the sign of \\|x\\|, see `x_`'
    """
    parts = CODE.split(line)
    return "".join(part if part.startswith("`") else re.sub(r"([*|_])", r"\\\1", part) for part in parts)


LABELS = r"`[^`]+`(?:, `[^`]+`)*|Shapes:|Units:|Gradient:|Raises:|Source:"
ITEM = re.compile(rf"(?P<indent> *)(?P<label>{LABELS})(?P<gap> +)(?P<text>\S.*)")


def with_fields(app: Any, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Make fields of the lines of a docstring that begin with a label, for Sphinx, which calls this for each.

    >>> lines = ["Sum up.", "Shapes:   (n,) -> (n,).", "Raises:   ShapeError if", "          they differ.", "", ">>> 1"]
    >>> with_fields(None, "", "", None, None, lines)
    >>> lines
    ['Sum up.', '', ':Shapes: (n,) -> (n,).', ':Raises: ShapeError if', '    they differ.', '', '>>> 1']
    """
    end = next((place for place, line in enumerate(lines) if line.lstrip().startswith(">>>")), len(lines))
    lines[:end] = _fielded([*map(_escaped, lines[:end])])


def _fielded(lines: list[str]) -> list[str]:
    made: list[str] = []
    depth: int | None = None  # of the field that a line may go on
    for line in lines:
        found = ITEM.fullmatch(line)
        if depth is not None and line.startswith(" " * (depth + 1)):
            made.append(f"{' ' * depth}    {line.strip()}")
        elif found and (depth is not None or found["label"].endswith(":") or len(found["gap"]) > 1):
            made += [""] if depth is None and made and made[-1] else []
            depth = len(found["indent"])
            made.append(f"{found['indent']}:{found['label'].rstrip(':')}: {found['text']}")
        else:
            made += [""] if depth is not None and line else []
            depth = None
            made.append(line)
    return made
