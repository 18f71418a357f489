"""Claims about `examples/mnist.py train --tensorboard`."""

import json
from pathlib import Path
import shutil
import signal
import subprocess
from typing import Any

import pytest

import fnmlp as fn
from tests.event_logs import events_in, points_in, values_in
from tests.trainer import SMALL, command, run, succeed

SAVED = ("--checkpoint-every", 8, "--checkpoint-keep", 6)
FALLING = (*SMALL, "--rate", 4, "--schedule", "linear")


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the events and the checkpoints of a run of 46 steps."""
    folder = tmp_path_factory.mktemp("logged")
    files = ("--tensorboard", folder / "run", "--history", folder / "history", "--output", folder / "model")
    out = succeed(folder, "train", *FALLING, *files, "--checkpoint", folder / "checkpoint", *SAVED)
    assert out.splitlines()[-1] == f"events logged to {folder / 'run'}"
    return folder


def test_events_tell_what_the_history_tells(logged: Path) -> None:
    history = [json.loads(line) for line in (logged / "history").read_text().splitlines()]
    points = points_in(logged / "run")
    for tag, name in (("loss/train", "train_loss"), ("loss/test", "test_loss"), ("accuracy/test", "test_accuracy")):
        steps, values = zip(*points[tag], strict=True)
        assert steps == (23, 46)
        assert values == pytest.approx([entry[name] for entry in history], rel=1e-6)
    assert [step for step, _ in points["loss/batch"]] == [10, 20, 30, 40]
    assert points["rate"] == [(step, pytest.approx(4 * (1 - (step - 1) / 46))) for step in (10, 20, 30, 40)]


def test_events_hold_histograms_of_each_layer_and_the_worst_mistakes(logged: Path) -> None:
    values, params = values_in(logged / "run"), fn.load_model(logged / "model").params
    for name in ("parameters", "gradients"):
        for path, leaf in fn.tree_paths(params):
            seen = values[f"{name}/{path}"]
            assert [(step, histogram.num) for step, histogram in seen] == [
                (0, leaf.size),
                (23, leaf.size),
                (46, leaf.size),
            ]
    last = values["parameters/[2].weight"][-1][1]
    assert (last.min, last.max) == (params[2].weight.min(), params[2].weight.max())
    assert [(step, image.height, image.width) for step, image in values["worst mistakes"]] == [
        (23, 44, 44),
        (46, 44, 44),
    ]


@pytest.mark.parametrize("number", range(1, 6))
def test_a_killed_run_goes_on_with_the_events_of_an_uninterrupted_one(
    number: int, logged: Path, tmp_path: Path
) -> None:
    shutil.copytree(logged / "run", tmp_path / "run")
    shutil.copy(logged / f"checkpoint.{number}", tmp_path / "checkpoint")
    [path] = (tmp_path / "run").iterdir()
    path.write_bytes(path.read_bytes()[: -100 * number])  # it was killed while it wrote
    typed = (*FALLING, "--checkpoint", tmp_path / "checkpoint", *SAVED, "--resume")
    succeed(tmp_path, "train", *typed, "--tensorboard", tmp_path / "run")
    assert points_in(tmp_path / "run") == points_in(logged / "run")


def test_a_run_that_is_killed_leaves_whole_events(tmp_path: Path) -> None:
    typed = (*SMALL, "--epochs", 1_000_000, "--tensorboard", tmp_path / "run")
    line, variables = command(tmp_path, "train", *typed)
    with subprocess.Popen(line, env=variables, stdout=subprocess.PIPE) as running:
        assert running.stdout is not None
        shown = [running.stdout.readline() for _ in range(13)]
        running.send_signal(signal.SIGKILL)
    assert shown[-1].startswith(b"epoch  3")
    assert [step for step, _ in points_in(tmp_path / "run")["accuracy/test"]][:2] == [23, 46]


def test_an_ensemble_counts_the_steps_of_all_its_networks(tmp_path: Path) -> None:
    succeed(tmp_path, "train", *SMALL, "--members", 2, "--no-eval", "--tensorboard", tmp_path / "run")
    values = values_in(tmp_path / "run")
    assert [step for step, _ in values["loss/train"]] == [23, 46, 69, 92]
    assert [step for step, _ in values["parameters/[2].weight"]] == [0, 23, 46, 69, 92]
    assert [step for step, _ in values["loss/batch"]] == [10, 20, 30, 40, 56, 66, 76, 86]
    assert not {"accuracy/test", "worst mistakes"} & {*values}
    spread = [histogram.max - histogram.min for _, histogram in values["parameters/[2].weight"]]
    assert spread[2] > spread[0], "the histogram after a network's last epoch must be of that network"


def test_another_run_does_not_add_to_the_events_of_one(logged: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "train", *SMALL, "--tensorboard", logged / "run")
    remedy = "choose another, or continue that run with --checkpoint FILE --resume"
    words = f"error: {logged / 'run'} holds the events of another run; {remedy}\n"
    assert (done.status, done.out, done.err) == (2, "", words)


def test_a_run_that_replaces_another_replaces_its_events(logged: Path, tmp_path: Path) -> None:
    shutil.copytree(logged / "run", tmp_path / "run")
    shutil.copy(logged / "checkpoint", tmp_path / "checkpoint")
    saved = ("--checkpoint", tmp_path / "checkpoint", "--overwrite")
    succeed(tmp_path, "train", *SMALL, "--epochs", 1, *saved, "--tensorboard", tmp_path / "run")
    assert [step for step, _ in points_in(tmp_path / "run")["loss/train"]] == [23]
    assert {event.step for event in events_in(tmp_path / "run")} == {0, 10, 20, 23}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("--tensorboard", "file"), "file is not a folder; choose another name"),
        (("--tensorboard", "file/run"), "is not a folder"),
        (("--tensorboard", "x" * 300), "File name too long"),
        (("--tensorboard", "new", "--output", "new"), "name the same file"),
    ],
)
def test_a_folder_that_can_not_be_is_an_error_before_any_work(
    files: tuple[Any, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("text")
    done = run(tmp_path, "train", *SMALL, *files)
    assert (done.status, done.out, done.err.count("\n")) == (2, "", 1)
    assert words in done.err
    assert not (tmp_path / "new").exists()
