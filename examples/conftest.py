"""The doctests of modules that need a library are passed over where it is not installed."""

from importlib.util import find_spec

collect_ignore_glob = ["table*.py"] if find_spec("polars") is None else []
