"""Every layer, loss and optimiser of the catalogue is derived on the pages of `docs/gradients`."""

from pathlib import Path
import re

from fnmlp._names import NAMES
from tests.catalogue import LAYERS, LOSSES, OPTIMIZERS
from tests.sweep import each

PAGES = Path(__file__).resolve().parents[1] / "docs" / "gradients"
TEXTS = {page.name: page.read_text("utf-8") for page in sorted(PAGES.glob("*.md"))}
PLACE = re.compile(r"^(?:#+ .*|\| `\w+` \|.*)$", re.MULTILINE)
"""A heading, or a row of a table that begins with a name."""

FILTERS = {"everywhere", "is_weight"}
"""Optimisers take these functions of a path as options; they have no formula."""


def in_rooms(*rooms: str) -> set[str]:
    """Return the public functions of some packages."""
    return {name for module in NAMES if module.startswith(rooms) for name in NAMES[module] if name.islower()} - FILTERS


def words(texts: list[str]) -> set[str]:
    return {word for text in texts for word in re.findall(r"\w+", text)}


@each(
    ("specimens", "public"),
    [
        ([one.layer.name for one in LAYERS], in_rooms("fnmlp.layers.", "fnmlp.combinators.")),
        ([one.name for one in LOSSES], in_rooms("fnmlp.losses.")),
        ([one.name for one in OPTIMIZERS], in_rooms("fnmlp.optimizers.")),
    ],
)
def test_all_of_the_catalogue_is_derived_on_a_page(specimens: list[str], public: set[str]) -> None:
    wanted = words(specimens) & public
    places = [place for text in TEXTS.values() for place in PLACE.findall(text)]
    derived = {name for place in places for name in re.findall(r"`(\w+)`", place)}
    assert wanted
    assert wanted <= derived, f"not derived on a page of docs/gradients: {sorted(wanted - derived)}"


@each("page", [*TEXTS])
def test_a_page_has_checks_that_run_and_includes_code_by_its_name(page: str) -> None:
    text = TEXTS[page]
    included = re.findall(r"^```\{literalinclude\} \S+\n(:\w+: .*)", text, re.MULTILINE)
    assert "```pycon" in text
    assert included or page == "index.md"
    assert all(option.startswith(":pyobject: ") for option in included), "line numbers drift"
