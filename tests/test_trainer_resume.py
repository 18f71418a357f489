"""Claims about `examples/mnist.py train --checkpoint`: whatever stops a run, it goes on and ends with the same bits."""

from pathlib import Path
import shutil
import signal
import subprocess
import sys
from typing import Any

import pytest

from fnmlp import checkpoint
from fnmlp.environment import environment
from tests.faults.processes import repeatable
from tests.test_datasets import made_up, write_set
from tests.test_trainer import PROGRAM, SMALL, command, run, succeed

RUN = (*SMALL, "--recipe", "fast", "--warp", 0.3, "--dropout", 0.1, 0.1, "--average", 0.9, "--members", 2)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run that nothing stopped, and with every checkpoint that it wrote on the way."""
    folder = tmp_path_factory.mktemp("whole")
    save = checkpoint.save

    def save_and_keep(path: Any, *rest: Any) -> None:
        save(path, *rest)
        if Path(path).name == "checkpoint":
            shutil.copy(path, folder / f"checkpoint-{len(list(folder.glob('checkpoint-*'))):02}")

    files = ("--history", folder / "history", "--output", folder / "model")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "save", save_and_keep)
        succeed(folder, "train", *RUN, *files, "--checkpoint", folder / "checkpoint", "--checkpoint-every", 3)
    return folder


def test_a_run_saves_every_so_many_steps_and_at_its_end(uninterrupted: Path) -> None:
    assert len(list(uninterrupted.glob("checkpoint-*"))) == 32 // 3 + 1


@pytest.mark.parametrize("number", range(11))
def test_a_run_that_goes_on_from_any_checkpoint_ends_with_the_same_bits(
    number: int, uninterrupted: Path, tmp_path: Path
) -> None:
    shutil.copy(uninterrupted / f"checkpoint-{number:02}", tmp_path / "checkpoint")
    files = ("--history", tmp_path / "history", "--output", tmp_path / "model")
    out = succeed(tmp_path, "train", *RUN, *files, "--checkpoint", tmp_path / "checkpoint", "--resume")
    assert f"resumed from {tmp_path / 'checkpoint'}: epoch " in out
    assert "may differ" not in out
    assert (tmp_path / "model").read_bytes() == (uninterrupted / "model").read_bytes()
    if number < 10:
        assert repeatable(tmp_path / "history") == repeatable(uninterrupted / "history")


def test_a_run_without_a_checkpoint_begins_afresh(uninterrupted: Path, tmp_path: Path) -> None:
    files = ("--output", tmp_path / "model", "--checkpoint", tmp_path / "checkpoint")
    assert "resumed" not in succeed(tmp_path, "train", *RUN, *files, "--resume")
    assert (tmp_path / "model").read_bytes() == (uninterrupted / "model").read_bytes()


@pytest.mark.parametrize(
    "typed", [("--resume",), ("--checkpoint-every", 5), ("--checkpoint-seconds", 1), ("--checkpoint-keep", 1)]
)
def test_a_run_that_is_not_saved_refuses_to_be_told_how(typed: tuple[object, ...], tmp_path: Path) -> None:
    done = run(tmp_path, "train", *SMALL, *typed)
    words = f"error: {typed[0]} needs --checkpoint FILE: nothing is saved without it\n"
    assert (done.status, done.out, done.err) == (2, "", words)


def test_without_resume_a_checkpoint_is_written_anew(uninterrupted: Path, tmp_path: Path) -> None:
    shutil.copy(uninterrupted / "checkpoint-03", tmp_path / "checkpoint")
    assert "resumed" not in succeed(tmp_path, "train", *RUN, "--checkpoint", tmp_path / "checkpoint")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--seed", 1), "a run of seed 1, got 0"),
        (("--rate", 0.5), "a run of rate 0.5, got 1.0"),
        (("--validation", 0.2), "a run of validation 0.2, got 0.0"),
        (("--dataset", "mnist"), "a run of dataset mnist, got digits"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(
    options: tuple[object, ...], said: str, uninterrupted: Path, tmp_path: Path
) -> None:
    write_set(tmp_path / "data" / "mnist", made_up(100))
    shutil.copy(uninterrupted / "checkpoint-03", tmp_path / "checkpoint")
    before = (tmp_path / "checkpoint").read_bytes()
    done = run(tmp_path, "train", *RUN, *options, "--checkpoint", tmp_path / "checkpoint", "--resume")
    assert done.status == 1
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert (tmp_path / "checkpoint").read_bytes() == before


def test_a_model_is_no_checkpoint(uninterrupted: Path, tmp_path: Path) -> None:
    done = run(tmp_path, "train", *RUN, "--checkpoint", uninterrupted / "model", "--resume")
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert "expected the checkpoint of a run, got a model; `evaluate` and `predict` take it" in done.err


def test_another_environment_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("train", *SMALL, "--checkpoint", tmp_path / "checkpoint")
    here = environment()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(checkpoint, "environment", lambda: here | {"numpy": "1.0"})
        succeed(tmp_path, *options)
    assert f"the last bits may differ from those of an uninterrupted run: numpy 1.0, now {here['numpy']}" in succeed(
        tmp_path, *options, "--resume"
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_ends_the_run_and_it_goes_on(number: int, status: int, tmp_path: Path) -> None:
    options = ("--recipe", "fast", "--dataset", "digits", "--hidden", 16, "--epochs", 40)
    saved = ("--checkpoint", tmp_path / "checkpoint", "--history", tmp_path / "history")
    line, variables = command(tmp_path, "train", *options, *saved)
    # A shell that starts programs in the background may have told them to ignore Ctrl-C.
    heed = f"import runpy, signal, sys; signal.signal({signal.SIGINT}, signal.default_int_handler); del sys.argv[0]; "
    heed += f"sys.path.insert(0, {str(PROGRAM.parent)!r}); runpy.run_path(sys.argv[0], run_name='__main__')"
    with subprocess.Popen(
        [sys.executable, "-c", heed, *line[1:]], env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        while not running.stdout.readline().startswith(b"epoch"):
            pass
        running.send_signal(number)
        _, err = running.communicate(timeout=60)
    assert running.returncode == status
    assert err.decode().startswith("error: interrupted at step ")
    assert "--resume" in err.decode()
    succeed(tmp_path, "train", *options, *saved, "--resume")
    succeed(tmp_path, "train", *options, "--history", tmp_path / "whole")
    assert repeatable(tmp_path / "history") == repeatable(tmp_path / "whole")
