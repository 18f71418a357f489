"""Mistakes with trees, keys, labels and files."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.right_calls import KEY, LABELS, MODEL, PARAMS, STATE, fn

TREES: dict[str, tuple[Callable[[], Any], ...]] = {
    "Key": (
        lambda: fn.Key("0"),
        lambda: fn.Key(0.5),
        lambda: fn.Key(None),
    ),
    "best_checkpoint": (
        lambda: fn.best_checkpoint(None, "never-written"),
        lambda: fn.best_checkpoint([], None),
        lambda: fn.best_checkpoint([], "never-written", above=None),
        lambda: fn.best_checkpoint([], "never-written", parts="params"),
        lambda: list(fn.best_checkpoint([STATE], "never-written")),
        lambda: list(fn.best_checkpoint([(STATE, "high")], "never-written")),
    ),
    "checkpoints": (
        lambda: fn.checkpoints(None, "never-written"),
        lambda: fn.checkpoints([STATE], None),
        lambda: fn.checkpoints([STATE], "never-written", parts={"params": PARAMS}),
        lambda: fn.checkpoints([STATE], "never-written", keep=0),
        lambda: fn.checkpoints([STATE], "never-written", step_of=3),
    ),
    "fold_in": (
        lambda: fn.fold_in(0, 1),
        lambda: fn.fold_in(KEY, "a"),
        lambda: fn.fold_in(KEY, 1.5),
    ),
    "generator": (
        lambda: fn.generator(0),
        lambda: fn.generator(None),
    ),
    "load": (
        lambda: fn.load(None),
        lambda: fn.load("a\0b"),
    ),
    "load_model": (
        lambda: fn.load_model(None),
        lambda: fn.load_model(MODEL),
    ),
    "namespace": (
        lambda: fn.namespace(None),
        lambda: fn.namespace("a"),
        lambda: fn.namespace([1.0]),
        lambda: fn.namespace(MODEL),
    ),
    "one_hot": (
        lambda: fn.one_hot(LABELS, "3"),
        lambda: fn.one_hot(LABELS, None),
        lambda: fn.one_hot(LABELS, 3, dtype="bogus"),
        lambda: fn.one_hot(LABELS, 3.0),
        lambda: fn.one_hot(LABELS, -1),
        lambda: fn.one_hot(3, LABELS),
        lambda: fn.one_hot(2, 3),
        lambda: fn.one_hot("abc", 3),
        lambda: fn.one_hot(None, 3),
        lambda: fn.one_hot(LABELS, 3, dtype=None),
    ),
    "restore": (
        lambda: fn.restore(None, PARAMS),
        lambda: fn.restore("f", PARAMS),
        lambda: fn.restore(PARAMS, None),
    ),
    "resume": (
        lambda: fn.resume(None, STATE),
        lambda: fn.resume(STATE, "never-written"),
    ),
    "save": (
        lambda: fn.save("never-written", PARAMS, None),
        lambda: fn.save("never-written", PARAMS, "abc"),
        lambda: fn.save("never-written", PARAMS, [("a", "b")]),
        lambda: fn.save(None, PARAMS, {}),
        lambda: fn.save(PARAMS, "never-written", {}),
        lambda: fn.save("never\0written", PARAMS, {}),
    ),
    "save_model": (
        lambda: fn.save_model("never-written", MODEL, PARAMS, example=(2,), notes="abc"),
        lambda: fn.save_model("never-written", MODEL, PARAMS, example=(2,), notes=[("a", "b")]),
        lambda: fn.save_model("never-written", MODEL, PARAMS, example=(2,), known=3),
        lambda: fn.save_model(MODEL, "never-written", PARAMS, example=(2,)),
    ),
    "saved_score": (lambda: fn.saved_score(None),),
    "split": (
        lambda: fn.split(0, 2),
        lambda: fn.split(KEY, "2"),
        lambda: fn.split(KEY, -1),
    ),
    "tree_equal": (
        lambda: fn.tree_equal(PARAMS, None),
        lambda: fn.tree_equal(PARAMS, [1]),
    ),
    "tree_flatten": (lambda: fn.tree_flatten(None),),
    "tree_leaves": (lambda: fn.tree_leaves([1]),),
    "tree_map": (
        lambda: fn.tree_map(np.sin, [1, 2]),
        lambda: fn.tree_map(np.sin, {"a": 1}),
        lambda: fn.tree_map(np.add, PARAMS, None),
        lambda: fn.tree_map(None, PARAMS),
        lambda: fn.tree_map(PARAMS, np.sin),
    ),
    "tree_paths": (
        lambda: fn.tree_paths({"a": 1}),
        lambda: fn.tree_paths(PARAMS, 3),
    ),
    "tree_reduce": (
        lambda: fn.tree_reduce(None, PARAMS, 0),
        lambda: fn.tree_reduce(PARAMS, np.add, 0),
    ),
    "tree_sha256": (
        lambda: fn.tree_sha256(None),
        lambda: fn.tree_sha256(object()),
        lambda: fn.tree_sha256(MODEL.apply),
    ),
}
