"""`python -m tests.torch_exchange [MODELS]` takes random models to torch and back, and prints how many it compared."""

import sys
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
import numpy as np

from fnmlp.arrays import Array, Shape
from fnmlp.interop.torch import from_torch, to_state_dict, to_torch
from fnmlp.key import Key, fold_in
from fnmlp.layer import Layer, with_parts
from fnmlp.testing.rounding import answers, largest, nudged, smallest
from fnmlp.testing.strategies import chains, models, shapes
from fnmlp.tree import Tree, tree_equal, tree_leaves, tree_map
from tests.optional import optional
from tests.steps import seeds

torch = optional("torch")

SHARE = 32
"""How many roundings, each in the worst direction, a result of these small layers may be off."""


@st.composite
def drawn(draw: st.DrawFn) -> tuple[Layer[Any], Shape]:
    """Generate the kit's models, and chains of any of its layers and combinators, noisy ones too."""
    if draw(st.booleans()):
        return draw(models())
    example = draw(shapes())
    return draw(chains(example, noise=True)), example


def rounding(layer: Layer[Any], params: Tree, x: Array) -> Array:
    """Return how far rounding may move the outputs, in float64, in units of eps.

    Each layer may err by some units in the last place of its parameters, which covers sums in any order, and of the
    largest number that it reads or returns in a row, which covers formulas in which these cancel. The output moves by
    what remains of that.
    """
    found: Array = answers(lambda key: _nudged(layer, params, x, key), layer.apply(params, x), Key(0))
    return found


def _nudged(layer: Layer[Any], params: Tree, x: Array, key: Key) -> Array:
    y: Array = _erring(layer, key).apply(params, nudged(x, np.abs(x), fold_in(key, 0)))
    return y


def _erring(layer: Layer[Any], key: Key) -> Layer[Any]:
    """Return a layer of layers that err."""
    if layer.parts:
        return with_parts(layer, [_erring(part, fold_in(key, place)) for place, part in enumerate(layer.parts)])

    def apply(params: Tree, x: Array) -> Array:
        moved = tree_map(lambda leaf: nudged(leaf, np.abs(leaf), fold_in(key, 1)), params)
        y = layer.apply(moved, x)
        return nudged(y, np.abs(y) + max(largest(x), largest(y)), fold_in(key, 2))

    return Layer(layer.name, layer.init, apply, layer.vjp)


def check_exchange(layer: Layer[Any], example: Shape, seed: int) -> None:
    """Take a model to torch, back, and to torch again: the same bits, and the same outputs to rounding."""
    params, _ = layer.init(Key(seed), example)
    x = np.random.default_rng(seed).normal(size=(5, *example)).astype(np.float32)
    module = to_torch(layer, params, wrap=True)
    again, same = from_torch(module)
    assert [leaf.tobytes() for leaf in tree_leaves(same)] == [leaf.tobytes() for leaf in tree_leaves(params)]
    state = {name: tensor.numpy() for name, tensor in to_torch(again, same, wrap=True).state_dict().items()}
    assert all(tree_equal(tensor.numpy(), state[name]) for name, tensor in module.state_dict().items())
    assert {*state} == {*to_state_dict(layer, params)}
    found = module(torch.from_numpy(x)).detach().numpy()
    wide, wide_x = tree_map(np.float64, params), x.astype(np.float64)
    eps = float(np.finfo(np.float32).eps)
    bound = SHARE * eps * rounding(layer, wide, wide_x) + smallest(np.float32, largest((wide, wide_x)))
    for y in (found, again.apply(same, x), layer.apply(params, x)):
        assert y.dtype == np.float32
        assert (np.abs(y - layer.apply(wide, wide_x)) <= bound).all()


def main(count: int) -> None:
    """Check this many random models."""
    compared = []

    @settings(max_examples=count, deadline=None, phases=[Phase.generate], suppress_health_check=[*HealthCheck])
    @given(model=drawn(), seed=seeds)
    def check(model: tuple[Layer[Any], Shape], seed: int) -> None:
        check_exchange(*model, seed)
        compared.append(model[0].name)

    check()
    print(f"{len(compared)} models, {len({*compared})} of them different: all came back to the bit")  # noqa: T201


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
