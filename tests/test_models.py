"""Model files: each holds all that a prediction needs, and what could not be loaded is not saved."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.errors import CheckpointError, FnmlpError, StructureError
from fnmlp.expressions import build, constructors, expression
from fnmlp.storage.models import load_model, model_parts, save_model
from tests.catalogue import LAYERS, Specimen
from tests.steps import same_bits
from tests.sweep import each

over_layers = each("specimen", [layer for layer in LAYERS if layer.named])


def double() -> fn.Layer[tuple[()]]:
    return attrs.evolve(fn.scale(2.0), name="double()")


KNOWN = {**constructors(), "double": double}


def test_layers_of_ones_own_are_built_and_loaded_where_they_are_known(tmp_path: Path) -> None:
    model = fn.chain(double(), fn.linear(2))
    assert build(model.name, known=KNOWN).name == model.name
    path = tmp_path / "m"
    save_model(path, model, model.init(fn.Key(0), (3,))[0], example=(3,), known=KNOWN)
    assert load_model(path, known=KNOWN).model.name == model.name
    with pytest.raises(CheckpointError, match=r"double.*layers and functions of your own go into `known`"):
        load_model(path)


def softsign(factor: float = 2.0) -> fn.Layer[Any]:
    """Make a layer with the name of one in fnmlp."""
    return attrs.evolve(fn.scale(factor), name="softsign()")


def learnt_softsign() -> fn.Layer[Any]:
    """Make one that has a parameter."""
    return attrs.evolve(fn.prelu(), name="softsign()")


def straight_softsign() -> fn.Layer[Any]:
    """Make one that differs from fnmlp's in training alone."""
    return attrs.evolve(fn.softsign(), vjp=fn.identity().vjp)


@each("own", [softsign, learnt_softsign, straight_softsign])
def test_a_layer_of_ones_own_with_a_name_of_fnmlps_is_not_taken_for_fnmlps(own: Any, tmp_path: Path) -> None:
    # Without parameters it was saved in silence, and loaded as the library's.
    path, model = tmp_path / "m", fn.chain(fn.linear(2), fn.residual(own()))
    params = model.init(fn.Key(0), (3,))[0]
    for known in (None, {"tanh": fn.tanh}, {"softsign": fn.softsign}):
        with pytest.raises(StructureError, match=r"softsign\(\)': expected the softsign of fnmlp, .*{'softsign': s"):
            save_model(path, model, params, example=(3,), known=known)
    save_model(path, model, params, example=(3,), known={"softsign": own})
    loaded = load_model(path, known={"softsign": own}).model
    assert same_bits(*(one.apply(params, np.ones((1, 3), np.float32)) for one in (loaded, model)))
    for known in (None, {"tanh": fn.tanh}):
        with pytest.raises(CheckpointError, match=r"expected your own 'softsign' in `known`, got none; pass the"):
            load_model(path, known=known)


def test_a_file_whose_parameters_are_another_models_asks_for_known(tmp_path: Path) -> None:
    path, model = tmp_path / "m", fn.chain(fn.linear(2), fn.prelu())
    fn.save(path, model.init(fn.Key(0), (3,))[0], {"model": "chain(linear(2), softsign())", "example": "(3,)"})
    with pytest.raises(CheckpointError, match=r"got also .*; pass layers of your own in `known`, as to save_model"):
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


# Whatever can't be loaded again is refused when saving.


def halves(key: fn.Key, shape: fn.Shape, fans: tuple[int, int]) -> fn.Array:
    return np.full(shape, 0.5, np.float32)


class Halves:
    """An initializer that is no function, and so has no name."""

    __call__ = staticmethod(halves)


def filled(value: float) -> fn.initializers.Initializer:
    return partial(_filled, value)


def _filled(value: float, key: fn.Key, shape: fn.Shape, fans: tuple[int, int]) -> fn.Array:
    return np.full(shape, value, np.float32)


def both(layers: tuple[fn.Layer[Any], ...], *, sizes: Any = ()) -> fn.Layer[Any]:
    return attrs.evolve(fn.chain(*layers), name=expression("both", [layers], {"sizes": sizes}))


OWN: dict[str, tuple[fn.Layer[Any], dict[str, Any]]] = {
    "an initializer": (fn.linear(2, weight_init=halves), {"halves": halves}),
    "one with options": (fn.linear(2, weight_init=filled(0.25), bias_init=filled(-0.5)), {"filled": filled}),
    "functions": (fn.elementwise(np.sin, np.cos), {"sin": np.sin, "cos": np.cos}),
    "inside others": (fn.chain(fn.linear(3), fn.elementwise(np.sin, np.cos)), {"sin": np.sin, "cos": np.cos}),
    "a layer that takes layers": (both((fn.linear(3), fn.relu()), sizes=[np.int64(3)]), {"both": both}),
    "beside ours": (fn.linear(2, weight_init=halves), {**constructors(), "halves": halves}),
}


@pytest.mark.parametrize("own", OWN)
def test_names_of_ones_own_are_looked_up_in_known_when_saving_and_when_loading(own: str, tmp_path: Path) -> None:
    # They were once saved, and no file could be loaded again.
    layer, known = OWN[own]
    params, _ = layer.init(fn.Key(1), (3,))
    path, x = tmp_path / "m", np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)
    save_model(path, layer, params, example=(3,), known=known)
    saved = load_model(path, known=known)
    assert saved.model.name == layer.name
    assert same_bits(saved.model.apply(saved.params, x), layer.apply(params, x))
    assert fn.tree_equal(saved.model.init(fn.Key(1), (3,)), layer.init(fn.Key(1), (3,)))
    with pytest.raises(CheckpointError, match="go into `known`"):
        load_model(path)


PARAMS = fn.linear(2).init(fn.Key(0), (3,))[0]


def saves(layer: Any, params: Any = PARAMS, example: Any = (3,), **options: Any) -> Callable[[Path], None]:
    return partial(save_model, model=layer, params=params, example=example, **options)


UNSAVED: dict[str, tuple[Callable[[Path], None], str]] = {
    "an initializer": (saves(fn.linear(2, weight_init=halves)), r"got halves; give it in `known`, as in known={'hal"),
    "another's name": (saves(fn.linear(2, weight_init=halves), known={"half": halves}), "got halves; give it"),
    "a lambda": (
        saves(fn.linear(2, weight_init=lambda *_: np.ones(1))),
        "functions a name.*which a lambda can't",
    ),
    "an object without a name": (saves(fn.linear(2, weight_init=partial(Halves()))), "give functions a name"),
    "functions": (saves(fn.elementwise(np.sin, np.cos), ()), "got elementwise; give both of its functions in `known`"),
    "one function of two": (saves(fn.elementwise(np.sin, np.cos), (), known={"sin": np.sin}), "got elementwise; give"),
    "initializers for functions": (
        saves(attrs.evolve(fn.relu(), name="elementwise(zeros(), zeros())"), ()),
        "got elementwise; give both",
    ),
    "ours without a call": (saves(attrs.evolve(fn.relu(), name="chain(relu)"), ()), "got relu; .* call it, if it is"),
    "frozen parameters": (saves(fn.frozen(fn.linear(2), PARAMS), ()), "got frozen; save the layer inside it"),
    "a layer of one's own": (
        saves(double(), ()),
        "got double; give your own in `known`, as in known={'double': double}",
    ),
    "no layer": (saves(fn.linear), r"save_model\(model\): expected a Layer, got the function linear"),
    "an example of more axes": (saves(fn.linear(2), example=(3, 4)), "an example that fits 'linear.2.', got linear"),
    "another example": (saves(fn.linear(2), example=(5,)), r"save_model: \.weight: expected shape \(5, 2\), got shape"),
    "a number for an example": (saves(fn.linear(2), example=3), r"save_model\(example\).* got 3; write \(3,\)"),
    "an example of floats": (saves(fn.linear(2), example=(3.0,)), r"save_model\(example\): expected the shape"),
    "a huge example": (saves(fn.relu(), (), (2**13, 2**13)), "at most 16777216 numbers"),
    "parameters of another layer": (saves(fn.linear(4)), r"weight: expected shape \(3, 4\), got shape \(3, 2\)"),
    "parameters too few": (saves(fn.chain(fn.linear(2), fn.linear(2)), (PARAMS,)), r"expected the 4 .*\[1\].bias miss"),
    "parameters too many": (saves(fn.linear(2, bias=False)), r"expected the 1 parameters .* got also \.bias"),
    "a state": (saves(fn.relu(), fn.train_state(fn.relu(), fn.sgd(0.1), key=fn.Key(0), example=(3,))), "also .key"),
    "its own notes": (saves(fn.linear(2), notes={"model": "mine"}), r"save_model\(notes\): expected names other than"),
}


@pytest.mark.parametrize("unsaved", UNSAVED)
def test_what_could_not_be_loaded_is_refused_when_it_is_saved(unsaved: str, tmp_path: Path) -> None:
    save, words = UNSAVED[unsaved]
    with pytest.raises(FnmlpError, match=words) as caught:
        save(tmp_path / "m")
    assert str(caught.value).startswith("save_model")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("example", [(np.int64(3),), [3], np.array([3]), (np.uint8(3),)], ids=repr)
def test_an_example_of_other_integers_is_saved_as_python_ones(example: Any, tmp_path: Path) -> None:
    # "(np.int64(3),)" was once written, which is no literal.
    save_model(tmp_path / "m", fn.linear(2), PARAMS, example=example)
    assert load_model(tmp_path / "m").example == (3,)


def test_an_initializer_that_fails_is_told_when_saving(tmp_path: Path) -> None:
    # A file whose model takes no key was once written without a word.
    model = attrs.evolve(fn.linear(2), name="linear(2, weight_init=halves)")
    with pytest.raises(CheckpointError, match="save_model: expected an example that fits"):
        save_model(tmp_path / "m", model, PARAMS, example=(3,), known={"halves": lambda *_: len(0)})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_a_best_model_that_could_not_be_loaded_is_refused_before_it_is_saved(tmp_path: Path) -> None:
    parts = partial(model_parts, fn.linear(2, weight_init=halves), example=(3,))
    with pytest.raises(StructureError, match=r"save_model: build: .* got halves"):
        list(fn.best_checkpoint([(PARAMS, 1.0)], tmp_path / "best", parts=parts))
    parts = partial(parts, known={"halves": halves})
    list(fn.best_checkpoint([(PARAMS, 1.0)], tmp_path / "best", parts=parts))
    assert fn.tree_equal(load_model(tmp_path / "best", known={"halves": halves}).params, PARAMS)
