"""A short run of the races; `python -m tests.faults races` is the long one."""

from attrs import evolve
import pytest

from tests.faults.races import PROCESSES, Downloads, Saves, race_downloads, race_saves
from tests.faults.sharing import THREADS, Fresh, Sharing, share_model, train_afresh


@pytest.mark.parametrize("keep", [1, 3])
def test_processes_that_save_under_one_name_leave_whole_states_of_one_of_them(keep: int) -> None:
    report = race_saves(4, keep)
    assert report.loads > 0
    assert evolve(report, loads=0) == Saves(rounds=4, saves=4 * PROCESSES)


def test_processes_that_download_into_one_cache_all_end_with_whole_files() -> None:
    report = race_downloads(2)
    assert report.reads > 0
    assert evolve(report, reads=0) == Downloads(rounds=2, downloads=2 * PROCESSES)


def test_threads_that_share_a_model_get_the_bits_of_one_alone() -> None:
    assert share_model(2) == Sharing(rounds=2, calls=2 * THREADS)


def test_fresh_processes_train_to_the_same_bits() -> None:
    assert train_afresh(3) == Fresh(processes=3)
