"""Claims about the two short scripts: they run, they are short, and they print what they say."""

from pathlib import Path
import re
import subprocess
import sys

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
EACH_SCRIPT = pytest.mark.parametrize("name", ["compose.py", "custom_layer.py"])


def printed_by(name: str, folder: Path) -> str:
    """Run a script from elsewhere, with warnings as errors, and return what it printed."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert list(folder.iterdir()) == []
    return done.stdout


@EACH_SCRIPT
def test_a_script_has_fewer_than_60_lines(name: str) -> None:
    assert len((EXAMPLES / name).read_text().splitlines()) < 60


@EACH_SCRIPT
def test_a_script_prints_the_same_twice(name: str, tmp_path: Path) -> None:
    assert printed_by(name, tmp_path) == printed_by(name, tmp_path)


def test_composing_prints_what_each_composition_comes_to(tmp_path: Path) -> None:
    lines = printed_by("compose.py", tmp_path).splitlines()
    found = dict(re.split(":  +", line, maxsplit=1) for line in lines)
    assert list(found) == [
        "one epoch with reduce",
        "every state, accumulate",
        "the same end, bit for bit",
        "five epochs, one reduce",
        "early stop with takewhile",
        "five epochs, falling rate",
    ]
    assert found["the same end, bit for bit"] == "True"
    losses = [float(loss) for loss in found["every state, accumulate"].removeprefix("losses ").split(", ")]
    assert losses == sorted(losses, reverse=True)
    for line in ("one epoch with reduce", "five epochs, one reduce"):
        assert f"step {90 if 'one epoch' in line else 450}, " in found[line]
    accuracies = {line: float(text.rsplit(" ", 1)[1]) for line, text in found.items() if "test accuracy" in text}
    assert len(accuracies) == 4
    assert accuracies.pop("one epoch with reduce") > 0.7
    assert min(accuracies.values()) > 0.9


def test_composing_uses_no_trainer_object() -> None:
    assert re.findall(r"\bclass\b|Trainer|\.fit\(", (EXAMPLES / "compose.py").read_text()) == []


def test_the_custom_layer_finds_keplers_third_law(tmp_path: Path) -> None:
    text = printed_by("custom_layer.py", tmp_path)
    exponent = re.fullmatch(r"the exponent, learned from eight planets: (\d\.\d+)\n", text)
    assert exponent is not None
    assert abs(float(exponent[1]) - 1.5) < 0.002
