"""What comes before a program's libraries: the message for one that can't be imported, and threads for ranks."""

from collections.abc import Sequence
import os

PARALLEL = "--parallel"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def one_thread_each(words: Sequence[str]) -> None:
    """Give each rank of --parallel one BLAS thread, unless the user has chosen: more would compete for the cores.

    BLAS reads these variables when NumPy is imported.
    """
    if PARALLEL in words and not any(map(os.environ.get, THREADS)):
        os.environ.update(dict.fromkeys(THREADS, "1"))


def import_failure(error: Exception, *, extra: str = "examples") -> str:
    """Say in one line why an import failed, and what to do.

    A library that is installed but broken may raise other errors than ImportError.
    """
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{error.name} is not installed; run: pip install -e '.[{extra}]'"
    cause = " ".join(f"{type(error).__name__}: {error}".split())
    return f"a library can't be imported ({cause}); reinstall it: pip install -e '.[{extra}]'"
