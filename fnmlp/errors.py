"""Every error that fnmlp raises: where, expected, got, remedy.

The four parts are arguments, so no error can lack one, and a program can read them.
"""

from typing import Self

__all__ = [
    "CheckpointError",
    "DataError",
    "DataNotFoundError",
    "DivergenceError",
    "DtypeError",
    "FnmlpError",
    "MissingDependencyError",
    "OptionError",
    "ShapeError",
    "StructureError",
    "one_line",
]


class FnmlpError(Exception):
    """The base of all errors in fnmlp; catch it to catch them all.

    >>> error = FnmlpError("linear(2)", "2 columns", "3", "pass x[:, :2]")
    >>> print(error)
    linear(2): expected 2 columns, got 3; pass x[:, :2]
    >>> error.remedy
    'pass x[:, :2]'
    """

    def __init__(self, where: str, expected: str, got: object, remedy: str) -> None:
        super().__init__(where, expected, got, remedy)
        self.where = where
        self.expected = expected
        self.got = got
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, got {self.got}; {self.remedy}"


class OptionError(FnmlpError, ValueError):
    """An option of a constructor or function is outside its range."""


class ShapeError(FnmlpError, ValueError):
    """An array or an example has the wrong shape."""


class DtypeError(FnmlpError, TypeError):
    """An array has the wrong dtype."""


class StructureError(FnmlpError, TypeError):
    """An argument has the wrong type, or two trees differ in structure."""


class DataError(FnmlpError, ValueError):
    """A data file, a data set, a batch or a label can't be used."""


class DataNotFoundError(DataError):
    """A data set was not found in any of the usual places."""


class CheckpointError(FnmlpError, ValueError):
    """A checkpoint can't be written, read, or used with this model."""


class DivergenceError(FnmlpError, ArithmeticError):
    """A loss or a parameter is no longer a finite number."""


class MissingDependencyError(FnmlpError, ImportError):
    """An optional package is not installed, or can't be imported."""

    @classmethod
    def of(cls, where: str, package: str, error: ImportError, remedy: str) -> Self:
        """Make the error for a package that is not installed, or whose import fails, with the reason.

        >>> broken = ImportError("libfreetype.so.6: cannot open shared object file")
        >>> print(MissingDependencyError.of("plots", "matplotlib", broken, "pip install matplotlib"))
        plots: expected matplotlib, got ImportError: libfreetype.so.6: cannot open shared object file; pip install ...
        """
        absent = isinstance(error, ModuleNotFoundError) and error.name is not None
        got = f"no module {error.name}" if absent else f"{type(error).__name__}: {' '.join(str(error).split())}"
        return cls(where, package, got, remedy)


def one_line(error: BaseException) -> str:
    """Return an error and its notes (which layer of which chain) in one line.

    >>> error = ShapeError("linear(2)", "(n,)", "(2, 2)", "put flatten() before it")
    >>> error.add_note("in layer 0 of chain(linear(2))")
    >>> one_line(error)
    'linear(2): expected (n,), got (2, 2); put flatten() before it (in layer 0 of chain(linear(2)))'
    """
    notes = (f"({note})" for note in getattr(error, "__notes__", ()))
    return " ".join(" ".join([str(error) or type(error).__name__, *notes]).split())


LONGEST = 200
"""The most letters that an error quotes."""


def quoted(text: str) -> str:
    r"""Return what an error may quote of a file: short, in one line, every letter printable.

    >>> quoted("a\x7fb  c")
    'a\\x7fb c'
    """
    line = " ".join(text.split())
    short = line if len(line) <= LONGEST else f"{line[:LONGEST]}…"
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in short)
