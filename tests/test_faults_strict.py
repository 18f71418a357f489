"""A short run of the fault laboratory's `strict`; `python -m tests.faults strict` is the long one."""

from itertools import product

import pytest

from tests.faults.strictness import Report, compare


@pytest.fixture(scope="module")
def report(kernels: tuple[str, ...]) -> Report:
    return compare(product(kernels, (1, 2)), rows=24, permutations=2)


def test_no_row_under_strict_depends_on_the_batch_on_threads_or_on_the_kernel(report: Report) -> None:
    counts = (report.sizes, report.orders, report.processes, report.trained)
    assert all(rows.compared for rows in counts)
    assert [rows.strict for rows in counts] == [0, 0, 0, 0]


def test_without_strict_rows_do_depend_on_them_so_that_the_comparison_can_see_it(
    report: Report, kernels: tuple[str, ...]
) -> None:
    if len(kernels) == 1:
        pytest.skip("NumPy's BLAS here has one kernel")
    assert {kernel for kernel, _ in report.settings} == set(kernels)
    assert min(rows.plain for rows in (report.sizes, report.processes, report.trained)) > 0
