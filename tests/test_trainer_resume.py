"""Claims about `examples/mnist.py train --checkpoint`: a stopped run resumes and ends with the same bits."""

from pathlib import Path
import shutil
import signal
import subprocess
import sys
from typing import Any

import pytest

from fnmlp.storage import format as checkpoint
from fnmlp.storage.environment import environment
from tests.data_sets import made_up, write_set
from tests.faults.processes import repeatable
from tests.trainer import PROGRAM, SMALL, command, run, succeed

NOISE = ("--warp", 0.3, "--dropout", 0.1, 0.1, "--objective", "virtual-adversarial")
RUN = (*SMALL, "--recipe", "fast", *NOISE, "--average", 0.9, "--members", 2)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an uninterrupted run and every checkpoint that it wrote."""
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


def test_a_short_run_saves_ten_times(tmp_path: Path) -> None:
    succeed(tmp_path, "train", *RUN, "--checkpoint", tmp_path / "checkpoint", "--checkpoint-keep", 100)
    assert len(list(tmp_path.glob("checkpoint*"))) == 32 // 3 + 1  # every third step, and the last


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
    out = succeed(tmp_path, "train", *RUN, *files, "--resume")
    assert f"{tmp_path / 'checkpoint'} is not there yet: the run starts at step 0" in out
    assert "resumed" not in out
    assert (tmp_path / "model").read_bytes() == (uninterrupted / "model").read_bytes()


@pytest.mark.parametrize(
    "typed",
    [
        ("--resume",),
        ("--overwrite",),
        ("--checkpoint-every", 5),
        ("--checkpoint-seconds", 1),
        ("--checkpoint-keep", 1),
    ],
)
def test_a_run_that_is_not_saved_refuses_to_be_told_how(typed: tuple[object, ...], tmp_path: Path) -> None:
    done = run(tmp_path, "train", *SMALL, *typed)
    words = f"error: {typed[0]} needs --checkpoint FILE: nothing is saved without it\n"
    assert (done.status, done.out, done.err) == (2, "", words)


def test_a_run_that_is_there_is_not_overwritten_unless_asked(uninterrupted: Path, tmp_path: Path) -> None:
    # A second run with the same --checkpoint, even of another network, took the place of the first without a word.
    shutil.copy(uninterrupted / "checkpoint-03", tmp_path / "checkpoint")
    before = (tmp_path / "checkpoint").read_bytes()
    options = ("train", *RUN, "--checkpoint", tmp_path / "checkpoint")
    words = f"{tmp_path / 'checkpoint'} holds a run; continue it with --resume, or replace it with --overwrite"
    done = run(tmp_path, *options, "--hidden", 8)
    assert (done.status, done.out, done.err) == (2, "", f"error: {words}\n")
    assert (tmp_path / "checkpoint").read_bytes() == before
    assert "resumed" not in succeed(tmp_path, *options, "--overwrite")
    assert "resumed" not in succeed(tmp_path, *options, "--hidden", 8, "--overwrite")
    assert (tmp_path / "checkpoint").read_bytes() != before


def test_the_earlier_files_of_a_run_are_not_overwritten_either(uninterrupted: Path, tmp_path: Path) -> None:
    shutil.copy(uninterrupted / "checkpoint-03", tmp_path / "run.2")
    options = ("train", *SMALL, "--checkpoint", tmp_path / "run", "--checkpoint-keep")
    assert f"{tmp_path / 'run.2'} holds a run" in run(tmp_path, *options, 3).err
    succeed(tmp_path, *options, 2)


LONGER = (*SMALL, "--checkpoint-every", 7)


@pytest.mark.parametrize(
    "more",
    [
        (),
        ("--optimizer", "adamw", "--rate", 0.001, "--average", 0.9),
        ("--warp", 0.3, "--momentum", 0.5),
        ("--recipe", "fast", "--schedule", "constant", "--warm-up", 0),
        ("--validation", 0.2),
    ],
)
@pytest.mark.parametrize("keep", [1, 2])
def test_a_run_goes_on_for_more_epochs_with_the_bits_of_one_that_had_them_from_the_start(
    more: tuple[object, ...], keep: int, tmp_path: Path
) -> None:
    def files(name: str) -> tuple[object, ...]:
        places = {kind: tmp_path / f"{name}-{kind}" for kind in ("checkpoint", "history", "output")}
        return tuple(part for kind, place in places.items() for part in (f"--{kind}", place))

    options = ("train", *LONGER, *more, "--checkpoint-keep", keep)
    succeed(tmp_path, *options, *files("whole"), "--epochs", 4)
    succeed(tmp_path, *options, *files("going"), "--epochs", 2)
    if keep == 2:  # an earlier file of it, in the middle of an epoch
        shutil.copy(tmp_path / "going-checkpoint.1", tmp_path / "going-checkpoint")
    succeed(tmp_path, *options, *files("going"), "--epochs", 4, "--resume")
    assert (tmp_path / "going-output").read_bytes() == (tmp_path / "whole-output").read_bytes()
    assert repeatable(tmp_path / "going-history") == repeatable(tmp_path / "whole-history")
    if not more:
        assert "step 80 of 92" in succeed(tmp_path, "replay", tmp_path / "going-checkpoint", "--step", 80)


@pytest.mark.parametrize(
    ("begun", "goes_on", "words"),
    [
        (("--schedule", "linear"), ("--epochs", 3), "the rate of each step depends on the total number of steps"),
        (("--warm-up", 0.1), ("--epochs", 3), "the rate of each step depends on the total number of steps"),
        (("--members", 2), ("--epochs", 3), "with several networks only the last one could continue"),
        ((), ("--epochs", 1), "expected --epochs 2, as when the run was started, or more, got --epochs 1"),
        ((), ("--epochs", 3, "--seed", 1), "a run of seed 1, got 0"),
    ],
)
def test_a_run_that_would_have_had_other_steps_does_not_go_on_for_other_epochs(
    begun: tuple[object, ...], goes_on: tuple[object, ...], words: str, tmp_path: Path
) -> None:
    options = ("train", *SMALL, *begun, "--checkpoint", tmp_path / "run")
    succeed(tmp_path, *options)
    before = (tmp_path / "run").read_bytes()
    done = run(tmp_path, *options, "--resume", *goes_on)
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert words in done.err
    assert (tmp_path / "run").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--seed", 1), "a run of seed 1, got 0"),
        (("--rate", 0.5), "a run of rate 0.5, got 1.0"),
        (("--epsilon", 0.5), "a run of epsilon 0.5, got 0.1"),
        (("--objective", "adversarial"), "a run of objective 'adversarial', got 'virtual-adversarial'"),
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
    assert f"the last bits may differ from an uninterrupted run: numpy 1.0, now {here['numpy']}" in succeed(
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
        next(line for line in running.stdout if line.startswith(b"epoch"))
        running.send_signal(number)
        _, err = running.communicate(timeout=60)
    assert running.returncode == status
    assert err.decode().startswith("error: interrupted at step ")
    assert "--resume" in err.decode()
    succeed(tmp_path, "train", *options, *saved, "--resume")
    succeed(tmp_path, "train", *options, "--history", tmp_path / "whole")
    assert repeatable(tmp_path / "history") == repeatable(tmp_path / "whole")
