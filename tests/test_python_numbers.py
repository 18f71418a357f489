"""NumPy's numbers become Python's own, which names, states and files can hold."""

import ast
from collections.abc import Callable, Iterator
from functools import partial
from inspect import getsource
from pathlib import Path
import pickle
from types import CodeType
from typing import Any

import attrs
import numpy as np
import pytest

import fnmlp as fn
from fnmlp.checks import as_choice, as_shape
from fnmlp.expressions import expression, spell
from fnmlp.scalars import as_count, as_integer, as_natural
from fnmlp.tree import tree_paths
from tests import catalogue


class Index:
    """An integer of a user's own library."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __index__(self) -> int:
        return self.number


def narrow(number: float) -> Any:
    """Return a number in NumPy's smallest fitting type, in which arithmetic overflows or rounds."""
    if isinstance(number, float):
        return np.float32(number) if float(np.float32(number)) == number else np.float64(number)
    return np.uint8(number) if 0 <= number < 256 else np.int64(number)


def wide(number: float) -> Any:
    return np.float64(number) if isinstance(number, float) else np.int64(number)


KINDS: dict[str, Callable[[float], Any]] = {
    "widest scalars": wide,
    "narrowest scalars": narrow,
    "arrays of no axis": np.array,
    "objects with __index__": lambda number: number if isinstance(number, float) else Index(number),
}
by_kind = pytest.mark.parametrize("give", KINDS.values(), ids=KINDS)

VOCABULARY = {"LAYERS": "layer", "OPTIMIZERS": "optimizer", "METRICS": "metric", "INITIALIZERS": "", "SCHEDULES": ""}
"""The catalogue's tables, and the field of their specimens that holds the constructed value."""


class InNumPy(ast.NodeTransformer):
    """Wrap each number of the catalogue's specimens, and each text that is an option."""

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return self._given(node) if type(node.value) in (int, float) else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        return self._given(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        is_method = isinstance(node.func, ast.Attribute)  # such as init, whose shape is Python's already
        return node if is_method else self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return ast.keyword(node.arg, self._given(node.value))
        return self.generic_visit(node)

    def _given(self, node: ast.expr) -> ast.expr:
        return ast.Call(ast.Name("give", ast.Load()), [node], [])


def _in_numpy() -> CodeType:
    module = ast.parse(getsource(catalogue))
    for place, statement in enumerate(module.body):
        target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
        if isinstance(target, ast.Name) and target.id in VOCABULARY:
            module.body[place] = InNumPy().visit(statement)
    return compile(ast.fix_missing_locations(module), "the catalogue in NumPy's numbers", "exec")


CATALOGUE_IN_NUMPY = _in_numpy()


def held(value: Any) -> Iterator[Any]:
    """Yield all parts of a value, through bound options and records."""
    if isinstance(value, partial):
        yield from held((value.func, value.args, tuple(value.keywords.values())))
    elif isinstance(value, tuple):
        for part in value:
            yield from held(part)
    elif attrs.has(type(value)):
        yield from held(tuple(getattr(value, part.name) for part in attrs.fields(type(value))))
    else:
        yield value


@by_kind
def test_whatever_is_constructed_of_numpy_numbers_holds_python_ones(give: Callable[[float], Any]) -> None:
    # softmax(axis=np.int64(0)) was refused, and gelu(approximate=np.str_("tanh")) had a name that nothing reads.
    names: dict[str, Any] = {
        "__name__": catalogue.__name__,
        "give": lambda value: np.str_(value) if isinstance(value, str) else give(value),
    }
    exec(CATALOGUE_IN_NUMPY, names)  # noqa: S102 (it is our own source)
    for made, expected in zip(names["LAYERS"], catalogue.LAYERS, strict=True):
        assert made.layer.name == expected.layer.name
    constructed = tuple(
        getattr(one, field) if field else one[1] for room, field in VOCABULARY.items() for one in names[room]
    )
    assert [part for part in held(constructed) if isinstance(part, np.generic | Index)] == []


@by_kind
def test_keys_hold_python_ints_whatever_integer_came(give: Callable[[int], Any]) -> None:
    key = fn.fold_in(fn.fold_in(fn.Key(give(3)), give(1)), give(2))
    assert (key, fn.Key(give(3), (give(1), give(2)))) == (fn.Key(3, (1, 2)),) * 2
    assert {type(number) for number in (key.entropy, *key.path)} == {int}
    assert fn.split(key, give(2)) == fn.split(key, 2)
    assert pickle.loads(pickle.dumps(key)) == key  # noqa: S301 (it is our own)


@by_kind
def test_a_run_whose_numbers_are_numpys_is_saved_and_resumed(give: Callable[[float], Any], tmp_path: Path) -> None:
    # Key(np.int64(3)) trained, and then could neither be saved nor resumed.
    model = fn.chain(fn.linear(give(3)), fn.dropout(give(0.5)), fn.linear(give(2)))
    optimizer = fn.scheduled(fn.adam, fn.warm_up(fn.step_decay(give(0.25), every=give(2)), steps=give(2)))
    state = fn.train_state(model, optimizer, key=fn.Key(give(3)), example=(give(4),))
    data = fn.Batch(np.ones((9, 4), np.float32), np.zeros((9, 2), np.float32))
    for batch in fn.batches(data, size=give(3), key=fn.Key(give(1)), epoch=give(0), start=give(1)):
        state = fn.train_step(model, fn.mse, optimizer, state, batch)
    assert {type(leaf) for _, leaf in tree_paths(state)} == {int, float, np.ndarray}
    fn.save(tmp_path / "state", state, {})
    assert fn.tree_equal(fn.resume(tmp_path / "state", state), state)


@pytest.mark.parametrize("number", [np.int64(-3), np.uint8(3), np.array(3), np.bool_(True), np.array(False)], ids=repr)
def test_integers_of_numpy_that_a_fold_carries_are_saved_as_python_ones(number: Any, tmp_path: Path) -> None:
    # They were refused, with the advice to convert the parameters to float32.
    fn.save(tmp_path / "state", (number, np.ones(2)), {})
    found, _ = fn.resume(tmp_path / "state", (number, np.zeros(2)))
    assert (found, type(found)) == (number.item(), type(number.item()))


def test_sizes_of_few_bits_do_not_overflow() -> None:
    # The rows of a batch were found by adding up np.uint8.
    x = np.arange(300.0).reshape(300, 1)
    size: Any = np.uint8(200)
    assert fn.predict(fn.identity(), (), x, size=size).tolist() == x.tolist()
    served = fn.batches(fn.Batch(x, x), size=size, key=fn.Key(0), epoch=0)
    assert [len(batch) for batch in served] == [200, 100]


@pytest.mark.parametrize("check", [as_integer, as_count, as_natural], ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "value", [1.0, "1", None, True, np.bool_(True), np.array([1]), np.array(1.0), 1j, np.float64(1)], ids=repr
)
def test_what_is_no_integer_is_none(check: Callable[[str, Any], Any], value: Any) -> None:
    with pytest.raises(fn.errors.OptionError, match=r"f\(n\): expected an integer"):
        check("f(n)", value)


def test_a_shape_becomes_a_tuple_of_python_ints() -> None:
    for shape in ((np.int64(28), np.uint8(28)), [28, 28], np.array([28, 28]), (Index(28), 28)):
        sizes = as_shape("f(example)", shape)
        assert (sizes, {type(size) for size in sizes}) == ((28, 28), {int})
    assert as_shape("f(example)", ()) == ()


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        (784, r"write \(784,\)"),
        (np.int64(784), r"write \(784,\)"),
        *((value, "such as") for value in ("784", None, (1.5,), (-1,), ("3",), (True,), -1.0, ((3,),))),
    ],
    ids=repr,
)
def test_what_is_no_shape_is_refused_with_the_way_to_write_one(value: Any, remedy: str) -> None:
    with pytest.raises(fn.errors.ShapeError, match=rf"f\(example\): expected the shape of one input, got .*{remedy}"):
        as_shape("f(example)", value)


def test_a_choice_becomes_python_text() -> None:
    assert type(as_choice("f(x)", np.str_("sum"), ("mean", "sum"))) is str
    with pytest.raises(fn.errors.OptionError, match="'mean' or 'sum'"):
        as_choice("f(x)", np.array(["sum", "mean"]), ("mean", "sum"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.int64(3), "3"),
        (np.float64(0.5), "0.5"),
        (np.array([1, 2]), "[1, 2]"),
        ((np.float32(0.5),), "(0.5,)"),
        ([np.int8(1), (np.str_("a"), fn.relu())], "[1, ('a', relu())]"),
        ((), "()"),
        (partial(np.clip, np.int64(2)), "clip(2)"),
    ],
)
def test_numbers_are_spelled_as_python_writes_them(value: object, text: str) -> None:
    # A layer of one's own was once called such as "mine(np.int64(3))".
    assert spell(value) == text
    assert expression("mine", [value]) == f"mine({text})"
