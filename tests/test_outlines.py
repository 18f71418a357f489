"""The table of a model: every layer in a row, shapes as `init` declares them, and each parameter counted once."""

from functools import partial
from math import prod
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.arrays import Shape
from fnmlp.layer import combinator
from fnmlp.tree import Tree
from tests.catalogue import LAYERS, Specimen

LINEAR = fn.linear(3)
HELD = LINEAR.init(fn.Key(0), (3,))[0]


def lines(model: fn.Layer[Any], example: Shape) -> list[str]:
    return [" ".join(line.split()) for line in fn.summary(model, example).splitlines()]


def size_of(tree: Tree) -> int:
    return sum(prod(leaf.shape) for leaf in fn.tree_leaves(tree))


@pytest.mark.parametrize("specimen", LAYERS, ids=repr)
def test_the_total_is_what_init_makes_and_what_frozen_layers_hold(specimen: Specimen) -> None:
    params, shape = specimen.layer.init(fn.Key(0), specimen.example)
    table = lines(specimen.layer, specimen.example)
    held = size_of(linear_of_the_catalogue()) if specimen.layer.name.startswith("frozen") else 0
    total = next(line for line in table if line.startswith("Total"))
    assert total.split()[1] == str(size_of(params) + held)
    assert str(shape) in fn.summary(specimen.layer, specimen.example)


def linear_of_the_catalogue() -> Tree:
    return fn.linear(2).init(fn.Key(0), (3,))[0]


def test_each_layer_of_a_chain_has_a_row() -> None:
    assert lines(fn.chain(fn.flatten(), fn.linear(4, bias=False), fn.relu()), (2, 3)) == [
        "Layer Output shape Parameters",
        "flatten() (6,) 0",
        "linear(4, bias=False) (4,) 24",
        "relu() (4,) 0",
        "Total 24 96 bytes",
    ]


def test_equal_copies_share_a_row_that_counts_them_all() -> None:
    # The first copy takes other examples than the others, and has another number of parameters.
    assert lines(fn.repeat(fn.chain(fn.linear(4), fn.repeat(fn.linear(4), 2)), 3), (3,)) == [
        "Layer Output shape Parameters",
        "repeat (4,)",
        "chain (4,)",
        "linear(4) (4,) 16",
        "repeat (4,)",
        "2 x linear(4) (4,) 40",
        "2 x chain (4,)",
        "linear(4) (4,) 40",
        "repeat (4,)",
        "2 x linear(4) (4,) 80",
        "Total 176 704 bytes",
    ]


def test_parameters_that_are_tied_count_once() -> None:
    assert lines(fn.tied(LINEAR, LINEAR, LINEAR), (3,)) == [
        "Layer Output shape Parameters",
        "tied (3,)",
        "linear(3) (3,) 12",
        "2 x linear(3) (3,) shared",
        "Total 12 48 bytes",
    ]


def test_frozen_parameters_are_marked_and_totalled_apart() -> None:
    assert lines(fn.chain(fn.frozen(fn.strict(LINEAR), HELD), fn.relu(), fn.linear(1)), (3,)) == [
        "Layer Output shape Parameters",
        "frozen (3,)",
        "strict (3,)",
        "linear(3) (3,) 12 frozen",
        "relu() (3,) 0",
        "linear(1) (1,) 4",
        "Total 16 64 bytes",
        "Trainable 4 16 bytes",
        "Frozen 12 48 bytes",
    ]


def _gained_init(name: str, layers: tuple[fn.Layer[Any], ...], key: fn.Key, shape: Shape) -> tuple[Tree, Shape]:
    params, out = layers[0].init(key, shape)
    return (np.ones(1, np.float32), params), out


def test_a_combinator_of_ones_own_shows_the_layers_and_the_parameters_that_it_adds() -> None:
    mine: Any = combinator(
        "gained(linear(3))", (LINEAR,), _gained_init, no_layer, no_layer, deal=lambda params: params[1:]
    )
    assert lines(mine, (3,))[1:] == ["gained (3,) 1", "linear(3) (3,) 12", "Total 13 52 bytes"]
    closed = fn.Layer("closed()", partial(_gained_init, "closed()", (LINEAR,)), LINEAR.apply, LINEAR.vjp)
    assert lines(closed, (3,))[1:] == ["closed() (3,) 13", "Total 13 52 bytes"]


def test_a_long_name_is_cut() -> None:
    name = "f(" + "1, " * 900 + "1)"
    assert lines(fn.Layer(name, *[no_layer] * 3), (3,))[1] == f"{name[:47]}… (3,) 0"


def no_layer(*_: object) -> Any:
    return (), (3,)


@pytest.mark.parametrize(
    ("width", "size"), [(1, "8 bytes"), (999, "8.0 kB"), (10**6, "8.0 MB"), (10**9, "8.0 GB"), (10**13, "80000.0 GB")]
)
def test_nothing_is_drawn_however_large_the_model(width: int, size: str) -> None:
    assert lines(fn.linear(width), (1,))[-1] == f"Total {2 * width:,} {size}"


def test_a_model_that_does_not_fit_its_examples_is_refused_with_the_place() -> None:
    with pytest.raises(fn.ShapeError, match="flatten") as refused:
        fn.summary(fn.chain(fn.relu(), fn.residual(LINEAR)), (8, 8))
    assert refused.value.__notes__ == [
        "in the layer of residual(linear(3))",
        "in layer 1 of chain(relu(), residual(linear(3)))",
    ]


def test_what_is_no_layer_or_no_shape_is_refused() -> None:
    with pytest.raises(fn.StructureError, match=r"summary\(model\): expected a Layer"):
        fn.summary(fn.linear, (8,))  # type: ignore[arg-type]
    with pytest.raises(fn.ShapeError, match=r"summary\(example\): .* got 8; write \(8,\)"):
        fn.summary(LINEAR, 8)  # type: ignore[arg-type]
