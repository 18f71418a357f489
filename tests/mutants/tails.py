"""Gradients that are wrong only in a part of the line: in a tail, near 0, at a kink or beside one."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from fnmlp.arrays import Array
from fnmlp.key import Key
from fnmlp.layer import Layer
from fnmlp.losses import Loss
from fnmlp.testing.cases import LARGEST_OUTPUT, LayerCase
from fnmlp.testing.numeric import normal
from fnmlp.tree import Tree
from tests.catalogue import Specimen
from tests.specimens import LossSpecimen

Region = Callable[[Array], Array]
"""Numbers -> where the gradient is wrong."""

Slip = Callable[[Array, Array], Array]
"""(right gradient, what a leak adds) -> wrong gradient."""

SLIPS: dict[str, Slip] = {
    "0.1 % too steep": lambda g, _: g * g.dtype.type(1.001),
    "leaking": lambda g, leak: g + g.dtype.type(1e-3) * leak,
}


def _above(limit: float, x: Array) -> Array:
    return x > limit


def _below(limit: float, x: Array) -> Array:
    return x < -limit


def _around_zero(limit: float, x: Array) -> Array:
    return np.abs(x) < limit


REGIONS: dict[str, tuple[Region, float]] = {
    **{f"above {limit}": (partial(_above, limit), 1.5 * limit) for limit in (3, 10, 30, 100, 300)},
    **{f"below -{limit}": (partial(_below, limit), -1.5 * limit) for limit in (3, 5, 30, 100, 300)},
    "within 0.01": (partial(_around_zero, 0.01), 0.005),
}
"""A part of the line, and a number in it."""


def tail_mutants(specimen: Specimen) -> Iterator[tuple[str, Layer[Any]]]:
    """Make the gradient of the input wrong in each part of the line where it shows."""
    layer = specimen.layer
    for where, (region, inside) in REGIONS.items():
        for name, slip in SLIPS.items():
            wrong = Layer(layer.name, layer.init, layer.apply, partial(_wrong_in, region, slip, layer))
            if _shows(specimen, wrong, inside):
                yield f"dx: {name} {where}", wrong
    for kink in specimen.kinks:
        for where, region in _parts_of_kink(kink).items():
            steep = partial(_wrong_in, region, _twice_too_many, layer)
            yield f"dx: wrong {where} {kink}", Layer(layer.name, layer.init, layer.apply, steep)


def _parts_of_kink(kink: float) -> dict[str, Region]:
    return {
        "at": lambda x: x == kink,
        "next to": lambda x: (x != kink) & (np.abs(x - kink) < 1e-9),
        "near": lambda x: (np.abs(x - kink) > 1e-9) & (np.abs(x - kink) < 0.01),
    }


def _twice_too_many(g: Array, leak: Array) -> Array:
    return g + 2 * leak


def _wrong_in(region: Region, slip: Slip, layer: Layer[Any], params: Tree, x: Array, key: Key | None) -> Any:
    y, right = layer.vjp(params, x, key)

    def pullback(dy: Array) -> Any:
        dparams, delayed_dx = right(dy)
        leak = dy if dy.shape == x.shape else np.ones_like(x) * dy.sum(dtype=x.dtype)
        return dparams, lambda: np.where(region(x), slip(delayed_dx(), leak.astype(x.dtype)), delayed_dx())

    return y, pullback


def _shows(specimen: Specimen, wrong: Layer[Any], inside: float) -> bool:
    """Tell whether the gradient differs if one number is inside the region, and the output is one that is looked at."""
    case = LayerCase(specimen.layer, specimen.example, Key(0), 4)
    flat = case.x.reshape(4, -1).copy()
    flat[0, 0] = inside
    x = flat.reshape(case.x.shape)
    with np.errstate(all="ignore"):
        right, other = (LayerCase(one, specimen.example, Key(0), 4) for one in (specimen.layer, wrong))
        (y, _, dx), (_, _, wrong_dx) = (one.run(case.params, x, case.dy) for one in (right, other))
    seen = 1e-250 if case.elementwise else 1e-9 * np.abs(dx).max()
    return bool((np.abs(y) < LARGEST_OUTPUT).all() and (np.abs(wrong_dx - dx) > seen).any())


def loss_tail_mutants(specimen: LossSpecimen) -> Iterator[tuple[str, Loss]]:
    """Make the gradient of a loss wrong in each part of the line where it shows."""
    for where, (region, inside) in REGIONS.items():
        for name, slip in SLIPS.items():
            wrong = partial(_wrong_loss, specimen.loss, region, slip)
            if _loss_shows(specimen, wrong, inside):
                yield f"dy: {name} {where}", wrong
    for kink in specimen.kinks:
        for where, region in _parts_of_kink(kink).items():
            yield f"dy: wrong {where} {kink}", partial(_wrong_kink, specimen.loss, region)


def _wrong_loss(loss: Loss, region: Region, slip: Slip, y: Array, target: Array) -> tuple[Any, Array]:
    value, dy = loss(y, target)
    return value, np.where(region(y), slip(dy, np.full_like(dy, 1 / max(dy.size, 1))), dy)


def _wrong_kink(loss: Loss, region: Region, y: Array, target: Array) -> tuple[Any, Array]:
    value, dy = loss(y, target)
    middle = target if target.shape == y.shape else y[np.arange(len(y)), target][:, None]
    return value, np.where(region(y - middle), dy + dy.dtype.type(2), dy)


def _loss_shows(specimen: LossSpecimen, wrong: Loss, inside: float) -> bool:
    y = normal(Key(0), (4, 4))
    y[:, 0] = inside
    target = specimen.targets(y, 0)
    (_, dy), (_, wrong_dy) = (loss(y, target) for loss in (specimen.loss, wrong))
    return bool((np.abs(dy) < LARGEST_OUTPUT).all() and (np.abs(wrong_dy - dy) > 1e-9 * np.abs(dy).max()).any())
