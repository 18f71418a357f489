"""What CITATION.cff says of the package is what the package says of itself."""

from pathlib import Path
import tomllib
from typing import Any

import pytest

import fnmlp

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def citation() -> Any:
    yaml = pytest.importorskip("yaml", reason="PyYAML reads CITATION.cff")
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_a_citation_names_the_version_that_is_cited() -> None:
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("version:")] == [f"version: {fnmlp.__version__}"]


def test_a_citation_has_what_its_format_requires_and_agrees_with_the_package(citation: Any) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["cff-version"] == "1.2.0"
    assert citation["message"]
    assert citation["title"].startswith(f"{project['name']}: ")
    assert citation["authors"] == project["authors"]
    assert (citation["license"], citation["keywords"]) == (project["license"], project["keywords"])
