"""Claims about event files: what was logged is read back, once, whatever happened to the run in between."""

from io import BytesIO
from itertools import islice
from math import inf, nan
from pathlib import Path
import resource
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest

import fnmlp as fn
from fnmlp.errors import DataError, OptionError, ShapeError, StructureError
from fnmlp.interop.tensorboard import files, log_events
from fnmlp.interop.tensorboard.messages import restart, step_of, summary
from tests.event_logs import events_in, points_in, values_in
from tests.misuse import called, faults
from tests.right_calls import call


def log(folder: Path, steps: Any, **functions: Any) -> None:
    """Log a run whose states are the numbers of its steps."""
    for _ in log_events(steps, folder, step_of=lambda step: step, **functions):
        pass


def losses(step: int) -> dict[str, float]:
    return {"loss": step / 4}


def test_numbers_are_read_back_with_their_steps(tmp_path: Path) -> None:
    values: list[Any] = [0.1, -0.0, inf, nan, 1e300, 1e-320, 3, np.float32(0.5)]
    log(tmp_path / "new" / "run", range(8), scalars=lambda step: {"a/b": values[step], "ß": step} if step != 2 else {})
    found = values_in(tmp_path / "new" / "run")
    with np.errstate(over="ignore", under="ignore"):
        expected = [(step, np.float32(values[step])) for step in range(8) if step != 2]
    assert repr(found["a/b"]) == repr([(step, float(value)) for step, value in expected])
    assert [step for step, _ in found["ß"]] == [0, 1, 3, 4, 5, 6, 7]


@given(st.integers(0, 2**62))
def test_a_step_is_read_back(step: int) -> None:
    assert step_of(summary(1.5, step, [])) == step
    assert step_of(restart(1.5, step)) == step


def test_states_are_passed_on_one_by_one_and_logged_before_you_see_them(tmp_path: Path) -> None:
    states = [object() for _ in range(3)]
    passed = log_events(states, tmp_path, scalars=lambda _: {"loss": 1.0})
    assert next(passed) is states[0]
    assert [step for step, _ in values_in(tmp_path)["loss"]] == [0]
    assert [*passed] == states[1:]
    assert [step for step, _ in values_in(tmp_path)["loss"]] == [0, 1, 2]


def test_a_run_without_states_makes_no_file(tmp_path: Path) -> None:
    assert [*log_events([], tmp_path / "run", scalars=losses)] == []
    assert not (tmp_path / "run").exists()


def test_a_histogram_counts_every_finite_number_of_a_leaf(tmp_path: Path) -> None:
    params, _ = fn.chain(fn.linear(4), fn.relu(), fn.linear(2)).init(fn.Key(0), (3,))
    strange = np.array([nan, inf, 1.0, 1.0 + 2e-16, 1e200])
    trees = {"parameters": params, "constant": np.full(5, 0.25), "strange": strange, "none": np.array([nan]), "no": ()}
    log(tmp_path, [7], histograms=lambda _: trees)
    found = values_in(tmp_path)
    assert [*found] == [*(f"parameters/{path}" for path, _ in fn.tree_paths(params)), "constant", "strange"]
    weight = params[0].weight
    [(step, seen)] = found["parameters/[0].weight"]
    assert (step, seen.num, seen.min, seen.max) == (7, weight.size, weight.min(), weight.max())
    assert seen.sum == pytest.approx(weight.sum(dtype="float64"), rel=1e-12)
    assert seen.sum_squares == pytest.approx(np.square(weight.astype("float64")).sum(), rel=1e-12)
    limits, counts = np.array(seen.bucket_limit), np.array(seen.bucket)
    assert limits[-1] == weight.max()
    below = [int((weight.ravel() < limit).sum()) for limit in limits[:-1]]
    assert np.array_equal(np.cumsum(counts)[:-1], below)
    assert counts.sum() == weight.size
    [(_, one)], [(_, close)] = found["constant"], found["strange"]
    assert (list(one.bucket_limit), list(one.bucket)) == ([0.25], [5])
    assert (close.num, list(close.bucket)) == (2, [2])


def test_an_image_is_read_back_and_several_are_joined_to_one(tmp_path: Path) -> None:
    pixels = np.arange(1, 5 * 12 + 1, dtype=np.uint8).reshape(5, 3, 4)
    log(tmp_path, [0], images=lambda _: {"one": pixels[0] * 4, "all": pixels})
    found = {tag: pairs[0][1] for tag, pairs in values_in(tmp_path).items()}
    assert {tag: (seen.height, seen.width, seen.colorspace) for tag, seen in found.items()} == {
        "one": (3, 4, 1),
        "all": (7, 14, 1),
    }
    with Image.open(BytesIO(found["all"].encoded_image_string)) as image:
        sheet = np.asarray(image)
    tiles = [sheet[row : row + 3, column : column + 4] for row in (0, 4) for column in (0, 5, 10)]
    stretched = np.rint((pixels - 1.0) * (255 / 59))
    assert np.array_equal(tiles[:5], stretched)
    assert not tiles[5].any()
    assert not sheet[3].any()


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 10**6))
def test_a_run_that_was_killed_anywhere_and_goes_on_has_every_point_once(
    tmp_path_factory: pytest.TempPathFactory, saved: int, later: int, torn: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    log(folder, range(max(saved, later) + 1), scalars=losses)
    [path] = folder.iterdir()
    content = path.read_bytes()
    # What a checkpoint of a step relies on is logged; the power cut takes any part of what came after it.
    kept = [end for end, event in files.records(content) if step_of(event) <= saved][-1]
    path.write_bytes(content[: kept + torn % (len(content) - kept + 1)])
    log(folder, range(saved, 10), scalars=losses)
    assert points_in(folder)["loss"] == [(step, step / 4) for step in range(10)]
    restarts = [event.step for event in events_in(folder) if event.session_log.status]
    assert restarts == ([0] if saved == 0 else [0, saved])


def test_tensorboard_shows_a_resumed_run_once(tmp_path: Path) -> None:
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard itself reads the files"
    )
    log(tmp_path, range(8), scalars=losses)
    log(tmp_path, range(5, 10), scalars=losses, histograms=lambda step: {"x": np.arange(step)})
    seen = reading.EventAccumulator(str(tmp_path), size_guidance={"histograms": 0}).Reload()
    assert [(event.step, event.value) for event in seen.Scalars("loss")] == [(step, step / 4) for step in range(10)]
    assert [event.histogram_value.num for event in seen.Histograms("x")] == [5, 6, 7, 8, 9]


def test_a_damaged_record_ends_what_is_kept_of_a_file(tmp_path: Path) -> None:
    log(tmp_path, range(8), scalars=losses)
    [path] = tmp_path.iterdir()
    content = path.read_bytes()
    ends = [end for end, _ in files.records(content)]
    path.write_bytes(content[: ends[3]] + b"\xff" + content[ends[3] + 1 :])
    log(tmp_path, [8], scalars=losses)
    assert [step for step, _ in points_in(tmp_path)["loss"]] == [0, 1, 8]


@given(st.binary(max_size=60), st.integers(0, 10**6))
def test_any_damage_to_a_file_leaves_a_folder_that_a_run_can_go_on_in(
    tmp_path_factory: pytest.TempPathFactory, damage: bytes, place: int
) -> None:
    folder = tmp_path_factory.mktemp("run")
    log(folder, range(8), scalars=losses)
    [path] = folder.iterdir()
    content = path.read_bytes()
    place %= len(content)
    path.write_bytes(content[:place] + damage + content[place + len(damage) :])
    log(folder, [8], scalars=losses)
    last = max(folder.iterdir()).read_bytes()
    assert [step_of(event) for _, event in files.records(last)] == [-1, 8, 8]


def test_files_of_other_programs_stay_as_they_are(tmp_path: Path) -> None:
    other = tmp_path / "events.out.tfevents.4000000000.host"
    other.write_bytes(b"not ours")
    log(tmp_path, range(3), scalars=losses)
    assert other.read_bytes() == b"not ours"
    assert sorted(path.name for path in tmp_path.iterdir())[1].startswith("events.out.tfevents.4000000001.")


def test_a_later_file_comes_later_even_within_a_second(tmp_path: Path) -> None:
    for step in range(4):
        log(tmp_path, [step], scalars=losses)
    assert len([*tmp_path.iterdir()]) == 4
    assert [step for step, _ in points_in(tmp_path)["loss"]] == [0, 1, 2, 3]


def test_a_place_that_is_no_folder_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    for folder in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(DataError, match=r"expected a folder for event files, got .*; choose a folder"):
            next(log_events([1], folder))


def test_a_full_disk_is_an_error_of_one_line(tmp_path: Path) -> None:
    passed = log_events(range(1000), tmp_path, scalars=losses)
    next(passed)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(DataError, match="got File too large"):
            list(islice(passed, 999))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("functions", "error", "words"),
    [
        ({"scalars": lambda _: {"loss": "0.5"}}, OptionError, r"scalars\): loss: expected a number"),
        ({"scalars": lambda _: 0.5}, StructureError, r"scalars\)"),
        ({"scalars": lambda _: {3: 0.5}}, StructureError, "a tag"),
        ({"histograms": lambda _: {"x": "text"}}, fn.DtypeError, "histograms"),
        ({"images": lambda _: {"x": np.zeros(3)}}, ShapeError, "height, width"),
        ({"images": lambda _: {"x": np.zeros((0, 3, 3))}}, ShapeError, "leave it out"),
        ({"step_of": lambda _: -1}, OptionError, "step_of"),
    ],
)
def test_values_of_another_kind_are_refused(
    functions: dict[str, Any], error: type[fn.FnmlpError], words: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=words):
        next(log_events([1], tmp_path, **functions))


def test_arguments_of_the_wrong_kind_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    functions: dict[str, Any] = {name: lambda _: {} for name in ("scalars", "histograms", "images")}
    right = call(states=[1], folder="run", **functions, step_of=lambda _: 0)
    assert called(log_events, *right) == "taken"
    any_values = {"'abc'", "an array", "a batch", "parameters"}
    assert faults(log_events, right, {"states": any_values}) == []
