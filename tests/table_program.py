"""Runs of `examples/table.py` in this process, and small tables to run it on."""

from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from io import StringIO
from pathlib import Path
from runpy import run_path
import sys
from types import SimpleNamespace
from typing import Any

import click
import numpy as np
import pytest

from tests.trainer import Done

TABLE_PROGRAM = Path(__file__).resolve().parents[1] / "examples" / "table.py"

SMALL_NETWORK = ("--epochs", "2", "--hidden", "4")


@cache
def program() -> Any:
    """Return the names of the program, which is loaded where polars is there."""
    return SimpleNamespace(**run_path(str(TABLE_PROGRAM)))


def commands() -> dict[str, click.Command]:
    """Return the commands of the program."""
    return program().cli.commands


def run_table(*arguments: object) -> Done:
    """Run the program as its first line would."""
    out, err, status = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["table.py", *map(str, arguments)])
        try:
            program().run(program().cli)
        except SystemExit as stop:
            status = int(stop.code or 0)
    return Done(status, out.getvalue(), err.getvalue())


def succeed_table(*arguments: object) -> str:
    """Run the program, expect success, and return what it printed."""
    done = run_table(*arguments)
    assert (done.status, done.err) == (0, "")
    return done.out


def people(rows: int = 60, *, seed: int = 0) -> dict[str, list[str]]:
    """Make up a table of texts: numbers with gaps, categories, dates, and two targets that depend on them."""
    random = np.random.default_rng(seed)
    ages, jobs = random.integers(18, 80, rows), random.integers(0, 3, rows)
    days = np.datetime64("2024-01-01") + random.integers(0, 300, rows).astype("timedelta64[D]")
    income = 20.0 + 0.5 * ages + 10 * jobs + random.normal(0, 1, rows)
    return {
        "age": [str(age) if age % 7 else "" for age in ages],
        "job": [("nurse", "cook", "pilot, retired")[job] for job in jobs],
        "since": [str(day) for day in days],
        "income": [f"{value:.2f}" for value in income],
        "rich": ["yes" if value > np.median(income) else "no" for value in income],
    }


def write_csv(path: Path, table: dict[str, list[str]], *, separator: str = ",", end: str = "\n") -> Path:
    """Write a table of texts as CSV."""

    def field(text: str) -> str:
        return f'"{text}"' if separator in text else text

    lines = [separator.join(map(field, row)) for row in [[*table], *zip(*table.values(), strict=True)]]
    path.write_bytes(end.join([*lines, ""]).encode())
    return path
