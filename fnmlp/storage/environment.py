"""The environment of a result: versions, processor, BLAS. If these differ, the last bits of results may differ."""

from collections.abc import Mapping
from functools import cache
import os
import platform
import sys
from typing import Any

import numpy as np

UNKNOWN = "unknown"


def environment() -> dict[str, str]:
    """Return the versions of Python and NumPy, the machine, and the BLAS with its kernel and its threads.

    Without threadpoolctl, the kernel and the threads are "unknown".

    >>> sorted(environment())
    ['blas', 'blas kernel', 'blas threads', 'machine', 'numpy', 'python', 'system']
    """
    built_with = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": sys.platform,
        "machine": platform.machine(),
        "blas": f"{built_with['name']} {built_with['version']}",
        **_of_blas(),
    }


def _of_blas() -> dict[str, str]:
    try:
        pools = _pools().info()
    except ImportError:
        return {"blas kernel": UNKNOWN, "blas threads": UNKNOWN}
    # NumPy's own BLAS, which lies beside NumPy, not those of other libraries in the process.
    home = os.path.dirname(os.path.dirname(np.__file__))
    ours: dict[str, object] = max(pools, key=lambda pool: str(pool["filepath"]).startswith(home), default={})
    return {
        "blas kernel": str(ours.get("architecture", UNKNOWN)),
        "blas threads": str(ours.get("num_threads", UNKNOWN)),
    }


@cache
def _pools() -> Any:
    """Find the process's BLAS libraries, once: the search takes longer than writing a checkpoint."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """Describe how two environments differ; a value that is unknown in either counts as equal.

    >>> differences({"numpy": "2.3.0", "blas threads": "2"}, {"numpy": "2.4.0", "blas threads": "unknown"})
    ('numpy 2.3.0, now 2.4.0',)
    """
    known = {name: value for name, value in before.items() if UNKNOWN not in (value, now.get(name, UNKNOWN))}
    return tuple(f"{name} {value}, now {now[name]}" for name, value in known.items() if now[name] != value)
