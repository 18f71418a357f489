"""Layers and losses on torch: every law of the kit there, without a synchronisation, and mapped by torch.func."""

from collections.abc import Callable
from functools import partial
import re
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.losses import Loss
from fnmlp.tree import Tree, tree_flatten, tree_leaves, tree_map
from tests.catalogue import LAYERS, LOSSES, PORTABLE, Specimen
from tests.specimens import LossSpecimen
from tests.steps import assert_close, draw
from tests.sweep import each
from tests.torch_oracle import leaf, to_torch

torch = pytest.importorskip("torch", reason="these laws are checked on torch's tensors")

NORMAL, WIDE = 0, 7
"""Seeds of the kit's trials: of normally distributed numbers, and of numbers of all magnitudes."""


def test_all_layers_but_those_that_are_strict_run_on_torch() -> None:
    assert {specimen.layer.name.partition("(")[0] for specimen in LAYERS if not specimen.portable} == {"strict"}


@each("specimen", PORTABLE)
@each("seed", [NORMAL, WIDE])
def test_layers_keep_every_law_on_torch(specimen: Specimen, seed: int) -> None:
    specimen.check(on="torch", seed=seed, trials=1)


@each("specimen", LOSSES)
@each("seed", [NORMAL, WIDE])
def test_losses_keep_every_law_on_torch(specimen: LossSpecimen, seed: int) -> None:
    """The bug: autograd found the tensors that it had kept changed in place, in 17 of 32 losses."""
    specimen.check(on="torch", seed=seed, trials=1)


SMOOTH_AT_0 = [
    specimen
    for specimen in PORTABLE
    if specimen.differentiable and not {0} & set(specimen.kinks) and not re.search("relu|selu", specimen.layer.name)
]
"""Layers without a kink at 0. At a kink torch and JAX take the mean of both slopes, and we that of one side."""


@each("specimen", SMOOTH_AT_0)
def test_torchs_derivative_of_a_smooth_layer_is_right_at_0(specimen: Specimen) -> None:
    """The bug: of the sigmoid it was 0, for its formula has a maximum of two numbers that are equal there."""
    for place in (slice(0, None), slice(0, None, 2), slice(2, None)):  # one half of glu gates the other
        params, x, dy = specimen.point(0, 3)
        x[..., place] = 0
        at = leaf(x)
        (found,) = torch.autograd.grad(specimen.layer.apply(tree_map(to_torch, params), at), at, to_torch(dy))
        assert_close((found.numpy(),), (fn.gradients(specimen.layer, params, x, dy)[1],), eps=256, at_least=1)


def results(layer: fn.Layer[Any], point: Any, key: fn.Key | None = None) -> tuple[Any, ...]:
    """Return all that a layer computes from parameters, inputs and a cotangent, as leaves."""
    params, x, dy = point
    y, pullback = layer.vjp(params, x, key)
    gradient, delayed_dx = pullback(dy)
    return layer.apply(params, x), y, *tree_leaves(gradient), delayed_dx()


def nowhere(tree: Tree) -> Any:
    """Return tensors without data: whoever asks for a number raises, as he would wait for a GPU."""
    return tree_map(lambda x: to_torch(x).to("meta"), tree)


@each("specimen", PORTABLE)
@each("key", [None, fn.Key(3)])
def test_no_layer_waits_for_a_number(specimen: Specimen, key: fn.Key | None) -> None:
    """The bug: the ids of an embedding were read before the next operation could start."""
    point = specimen.point(3, 4, np.float32)
    found = results(specimen.layer, nowhere(point), key)
    expected = results(specimen.layer, point, key)
    assert [tuple(x.shape) for x in found] == [x.shape for x in expected]
    assert {x.device.type for x in found} == {"meta"}


WEIGHTS = np.array([1.0, 0.0, 2.0, 0.5, 3.0], np.float32)


@each("specimen", LOSSES)
@each("weighted", [False, True])
def test_no_loss_waits_for_a_number(specimen: LossSpecimen, weighted: bool) -> None:
    """The bug: targets and the sum of the weights were read to check them."""
    y = draw(0, (5, 4), np.float32)
    options = {"sample_weights": nowhere(WEIGHTS)} if weighted else {}
    value, dy = specimen.loss(*nowhere((y, specimen.targets(y, 1))), **options)
    assert {str(value.device), str(dy.device)} == {"meta"}
    assert dy.shape == y.shape


@each(
    "loss",
    [
        partial(fn.cross_entropy, ignore_label=1, sample_weights=WEIGHTS),
        partial(fn.nll, class_weights=(1.0, 2.0, 0.0, 4.0), ignore_label=1),
        partial(fn.focal, ignore_label=1),
        partial(fn.hinge, sample_weights=WEIGHTS.tolist()),
    ],
)
def test_no_option_of_a_loss_waits_for_a_number(loss: Loss) -> None:
    _, dy = loss(*nowhere((draw(0, (5, 4), np.float32), np.array([0, 1, 2, 3, 0]))))
    assert dy.shape == (5, 4)


def test_numbers_that_torch_needs_twice_are_copied_and_no_others() -> None:
    plain, kept = to_torch(WEIGHTS), leaf(WEIGHTS)
    assert fn.arrays.owned(plain) is plain
    assert fn.arrays.owned(kept) is not kept


def stacked(points: list[Tree]) -> tuple[list[Any], Callable[..., Tree]]:
    """Return the leaves of several trees with an axis of trees in front, and what makes a tree of leaves."""
    return [to_torch(np.stack(leaves)) for leaves in zip(*map(tree_leaves, points), strict=True)], tree_flatten(
        points[0]
    )[1]


@each("specimen", PORTABLE)
def test_vmap_runs_several_networks_at_once(specimen: Specimen) -> None:
    points = [specimen.point(seed, 4, np.float32) for seed in (3, 4)]
    leaves, rebuild = stacked(points)
    found = torch.func.vmap(lambda *own: results(specimen.layer, rebuild(own)))(*leaves)
    expected = [np.stack(pair) for pair in zip(*(results(specimen.layer, point) for point in points), strict=True)]
    assert_close(tuple(found), tuple(expected), eps=256, at_least=1)


@each("specimen", [specimen for specimen in PORTABLE if specimen.by_row])
def test_vmap_runs_over_rows(specimen: Specimen) -> None:
    point = specimen.point(3, 4, np.float32)
    params, x, dy = tree_map(to_torch, point)

    def one(x: Any, dy: Any) -> Any:
        y, *_, dx = results(specimen.layer, (params, x[None], dy[None]))
        return y[0], dx[0]

    y, *_, dx = results(specimen.layer, point)
    assert_close(torch.func.vmap(one)(x, dy), (y, dx), eps=256, at_least=1)


UNMAPPED = {"l1": "the sign of array-api-compat sets NaN by a mask, which torch.func.vmap refuses"}


@each("specimen", [specimen for specimen in LOSSES if specimen.name.partition("(")[0] not in UNMAPPED])
def test_vmap_runs_a_loss_and_torchs_derivative_of_it_over_batches(specimen: LossSpecimen) -> None:
    y = draw(0, (2, 5, 4), np.float32)
    targets = np.stack([specimen.targets(one, seed) for seed, one in enumerate(y)])
    value, dy = torch.func.vmap(specimen.loss)(to_torch(y), to_torch(targets))
    derivative = torch.func.grad(lambda y, target: specimen.loss(y, target)[0].sum())
    found = torch.func.vmap(derivative)(to_torch(y), to_torch(targets))
    expected = [specimen.loss(*pair) for pair in zip(y, targets, strict=True)]
    values, gradients = (np.stack(parts) for parts in zip(*expected, strict=True))
    assert_close((value, dy, found), (values, gradients, gradients), eps=256, at_least=1)


def test_what_vmap_does_not_run_is_named() -> None:
    y = to_torch(draw(0, (2, 5, 4), np.float32))
    for name, loss in (("l1", fn.l1),):
        assert UNMAPPED[name]
        with pytest.raises(RuntimeError, match="boolean mask"):
            torch.func.vmap(loss)(y, 0 * y)
