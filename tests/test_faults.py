"""A short run of the fault laboratory; `python -m tests.faults` is the long one."""

import signal
import subprocess
import sys

import pytest

from tests.faults import ranks
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


LAUNCHER = """
import os, signal, sys
rank = os.fork()
if not rank:
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(0)
os.waitpid(rank, os.WUNTRACED)
print(rank, flush=True)
os.waitpid(rank, 0)
sys.stderr.write("all ended")
"""
"""A stand-in for mpiexec: it starts a rank that freezes when all others have ended, and waits for it."""


def test_a_rank_that_froze_after_all_others_ended_is_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "LIMIT", 0.1)
    with subprocess.Popen([sys.executable, "-c", "pass"]) as other:
        other.wait()
    command, pipe = [sys.executable, "-c", LAUNCHER], subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as launcher:
        assert launcher.stdout
        frozen = int(launcher.stdout.readline())
        assert ranks._errors_at_end(launcher, frozen, [frozen, other.pid]) == "all ended"
