"""What all combinators keep: they name the place of an error, refuse what is not a layer, and are built from names."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.tree import Tree
from tests.steps import draw


@pytest.mark.parametrize(
    "make",
    [
        lambda: fn.residual(fn.relu),  # type: ignore[arg-type]
        lambda: fn.concat(fn.relu(), fn.relu),  # type: ignore[arg-type]
        lambda: fn.add([fn.relu()]),  # type: ignore[arg-type]
        lambda: fn.parallel(3, widths=(1,)),  # type: ignore[arg-type]
        lambda: fn.repeat(fn.relu, 2),  # type: ignore[arg-type]
        lambda: fn.tied(fn.relu(), None),  # type: ignore[arg-type]
        lambda: fn.frozen(fn.relu, ()),  # type: ignore[arg-type]
        fn.concat,
        fn.add,
        fn.tied,
        lambda: fn.parallel(widths=()),
    ],
)
def test_what_is_no_layer_and_no_layer_at_all_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(fn.StructureError, match=r"expected (a Layer|at least 1 layer)"):
        make()


WRONG = fn.Linear(np.zeros((9, 2), np.float32), np.zeros(2, np.float32))


BAD = fn.linear(2)


@pytest.mark.parametrize(
    ("model", "params", "note"),
    [
        (fn.residual(BAD), WRONG, "in the layer of residual(linear(2))"),
        (fn.concat(fn.relu(), BAD), ((), WRONG), "in layer 1 of concat(relu(), linear(2))"),
        (fn.add(BAD, BAD), (WRONG, WRONG), "in layer 0 of add(linear(2), linear(2))"),
        (fn.parallel(BAD, widths=[2]), (WRONG,), "in layer 0 of parallel(linear(2), widths=(2,))"),
        (fn.repeat(BAD, 2), (WRONG, WRONG), "in layer 0 of repeat(linear(2), 2)"),
        (fn.tied(BAD, BAD), WRONG, "in layer 0 of tied(linear(2), linear(2))"),
        (fn.frozen(BAD, WRONG), (), "in the layer of frozen(linear(2), params)"),
    ],
)
def test_an_error_names_its_place_in_every_combinator(model: fn.Layer[Any], params: Tree, note: str) -> None:
    x = draw(0, (3, 2), np.float32)
    for use in (lambda: model.apply(params, x), lambda: model.vjp(params, x, None)):
        with pytest.raises(fn.ShapeError) as caught:
            use()
        assert caught.value.__notes__ == [note]


@pytest.mark.parametrize("make", [fn.concat, fn.add, fn.tied])
def test_an_error_at_init_names_its_place_too(make: Callable[..., fn.Layer[Any]]) -> None:
    model = make(fn.relu(), fn.linear(2))
    with pytest.raises(fn.ShapeError) as caught:
        model.init(fn.Key(0), (2, 3))
    assert caught.value.__notes__ == [f"in layer 1 of {model.name}"]


@pytest.mark.parametrize("params", [(), ((),), ((), (), ()), None, 3])
def test_parameters_of_another_number_of_layers_are_refused(params: Any) -> None:
    for model in (fn.concat(fn.relu(), fn.relu()), fn.add(fn.relu(), fn.relu())):
        for use in (model.apply, lambda params, x, model=model: model.vjp(params, x, None)):
            with pytest.raises(fn.StructureError, match="a tuple of 2 parameter trees"):
                use(params, np.zeros((1, 2)))


@pytest.mark.parametrize(
    "text",
    [
        "residual(chain(layer_norm(), linear(8), gelu(approximate='tanh'), linear(4)))",
        "chain(concat(identity(), linear(2)), add(linear(3), linear(3)), repeat(maxout(3, 2), 2))",
        "parallel(tied(linear(2), linear(2)), dropout(0.5), widths=(2, 1))",
        "chain(embedding(10, 4, table_init=normal(deviation=0.5)), flatten(), rms_norm(epsilon=0.5))",
    ],
)
def test_names_of_combinations_build_them(text: str) -> None:
    assert fn.build(text).name == text
    assert fn.build(fn.build(text).name).name == text
