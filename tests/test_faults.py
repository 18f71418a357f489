"""A short run of the fault laboratory; `python -m tests.faults` is the long one."""

import signal

import pytest

from tests.faults.processes import load_program
from tests.faults.stops import stop_often


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_stopped_again_and_again_loses_nothing(number: signal.Signals) -> None:
    *_, report = stop_often(load_program(), number, trials=4, seed=1)
    assert report.stops >= 4
    assert report.runs >= 1
    assert (report.unreadable, report.too_many, report.wrong, report.different) == (0, 0, 0, 0)


def test_a_fit_that_is_killed_again_and_again_loses_nothing() -> None:
    pytest.importorskip("sklearn", reason="the estimators need scikit-learn")
    from tests.faults.fits import kill_fits

    for _, reports in kill_fits(4, seed=1):
        *_, report = reports
        assert report.stops >= 2
        assert (report.unreadable, report.too_many, report.wrong, report.different) == (0, 0, 0, 0)
