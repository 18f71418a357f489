"""The site's reference has every public name once."""

from collections import Counter
from pathlib import Path
import re
from runpy import run_path

from fnmlp._names import NAMES

REFERENCE = run_path(str(Path(__file__).resolve().parents[1] / "docs" / "reference.py"))


def test_every_public_name_is_on_one_page() -> None:
    text = "\n".join(REFERENCE["pages"]().values())
    listed = Counter(re.findall(r"^\.\. auto\w+:: \S+\.(\w+)$", text, re.MULTILINE))
    assert listed == Counter(name for names in NAMES.values() for name in names)
