"""The house in CONTRIBUTING is the one that tests/test_floors.py lists, and its table of checks what CI runs."""

from pathlib import Path
import re
from xml.etree import ElementTree as ET

from click.testing import CliRunner

from house import NOTES, floors, main

ROOT = Path(__file__).resolve().parents[1]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def texts_in(picture: Path) -> list[str | None]:
    root = ET.fromstring(picture.read_text("utf-8"))  # noqa: S314 (our own)
    return [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]


def test_the_picture_shows_every_room_from_the_roof_down(tmp_path: Path) -> None:
    assert CliRunner().invoke(main, [str(tmp_path / "house.svg")], catch_exceptions=False).exit_code == 0
    shown = texts_in(ROOT / "docs" / "house.svg")
    assert texts_in(tmp_path / "house.svg") == shown, "draw it again: python examples/house.py docs/house.svg"
    rooms = [room for rooms in reversed(floors()) for room in rooms]
    assert [text for text in shown if text in rooms] == rooms
    assert {*NOTES} <= {*rooms}
    assert {*NOTES.values()} <= {*shown}
    assert "(docs/house.svg)" in CONTRIBUTING


def test_contributing_names_every_check_of_ci() -> None:
    # The lines of .ci/run that start a program of the environment, as one types them.
    lines = re.findall(r"^(?:time )?\.venv/bin/(.*?)(?: &)?$", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    checks = {line.replace("--pythonpath .venv/bin/python ", "") for line in lines if not line.startswith("pip ")}
    rows = re.findall(r"^\|.*\| (`.*`) \|$", CONTRIBUTING.partition("## What CI checks")[2], re.MULTILINE)
    named = {command for row in rows for command in re.findall(r"`([^`]+)`", row)}
    assert len(checks) > 7
    assert {command for command in named if "pytest" not in command} == checks
