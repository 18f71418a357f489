"""The message for a library that can't be imported; this module itself needs none."""


def import_failure(error: Exception, *, extra: str = "examples") -> str:
    """Say in one line why an import failed, and what to do.

    A library that is installed but broken may raise other errors than ImportError.
    """
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{error.name} is not installed; run: pip install -e '.[{extra}]'"
    cause = " ".join(f"{type(error).__name__}: {error}".split())
    return f"a library can't be imported ({cause}); reinstall it: pip install -e '.[{extra}]'"
