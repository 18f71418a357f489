"""A right call of every public function; tests make mistakes by replacing one argument."""

from functools import partial
from inspect import Parameter, isfunction, signature
from itertools import count
from typing import Any

import numpy as np

import fnmlp
from tests.catalogue import LAYERS
from tests.oracles.layers import arguments_of, constructor_of

fn: Any = fnmlp
KEY = fn.Key(0)
MODEL: Any = fn.chain(fn.linear(3))
PARAMS: Any = MODEL.init(KEY, (2,))[0]
X = np.ones((4, 2), np.float32)
LABELS = np.array([0, 1, 2, 0])
TARGETS = np.ones((4, 3), np.float32)
DATA = fn.Batch(X, LABELS)
SGD = fn.sgd(0.1)
STATE = fn.train_state(MODEL, SGD, key=KEY, example=(2,))
STEP: Any = partial(fn.train_step, MODEL, fn.cross_entropy, SGD)
ACCUMULATED = fn.accumulated(SGD, steps=2)

Call = tuple[tuple[Any, ...], dict[str, Any]]


def call(*arguments: Any, **options: Any) -> Call:
    """Write down a call."""
    return arguments, options


MODEL_STEP = {
    "model": MODEL,
    "loss": fn.cross_entropy,
    "optimizer": SGD,
    "state": STATE,
    "batch": DATA,
    "objective": fn.value_and_grad,
}
LOSS_AT = {"model": MODEL, "loss": fn.cross_entropy, "params": PARAMS, "batch": DATA}
OUTPUTS = {"y": TARGETS, "labels": LABELS}
BETAS = {"betas": (0.9, 0.99), "epsilon": 1e-8}
SCORED = [(STATE, 1.0)]

USUAL: dict[str, Any] = {
    "y": TARGETS,
    "target": TARGETS,
    "labels": LABELS,
    "sample_weights": np.ones(4),
    "class_weights": np.ones(3),
    "ignore_label": -1,
    "rate": 0.1,
    "betas": (0.9, 0.99),
    "epsilon": 1e-8,
    "momentum": 0.9,
    "only": fn.is_weight,
    "optimizer": SGD,
    "layer": fn.relu(),
}
"""Right values for arguments by name, in every function; other arguments take their defaults."""

GIVEN: dict[str, Call] = {
    "Batch": call(inputs=X, targets=LABELS, weights=np.ones(4)),
    "Key": call(entropy=0, path=(1,)),
    "accumulated": call(optimizer=SGD, steps=2),
    "adadelta": call(rate=1.0, decay=0.9, epsilon=1e-6),
    "adagrad": call(rate=0.1, rate_decay=0.0, epsilon=1e-10, initial=0.0),
    "add": call(fn.relu(), fn.tanh()),
    "adversarial": call(**LOSS_AT, key=KEY, epsilon=0.1, clean_weight=0.5, norm="linf"),
    "apply_if_finite": call(optimizer=SGD, max_consecutive_errors=2),
    "apply_remainder": call(optimizer=ACCUMULATED, state=fn.train_state(MODEL, ACCUMULATED, key=KEY, example=(2,))),
    "averaged": call(optimizer=SGD, decay=0.9),
    "averaged_params": call(state=fn.averaged(SGD).init(PARAMS)),
    "batches": call(data=DATA, size=2, key=KEY, epoch=0, start=0),
    "batch_ensemble": call(out=2, weight_init=fn.zeros(), scale_init=fn.signs(), bias_init=fn.zeros()),
    "best_checkpoint": call(pairs=SCORED, path="best", above=0.0, parts=lambda state: (state, {})),
    "best_state": call(pairs=SCORED),
    "binary_cross_entropy": call(
        y=TARGETS, target=TARGETS, pos_weight=2.0, sample_weights=np.ones(4), reduction="mean"
    ),
    "build": call(text="linear(2)", known={}),
    "chain": call(fn.linear(2), fn.relu()),
    "checked_step": call(**MODEL_STEP),
    "checkpoints": call(
        states=[STATE],
        path="run",
        steps=1,
        seconds=0.0,
        keep=1,
        parts=lambda state: (state, {}),
        step_of=partial(next, count()),
    ),
    "clip_by_global_norm": call(limit=1.0, epsilon=1e-6),
    "clip_by_value": call(limit=1.0),
    "compose": call(fn.clip_by_value(1.0), SGD),
    "concat": call(fn.relu(), fn.tanh()),
    "constant": call(value=0.5),
    "cosine_decay": call(rate=0.1, steps=10, last=0.0),
    "cosine_restarts": call(rate=0.1, period=10, growth=1, last=0.0),
    "cross_entropy": call(
        y=TARGETS,
        target=LABELS,
        label_smoothing=0.1,
        class_weights=np.ones(3),
        sample_weights=np.ones(4),
        ignore_label=-1,
        reduction="mean",
    ),
    "decoupled_decay": call(optimizer=SGD, share=0.1, only=fn.is_weight),
    "dropout": call(rate=0.5),
    "early_stopping": call(pairs=SCORED, patience=1),
    "elementwise": call(f=np.sin, df=np.cos, name="sin"),
    "embedding": call(count=3, width=2, table_init=fn.normal(1.0)),
    "ensemble_linear": call(out=2, weight_init=fn.zeros(), bias_init=fn.zeros()),
    "epoch_order": call(rows=4, key=KEY, epoch=0),
    "epochs": call(step=STEP, state=STATE, batches_of=lambda _epoch: [DATA], first=0),
    "evaluate": call(model=MODEL, loss=fn.cross_entropy, params=PARAMS, data=DATA, metrics=(fn.accuracy,), size=1024),
    "everywhere": call(path="[0].weight"),
    "exponential_decay": call(rate=0.1, factor=0.5),
    "fit_impute": call(x=X),
    "fit_robust_scale": call(x=X),
    "fit_standardize": call(x=X, per_feature=True),
    "fold_in": call(key=KEY, index=1),
    "fold_metric": call(metric=fn.r2(), batches=[(TARGETS, TARGETS)]),
    "frozen": call(layer=MODEL, params=PARAMS),
    "gaussian_noise": call(deviation=0.1),
    "generator": call(key=KEY),
    "gradients": call(layer=MODEL, params=PARAMS, x=X, dy=TARGETS, key=KEY),
    "hessian_vector_product": call(**LOSS_AT, direction=PARAMS, key=KEY),
    "is_weight": call(path="[0].weight"),
    "jvp": call(model=MODEL, params=PARAMS, x=X, dparams=PARAMS, dx=X, key=KEY),
    "kl": call(y=TARGETS, target=TARGETS / 3, sample_weights=np.ones(4), reduction="mean"),
    "lamb": call(rate=0.1, **BETAS, weight_decay=0.01, only=fn.is_weight),
    "cosine_cycles": call(rate=0.1, steps=10, cycles=4),
    "layer_norm": call(epsilon=1e-5),
    "leaky_relu": call(slope=0.1),
    "linear": call(out=2, bias=True, weight_init=fn.zeros(), bias_init=fn.zeros()),
    "linear_decay": call(rate=0.1, steps=10, last=0.0),
    "lion": call(rate=0.1, betas=(0.9, 0.99), weight_decay=0.1, only=fn.is_weight),
    "load": call(path="tree"),
    "load_model": call(path="model", known={}),
    "max_norm": call(optimizer=SGD, limit=1.0, only=fn.is_weight),
    "maxout": call(out=2, pieces=2, weight_init=fn.zeros(), bias_init=fn.zeros()),
    "mean_over_rows": call(metric=fn.accuracy),
    "muon": call(
        rate=0.1,
        momentum=0.9,
        nesterov=True,
        weight_decay=0.1,
        ns_coefficients=(3.4445, -4.775, 2.0315),
        ns_steps=5,
        epsilon=1e-7,
    ),
    "namespace": call(x=X),
    "ntk_linear": call(out=2, bias=True, weight_init=fn.zeros(), bias_init=fn.zeros()),
    "normal": call(deviation=0.1),
    "on_labels": call(loss=fn.mse),
    "one_cycle": call(rate=0.1, steps=10, rise=0.3, first=0.1, last=0.1),
    "one_hot": call(labels=LABELS, classes=3, dtype="float32"),
    "one_line": call(error=ValueError("no")),
    "parametric": call(activation=fn.relu()),
    "periodic": call(width=4, frequencies=16, deviation=0.1),
    "over_members": call(loss=fn.mse),
    "parallel": call(fn.relu(), fn.tanh(), widths=(1, 1)),
    "partitioned": call(optimizer=SGD, otherwise=fn.adam(0.1), only=fn.is_weight),
    "per_example_gradients": call(**LOSS_AT, key=KEY),
    "per_example_norms": call(**LOSS_AT, key=KEY),
    "piecewise": call(rates=(0.1, 0.01), at=(3,)),
    "predict": call(model=MODEL, params=PARAMS, inputs=X, size=1024),
    "rate_range": call(
        model=MODEL,
        loss=fn.cross_entropy,
        make=fn.sgd,
        state=STATE,
        batches=[DATA] * 3,
        lowest=1e-3,
        highest=1.0,
        steps=3,
        smoothing=0.5,
        objective=fn.value_and_grad,
    ),
    "repeat": call(layer=fn.relu(), times=2),
    "replay": call(step=STEP, state=STATE, batches=[DATA], number=1),
    "restore": call(checkpoint=fn.Checkpoint("tree", {}, {}, {"": X}), like=X),
    "resume": call(path="state", like=STATE),
    "rms_norm": call(epsilon=1e-5),
    "rmsprop": call(rate=0.1, decay=0.9, epsilon=1e-8, momentum=0.1, centered=False),
    "saliency": call(model=MODEL, params=PARAMS, x=X, of=LABELS),
    "save": call(path="tree", tree=PARAMS, description={}),
    "save_model": call(path="model", model=MODEL, params=PARAMS, example=(2,), notes={}, known={}),
    "saved_score": call(path="nowhere"),
    "scale": call(factor=2.0, offset=1.0, dtype="float32"),
    "scheduled": call(make=fn.sgd, schedule=fn.constant_rate(0.1)),
    "scored": call(states=[STATE], score=lambda _state: 1.0),
    "sgd_update": call(params=PARAMS, grads=PARAMS, rate=0.1),
    "split": call(key=KEY, count=2),
    "split_data": call(data=DATA, key=KEY, share=0.5),
    "standardize": call(mean=0.0, deviation=1.0, dtype="float32"),
    "statistics_table": call(statistics=fn.tree_statistics(PARAMS)),
    "step_decay": call(rate=0.1, every=10, factor=0.5),
    "suggested_rate": call(pairs=[(0.1, 2.0), (0.2, 1.0), (0.3, 3.0)]),
    "summary": call(model=MODEL, example=(2,)),
    "tied": call(fn.relu(), fn.relu()),
    "tile": call(members=2),
    "to": call(tree=PARAMS, like=X),
    "top_k_accuracy": call(k=2, ignore_label=-1),
    "train_state": call(model=MODEL, optimizer=SGD, key=KEY, example=(2,), dtype="float32"),
    "train_step": call(**MODEL_STEP),
    "tree_equal": call(left=PARAMS, right=PARAMS),
    "tree_flatten": call(tree=PARAMS),
    "tree_leaves": call(tree=PARAMS),
    "tree_map": call(np.add, PARAMS, PARAMS),
    "tree_paths": call(tree=PARAMS, root="params"),
    "tree_reduce": call(function=lambda total, leaf: total + leaf.size, tree=PARAMS, initial=0),
    "tree_sha256": call(tree=PARAMS),
    "tree_statistics": call(tree=PARAMS, root="params"),
    "uniform": call(bound=0.1),
    "unstandardize": call(mean=0.0, deviation=1.0, dtype="float32"),
    "update_ratios": call(before=PARAMS, after=PARAMS),
    "value_and_grad": call(**LOSS_AT, key=KEY),
    "virtual_adversarial": call(**LOSS_AT, key=KEY, epsilon=0.1, weight=1.0, iterations=1, xi=0.1),
    "warm_up": call(schedule=fn.constant_rate(0.1), steps=3),
    "weight_decay": call(amount=0.1, only=fn.is_weight),
}


def usual(name: str) -> Call | None:
    """Return a call of a public function with the usual arguments, or else its specimen's; None if some are missing."""
    parameters = signature(getattr(fnmlp, name)).parameters
    options = {key: USUAL.get(key, parameter.default) for key, parameter in parameters.items()}
    known = {key: value for key, value in options.items() if value is not Parameter.empty}
    found = of_specimen(name) | known
    return call(**found) if found.keys() >= parameters.keys() else None


def of_specimen(name: str) -> dict[str, Any]:
    """Return the arguments of a layer's first specimen in the catalogue; none if it isn't a layer."""
    texts = [one.layer.name for one in LAYERS if one.named and constructor_of(one.layer.name) == name]
    if not texts:
        return {}
    arguments, options = arguments_of(texts[0])
    return dict(signature(getattr(fnmlp, name)).bind(*arguments, **options).arguments)


def calls() -> dict[str, Call]:
    """Return a right call of every public function that has one."""
    functions = [name for name in fnmlp.__all__ if isfunction(getattr(fnmlp, name))]
    derived = {name: made for name in functions if name not in GIVEN and (made := usual(name)) is not None}
    return dict(sorted({**GIVEN, **derived}.items()))


RIGHT = calls()
"""A right call of every public function."""
