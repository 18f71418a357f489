"""The site has every page, and its reference every public name, once."""

from collections import Counter
from pathlib import Path
import re
from runpy import run_path

from fnmlp._names import NAMES

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
        for name in re.findall(r"^([\w/-]+)$", page.read_text("utf-8"), re.MULTILINE)
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
