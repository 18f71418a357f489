"""JAX takes the parameters of every layer and the state of every optimiser as trees."""

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.tree import Tree
from tests.catalogue import LAYERS, OPTIMIZERS, Specimen
from tests.specimens import OptimizerSpecimen
from tests.sweep import each

jax = pytest.importorskip("jax", reason="fnmlp.interop.jax registers trees with JAX")
pytest.importorskip("fnmlp.interop.jax", reason="it needs jax")


def same_leaves(tree: Tree) -> bool:
    ours, theirs = fn.tree_leaves(tree), jax.tree.leaves(tree)
    return len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))


@each("specimen", LAYERS)
def test_parameters_have_the_same_leaves_for_jax(specimen: Specimen) -> None:
    """A record had to be listed in fnmlp/interop/jax.py too, and jit refused that of a new layer."""
    assert same_leaves(specimen.layer.init(fn.Key(0), specimen.example)[0])


@each("specimen", OPTIMIZERS)
def test_states_have_the_same_leaves_for_jax(specimen: OptimizerSpecimen) -> None:
    params, _ = fn.chain(fn.linear(2), fn.linear(2)).init(fn.Key(0), (3,))
    assert same_leaves(specimen.optimizer.init(params))
