"""A short run of faults at the calls of a save and of a run; `python -m tests.faults calls` is the long one."""

from collections.abc import Callable
from contextlib import suppress
import errno
import os
from pathlib import Path
import signal

import pytest

from tests.faults.calls import fail_at_calls, kill_at_calls, points_of
from tests.faults.forks import Act, End, forked, why_no_strace
from tests.faults.patches import fail_in_python, fill_disk, why_no_disk, write_by_and_by, write_in_part
from tests.faults.processes import load_program
from tests.faults.scenes import Scene, runs, saves, trial

NO_STRACE, NO_DISK = why_no_strace(), why_no_disk()
by_strace = pytest.mark.skipif(NO_STRACE != "", reason=NO_STRACE)
on_own_disk = pytest.mark.skipif(NO_DISK != "", reason=NO_DISK)


@pytest.fixture(scope="module", params=[1, 3], ids=["keep 1", "keep 3"])
def save(request: pytest.FixtureRequest) -> Scene:
    """Return one save over earlier ones."""
    return saves(request.param)


@pytest.fixture(scope="module")
def run() -> Scene:
    """Return a whole run of the trainer."""
    return runs(load_program())


@by_strace
def test_the_system_calls_of_a_save_are_those_that_make_a_file_durable(save: Scene) -> None:
    texts = [call.text for call in points_of(save)]
    steps = "O_CREAT", "write(", "fsync(", '/state")', '"FOLDER", O_RDONLY|O_CLOEXEC'
    order = [next(place for place, text in enumerate(texts) if step in text) for step in steps]
    assert order == sorted(order)
    assert any("fsync(" in text for text in texts[order[-1] :])


@by_strace
def test_a_save_that_is_killed_at_any_system_call_loses_nothing(save: Scene) -> None:
    report = kill_at_calls(save, every=3)
    assert report.killed == report.trials >= 9
    assert report.broken() == 0


@by_strace
def test_a_run_that_is_killed_at_any_system_call_goes_on_to_the_same_bits(run: Scene) -> None:
    report = kill_at_calls(run, every=29)
    assert report.killed == report.trials >= 5
    assert report.broken() == 0


@by_strace
def test_a_save_says_which_system_call_failed_or_is_whole(save: Scene) -> None:
    report = fail_at_calls(save, every=25)
    assert report.reported + report.harmless == report.trials
    assert min(report.reported, report.harmless) > 0
    assert report.broken() == 0


@by_strace
def test_a_run_says_which_system_call_failed_or_its_files_are_whole(run: Scene) -> None:
    report = fail_at_calls(run, every=401)
    assert report.reported + report.harmless == report.trials
    assert min(report.reported, report.harmless) > 0
    assert report.broken() == 0


def test_a_save_says_which_call_of_python_failed_or_is_whole(save: Scene) -> None:
    report = fail_in_python(save, every=3)  # of four errors at each call, so that each call fails
    assert report.reported + report.harmless == report.trials
    assert min(report.reported, report.harmless) > 0
    assert report.broken() == 0


def test_a_run_says_which_call_of_python_failed_or_its_files_are_whole(run: Scene) -> None:
    report = fail_in_python(run, every=151)
    assert report.reported + report.harmless == report.trials
    assert report.broken() == 0


def test_a_save_that_is_cut_short_is_told_and_leaves_the_earlier_file(save: Scene) -> None:
    report = write_in_part(save)
    assert report.reported == report.trials
    assert report.broken() == 0


def test_a_run_that_is_cut_short_is_told_and_goes_on_when_there_is_room(run: Scene) -> None:
    report = write_in_part(run, sizes=(0, 500, 16_000))
    assert report.reported == report.trials
    assert report.broken() == 0


def test_a_save_by_short_writes_is_whole(save: Scene) -> None:
    report = write_by_and_by(save)
    assert report.harmless == report.trials
    assert report.broken() == 0


@on_own_disk
def test_a_full_disk_is_told_and_leaves_the_earlier_file(run: Scene) -> None:
    for scene in (saves(1), run):
        report = fill_disk(scene, pages=(0, 3))
        assert report.reported == report.trials
        assert report.broken() == 0


# What the experiments would see of saves that are not as careful.


def careless(act: Callable[[Path], None]) -> Scene:
    """Return a scene whose one file holds b"old", and an act that puts b"new" there."""
    return Scene(
        prepare=put_old,
        act=act,
        names=("state",),
        read=Path.read_bytes,
        end={"state": b"new"},
        intact=lambda found: found.get("state") in (b"old", b"new"),
    )


def put_old(folder: Path) -> None:
    (folder / "state").write_bytes(b"old")


def write_in_place(folder: Path) -> None:
    (folder / "state").write_bytes(b"new")


def pass_over_errors(folder: Path) -> None:
    handle = os.open(folder / "other", os.O_WRONLY | os.O_CREAT)
    os.write(handle, b"new")
    with suppress(OSError):
        os.fsync(handle)
    os.replace(folder / "other", folder / "state")


@by_strace
def test_a_file_that_is_written_in_place_is_seen_to_be_lost() -> None:
    assert kill_at_calls(careless(write_in_place)).damaged > 0


def test_an_error_that_is_passed_over_or_not_explained_is_seen() -> None:
    report = fail_in_python(careless(pass_over_errors))
    assert report.claimed == 4  # one for each error of fsync
    assert report.unexplained > 4  # a traceback is no explanation
    assert write_in_part(careless(pass_over_errors), sizes=(1,)).claimed == 1


def test_what_a_fault_leaves_behind_is_seen() -> None:
    report = trial(careless(pass_over_errors), fail_to_rename)
    assert (report.strays, report.reported) == (1, 0)


def fail_to_rename(act: Act) -> End:
    def harmed() -> None:
        os.replace = refuse  # type: ignore[assignment]
        act()

    return forked(harmed)


def refuse(*_: object) -> None:
    raise OSError(errno.EIO, "Input/output error")


def test_a_process_that_a_signal_ends_has_its_negative_number_as_its_status() -> None:
    assert forked(lambda: os.kill(os.getpid(), signal.SIGKILL)).status == -signal.SIGKILL
