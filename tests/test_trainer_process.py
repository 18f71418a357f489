"""Claims about `examples/mnist.py` as a process: its signals, and output that nobody reads."""

import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest

from tests.trainer import FIELDS, PROGRAM, SMALL, command, succeed

ENDLESS = ("train", "--dataset", "digits", "--recipe", "lab", "--hidden", "8", "--epochs", "1000000")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a trained model."""
    succeed(tmp_path, "train", *SMALL, "--output", tmp_path / "model")
    return tmp_path / "model"


def test_an_interrupted_run_says_so_and_leaves_a_whole_history(tmp_path: Path) -> None:
    history = tmp_path / "history.jsonl"
    files = ("--history", str(history), "--output", str(tmp_path / "model"))
    _, variables = command(tmp_path)
    # A shell that starts programs in the background may have told them to ignore the signal.
    code = "import runpy, signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv[:1] = []; "
    code += f"sys.path.insert(0, {str(PROGRAM.parent)!r}); "
    start = [sys.executable, "-c", code + "runpy.run_path(sys.argv[0], run_name='__main__')", str(PROGRAM), *ENDLESS]
    with subprocess.Popen([*start, *files], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        first = [running.stdout.readline() for _ in range(12)][-1]
        assert first.startswith(b"epoch  2")
        running.send_signal(signal.SIGINT)
        _, err = running.communicate()
    assert running.returncode == 130
    assert re.fullmatch(rb"error: interrupted at step \d+\n", err)
    entries = [json.loads(line) for line in history.read_text().splitlines()]
    assert [list(entry) for entry in entries] == [FIELDS] * len(entries)
    assert entries
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.jsonl"]


def test_a_reader_that_goes_away_ends_the_run_without_a_word(tmp_path: Path) -> None:
    line, variables = command(tmp_path, *ENDLESS)
    with subprocess.Popen(line, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        assert running.stdout.readline().startswith(b"digits: ")
        running.stdout.close()
        assert running.stderr.read() == b""
    assert running.returncode == 1


@pytest.mark.parametrize("arguments", [("train", *SMALL), ("evaluate", "model"), ("train", "--help")])
def test_a_full_disk_under_the_output_is_an_error_of_one_line(
    arguments: tuple[str, ...], model: Path, tmp_path: Path
) -> None:
    line, variables = command(tmp_path, *arguments)
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(line, env=variables, stdout=full, stderr=subprocess.PIPE, cwd=model.parent, check=False)
    assert done.returncode == 1
    assert done.stderr == b"error: the output, or a file, can't be written or read: No space left on device\n"


def test_an_error_of_the_system_names_the_file_that_it_befell() -> None:
    code = "raise OSError(5, 'Input/output error', 'rows')"
    program = f"import click, command_line\n@click.command()\ndef broken(): {code}\ncommand_line.run(broken)"
    done = subprocess.run([sys.executable, "-c", program], cwd=PROGRAM.parent, capture_output=True, check=False)
    assert done.stderr.decode() == "error: rows can't be written or read: Input/output error\n"
    assert done.returncode == 1


@pytest.mark.parametrize("name", [b"\xff.png", b"\xe2\x82\xac.png", b"line\nbreak.png"])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_file_name_that_is_no_text_of_the_terminal_is_shown_in_escapes(
    name: bytes, encoding: str, model: Path, tmp_path: Path
) -> None:
    picture = os.fsencode(tmp_path) + b"/" + name
    Image.fromarray(np.diag(np.full(8, 255, np.uint8))).save(tmp_path / "plain.png")
    (tmp_path / "plain.png").rename(os.fsdecode(picture))
    line, variables = command(tmp_path, "predict", model, "--plot", tmp_path / "a.svg")
    variables["PYTHONIOENCODING"] = encoding
    done = subprocess.run([*line, picture], env=variables, capture_output=True, check=True)
    assert done.stderr == b""
    assert b".png: " in done.stdout
    assert (tmp_path / "a.svg").exists()
    refused = subprocess.run([*line, picture + b"?"], env=variables, capture_output=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(b"error: ")
    assert len(refused.stderr.splitlines()) == 1
