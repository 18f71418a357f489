"""A batch that is spread over devices trains as one on one device: `examples/devices.py` says so, and it is true."""

from pathlib import Path
import re
import subprocess
import sys

import pytest

from tests.warned import WARNINGS_ARE_ERRORS

pytest.importorskip("jax", reason="jax is not installed")
SCRIPT = Path(__file__).resolve().parents[1] / "examples" / "devices.py"


def test_four_devices_reach_the_parameters_of_numpy_in_a_hundred_steps() -> None:
    command = [sys.executable, *WARNINGS_ARE_ERRORS, str(SCRIPT)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    said = re.search(r"(\d+) devices, (\d+) steps.*\nlargest difference of a parameter: (\S+)\n", done.stdout)
    assert said, done.stdout
    assert said.group(1, 2) == ("4", "100")
    # Parameters near 1 that sums in another order moved 100 times: far from the bound of a slip.
    assert float(said[3]) < 1e-5
