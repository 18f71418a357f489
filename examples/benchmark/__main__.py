"""Time fnmlp and its peers on the same work in one run: `python examples/benchmark --help`."""

import os
from pathlib import Path
import sys

sys.path[0] = str(Path(__file__).resolve().parents[1])  # the examples' folder, in place of this one
sys.argv[0] = os.path.normpath(sys.argv[0])  # --help finds no name after a slash at the end

from imports import import_failure  # noqa: E402 (found there)

try:
    from benchmark.program import benchmark
    from command_line import run
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")

if __name__ == "__main__":
    run(benchmark)
