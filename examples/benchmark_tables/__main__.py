"""Compare estimators on tables, all at their defaults: `python examples/benchmark_tables --help`."""

import os
from pathlib import Path
import sys

sys.path[0] = str(Path(__file__).resolve().parents[1])  # the examples' folder, in place of this one
sys.argv[0] = os.path.normpath(sys.argv[0])  # --help finds no name after a slash at the end

# One thread each: small products gain nothing from more, and threads of several libraries disturb one another.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(name, "1")

from imports import import_failure  # noqa: E402 (found there)

try:
    from benchmark_tables.program import benchmark_tables
    from command_line import run
except Exception as error:  # noqa: BLE001 (a broken library may raise anything)
    sys.exit(f"error: {import_failure(error)}")

if __name__ == "__main__":
    run(benchmark_tables)
