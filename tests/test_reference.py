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
    listed = re.findall(r"^([\w-]+)$", (DOCS / "index.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == sorted(page.stem for page in DOCS.glob("*.md") if page.stem != "index")
