"""On numbers that no rounding touches, threads and BLAS kernels make no difference: one hash over all of them."""

import os
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def runs(kernels: tuple[str, ...]) -> list[tuple[str, str]]:
    """Run the program in fresh processes, and return what kernel each had and what hash it printed."""
    outcomes = []
    for threads in ("1", "2"):
        for kernel in kernels:
            asked = {"OPENBLAS_CORETYPE": kernel} if kernel else {}
            environment = {**os.environ, **asked, "OPENBLAS_NUM_THREADS": threads}
            command = [sys.executable, "-m", "tests.exact"]
            ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            used, digest = ended.stdout.split()
            outcomes.append((f"{used} {threads}", digest))
    return outcomes


def test_exact_inputs_give_one_hash_over_kernels_and_threads(runs: list[tuple[str, str]]) -> None:
    assert len({digest for _, digest in runs}) == 1


def test_every_kernel_that_the_processor_offers_was_really_used(
    runs: list[tuple[str, str]], kernels: tuple[str, ...]
) -> None:
    if kernels == ("",):
        pytest.skip("NumPy's BLAS here has one kernel")
    assert {used for used, _ in runs} == {f"{kernel} {threads}" for kernel in kernels for threads in (1, 2)}
