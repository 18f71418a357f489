"""Claims about the options of the examples: each changes what a command prints or writes, or is refused by its name."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from itertools import count, pairwise
from pathlib import Path
import re
import sys
from typing import NamedTuple

import click
import numpy as np
from PIL import Image
import pytest

from diabetes import main as diabetes
from recipe_options import KINDS, flag, spelled
from recipes import RECIPES
from spirals import main as spirals
import sweep
from tests.data_sets import write_files
from tests.trainer import environment, program, succeed

TRAIN = ("--hidden", "4", "--epochs", "1", "--output", "model", "--history", "history", "--dataset")
SWEEP = ("--recipe", "lab", "--vary", "hidden=4", "--vary", "epochs=1", "--seeds", "1", "--dataset")
SCENES: Mapping[str, Sequence[tuple[str, ...]]] = {
    "train": (
        ("--recipe", "lab", *TRAIN, "digits"),
        ("--recipe", "fast", *TRAIN, "digits"),
        ("--recipe", "plain", *TRAIN, "digits"),
        ("--recipe", "lab", "--pixels", "raw", "--no-eval", *TRAIN, "digits"),
        ("--recipe", "lab", "--checkpoint", "c", "--checkpoint-keep", "2", *TRAIN, "digits"),
        ("--recipe", "fast", "--validation", "0.5", *TRAIN, "digits"),
        ("--recipe", "lab", *TRAIN, "kmnist"),
    ),
    "evaluate": (("DIGITS-MODEL",), ("KMNIST-MODEL",)),
    "predict": (
        ("DIGITS-MODEL", "drawing.png"),
        ("DIGITS-MODEL", "--index", "0"),
        ("DIGITS-MODEL", "drawing.png", "--index", "0"),
        ("KMNIST-MODEL", "large.png"),
        ("KMNIST-MODEL", "--index", "0"),
    ),
    "replay": (("RUN", "--step", "1"),),
    "spirals": (("--points", "20", "--epochs", "2", "--hidden", "4"),),
    "diabetes": (("--hidden", "2"),),
    "sweep": ((*SWEEP, "digits"), (*SWEEP, "kmnist")),
}
"""Commands, and lines on which each option is then tried; names in capitals are files that were written before."""

VALUES: Mapping[str, tuple[str, ...]] = {
    "--recipe": ("dropout",),
    "--hidden": ("5",),
    "--pieces": ("2",),
    "--epochs": ("3",),
    "--batch-size": ("2",),
    "--rate": ("0.3",),
    "--loss": ("mse", "mse-sum", "cross-entropy"),
    "--label-smoothing": ("0.3",),
    "--objective": ("loss", "adversarial", "virtual-adversarial"),
    "--epsilon": ("0.3",),
    "--norm": ("l2",),
    "--optimizer": ("sgd", "nesterov", "adamw"),
    "--momentum": ("0.5",),
    "--betas": ("0.8,0.9",),
    "--weight-decay": ("0.3",),
    "--schedule": ("constant", "linear", "cosine"),
    "--warm-up": ("0.5",),
    "--dropout": ("0.1,0.2",),
    "--warp": ("0.4",),
    "--average": ("0.5",),
    "--members": ("2",),
    "--pixels": ("unit", "raw"),
    "--mean": ("0.2",),
    "--dtype": ("float64",),
    "--seed": ("3",),
    "--engine": ("jax",),
    "--device": ("cpu:0",),
    "--dataset": ("kmnist", "digits"),
    "--data-dir": ("ELSEWHERE",),
    "--validation": ("0.34",),
    "--checkpoint": ("new",),
    "--checkpoint-every": ("5",),
    "--checkpoint-seconds": ("1000",),
    "--checkpoint-keep": ("3",),
    "--best": ("best",),
    "--output": ("other",),
    "--history": ("other",),
    "--plot": ("a.png",),
    "--report": ("a.html",),
    "--tensorboard": ("events",),
    "--index": ("1",),
    "--step": ("2",),
    "--points": ("21",),
    "--noise": ("0.2",),
    "--vary": ("pieces=2",),
    "--seeds": ("2",),
    "--shards": ("3",),
}
"""Options with the values to try; all others are switches."""

LATER = ("--checkpoint-seconds", "--checkpoint-keep", "--resume", "--overwrite")
"""Options that matter in a longer run with --checkpoint, or in a second one."""


class Outcome(NamedTuple):
    """The outcome of a command: its status, its output, and the files that it wrote."""

    status: int
    out: str
    err: str
    files: dict[str, bytes]


def commands() -> dict[str, click.Command]:
    return {**program.cli.commands, "spirals": spirals, "diabetes": diabetes, "sweep": sweep.sweep}


def options_of(command: click.Command) -> list[click.Option]:
    return [param for param in command.params if isinstance(param, click.Option)]


def written(path: Path) -> bytes:
    """Return a file's contents without times; of checkpoints, events and reports, only that they exist."""
    content = b"" if path.name in ("c", "new", "events", "a.html") else path.read_bytes()
    return re.sub(rb'"seconds": [\d.]+', b"", content)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with data, models and drawings."""
    home = tmp_path_factory.mktemp("home")
    random = np.random.default_rng(0)
    for folder, rows in (("data", 3), ("ELSEWHERE", 4)):
        images, labels = random.integers(0, 256, (rows, 28, 28), np.uint8), np.arange(rows, dtype=np.uint8)
        write_files(home / folder / "kmnist", "kmnist", images=images, labels=labels)
    pixels = np.zeros((8, 8), np.uint8)
    pixels[1:6, 3] = 255
    Image.fromarray(pixels).save(home / "drawing.png")
    Image.fromarray(np.kron(np.pad(pixels, 3), np.ones((2, 2), np.uint8))).save(home / "large.png")
    line = "train", "--recipe", "lab", "--hidden", "4", "--epochs", "1", "--quiet", "--dataset"
    succeed(home, *line, "digits", "--output", home / "DIGITS-MODEL", "--checkpoint", home / "RUN")
    succeed(home, *line, "kmnist", "--output", home / "KMNIST-MODEL")
    return home


def outcome(home: Path, folder: Path, name: str, line: Sequence[str]) -> Outcome:
    """Run a command in a folder of its own."""
    folder.mkdir()
    words = [str(home / word) if (home / word).exists() else word for word in line]
    out, err, status = StringIO(), StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        for variable, value in environment(home).items():
            patch.setenv(variable, value)
        patch.setattr(sweep, "processes", ThreadPoolExecutor)
        patch.setattr(sys, "argv", [name, *words])
        try:
            program.run(commands()[name])
        except SystemExit as stop:
            status = int(stop.code or 0)
    files = {path.name: written(path) for path in folder.iterdir()}
    return Outcome(status, re.sub(r"\d+\.\d\d s\b", "", out.getvalue()), err.getvalue(), files)


def tries(name: str, line: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield additions to a line: each option that isn't on it, with each value that isn't already in effect."""
    recipe = RECIPES[line[1]] if line[0] == "--recipe" else None
    held = {flag(field): spelled(recipe, field) for field in KINDS} if recipe else {}
    held |= {option: value for option, value in pairwise(line) if option.startswith("--")}
    held |= {"--dataset": line[0].removesuffix("-MODEL").lower()} if name == "evaluate" else {}
    if line[-1] == "kmnist":  # three images, of which other settings may make the same: what matters is where they are
        yield "--data-dir", "ELSEWHERE"
        return
    for option in options_of(commands()[name]):
        opt = option.opts[0]
        # These decide where and how fast.
        same = (
            opt == "--jobs"
            or (opt == "--engine" and line != SCENES["train"][0])
            or (name, opt) == ("sweep", "--parallel")
        )
        if ("--checkpoint" in line and opt in LATER) or same or (option.is_flag and opt in line):
            continue
        if option.is_flag:
            yield (opt,)
        else:
            yield from ((opt, value) for value in VALUES[opt] if held.get(opt) != value)


@pytest.mark.parametrize("name", SCENES)
def test_each_option_has_an_effect_or_is_refused_by_its_name(name: str, home: Path, tmp_path: Path) -> None:
    ignored, number = [], count()
    for line in SCENES[name]:
        plain = outcome(home, tmp_path / str(next(number)), name, line)
        assert plain.status == 0, (line, plain.err)
        for added in tries(name, line):
            found = outcome(home, tmp_path / str(next(number)), name, (*line, *added))
            if found == plain or (found.status and added[0] not in found.err):
                ignored.append((line, added, found.err))
    assert not ignored, "\n".join(map(str, ignored))


def test_every_command_has_its_scenes() -> None:
    assert {*SCENES} == {*commands()}
