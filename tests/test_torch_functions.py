"""Layers as functions of torch: its autograd finds our gradients; and data through its loaders, both ways."""

from functools import partial, reduce
import gc
from typing import Any
import weakref

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.tree import tree_equal, tree_flatten, tree_leaves, tree_map
from tests.catalogue import PORTABLE, Specimen
from tests.optional import optional
from tests.refusals import refusal
from tests.steps import assert_close
from tests.sweep import each
from tests.torch_oracle import leaf, to_torch

torch = pytest.importorskip("torch", reason="layers are functions of its tensors")
loading = optional("torch.utils.data")
interop = pytest.importorskip("fnmlp.interop.torch", reason="it needs torch")
as_function, from_loader, to_loader = interop.as_function, interop.from_loader, interop.to_loader


@each("specimen", PORTABLE)
def test_torch_checks_the_gradients_of_every_layer(specimen: Specimen) -> None:
    params, x, _ = specimen.point(3, 2)
    leaves, rebuild = tree_flatten(params)
    function = as_function(specimen.layer)
    floats = x.dtype.kind == "f"
    inputs = [*map(leaf, leaves), *([leaf(x)] if floats else [])]
    if not inputs:
        return
    key = fn.Key(1) if specimen.noisy else None

    def output(*given: Any) -> Any:
        return function(rebuild(given[: len(leaves)]), given[-1] if floats else to_torch(x), key)

    assert torch.autograd.gradcheck(output, inputs, fast_mode=True)


@each("specimen", PORTABLE)
def test_autograd_of_a_function_is_our_vjp_in_the_tensors_dtype(specimen: Specimen) -> None:
    params, x, dy = specimen.point(3, 4, np.float32)
    torch_params = tree_map(leaf, params)
    y = as_function(specimen.layer)(torch_params, to_torch(x))
    expected, _ = fn.gradients(specimen.layer, params, x, dy)
    if tree_leaves(params):
        y.backward(to_torch(dy))
        found = tuple(one.grad.numpy() for one in tree_leaves(torch_params))
        assert_close(found, tree_leaves(expected), eps=256, at_least=1)
    else:
        assert not y.requires_grad


def test_a_layer_of_ours_and_modules_of_torch_train_together() -> None:
    layer = fn.chain(fn.linear(4), fn.maxout(3, 2))
    params = tree_map(leaf, layer.init(fn.Key(0), (3,))[0])
    head = torch.nn.Linear(3, 1)
    x, target = to_torch(np.eye(3, dtype=np.float32)), torch.arange(3.0)[:, None]
    losses = []
    for _ in range(30):
        loss = ((head(as_function(layer)(params, x)) - target) ** 2).mean()
        leaves = [*tree_leaves(params), *head.parameters()]
        with torch.no_grad():
            for own, gradient in zip(leaves, torch.autograd.grad(loss, leaves), strict=True):
                own.sub_(0.1 * gradient)
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 4


def test_numbers_that_were_changed_in_place_are_noticed() -> None:
    inputs = leaf(np.ones((2, 2))) * 1
    y = as_function(fn.tanh())((), inputs)
    inputs.mul_(3)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    with pytest.raises(RuntimeError, match="inplace"):
        as_function(fn.relu())((), leaf(np.ones((2, 2)))).mul_(3)


def test_a_second_derivative_is_refused() -> None:
    x = leaf(np.ones((1, 2)))
    (first,) = torch.autograd.grad(as_function(fn.tanh())((), x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad"):
        first.sum().backward()


def test_what_a_function_keeps_goes_with_its_output() -> None:
    x = leaf(np.ones((1, 2)))
    inputs = x * 1
    kept = weakref.ref(inputs)
    y = as_function(fn.relu())((), inputs)
    gc.disable()
    try:
        del y, inputs
        assert kept() is None
    finally:
        gc.enable()


def test_only_a_layer_becomes_a_function() -> None:
    refusal(partial(as_function, fn.relu), fn.StructureError, "as_function(layer)", "relu")


DATA = fn.Batch(np.arange(22 * 4, dtype=np.float32).reshape(22, 4) / 88, np.arange(22) % 3)
WEIGHTED = fn.Batch(DATA.inputs[::-1], DATA.targets, np.arange(22) / 8)
MODEL = fn.chain(fn.linear(5), fn.relu(), fn.linear(3))
STEP = partial(fn.train_step, MODEL, fn.cross_entropy, fn.sgd(0.5))
ORDER: dict[str, Any] = {"size": 4, "key": fn.Key(1), "epoch": 2}


def start() -> fn.TrainState:
    return fn.train_state(MODEL, fn.sgd(0.5), key=fn.Key(0), example=(4,))


@each("data", [DATA, WEIGHTED])
def test_a_loader_of_our_data_serves_our_epoch_to_the_bit(data: fn.Batch) -> None:
    expected = reduce(STEP, fn.batches(data, **ORDER), start())
    loader = to_loader(data, **ORDER)
    assert [type(part) for part in next(iter(loader))] == [torch.Tensor] * (2 if data is DATA else 3)
    assert tree_equal(reduce(STEP, loader, start()), expected)
    assert tree_equal(reduce(STEP, from_loader(loader), start()), expected)


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true but no accelerator")
def test_a_loader_with_workers_and_pinned_memory_feeds_the_fold() -> None:
    rows = loading.TensorDataset(to_torch(DATA.inputs), to_torch(DATA.targets))
    loader = loading.DataLoader(rows, batch_size=4, num_workers=2, pin_memory=True)
    found = [*from_loader(loader)]
    assert [type(batch.inputs) for batch in found] == [np.ndarray] * 6
    expected = [DATA[row : row + 4] for row in range(0, 22, 4)]
    assert tree_equal(reduce(STEP, found, start()), reduce(STEP, expected, start()))
    pinned = to_loader(DATA, num_workers=2, pin_memory=True, **ORDER)
    assert tree_equal(reduce(STEP, pinned, start()), reduce(STEP, fn.batches(DATA, **ORDER), start()))


def test_pixels_and_other_byte_orders_become_tensors() -> None:
    data = fn.Batch(np.arange(8, dtype=np.uint8).reshape(4, 2), np.arange(4.0, dtype=">f4"))
    inputs, targets = next(iter(to_loader(data, size=4, key=fn.Key(0), epoch=0)))
    assert (inputs.dtype, targets.dtype) == (torch.uint8, torch.float32)
    assert sorted(targets.tolist()) == [0, 1, 2, 3]


def test_bad_data_and_sizes_are_refused_before_the_first_batch() -> None:
    refusal(partial(to_loader, DATA, size=0, key=fn.Key(0), epoch=0), fn.OptionError, "to_loader(size)")
    refusal(partial(to_loader, 3, **ORDER), fn.StructureError, "to_loader")
    refusal(lambda: [*from_loader(3)], fn.StructureError, "from_loader")
    refusal(lambda: [*from_loader([to_torch(DATA.inputs)])], fn.StructureError, "from_loader")
