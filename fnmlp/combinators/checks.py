"""Checks that combinators share, of layers and parameters, and the note that adds a place to an error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from fnmlp.errors import FnmlpError, ShapeError, StructureError
from fnmlp.layer import Layer
from fnmlp.tree import Tree, tree_map, tree_paths

Layers: TypeAlias = tuple[Layer[Any], ...]

NAME_LIMIT = 400
"""The number of characters of a name that an error shows; a name with the means of many features has thousands."""


def check_layers(where: str, layers: Layers, *, least: int = 0) -> None:
    """Raise unless all arguments are layers, and there are enough of them.

    >>> check_layers("add", (), least=1)
    Traceback (most recent call last):
    fnmlp.errors.StructureError: add: expected at least 1 layer, got 0; pass layers, as in add(linear(10))
    """
    for place, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            remedy = "call the constructor, as in relu()" if callable(layer) else "pass layers only"
            raise StructureError(f"{where}: argument {place}", "a Layer", repr(layer), remedy)
    if len(layers) < least:
        raise StructureError(where, f"at least {least} layer", len(layers), f"pass layers, as in {where}(linear(10))")


def check_params(where: str, layers: Layers, params: Tree) -> None:
    """Raise unless there is one tree of parameters for each layer."""
    if not isinstance(params, tuple) or len(params) != len(layers):
        got = f"a tuple of {len(params)}" if isinstance(params, tuple) else type(params).__name__
        raise StructureError(shown(where), f"a tuple of {len(layers)} parameter trees", got, "pass what init returned")


def check_same_form(where: str, expected: Tree, got: Tree, remedy: str) -> None:
    """Raise unless parameters have the same structure and shapes.

    >>> import numpy as np
    >>> check_same_form("tied", (np.zeros(2),), (np.zeros(3),), "use one width")
    Traceback (most recent call last):
    fnmlp.errors.ShapeError: tied: params[0]: expected shape (2,), got (3,); use one width
    """
    try:
        tree_map(_first, expected, got)
    except StructureError as error:
        error.add_note(f"in {where}; {remedy}")
        raise
    for (path, left), (_, right) in zip(tree_paths(expected, "params"), tree_paths(got, "params"), strict=True):
        if tuple(left.shape) != tuple(right.shape):
            raise ShapeError(f"{where}: {path}", f"shape {tuple(left.shape)}", tuple(right.shape), remedy)


def _first(*leaves: object) -> object:
    return leaves[0]


@contextmanager
def place_noted(place: str, name: str) -> Iterator[None]:
    """Add a note to an error that says which layer it came from.

    >>> with place_noted("layer 1", "chain(relu(), linear(2))"):
    ...     raise FnmlpError("linear(2)", "2", 3, "pass 2")
    Traceback (most recent call last):
    fnmlp.errors.FnmlpError: linear(2): expected 2, got 3; pass 2
    in layer 1 of chain(relu(), linear(2))
    """
    try:
        yield
    except FnmlpError as error:
        error.add_note(f"in {place} of {shown(name)}")
        raise


def shown(name: str) -> str:
    """Shorten a name for an error.

    >>> len(shown("chain(" + "relu(), " * 1000 + "relu())"))
    401
    """
    return name if len(name) <= NAME_LIMIT else f"{name[:NAME_LIMIT]}…"
