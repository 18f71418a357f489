"""The site has every page, and its reference every public name, once."""

from collections import Counter
from pathlib import Path
import re
from runpy import run_path

from fnmlp._names import NAMES
from fnmlp.testing import laws

DOCS = Path(__file__).resolve().parents[1] / "docs"
REFERENCE = run_path(str(DOCS / "reference.py"))


def test_every_public_name_is_on_one_page() -> None:
    text = "\n".join(REFERENCE["pages"]().values())
    listed = Counter(re.findall(r"^\.\. auto\w+:: \S+\.(\w+)$", text, re.MULTILINE))
    assert listed == Counter(name for names in NAMES.values() for name in names)


def test_every_page_is_in_the_contents_of_the_site() -> None:
    contents = [DOCS / "index.md", *DOCS.glob("*/index.md")]
    listed = {
        page.parent / name
        for page in contents
        for block in re.findall(r"^```{toctree}$.*?^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
        for name in re.findall(r"^([\w/-]+)$", block, re.MULTILINE)
    }
    pages = {page.with_suffix("") for page in DOCS.rglob("*.md") if "build" not in page.parts}
    assert listed | {DOCS / "index"} == pages | {DOCS / "reference" / "index"}


def test_every_link_of_a_page_leads_to_a_file() -> None:
    leads = [
        (page, link)
        for page in [*DOCS.parent.glob("*.md"), *DOCS.rglob("*.md")]
        for link in re.findall(r"\]\(([^)#\s:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
        if "reference" not in (page.parent.name, *Path(link).parts)  # made when the site is built, and checked then
    ]
    assert leads
    assert [(page.name, link) for page, link in leads if not (page.parent / link).exists()] == []


def words_of(page: Path) -> int:
    """Count the words of a page outside its blocks of code and its pictures; each word of code in a line counts."""
    no_prose = r"^```.*?^```$|!\[[^]]*\]\([^)]*\)|\]\([^)]*\)"
    prose = re.sub(no_prose, "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return len(re.findall(r"[^\s|#]*\w[^\s|]*", prose))


def test_no_page_on_concepts_has_more_than_400_words() -> None:
    words = {page.name: words_of(page) for page in (DOCS / "concepts").glob("*.md")}
    assert words
    assert {name: count for name, count in words.items() if count > 400} == {}


def test_the_laws_that_the_guides_name_exist() -> None:
    named = [
        (page.name, law)
        for page in DOCS.glob("own-*.md")
        for law in re.findall(r"\| `([a-z][a-z0-9 ]* [a-z0-9 ]*)` \|$", page.read_text("utf-8"), re.MULTILINE)
    ]
    assert named
    assert [pair for pair in named if pair[1] not in {law.name for law in laws()}] == []
