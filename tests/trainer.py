"""Runs of `examples/mnist.py`, in this process or in one of its own, away from the user's folders and the network."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
import os
from pathlib import Path
from runpy import run_path
import sys
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from fnmlp.data.folders import FOLDER_VARIABLE

PROGRAM = Path(__file__).resolve().parents[1] / "examples" / "mnist.py"

CLOSED = "http://127.0.0.1:1"

FIELDS = ["epoch", "train_loss", "test_loss", "test_accuracy", "seconds", "steps", "parameters_sha256"]

program: Any = SimpleNamespace(**run_path(str(PROGRAM)))

SMALL = ("--dataset", "digits", "--recipe", "lab", "--hidden", "16", "--epochs", "2")


class Done(NamedTuple):
    """What a run of the program came to."""

    status: int
    out: str
    err: str


def environment(home: Path) -> dict[str, str]:
    """Keep a run away from the user's folders and from the network: its proxy is a port that nobody serves."""
    data = home / "data"
    folders = {
        "XDG_CACHE_HOME": home / "cache",
        "MPLCONFIGDIR": home / "cache",
        FOLDER_VARIABLE: data if os.path.lexists(data) else "",
    }
    proxies = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), CLOSED)
    unset = dict.fromkeys(("NO_PROXY", "no_proxy", "PYTHONUNBUFFERED"), "")
    return {name: str(folder) for name, folder in folders.items()} | proxies | unset


def run(home: Path, *arguments: object) -> Done:
    """Run the program in this process, as its first line would."""
    out, err, status = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in environment(home).items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["mnist.py", *map(str, arguments)])
        try:
            program.run(program.cli)
        except SystemExit as stop:
            status = int(stop.code or 0)
    return Done(status, out.getvalue(), err.getvalue())


def succeed(home: Path, *arguments: object) -> str:
    """Run the program, expect success, and return what it printed."""
    done = run(home, *arguments)
    assert (done.status, done.err) == (0, "")
    return done.out


def command(home: Path, *arguments: object) -> tuple[list[str], dict[str, str]]:
    """Return the command line and the environment for a run in a process of its own."""
    return [sys.executable, str(PROGRAM), *map(str, arguments)], os.environ | environment(home)
