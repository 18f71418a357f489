"""Files: a tree in one file, the runs and the models that are kept in such files, and where they were written."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
