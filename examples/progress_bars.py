"""Progress bars that suit the place where they are shown: a terminal, a notebook, or none, as in a log file."""

from typing import Any
import warnings

from tqdm.std import TqdmExperimentalWarning, TqdmWarning
from tqdm.std import tqdm as terminal_bar

with warnings.catch_warnings():
    for kind in (TqdmExperimentalWarning, TqdmWarning):  # of a notebook, and of one without widgets
        warnings.simplefilter("ignore", kind)
    from tqdm.autonotebook import tqdm as suitable_bar


def progress_bar(*, hidden: bool, **options: Any) -> "terminal_bar[Any]":
    """Return a bar that vanishes when it is closed: of text on a terminal, of widgets in a notebook, elsewhere none."""
    in_terminal = suitable_bar is terminal_bar
    shown = None if in_terminal else False  # None: on a terminal alone, which a notebook is not
    return suitable_bar(leave=False, dynamic_ncols=True, disable=hidden or shown, **options)
