"""Claims about `train --best`, `--checkpoint-keep` and `--checkpoint-seconds`, and about `replay`."""

import json
import os
from pathlib import Path
import re
import shutil
from typing import Any

from attrs import evolve
import pytest

from data_sets import with_validation
import fnmlp as fn
from fnmlp.data import digits
from fnmlp.storage import format as checkpoint
from fnmlp.storage.environment import environment
from recipes import RECIPES
from run_checkpoints import origin_of, resumed, saved_parts
from run_members import members_of
from tests.data_sets import made_up, write_set
from tests.trainer import SMALL, run, succeed

NOISE = ("--warp", 0.3, "--dropout", 0.1, 0.1, "--objective", "virtual-adversarial")
RUN = (*SMALL, "--epochs", 3, "--recipe", "fast", *NOISE, "--validation", 0.2)
STEPS = 6  # an epoch


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run, its best model, and a checkpoint of every step."""
    folder = tmp_path_factory.mktemp("whole")
    saved = ("--checkpoint", folder / "run", "--checkpoint-every", 1, "--checkpoint-keep", 99)
    succeed(folder, "train", *RUN, *saved, "--best", folder / "best", "--history", folder / "history")
    return folder


def at(folder: Path, step: int) -> Path:
    """Return the checkpoint of a step."""
    return folder / ("run" if step == 3 * STEPS else f"run.{3 * STEPS - step}")


def history_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def params_digest(path: Path) -> str:
    leaves = fn.load(path).leaves
    names = [name for name in leaves if name.startswith("[0].params")]
    in_order = sorted(names, key=lambda name: name.replace("weight", "a"))  # a weight comes before its bias
    return fn.tree_sha256(tuple(leaves[name] for name in in_order))


# What is kept.


def test_each_step_is_kept_under_its_own_name(whole: Path) -> None:
    assert [fn.load(at(whole, step)).leaves["[0].step"] for step in range(1, 19)] == [*range(1, 19)]


def test_seconds_between_saves_are_counted_beside_the_steps(tmp_path: Path) -> None:
    often = ("--checkpoint-every", 10**9, "--checkpoint-seconds", 1e-9, "--checkpoint-keep", 3)
    succeed(tmp_path, "train", *RUN, "--checkpoint", tmp_path / "run", *often)
    assert sorted(os.listdir(tmp_path)) == ["run", "run.1", "run.2"]
    assert [fn.load(path).leaves["[0].step"] for path in sorted(tmp_path.iterdir())] == [18, 17, 16]


@pytest.mark.parametrize("every", [1, 4, 8])
def test_a_run_is_saved_between_two_members_too(every: int, tmp_path: Path) -> None:
    # The state of a network that has taken no step has no loss, and was once refused as one that diverged.
    options = (
        *SMALL,
        "--recipe",
        "fast",
        "--members",
        2,
        "--checkpoint",
        tmp_path / "run",
        "--checkpoint-every",
        every,
    )
    succeed(tmp_path, "train", *options, "--checkpoint-keep", 99, "--output", tmp_path / "model")
    assert fn.load(tmp_path / f"run.{16 // every}").leaves["[0].step"] == 0
    shutil.copy(tmp_path / f"run.{16 // every}", tmp_path / "run")
    succeed(tmp_path, "train", *options, "--resume", "--output", tmp_path / "again")
    assert (tmp_path / "model").read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.parametrize("recipe", RECIPES)
def test_the_runs_of_all_recipes_can_be_saved_and_gone_on_with(recipe: str, tmp_path: Path) -> None:
    few = ("--dataset", "digits", "--recipe", recipe, "--hidden", 8, "--epochs", 1, "--batch-size", 128, "--warp", 0)
    options = (*few, "--checkpoint", tmp_path / "run", "--checkpoint-every", 3, "--checkpoint-keep", 9)
    succeed(tmp_path, "train", *options, "--output", tmp_path / "model")
    shutil.copy(tmp_path / "run.2", tmp_path / "run")
    succeed(tmp_path, "train", *options, "--resume", "--output", tmp_path / "again")
    assert (tmp_path / "model").read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.parametrize("objective", [(), ("--objective", "adversarial")])
def test_a_run_that_diverges_leaves_the_last_good_checkpoint(objective: tuple[str, ...], tmp_path: Path) -> None:
    saved = ("--checkpoint", tmp_path / "run", "--checkpoint-every", 1)
    done = run(tmp_path, "train", *SMALL, *objective, "--rate", 1e30, *saved)
    assert (done.status, done.err.split(",")[0]) == (1, "error: step 2: [4] linear(10): expected finite outputs")
    assert fn.load(tmp_path / "run").leaves["[0].step"] == 1
    assert "loss: nan" in succeed(tmp_path, "replay", tmp_path / "run", "--step", 2)


def test_parameters_that_are_not_finite_are_never_saved_though_the_loss_is(tmp_path: Path) -> None:
    saved = ("--checkpoint", tmp_path / "run", "--checkpoint-every", 1)
    done = run(tmp_path, "train", *SMALL, "--rate", 1e300, "--loss", "mse-sum", *saved)
    assert (done.status, done.err.split(",")[0]) == (1, "error: step 1: [2] linear(16): expected finite parameters")
    assert os.listdir(tmp_path) == []


def test_a_link_to_nowhere_is_no_missing_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to("nowhere")
    done = run(tmp_path, "train", *SMALL, "--checkpoint", tmp_path / "run", "--resume")
    assert (done.status, done.err.count("\n")) == (1, 1)
    assert f"error: {tmp_path / 'run'}: expected a file, got none; check the path" in done.err


# The best epoch.


def test_the_best_epoch_by_validation_is_kept_as_a_model(whole: Path) -> None:
    best = max(history_of(whole / "history"), key=lambda entry: float(entry["validation_accuracy"]))
    notes = fn.load_model(whole / "best").notes
    assert notes["score"] == repr(best["validation_accuracy"])
    assert params_digest(at(whole, best["steps"])) == best["parameters_sha256"]
    assert fn.tree_sha256(fn.load_model(whole / "best").params) == best["parameters_sha256"]
    assert "test images" in succeed(whole, "evaluate", whole / "best")


@pytest.mark.parametrize("rate", [1.0, 1e-12], ids=["better and better", "none better than the first"])
def test_a_resumed_run_keeps_the_best_of_all_its_epochs(rate: float, tmp_path: Path) -> None:
    options = (*RUN, "--rate", rate, "--best", tmp_path / "best", "--checkpoint")
    kept = ("--checkpoint-every", 4, "--checkpoint-keep", 9, "--history", tmp_path / "history")
    succeed(tmp_path, "train", *options, tmp_path / "run", *kept)
    bits, entries = (tmp_path / "best").read_bytes(), history_of(tmp_path / "history")
    scores = [entry["validation_accuracy"] for entry in entries]
    assert fn.saved_score(tmp_path / "best") == max(scores)
    assert rate == 1 or scores == [scores[0]] * 3
    assert (
        fn.tree_sha256(fn.load_model(tmp_path / "best").params)
        == entries[scores.index(max(scores))]["parameters_sha256"]
    )
    for older in tmp_path.glob("run.*"):
        shutil.copy(older, tmp_path / "going")
        succeed(tmp_path, "train", *options, tmp_path / "going", "--resume")
        assert (tmp_path / "best").read_bytes() == bits


def test_a_run_that_has_a_best_epoch_can_not_go_on_without_its_model(whole: Path, tmp_path: Path) -> None:
    shutil.copy(at(whole, 13), tmp_path / "run")
    options = (*RUN, "--checkpoint", tmp_path / "run", "--resume", "--best", tmp_path / "best")
    done = run(tmp_path, "train", *options)
    assert done.status == 1
    assert re.search(r"the model of the best epoch so far, of accuracy 0\.\d+, got no file", done.err)
    fn.save(tmp_path / "best", (), {"score": "0.1"})
    assert "got one of 0.1" in run(tmp_path, "train", *options).err
    shutil.copy(at(whole, 5), tmp_path / "run")  # which has no epoch yet
    succeed(tmp_path, "train", *options)
    assert (tmp_path / "best").read_bytes() == (whole / "best").read_bytes()


@pytest.mark.parametrize("options", [(), ("--validation", 0.2, "--no-eval"), ("--recipe", "fast")])
def test_nothing_is_the_best_by_the_test_set(options: tuple[object, ...], tmp_path: Path) -> None:
    done = run(tmp_path, "train", *SMALL, *options, "--best", tmp_path / "best")
    assert (done.status, done.err) == (2, "error: --best needs --validation: the test set is not for choosing\n")


# Replay.


@pytest.mark.parametrize(("begun", "step"), [(1, 2), (3, 6), (4, 7), (11, 18), (2, 13), (18, 1), (9, 9), (17, 12)])
def test_any_step_is_replayed_with_its_bits_from_any_checkpoint(begun: int, step: int, whole: Path) -> None:
    out = succeed(whole, "replay", at(whole, begun), "--step", step)
    start, epoch, batch = begun if begun < step else 0, (step - 1) // STEPS + 1, (step - 1) % STEPS + 1
    first = f"step {step} of 18: epoch {epoch}, batch {batch}; replayed from step {start} on"
    assert out.splitlines()[0] == first
    after = fn.load(at(whole, step))
    assert f"loss: {after.leaves['[0].loss']!r}\n" in out
    assert f"parameters after it: SHA-256 {params_digest(at(whole, step))}\n" in out
    known = step == begun or (step < begun and step % STEPS == 0)
    assert ("the parameters are bit-identical to those of the run" in out) == known


def test_a_replayed_step_shows_its_rows_its_gradients_and_how_far_it_moved(whole: Path) -> None:
    out = succeed(whole, "replay", at(whole, 3), "--step", 5)
    rows, labels = (re.search(rf"^{name}: ([\d ]+)$", out, re.MULTILINE) for name in ("rows", "labels"))
    assert rows
    assert labels
    assert len(rows[1].split()) == len(labels[1].split()) == 192
    assert len({*rows[1].split()}) == 192
    for name in ("weight", "bias"):
        assert len(re.findall(rf"^\[\d\]\.{name} ", out, re.MULTILINE)) == 4
    before, after = (fn.load(at(whole, step)).leaves for step in (4, 5))
    ratios = fn.update_ratios(*((leaves["[0].params[3].weight"],) for leaves in (before, after)))
    assert f"[3].weight  {ratios[0][1]:.3g}\n" in out


def test_the_rows_of_an_epoch_are_each_replayed_once(whole: Path) -> None:
    seen = [succeed(whole, "replay", at(whole, 12), "--step", step) for step in range(7, 13)]
    rows = [row for out in seen for row in out.splitlines()[1].split()[1:]]
    assert sorted(map(int, rows)) == list(range(1150))


@pytest.mark.parametrize(
    ("step", "said"), [(0, "--step"), (19, "--step 19: the steps of the run are 1 to 18"), ("x", "--step")]
)
def test_a_step_that_the_run_does_not_have_is_refused(step: object, said: str, whole: Path) -> None:
    done = run(whole, "replay", whole / "run", "--step", step)
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert said in done.err


@pytest.mark.parametrize("numpy", ["1.0", ""])
def test_a_run_that_had_other_bits_is_told(
    numpy: str, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved, here = fn.load(at(whole, 9)), environment()
    origin = origin_of(saved)
    members = members_of(origin.recipe, with_validation(digits(), origin.validation), origin.seed)
    progress = resumed(saved, members)
    other = progress.history[0] | {"parameters_sha256": "0" * 64}
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(checkpoint, "environment", lambda: here | ({"numpy": numpy} if numpy else {}))
        parts = saved_parts(saved.description, members[0].model, evolve(progress, history=(other,)))
        fn.save(tmp_path / "run", *parts)
    changes = f"numpy 1.0, now {here['numpy']}" if numpy else "the code or the files changed"
    done = run(tmp_path, "replay", tmp_path / "run", "--step", 6)
    assert (done.status, done.err) == (1, f"error: the parameters differ from the run; since then: {changes}\n")


@pytest.mark.parametrize(
    "wrong",
    [{"rate": "fast"}, {"rate": "'1.0'"}, {"hidden": "(" * 99}, {"seed": "one"}, {"validation": "all"}, {"dtype": ""}],
    ids=repr,
)
def test_options_that_can_not_be_read_are_refused(wrong: dict[str, str], whole: Path, tmp_path: Path) -> None:
    fn.save(tmp_path / "run", (), {**fn.load(whole / "run").description, **wrong})
    done = run(tmp_path, "replay", tmp_path / "run", "--step", 6)
    expected = "expected the options of a run, got none that fit; give a file that `train --checkpoint` wrote"
    assert (done.status, done.err) == (1, f"error: {tmp_path / 'run'}: {expected}\n")


def test_other_images_than_those_of_the_run_are_refused(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_set(tmp_path / str(seed) / "mnist", made_up(100 + seed))
    options = ("--dataset", "mnist", "--hidden", 4, "--epochs", 1, "--checkpoint", tmp_path / "run")
    succeed(tmp_path, "train", *options, "--data-dir", tmp_path / "0")
    assert "loss: " in succeed(tmp_path, "replay", tmp_path / "run", "--step", 1, "--data-dir", tmp_path / "0")
    done = run(tmp_path, "replay", tmp_path / "run", "--step", 1, "--data-dir", tmp_path / "1")
    assert (done.status, "expected a run of data " in done.err) == (1, True)
