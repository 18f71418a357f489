"""A consumer of a run's states that logs numbers, histograms and pictures for TensorBoard."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from itertools import chain
from math import ceil, isqrt
import os
from time import time
from typing import Any, TypeAlias, TypeVar

import numpy as np

from fnmlp.arrays import Array, as_array
from fnmlp.checks import as_iterator, as_path, check_function, check_kind
from fnmlp.errors import OptionError, ShapeError
from fnmlp.interop.tensorboard.files import event_file
from fnmlp.interop.tensorboard.messages import histogram, picture, scalar, summary
from fnmlp.moving import as_numpy
from fnmlp.scalars import as_natural, is_number
from fnmlp.tree import Tree, tree_paths

__all__ = ["log_events"]

State = TypeVar("State")
Values: TypeAlias = Callable[[State], Mapping[str, Any]]
"""state -> what to log about it, by tags such as "loss/train"; an empty mapping logs nothing."""


def log_events(
    states: Iterable[State],
    folder: str | os.PathLike[str],
    *,
    scalars: Values[State] | None = None,
    histograms: Values[State] | None = None,
    images: Values[State] | None = None,
    step_of: Callable[[State], int] | None = None,
) -> Generator[State, None, None]:
    """Pass states on, and log for TensorBoard what your functions return for each: its tags and their values.

    `scalars` returns numbers. `histograms` returns trees, such as parameters or gradients; each leaf has a histogram of
    its own, tagged with its path. `images` returns images of grey levels (height, width), or several of one size
    (n, height, width), which are joined to one. Each state counts as one step after the one before; `step_of` returns
    the number of a state's step instead. A state that is logged is safe even if the process is killed. When a run is
    resumed with the same folder, what had been logged about its first state and later ones is dropped, so that no point
    is there twice. Look at the files with `tensorboard --logdir FOLDER`.
    Raises:   DataError if the folder can't be made or written to; StructureError and OptionError for values of other
              kinds; ShapeError for other images.

    >>> import tempfile
    >>> from itertools import accumulate
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     states = accumulate([1.0, 2.0, 3.0], initial=0.0)
    ...     [*log_events(states, folder, scalars=lambda state: {"sum": state})], len(os.listdir(folder))
    ([0.0, 1.0, 3.0, 6.0], 1)
    """
    given = {"scalars": (scalars, _scalars), "histograms": (histograms, _histograms), "images": (images, _images)}
    passed = as_iterator("log_events(states)", states, "states")
    written = []
    for name, (values, write) in given.items():
        if values is not None:
            check_function(f"log_events({name})", values, 1, 'lambda state: {"loss": state.loss}')
            written.append((name, values, write))
    if step_of is not None:
        check_function("log_events(step_of)", step_of, 1, "lambda state: state.step")
    return _logging(_numbered(passed, step_of), as_path(folder), written)


def _numbered(states: Iterator[State], step_of: Callable[[State], int] | None) -> Iterator[tuple[int, State]]:
    if step_of is None:
        return enumerate(states)
    return ((as_natural("log_events(step_of)", step_of(state)), state) for state in states)


def _logging(
    numbered: Iterator[tuple[int, State]], folder: str, written: list[tuple[str, Values[State], Any]]
) -> Generator[State, None, None]:
    first = next(numbered, None)
    if first is None:
        return
    with event_file(folder, first[0]) as add:
        for number, state in chain([first], numbered):
            values = [value for name, told, write in written for value in _of(name, told(state), write)]
            if values:
                add(summary(time(), number, values))
            yield state


def _of(name: str, values: Mapping[str, Any], write: Callable[[str, Any], Iterator[bytes]]) -> Iterator[bytes]:
    check_kind(f"log_events({name})", values, Mapping, '{"loss": 0.5}')
    for tag, value in values.items():
        check_kind(f"log_events({name}): a tag", tag, str, "'loss'")
        yield from filter(None, write(tag, value))


def _scalars(tag: str, value: Any) -> Iterator[bytes]:
    if not is_number(value):
        raise OptionError(f"log_events(scalars): {tag}", "a number", repr(value), "leave it out, or return a number")
    yield scalar(tag, float(value))


def _histograms(tag: str, tree: Tree) -> Iterator[bytes]:
    for path, leaf in tree_paths(tree):
        where = f"{tag}/{path}" if path else tag
        yield histogram(where, as_numpy(as_array(f"log_events(histograms): {where}", leaf)))


def _images(tag: str, images: Array) -> Iterator[bytes]:
    where = f"log_events(images): {tag}"
    pixels = as_numpy(as_array(where, images))
    if pixels.ndim not in (2, 3) or not pixels.size:
        expected = "shape (height, width) or (n, height, width)"
        raise ShapeError(where, expected, pixels.shape, "leave it out if there is no image")
    yield picture(tag, pixels if pixels.ndim == 2 else _joined(pixels))


def _joined(images: Array) -> Array:
    """Lay images out in rows, with a line of the darkest level between them."""
    number, height, width = images.shape
    columns = isqrt(number - 1) + 1
    rows = ceil(number / columns)
    sheet = np.full((rows * columns, height + 1, width + 1), images.min(), images.dtype)
    sheet[:number, :height, :width] = images
    grid = sheet.reshape(rows, columns, height + 1, width + 1).swapaxes(1, 2)
    return grid.reshape(rows * (height + 1), columns * (width + 1))[:-1, :-1]
