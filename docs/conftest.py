"""Pages whose code needs a library are passed over where it is not installed."""

from importlib.util import find_spec

collect_ignore = [page for page, library in (("engines.md", "jax"),) if find_spec(library) is None]
