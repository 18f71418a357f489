"""The command that runs the suite in many settings: what it asks for, and that its table and status tell the truth."""

from pathlib import Path
import subprocess
import sys

import pytest

from tests import anywhere


@pytest.mark.parametrize(("claim", "passed", "failed"), [("1 + 1 == 2", "1", "0"), ("1 + 1 == 3", "0", "1")])
def test_a_row_counts_the_tests_and_the_status_tells_of_failures(
    tmp_path: Path, claim: str, passed: str, failed: str
) -> None:
    (tmp_path / "test_sum.py").write_text(f"def test_sum():\n    assert {claim}\n", encoding="utf-8")
    command = [sys.executable, "-m", "tests.anywhere", "--no-plain", "--no-lowest", "--no-pythons", "--kernel", ""]
    ended = subprocess.run(
        [*command, "--threads", "1", "--seed", "7", "--", str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=anywhere.ROOT,
    )
    _, _, row, *rest = ended.stdout.splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[0] == sys.version.split()[0]
    assert cells[4:9] == ["1", "7", passed, "0", failed]
    assert ended.returncode == int(failed)
    assert ("test_sum" in "".join(rest)) == (failed == "1")


def test_the_lowest_versions_are_those_that_the_project_declares() -> None:
    wanted = anywhere.requirements_of_tests()
    assert {"numpy", "attrs", "hypothesis", "click", "torch"} <= {name.split("=")[0].rstrip(">") for name in wanted}
    assert not [pin for pin in anywhere.lowest(wanted) if pin.count("==") != 1]


def test_a_kernel_that_is_offered_is_the_one_that_runs() -> None:
    here = Path(sys.executable)
    for kernel in anywhere.offered_kernels(here)[:1]:
        assert not kernel or anywhere.used(here, {"OPENBLAS_CORETYPE": kernel})[2] == kernel
