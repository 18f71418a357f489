"""Processes that mpiexec starts, if it is there."""

import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parents[1]


def mpiexec(ranks: int, *words: str) -> list[str]:
    """Return the command that starts Python on several ranks; skip the test if mpi4py or mpiexec is missing."""
    pytest.importorskip("mpi4py", reason="the ranks talk through mpi4py")
    beside = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # where pip puts it
    program = shutil.which("mpiexec", path=beside)
    if program is None:
        pytest.skip("mpiexec is not installed")
    return [program, "-n", str(ranks), sys.executable, *words]


def environment() -> dict[str, str]:
    """Return the environment of ranks: one thread each, more of them than cores, also for a container's root."""
    return os.environ | {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'examples'}",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "PRTE_MCA_hwloc_default_binding_policy": "none",
    }


def run_on_ranks(ranks: int, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run Python on several ranks."""
    command = mpiexec(ranks, *words)
    return subprocess.run(
        command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
