"""On numbers that no rounding touches, threads and BLAS kernels make no difference: one hash over all of them."""

import os
import subprocess
import sys

import pytest

KERNELS = ("Prescott", "Nehalem", "Sandybridge", "Haswell", "Zen")


@pytest.fixture(scope="module")
def runs() -> list[tuple[str, str]]:
    """Run the program in fresh processes, and return what kernel each had and what hash it printed."""
    outcomes = []
    for threads in ("1", "2"):
        for kernel in KERNELS:
            environment = {**os.environ, "OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": threads}
            command = [sys.executable, "-m", "tests.exact"]
            ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            used, digest = ended.stdout.split()
            outcomes.append((f"{used} {threads}", digest))
    return outcomes


def test_exact_inputs_give_one_hash_over_kernels_and_threads(runs: list[tuple[str, str]]) -> None:
    assert len({digest for _, digest in runs}) == 1


def test_at_least_four_kernels_were_really_used(runs: list[tuple[str, str]]) -> None:
    assert len({used for used, _ in runs if used.endswith(" 1")}) >= 4
