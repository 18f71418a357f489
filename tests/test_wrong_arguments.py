"""What a newcomer types by mistake is answered in one line: where, what was expected, what came, and the remedy."""

from collections.abc import Callable
from inspect import getsource
from pathlib import Path
import re
from typing import Any

import numpy as np
import pytest

import fnmlp
from tests.mistakes import MISTAKES
from tests.right_calls import DATA, KEY, LABELS, MODEL, PARAMS, STATE, STEP, TARGETS, X, fn


def named(case: Callable[..., Any]) -> str:
    """Return the text of a call."""
    return " ".join(getsource(case).strip().removeprefix("lambda: ").removesuffix(",").split())


def fault_of(mistake: Callable[[], Any]) -> str:
    """Return what is wrong with the answer to a mistake, or nothing."""
    try:
        mistake()
    except fnmlp.FnmlpError as error:
        told = all((error.where, error.expected, str(error.got), error.remedy))
        return "" if told and "\n" not in fnmlp.one_line(error) else f"not one whole line: {error}"
    except Exception as error:  # noqa: BLE001 (whatever Python says in our place)
        return f"Python's own {error!r}"
    return "taken in silence"


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_in_one_line(name: str) -> None:
    found = {named(mistake): fault_of(mistake) for mistake in MISTAKES[name]}
    assert {call: fault for call, fault in found.items() if fault} == {}
    assert not Path("never-written").exists()


SPELLINGS: tuple[Callable[[], Any], ...] = (
    lambda: fn.dropout(p=0.5),
    lambda: fn.softmax(dim=1),
    lambda: fn.relu(inplace=True),
    lambda: fn.leaky_relu(0.1),
    lambda: fn.leaky_relu(negative_slope=0.1),
    lambda: fn.layer_norm(eps=1e-5),
    lambda: fn.sgd(lr=0.1),
    lambda: fn.adam(0.1, eps=1e-8),
    lambda: fn.linear(2, activation="relu"),
    lambda: fn.train_state(MODEL, fn.sgd(0.1)),
    lambda: fn.batches(DATA, 2, KEY, 0),
    lambda: fn.precision(TARGETS, LABELS),
)
"""Options as other libraries spell them: Python's own line names the function and the argument."""


def test_another_librarys_spelling_is_named_by_python() -> None:
    others = {}
    for spelling in SPELLINGS:
        with pytest.raises(TypeError) as caught:
            spelling()
        if not re.match(r"\w+\(\) .*argument", str(caught.value)):
            others[named(spelling)] = str(caught.value)
    assert others == {}


REMEDIES: tuple[tuple[Callable[[], Any], str], ...] = (
    (lambda: fn.train_state(MODEL, fn.sgd(0.1), key=0, example=(2,)), r"Key\(0\)"),
    (lambda: fn.train_state(MODEL, fn.sgd(0.1), key=KEY, example=784), r"write \(784,\)"),
    (lambda: fn.train_state(MODEL, fn.sgd, key=KEY, example=(2,)), r"call it, as in sgd"),
    (lambda: fn.linear(784, 128), r"write linear\(128\)"),
    (lambda: fn.evaluate(MODEL, fn.on_labels, PARAMS, DATA), r"call it, as in on_labels"),
    (lambda: fn.value_and_grad(MODEL, fn.accuracy, PARAMS, DATA), r"pass a loss such as mse"),
    (lambda: fn.evaluate(MODEL, fn.cross_entropy, PARAMS, DATA, metrics=fn.accuracy), r"metrics=\(accuracy,\)"),
    (lambda: fn.fold_in(0, 1), r"pass Key\(0\)"),
    (lambda: fn.train_step(MODEL, fn.cross_entropy, fn.sgd, STATE, DATA), r"call it, as in sgd"),
    (lambda: fn.predict(MODEL, PARAMS, np.float32(1)), r"row axis"),
    (lambda: fn.predict(MODEL, PARAMS, [[1.0], [1.0, 2.0]]), r"equally long"),
    (lambda: fn.predict(MODEL, PARAMS, ["a", "b"]), r"no number"),
    (lambda: fn.one_hot(LABELS, "3"), r"for instance 0"),
    (lambda: fn.one_hot(LABELS, 3, dtype="bogus"), r"choose 'float32'"),
)
"""Mistakes, and a pattern for the remedy."""


def test_the_remedy_is_what_to_write() -> None:
    others = []
    for call, remedy in REMEDIES:
        with pytest.raises(fnmlp.FnmlpError) as caught:
            call()
        others += [] if re.search(remedy, str(caught.value)) else [f"{remedy}: {caught.value}"]
    assert others == []


PAIR = (X, LABELS.tolist())


def same(left: Any, right: Any) -> bool:
    """Compare two results."""
    return fnmlp.tree_equal(left, right)


TAKERS: tuple[Callable[[Any], Any], ...] = (
    lambda data: fn.value_and_grad(MODEL, fn.cross_entropy, PARAMS, data),
    lambda data: fn.evaluate(MODEL, fn.cross_entropy, PARAMS, data),
    lambda data: fn.train_step(MODEL, fn.cross_entropy, fn.sgd(0.1), STATE, data).params,
    lambda data: fn.checked_step(MODEL, fn.cross_entropy, fn.sgd(0.1), STATE, data).params,
    lambda data: fn.per_example_gradients(MODEL, fn.cross_entropy, PARAMS, data),
    lambda data: fn.per_example_norms(MODEL, fn.cross_entropy, PARAMS, data),
    lambda data: fn.hessian_vector_product(MODEL, fn.cross_entropy, PARAMS, data, PARAMS),
    lambda data: next(iter(fn.batches(data, size=2, key=KEY, epoch=0))).inputs,
    lambda data: fn.split_data(data, key=KEY, share=0.5)[0].targets,
    lambda data: tuple(fn.rate_range(MODEL, fn.cross_entropy, fn.sgd, STATE, [data] * 3, steps=3)),
    lambda data: fn.replay(STEP, STATE, [data], number=1).after.params,
)
"""All functions that take a batch."""


def test_a_pair_with_labels_in_a_list_is_a_batch_everywhere() -> None:
    assert [named(taken) for taken in TAKERS if not same(taken(PAIR), taken(DATA))] == []


def test_lists_are_taken_where_numpy_would_take_them() -> None:
    assert same(fn.predict(MODEL, PARAMS, X.tolist()), fn.predict(MODEL, PARAMS, X))
    assert same(fn.saliency(MODEL, PARAMS, X, of=LABELS.tolist()), fn.saliency(MODEL, PARAMS, X, of=LABELS))
    assert fn.accuracy(TARGETS, LABELS.tolist()) == fn.accuracy(TARGETS, LABELS)
    assert fn.fit_standardize(X.tolist()) == fn.fit_standardize(X)
    assert same(fn.cross_entropy(TARGETS, LABELS.tolist()), fn.cross_entropy(TARGETS, LABELS))
    assert same(fn.one_hot(LABELS.tolist(), 3), fn.one_hot(LABELS, 3))


@pytest.mark.parametrize("dtype", ["float64", np.float64, np.dtype("float64")], ids=repr)
def test_a_dtype_is_taken_wherever_its_name_is(dtype: Any) -> None:
    state = fn.train_state(MODEL, fn.sgd(0.1), key=KEY, example=(2,), dtype=dtype)
    assert state.params[0].weight.dtype == np.float64
    grey = np.ones((2, 2), np.uint8)
    for layer in (fn.scale(0.5, dtype=dtype), fn.standardize(0.0, 1.0, dtype=dtype)):
        assert layer.apply((), grey).dtype == np.float64
        assert fn.build(layer.name).name == layer.name
    assert fn.one_hot(LABELS, 3, dtype=dtype).dtype == np.float64
