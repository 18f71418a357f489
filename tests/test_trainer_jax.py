"""Claims about `examples/mnist.py --engine jax`: it trains as NumPy does, and a run can be stopped at any point."""

import json
from pathlib import Path
import re
import shutil
import signal
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from tests.event_logs import points_in
from tests.faults.processes import repeatable
from tests.trainer import SMALL, command, run, succeed

jax = pytest.importorskip("jax", reason="--engine jax needs it")

from fnmlp.augmentation import random_warps, resample  # noqa: E402

PLAIN = (*SMALL, "--batch-size", 719, "--engine", "jax")  # two batches of one size, so that one program is compiled
NOISE = ("--warp", 0.3, "--dropout", 0.1, 0.1, "--objective", "virtual-adversarial")
NOISY = (*PLAIN, "--recipe", "fast", *NOISE, "--average", 0.9, "--members", 2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of two networks, and with the checkpoints that it wrote on the way."""
    folder = tmp_path_factory.mktemp("whole")
    files = ("--history", folder / "history", "--output", folder / "model", "--tensorboard", folder / "events")
    saved = ("--checkpoint", folder / "run", "--checkpoint-every", 3, "--checkpoint-keep", 9)
    said = succeed(folder, "train", *NOISY, *files, *saved)
    assert len(re.findall(r"^compiled in \d+\.\d\d s for cpu:0$", said, re.MULTILINE)) == 2
    return folder


def history_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_on_jax_saves_where_one_on_numpy_would_and_says_so_in_its_files(whole: Path) -> None:
    # A stretch ended where its time was up, and a checkpoint was due in the middle of one.
    found = [fn.load(whole / name) for name in ("run.2", "run.1", "run")]
    assert [saved.leaves["[0].step"] for saved in found] == [3, 2, 4]
    assert {saved.description["engines"] for saved in found} == {"jax"}
    assert {saved.description["engine_version"].split(" on ")[0] for saved in found} == {f"jax {jax.__version__}"}
    assert [entry["steps"] for entry in history_of(whole / "history")] == [2, 4, 2, 4]


def test_a_run_on_jax_goes_on_from_a_checkpoint_with_the_same_bits(whole: Path, tmp_path: Path) -> None:
    shutil.copy(whole / "run.2", tmp_path / "run")
    files = ("--history", tmp_path / "history", "--output", tmp_path / "model", "--checkpoint", tmp_path / "run")
    said = succeed(tmp_path, "train", *NOISY, *files, "--resume")
    assert "resumed from" in said
    assert "differ" not in said
    assert (tmp_path / "model").read_bytes() == (whole / "model").read_bytes()
    assert repeatable(tmp_path / "history") == repeatable(whole / "history")


def test_the_events_of_a_run_on_jax_have_the_losses_of_its_epochs_and_of_its_stretches(whole: Path) -> None:
    points = points_in(whole / "events")
    assert [step for step, _ in points["loss/train"]] == [2, 4, 6, 8]
    losses = [entry["train_loss"] for entry in history_of(whole / "history")]
    assert [value for _, value in points["loss/train"]] == pytest.approx(losses, rel=1e-6)
    assert {2, 6} <= {step for step, _ in points["loss/batch"]} <= set(range(1, 9))


def test_a_step_of_a_run_on_jax_is_replayed_by_jax(whole: Path) -> None:
    told = succeed(whole, "replay", whole / "run.2", "--step", 3)
    assert "the parameters are bit-identical to those of the run\n" in told
    assert "replayed from step 0 on" in told
    assert re.search(r"loss: \d\.\d+\n", told)


def test_both_engines_train_the_same_network_but_for_rounding(tmp_path: Path) -> None:
    # In forty steps of a network this small, another order of sums costs a few of float32's seven digits.
    files = [tmp_path / name for name in ("numpy", "jax")]
    adversarial = ("--objective", "adversarial", "--norm", "l2", "--epsilon", 0.5)
    options = (*PLAIN, *adversarial, "--momentum", 0.5, "--epochs", 20, "--validation", 0.2, "--batch-size", 575)
    for path in files:
        written = ("--output", path, "--history", path.with_suffix(".jsonl"), "--plot", path.with_suffix(".png"))
        succeed(tmp_path, "train", *options, *written, "--engine", path.name)
        assert path.with_suffix(".png").stat().st_size
    one, other = (fn.load_model(path).params for path in files)
    for left, right in zip(fn.tree_leaves(one), fn.tree_leaves(other), strict=True):
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-5)
    for left, right in zip(*(history_of(path.with_suffix(".jsonl")) for path in files), strict=True):
        assert abs(left["validation_accuracy"] - right["validation_accuracy"]) <= 1 / 288
        assert abs(left["train_loss"] - right["train_loss"]) < 1e-6


def test_evaluate_and_predict_agree_on_both_engines(whole: Path) -> None:
    one, other = (succeed(whole, "evaluate", whole / "model", "--engine", engine) for engine in ("numpy", "jax"))
    losses = [float(re.search(r"loss (\d\.\d+)", told)[1]) for told in (one, other)]  # type: ignore[index]
    assert abs(losses[0] - losses[1]) <= 1.001e-5  # the last digit that is shown
    asked = ("predict", whole / "model", "--index", 3, "--index", 7, "--engine")
    first, second = (succeed(whole, *asked, engine) for engine in ("numpy", "jax"))
    assert re.sub(r"\(.*\)", "", first) == re.sub(r"\(.*\)", "", second)


@pytest.mark.parametrize(("before", "after"), [("numpy", "jax"), ("jax", "numpy")])
def test_a_run_that_goes_on_with_another_engine_says_so_in_a_line(before: str, after: str, tmp_path: Path) -> None:
    options = ("train", *PLAIN, "--checkpoint", tmp_path / "run", "--engine")
    succeed(tmp_path, *options, before)
    said = succeed(tmp_path, *options, after, "--epochs", 3, "--resume").splitlines()
    warned = [line for line in said if "differ" in line]
    assert warned == [
        (
            f"the run continues with --engine {after} after --engine {before}: "
            "rounding and random numbers differ from an uninterrupted run"
        )
    ]
    assert fn.load(tmp_path / "run").description["engines"] == f"{before}, {after}"
    done = run(tmp_path, "replay", tmp_path / "run", "--step", 6)
    assert "bit-identical" in done.out or f"the run changed its engine: {before}, {after}" in done.err


def test_a_run_that_is_killed_or_told_to_stop_loses_nothing(tmp_path: Path) -> None:
    saved = ("--checkpoint", tmp_path / "run", "--checkpoint-every", 3, "--output", tmp_path / "model")
    options = ("train", *PLAIN, *saved, "--epochs", 100, "--resume")
    for number in (signal.SIGKILL, signal.SIGTERM):
        line, variables = command(tmp_path, *options)
        with subprocess.Popen(line, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            assert running.stdout is not None
            next(line for line in running.stdout if line.startswith(b"epoch"))
            running.send_signal(number)
            _, err = running.communicate(timeout=60)
        assert running.returncode == (143 if number == signal.SIGTERM else -9)
    step = int(re.fullmatch(r"error: interrupted at step (\d+); continue .* --resume\n", err.decode())[1])  # type: ignore[index]
    assert fn.load(tmp_path / "run").leaves["[0].step"] == step
    succeed(tmp_path, *options)
    stopped = (tmp_path / "model").read_bytes()
    succeed(tmp_path, "train", *PLAIN, "--epochs", 100, "--output", tmp_path / "model")
    assert (tmp_path / "model").read_bytes() == stopped


def test_a_run_on_jax_that_diverges_names_the_step_and_the_layer(tmp_path: Path) -> None:
    told = [run(tmp_path, "train", *PLAIN, "--rate", 1e30, "--engine", engine).err for engine in ("numpy", "jax")]
    assert told[0] == told[1]
    assert told[0].startswith("error: step 2: [4] linear(10): expected finite outputs")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--engine", "jax", "--device", "gpu:7"), "--device gpu:7: JAX finds no such device; choose from cpu:0"),
        (("--engine", "jax", "--device", "abacus"), "--device abacus: JAX finds no such device; choose from cpu:0"),
        (("--device", "cpu:0"), "--device needs --engine jax: NumPy always computes on the processor"),
        (("--engine", "abacus"), "Invalid value for '--engine': 'abacus' is not one of 'numpy', 'jax'."),
    ],
)
@pytest.mark.parametrize("name", ["train", "evaluate", "predict"])
def test_an_engine_or_a_device_that_is_not_there_is_refused_in_one_line(
    name: str, options: tuple[str, ...], words: str, whole: Path
) -> None:
    given = {"train": SMALL, "evaluate": (whole / "model",), "predict": (whole / "model", "--index", 1)}[name]
    done = run(whole, name, *given, *options)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"error: {words}")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("hidden", ["raise ModuleNotFoundError(name='jax')", "raise ImportError('libtpu.so: too old')"])
def test_without_jax_the_engine_says_how_to_get_it(hidden: str, tmp_path: Path) -> None:
    line, variables = command(tmp_path, "train", *SMALL, "--engine", "jax")
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").write_text(hidden)
    variables["PYTHONPATH"] = str(tmp_path)
    done = subprocess.run(line, env=variables, capture_output=True, text=True, check=False)
    got = "no module jax" if "name" in hidden else "ImportError: libtpu.so: too old"
    expected = f"error: --engine jax needs JAX, got {got}; pip install 'fnmlp[jax]'\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected)


def test_float64_is_trained_in_float64(tmp_path: Path) -> None:
    options = ("train", *PLAIN, "--dtype", "float64", "--output", tmp_path / "model")
    succeed(tmp_path, *options)
    wide = fn.load_model(tmp_path / "model").params
    succeed(tmp_path, *options, "--engine", "numpy")
    for left, right in zip(*(fn.tree_leaves(p) for p in (wide, fn.load_model(tmp_path / "model").params)), strict=True):
        np.testing.assert_allclose(left, right, rtol=0, atol=1e-13)


def test_warps_of_bytes_are_the_same_on_jax() -> None:
    images = fn.data.digits().train.inputs[:40] * np.uint8(15)
    warps = random_warps(fn.Key(0), 40, (8, 8), degrees=30.0, pixels=2.0, displacement=1.0)
    assert np.array_equal(resample(jax.numpy.asarray(images), warps), resample(images, warps))


def test_a_signal_that_comes_while_garbage_is_collected_is_not_lost() -> None:
    # JAX has its own function called there; an exception that a handler raised in it was printed, and the run went on.
    code = "import click, command_line, gc, os, signal, time\n"
    code += "def stop(*_):\n    gc.callbacks.clear()\n    os.kill(os.getpid(), signal.SIGTERM)\n    time.sleep(1)\n"
    code += "@click.command()\ndef main():\n    gc.callbacks.append(stop)\n    gc.collect()\n    time.sleep(60)\n"
    program = Path(__file__).resolve().parents[1] / "examples"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}command_line.run(main)"],
        cwd=program,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (143, "error: terminated\n")
