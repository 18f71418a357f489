"""Models as text: a layer's name builds the layer, nothing else is built, and a name is what Python would construct."""

from functools import partial
from pathlib import Path
from typing import Any

from attrs import evolve
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import FnmlpError, OptionError, StructureError
from fnmlp.expressions import TEXT_LIMIT, Call, build, call_of, expression, spell
from fnmlp.initializers import constant, glorot_normal
from tests.catalogue import INITIALIZERS, LAYERS, Specimen
from tests.steps import same_bits
from tests.sweep import each

over_layers = each("specimen", [layer for layer in LAYERS if layer.named])


@over_layers
def test_a_name_builds_the_layer_that_it_names(specimen: Specimen) -> None:
    built = build(specimen.layer.name)
    assert built.name == specimen.layer.name
    found, expected = (layer.init(fn.Key(3), specimen.example) for layer in (built, specimen.layer))
    assert fn.tree_equal(found, expected)
    _, x, _ = specimen.point(0, 3, np.float32)
    assert same_bits(built.apply(found[0], x), specimen.layer.apply(expected[0], x))


@each(("name", "initializer"), INITIALIZERS)
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


@each(
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
)
def test_huge_and_deep_texts_are_refused_in_a_short_line(text: str) -> None:
    with pytest.raises(FnmlpError) as caught:
        build(text)
    assert isinstance(caught.value, StructureError | OptionError)
    assert len(str(caught.value)) < 5_000


def test_an_unknown_name_is_answered_in_one_short_line() -> None:
    remedy = "give your own in `known`, as in known={'conv': conv}, or correct the spelling"
    with pytest.raises(StructureError) as caught:
        build("chain(linear(1), conv(3))", known={"mine": fn.relu})
    assert str(caught.value) == f"build: expected a known constructor, got conv; {remedy}"


def test_more_layers_than_a_network_has_are_counted_inside_tuples_too() -> None:
    with pytest.raises(StructureError, match="at most 10000 layers"):
        build("both((repeat(relu(), 20000),))", known={"both": lambda layers: fn.chain(*layers)})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (0.1, "0.1"),
        ("sum", "'sum'"),
        ((1, 2), "(1, 2)"),
        (fn.relu(), "relu()"),
        (glorot_normal(), "glorot_normal()"),
        (constant(2), "constant(value=2.0)"),
        (np.sqrt, "sqrt"),
        (fn.softmax, "softmax"),
        (partial(spell, 3), "spell(3)"),
    ],
)
def test_arguments_are_spelled_as_python_would_construct_them(value: object, text: str) -> None:
    assert spell(value) == text


def test_an_expression_has_arguments_first_and_then_options() -> None:
    assert expression("f") == "f()"
    assert expression("f", [1, fn.relu()], {"a": "x", "b": 2.5}) == "f(1, relu(), a='x', b=2.5)"


@pytest.mark.parametrize(
    ("layer", "constructor", "options"),
    [
        (fn.repeat(fn.residual(fn.linear(4)), 3), "repeat", {"times": 3}),
        (fn.parallel(fn.linear(2), fn.relu(), widths=(1, 2)), "parallel", {"widths": (1, 2)}),
        (fn.linear(3, weight_init=fn.initializers.zeros(), bias=False), "linear", {"out": 3, "bias": False}),
        (fn.columns(1, 3), "columns", {"start": 1, "stop": 3}),
        (fn.softmax(), "softmax", {"axis": -1}),
        (fn.frozen(fn.linear(2), fn.linear(2).init(fn.Key(0), (3,))[0]), "frozen", {}),
        (evolve(fn.relu(), name="my own"), "my own", {}),
        (evolve(fn.relu(), name="relu"), "relu", {}),
    ],
    ids=repr,
)
def test_a_layer_tells_its_constructor_and_its_options(
    layer: fn.Layer[Any], constructor: str, options: dict[str, object]
) -> None:
    assert call_of(layer) == Call(constructor, options)


def test_a_layer_of_ones_own_with_a_name_of_fnmlps_is_no_call_of_fnmlps() -> None:
    # Exporters took it for the library's, and wrote other outputs in silence.
    own = evolve(fn.scale(2.0), name="softsign()")
    assert call_of(fn.softsign()).constructor == "softsign"
    assert call_of(own) == Call("softsign()")
    joined = evolve(fn.chain(fn.tanh()), name="residual(tanh())")
    assert call_of(fn.residual(fn.tanh())).constructor == "residual"
    assert call_of(joined) == Call("residual(tanh())")
