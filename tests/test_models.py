"""Models as text: a layer's name builds the layer, nothing else is built, and a model file holds all that it needs."""

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import CheckpointError, FnmlpError, OptionError, StructureError
from fnmlp.models import TEXT_LIMIT, build, constructors, load_model, save_model
from tests.catalogue import INITIALIZERS, LAYERS, Specimen
from tests.steps import same_bits

over_layers = pytest.mark.parametrize("specimen", [layer for layer in LAYERS if layer.named], ids=repr)


@over_layers
def test_a_name_builds_the_layer_that_it_names(specimen: Specimen) -> None:
    built = build(specimen.layer.name)
    assert built.name == specimen.layer.name
    found, expected = (layer.init(fn.Key(3), specimen.example) for layer in (built, specimen.layer))
    assert fn.tree_equal(found, expected)
    _, x, _ = specimen.point(0, 3, np.float32)
    assert same_bits(built.apply(found[0], x), specimen.layer.apply(expected[0], x))


@pytest.mark.parametrize(("name", "initializer"), INITIALIZERS)
def test_an_initializer_is_built_with_its_options(name: str, initializer: fn.initializers.Initializer) -> None:
    layer = fn.linear(3, weight_init=initializer, bias_init=initializer)
    found, expected = (made.init(fn.Key(3), (2,)) for made in (build(layer.name), layer))
    assert fn.tree_equal(found, expected), name
    assert build(layer.name).name == layer.name


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('touch hacked')",
        "linear(__import__('os').system('touch hacked'))",
        "linear(1).__class__",
        "linear(1).apply",
        "linear.__globals__",
        "(lambda: linear(1))()",
        "chain(lambda x: x)",
        "[linear(1) for _ in (1,)][0]",
        "linear(1) if True else relu()",
        "chain(*(linear(1),))",
        "linear(**{'out': 1})",
        "linear(3, **{'bias': False})",
        "linear(1, bias=True, bias=False)",
        "(x := linear(1))",
        "linear(1); relu()",
        "linear(1)\nrelu()",
        "import os",
        "f'{linear(1)}'",
        "eval('linear(1)')",
        "open('hacked', 'w')",
        "train_step(1)",
        "_linear_init(1)",
        "Layer('x', 1, 2, 3)",
        "frozen(relu(), ())",
        "elementwise(zeros(), zeros(), name='relu()')",
        "linear",
        "linear()",
        "linear(1, 2)",
        "linear(1, size=2)",
        "chain(relu)",
        "chain(3)",
        "zeros()",
        "(relu(),)",
        "'relu()'",
        "3",
        "",
        " ",
        "relu(",
        "relu()\0",
        "linear('\\d')",
        "linear(1e999999999 ** 9)",
        "scale('\ud800')",
        "linear(2 ** 99)",
        "ﬁxed()",
    ],
)
def test_what_is_no_construction_is_refused_and_never_run(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FnmlpError) as caught:
        build(text)
    assert isinstance(caught.value, StructureError | OptionError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "chain(" * 5_000 + ")" * 5_000,
        "linear(" + "-" * 20_000 + "1)",
        "linear" + ".a" * 20_000,
        "1" + "+1" * 20_000,
        "(" * 90 + "1" + ")" * 90,
        "linear(" + "9" * 5_000 + ")",
        "scale(" + "9" * 4_000 + ")",
        "0x" + "9" * 4_000,
        "'" + "9" * 60_000 + "'",
        "repeat(relu(), 0x" + "9" * 4_000 + ")",
        "relu() " + " " * TEXT_LIMIT,
        "x" * 10_000_000,
    ],
    ids=[
        *("calls", "signs", "attributes", "sum", "parentheses", "int", "float", "hexadecimal", "text", "repeat"),
        *("blanks", "name"),
    ],
)
def test_huge_and_deep_texts_are_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(FnmlpError) as caught:
        build(text)
    assert isinstance(caught.value, StructureError | OptionError)
    assert len(str(caught.value)) < 5_000


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(StructureError, match=r"got conv; use one of add, chain, .*, or give your own in `known`"):
        build("chain(linear(1), conv(3))")


def double() -> fn.Layer[tuple[()]]:
    return attrs.evolve(fn.scale(2.0), name="double()")


KNOWN = {**constructors(), "double": double}


def test_layers_of_ones_own_are_built_and_loaded_where_they_are_known(tmp_path: Path) -> None:
    model = fn.chain(double(), fn.linear(2))
    assert build(model.name, known=KNOWN).name == model.name
    path = tmp_path / "m"
    save_model(path, model, model.init(fn.Key(0), (3,))[0], example=(3,))
    assert load_model(path, known=KNOWN).model.name == model.name
    with pytest.raises(CheckpointError, match=r"double.*layers of your own go into `known`"):
        load_model(path)


@over_layers
def test_a_model_file_holds_all_that_a_prediction_needs(specimen: Specimen, tmp_path: Path) -> None:
    params, _ = specimen.layer.init(fn.Key(1), specimen.example)
    save_model(tmp_path / "m", specimen.layer, params, example=specimen.example, notes={"seed": "1"})
    saved = load_model(tmp_path / "m")
    assert (saved.model.name, saved.example, saved.notes["seed"]) == (specimen.layer.name, specimen.example, "1")
    assert fn.tree_equal(saved.params, params)
    _, x, _ = specimen.point(0, 3, np.float32)
    assert same_bits(saved.model.apply(saved.params, x), specimen.layer.apply(params, x))


@pytest.mark.parametrize(
    "description",
    [
        {},
        {"model": "linear(2)"},
        {"example": "(3,)"},
        {"model": "linear(2)", "example": "(3"},
        {"model": "linear(2)", "example": "3"},
        {"model": "linear(2)", "example": "(3.0,)"},
        {"model": "linear(2)", "example": "(-3,)"},
        {"model": "linear(2)", "example": "(True,)"},
        {"model": "linear(2)", "example": "(2, 3)"},
        {"model": "linear(2)", "example": "__import__('os')"},
        {"model": "linear(2)", "example": "(" * 9_000},
        {"model": "linear(5)", "example": "(3,)"},
        {"model": "linear(2, bias=False)", "example": "(3,)"},
        {"model": "chain(linear(2))", "example": "(3,)"},
        {"model": "linear(2, weight_init=3)", "example": "(3,)"},
        {"model": "linear(2, weight_init=relu())", "example": "(3,)"},
        {"model": f"scale({'9' * 400})", "example": "(3,)"},
        {"model": "relu() + 1", "example": "(3,)"},
        {"model": "linear(999999999999999999999)", "example": "(3,)"},
        {"model": "linear(2)", "example": "(999999999999999999999,)"},
    ],
    ids=lambda description: repr(description)[:70],
)
def test_a_file_whose_description_does_not_fit_is_refused(description: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "m"
    fn.save(path, fn.linear(2).init(fn.Key(0), (3,))[0], description)
    with pytest.raises(CheckpointError) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
