"""The doctests of modules that need a library are passed over where it is not installed."""

from importlib.util import find_spec

NEEDS = {"table*.py": "polars", "grid_dask.py": "distributed"}

collect_ignore_glob = [pattern for pattern, library in NEEDS.items() if find_spec(library) is None]
