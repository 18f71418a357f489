"""What a script says where a library that it needs can't be imported; it needs none itself."""


def import_failure(error: Exception) -> str:
    """Say in one line why an import failed, and what to do.

    A library that is there and broken has a cause of its own, which is not always an ImportError.
    """
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"{error.name} is not installed; run: pip install -e '.[examples]'"
    cause = " ".join(f"{type(error).__name__}: {error}".split())
    return f"a library can't be imported ({cause}); install it anew: pip install -e '.[examples]'"
