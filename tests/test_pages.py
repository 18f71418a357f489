"""What the pages name is there: files, links between pages, programs and tests."""

from collections.abc import Iterator
from pathlib import Path
import re
import tomllib

import pytest

from tests.sweep import each

ROOT = Path(__file__).resolve().parents[1]
PAGES = [*ROOT.glob("*.md"), *(page for page in (ROOT / "docs").rglob("*.md") if "reference" not in page.parts)]
FILE = re.compile(r"(?<![\w./-])(?:\.\./)*((?:tests|examples|fnmlp|docs|\.ci)/(?:[\w/*-]|\.(?=\w))*)")
PROGRAM = re.compile(r"python3? -m (tests(?:\.\w+)+)")
TEST = re.compile(r"\.py::(test_\w+)")
LINK = re.compile(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)")
NAMED = re.compile(r"\[([^\]]*`[^\]]*)\]\(([^)#\s:]+\.md)(?:#[^)]*)?\)")
NAME = re.compile(r"`([^`]+)`")
EXTRAS = re.compile(r"'([\w.]+)\[([a-z,]+)\]'")
OFFERED = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
TESTS = "".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("*.py"))


def missing(text: str, folder: Path) -> Iterator[str]:
    """Yield the files, programs, tests and links in the text of a page that lead to nothing.

    So do a link of a name to a page that does not have it, and an extra that a clone does not install.
    """
    for name in FILE.findall(text):
        if not [*ROOT.glob(name)]:
            yield name
    for name in PROGRAM.findall(text):
        place = ROOT.joinpath(*name.split("."))
        if not (place.with_suffix(".py").is_file() or (place / "__main__.py").is_file()):
            yield name
    yield from (name for name in TEST.findall(text) if f"def {name}(" not in TESTS)
    yield from (link for link in LINK.findall(text) if not (folder / link).exists())
    for package, extras in EXTRAS.findall(text):
        if package != "." or not {*extras.split(",")} <= {*OFFERED}:
            yield f"{package}[{extras}]"
    for names, link in NAMED.findall(text):
        there = (folder / link).read_text("utf-8") if (folder / link).exists() else names
        yield from (f"{name} in {link}" for name in NAME.findall(names) if not _has(there, name))


def _has(text: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) is not None


@each("page", PAGES)
def test_what_a_page_names_is_there(page: Path) -> None:
    assert not [*missing(page.read_text("utf-8"), page.parent)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[`tests/none.py`](../tests/none.py)", ["tests/none.py", "tests/none.py", "../tests/none.py"]),
        ("`python -m pytest tests/test_no*body.py`", ["tests/test_no*body.py"]),
        ("`python -m tests.nothing`, or python examples/nothing.py.", ["examples/nothing.py", "tests.nothing"]),
        ("`tests/test_laws.py::test_nothing_at_all`", ["test_nothing_at_all"]),
        ("`tests/test_laws.py::test_layers_keep_every_law` and test_mine = layer_test(mine())", []),
        ("[here](nowhere.md#at-all), ![a](charts/b.svg)", ["nowhere.md", "charts/b.svg"]),
        ("[`tests/ulp`](../tests/ulp), `python -m tests.ulp 64`, [out](https://a.b/tests/c.py), [up](#up)", []),
        ("[`save` and `resume`](checkpoints.md#in-the-trainer), [`resum`](none.md)", ["none.md"]),
        ("[`resume` and `resum`](checkpoints.md)", ["resum in checkpoints.md"]),
        ("pip install '.[jax,none]', then -e '.[jax]', then 'fnmlp[jax]'", [".[jax,none]", "fnmlp[jax]"]),
        ("`tests/test_torch_*.py`, `tests/catalogue/`, see examples/mnist.py.", []),
    ],
)
def test_what_leads_to_nothing_is_found(text: str, found: list[str]) -> None:
    assert [*missing(text, ROOT / "docs")] == found
