"""Training on torch tensors: no copy of a gradient, nobody waits for a value, and steps that torch can trace."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import CheckpointError, OptionError
from fnmlp.optimizers.core import apart, owned, spending
from fnmlp.tree import tree_equal, tree_flatten, tree_leaves, tree_map
from tests.catalogue import OPTIMIZERS
from tests.specimens import OptimizerSpecimen
from tests.sweep import each

torch = pytest.importorskip("torch", reason="torch is not installed")

MODEL = fn.chain(fn.linear(4), fn.relu(), fn.linear(2))
NUMPY = np.zeros(())


def state_of(optimizer: fn.Optimizer, device: str = "cpu") -> fn.TrainState:
    state = fn.train_state(MODEL, optimizer, key=fn.Key(0), example=(3,))
    return fn.to(state, like=torch.zeros((), device=device))


@each("specimen", OPTIMIZERS)
def test_a_step_waits_for_no_value(specimen: OptimizerSpecimen) -> None:
    # Tensors on torch's device "meta" have no values: whatever reads one raises.
    state = state_of(specimen.optimizer, "meta")
    batch = fn.Batch(torch.zeros((8, 3), device="meta"), torch.zeros((8, 2), device="meta"))
    for _ in range(2):
        state = fn.train_step(MODEL, fn.mse, specimen.optimizer, state, batch)
    loss: Any = state.loss
    assert loss.device.type == "meta"
    assert {leaf.device.type for leaf in tree_leaves(state.params)} == {"meta"}


def test_gradients_that_a_step_owns_are_not_copied_and_others_are() -> None:
    params, grads = (torch.zeros(3), torch.zeros((2, 2))), (torch.ones(3), torch.ones((2, 2)))
    moved, _ = spending(fn.sgd(0.5))(params, grads, ())
    assert [leaf.data_ptr() for leaf in moved] == [leaf.data_ptr() for leaf in grads]
    whole, loss = torch.ones(3), torch.ones(3, requires_grad=True)
    for held in (whole[:2], whole.view(3, 1), loss, loss * 1):
        assert owned((held,))[0].data_ptr() != held.data_ptr()
    assert owned((whole, whole))[0] is not whole
    for shared in (whole, whole.detach(), whole[:2]):
        assert apart((shared,), (whole,))[0].data_ptr() != shared.data_ptr()
    assert apart(grads, params) is grads
    before = tree_map(torch.clone, grads)
    fn.sgd(0.5).update(params, grads, ())
    assert all(map(torch.equal, grads, before))


def test_a_state_is_saved_as_numpys_and_continues_on_either(tmp_path: Path) -> None:
    optimizer, place = fn.adam(0.1), tmp_path / "state"
    batch = fn.Batch(torch.ones((2, 3)), torch.ones((2, 2)))
    state = fn.train_step(MODEL, fn.mse, optimizer, state_of(optimizer), batch)
    there = fn.to(state, like=NUMPY)
    assert isinstance(there.loss, float)
    fn.save(place, state, {})
    assert tree_equal(fn.resume(place, fn.train_state(MODEL, optimizer, key=fn.Key(1), example=(3,))), there)
    back = fn.resume(place, state_of(optimizer))
    assert all(isinstance(leaf, torch.Tensor) for leaf in tree_leaves(back.params))
    assert tree_equal(fn.to(back, like=NUMPY), there)


@each("tensor", [torch.zeros(2, dtype=torch.bfloat16), torch.zeros(2, device="meta")])
def test_tensors_that_numpy_can_not_hold_are_refused_in_a_file(tensor: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="expected an array that NumPy can hold"):
        fn.save(tmp_path / "file", (tensor,), {})


@each("make", [fn.sgd, fn.adam, fn.rmsprop])
def test_torch_traces_a_step_as_one_graph_and_compiles_it(
    make: Callable[[float], fn.Optimizer],
) -> None:
    # torch.compile can't follow the constructors of frozen attrs classes, which set fields through object.__setattr__.
    # make_fx records the operations instead, and torch.compile takes the graph.
    make_fx = pytest.importorskip("torch.fx.experimental.proxy_tensor").make_fx
    optimizer = make(0.25)
    state = state_of(optimizer)
    leaves, rebuild = tree_flatten(state.params)
    random = torch.Generator().manual_seed(0)
    batch = torch.randn((8, 3), generator=random), torch.randn((8, 2), generator=random)

    def step(leaves: Any, inputs: Any, targets: Any) -> Any:
        params = rebuild(leaves)
        value, grads = fn.value_and_grad(MODEL, fn.mse, params, fn.Batch(inputs, targets))
        return value, tree_leaves(optimizer.update(params, grads, state.optimizer_state)[0])

    graph = torch.compile(make_fx(step)(leaves, *batch), backend="eager", fullgraph=True)
    halves = [leaf / 2 for leaf in leaves], *batch
    (value, moved), (found, traced) = step(*halves), graph(*halves)
    assert torch.equal(value, found)
    assert all(map(torch.equal, moved, traced))


def test_a_number_without_a_value_is_refused_by_name_where_it_must_be_known() -> None:
    with pytest.raises(OptionError, match=r"dropout\(rate\): expected a number of at least 0 and below 1"):
        fn.dropout(torch.zeros((), device="meta"))
