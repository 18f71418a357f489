"""Claims about the trainer's progress: a bar on a terminal or in a notebook, and lines alone in a log file."""

import os
from pathlib import Path
import pty
import re
import subprocess
import sys
import termios

import pytest

from tests.trainer import PROGRAM, SMALL, command
from tests.warned import WARNINGS_ARE_ERRORS

EPOCHS = 3


def test_a_terminal_shows_a_bar_of_one_line_that_leaves_nothing_behind(tmp_path: Path) -> None:
    line, variables = command(tmp_path, "train", *SMALL, "--epochs", EPOCHS)
    reader, writer = pty.openpty()
    termios.tcsetwinsize(writer, (24, 100))
    with subprocess.Popen(line, env=variables | {"TQDM_MININTERVAL": "0"}, stdout=writer, stderr=writer) as running:
        os.close(writer)
        shown = b""
        try:
            while part := os.read(reader, 2**16):
                shown += part
        except OSError:  # Linux says so when the other end is closed
            pass
    os.close(reader)
    assert running.returncode == 0
    lines = shown.decode().split("\r\n")
    assert all(len(state) <= 100 for line in lines[10:] for state in line.split("\r") if state.startswith("epoch 2:"))
    assert sum("epoch 2: " in line for line in lines) == 1
    assert re.search(r"\repoch 2: 100%.* 23/23 .*, loss 0\.\d{5}", shown.decode())
    # What a reader sees of a line is what was written over all else.
    seen = [line.split("\r")[-1] for line in lines]
    assert [bool(re.match(r"epoch  \d  train loss", line)) for line in seen[-EPOCHS - 1 :]] == [True] * EPOCHS + [False]
    assert seen[-1].strip() == ""


def test_a_log_file_has_a_line_for_each_epoch_and_neither_bars_nor_warnings(tmp_path: Path) -> None:
    (_, *line), variables = command(tmp_path, "train", *SMALL, "--epochs", EPOCHS, "--plot", tmp_path / "a.png")
    whole = [sys.executable, *WARNINGS_ARE_ERRORS, *line]
    with (tmp_path / "log").open("wb") as log:
        subprocess.run(whole, env=variables | {"TQDM_MININTERVAL": "0"}, stdout=log, stderr=log, check=True)
    text = (tmp_path / "log").read_bytes()
    assert b"\r" not in text
    assert b"\x1b" not in text
    lines = text.decode().splitlines()
    assert lines[0].startswith("digits: 1438 images")
    assert [line[:8] for line in lines[10:]] == [*(f"epoch  {epoch}" for epoch in range(1, EPOCHS + 1)), "curves d"]


def test_a_notebook_shows_a_bar_of_widgets_and_a_line_for_each_epoch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebooks = pytest.importorskip("nbformat", reason="a notebook is a file of Jupyter's")
    client = pytest.importorskip("nbclient", reason="it runs notebooks")
    pytest.importorskip("ipykernel", reason="notebooks run in it")
    pytest.importorskip("ipywidgets", reason="bars in notebooks are made of widgets")
    words = " ".join(map(str, ("train", *SMALL, "--epochs", EPOCHS)))
    _, variables = command(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    book = notebooks.v4.new_notebook(cells=[notebooks.v4.new_code_cell(f"%run {PROGRAM} {words}")])
    client.NotebookClient(book, timeout=120).execute()
    outputs = book.cells[0].outputs
    printed = "".join(output.text for output in outputs if output.output_type == "stream")
    assert "\r" not in printed
    assert [line[:8] for line in printed.splitlines()[10:]] == [f"epoch  {epoch}" for epoch in range(1, EPOCHS + 1)]
    assert "stderr" not in {output.get("name") for output in outputs}
    shown = [output.data["text/plain"] for output in outputs if output.output_type == "display_data"]
    assert [text[:8] for text in shown] == [f"epoch {epoch}:" for epoch in range(1, EPOCHS + 1)]
    [widgets] = book.metadata["widgets"].values()
    models = [model for model in widgets["state"].values() if model["model_name"] == "FloatProgressModel"]
    assert [model["state"]["value"] for model in models] == [23] * EPOCHS
    layouts = [model["state"].get("visibility") for model in widgets["state"].values()]
    assert layouts.count("hidden") == EPOCHS, "each bar must vanish at the end of its epoch"
