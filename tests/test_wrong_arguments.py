"""What a newcomer types by mistake is answered in one line: where, what was expected, what came, and the remedy."""

from collections.abc import Callable
from functools import partial
from inspect import getsource
from pathlib import Path
import re
from typing import Any

import numpy as np
import pytest

import fnmlp
from tests.right_calls import DATA, KEY, LABELS, MODEL, PARAMS, STATE, STEP, TARGETS, X, fn

MISTAKES: dict[str, tuple[Callable[[], Any], ...]] = {
    "Batch": (
        lambda: fn.Batch(X, None),
        lambda: fn.Batch("ab", "cd"),
        lambda: fn.Batch(X, LABELS)["a"],
        lambda: fn.Batch(X, LABELS)[1.5],
        lambda: fn.Batch(X, LABELS)[[0, 1]],
        lambda: fn.Batch(X, LABELS)[None],
        lambda: fn.Batch(X, LABELS)[(0, 1)],
    ),
    "Key": (
        lambda: fn.Key("0"),
        lambda: fn.Key(0.5),
        lambda: fn.Key(None),
    ),
    "Layer": (
        lambda: MODEL.apply(X, PARAMS),
        lambda: MODEL.apply(PARAMS, X.tolist()),
        lambda: MODEL.apply(PARAMS, None),
        lambda: MODEL.apply(PARAMS, "abc"),
        lambda: MODEL.apply(STATE, X),
        lambda: MODEL.apply(None, X),
        lambda: MODEL.vjp(PARAMS, X, 0),
        lambda: MODEL.vjp(PARAMS, X, None)[1](TARGETS.tolist()),
        lambda: MODEL.vjp(PARAMS, X, None)[1](None),
        lambda: MODEL.vjp(PARAMS, X, None)[1](1.0),
    ),
    "accumulated": (
        lambda: fn.accumulated(fn.sgd, steps=2),
        lambda: fn.accumulated(fn.sgd(0.1), steps="2"),
        lambda: fn.accumulated(fn.sgd(0.1), steps=2).update(PARAMS, PARAMS, ()),
    ),
    "accuracy": (
        lambda: fn.accuracy(TARGETS, None),
        lambda: fn.accuracy(None, LABELS),
        lambda: fn.accuracy(LABELS, TARGETS),
        lambda: fn.accuracy(TARGETS, 1),
    ),
    "adagrad": (lambda: fn.adagrad(0.1, initial="a"),),
    "adam": (
        lambda: fn.adam(0.1).update(PARAMS, PARAMS, ()),
        lambda: fn.adam(0.1, betas=0.9),
        lambda: fn.adam(0.1, betas=[0.9, 0.99]),
        lambda: fn.adam(0.1, betas=("a", "b")),
        lambda: fn.adam(0.1, epsilon=None),
        lambda: fn.adam(fn.cosine_decay(0.1, steps=3)),
        lambda: fn.adam(0.1).update(PARAMS, PARAMS, fn.sgd(0.1, momentum=0.9).init(PARAMS)),
    ),
    "adamw": (
        lambda: fn.adamw(0.1, only="weight"),
        lambda: fn.adamw(0.1, only=None),
        lambda: fn.adamw(0.1, only=True).init(PARAMS),
        lambda: fn.adamw(0.1, weight_decay="a"),
        lambda: fn.adamw(0.1).update(PARAMS, PARAMS, fn.adam(0.1).init(PARAMS)),
    ),
    "add": (lambda: fn.add(fn.relu),),
    "apply_if_finite": (
        lambda: fn.apply_if_finite(fn.sgd(0.1), max_consecutive_errors=1).update(PARAMS, PARAMS, ()),
        lambda: fn.apply_if_finite(fn.sgd, max_consecutive_errors=1),
    ),
    "apply_remainder": (
        lambda: fn.apply_remainder(fn.sgd(0.1), STATE),
        lambda: fn.apply_remainder(fn.sgd, STATE),
        lambda: fn.apply_remainder(fn.accumulated(fn.sgd(0.1), steps=2), None),
        lambda: fn.apply_remainder(fn.accumulated(fn.sgd(0.1), steps=2), STATE),
    ),
    "averaged": (
        lambda: fn.averaged(fn.sgd),
        lambda: fn.averaged(0.9),
        lambda: fn.averaged(fn.sgd(0.1), decay="a"),
        lambda: fn.averaged(fn.sgd(0.1)).update(PARAMS, PARAMS, ()),
    ),
    "averaged_params": (lambda: fn.averaged_params(PARAMS),),
    "batches": (
        lambda: fn.batches(X, size=2, key=KEY, epoch=0),
        lambda: fn.batches(None, size=2, key=KEY, epoch=0),
        lambda: fn.batches(DATA, size=2, key=0, epoch=0),
        lambda: fn.batches(DATA, size=2, key=KEY, epoch="0"),
        lambda: fn.batches(DATA, size=2, key=KEY, epoch=0.5),
        lambda: fn.batches(DATA, size=2.5, key=KEY, epoch=0),
        lambda: fn.batches(DATA, size="2", key=KEY, epoch=0),
        lambda: fn.batches(DATA, size=None, key=KEY, epoch=0),
    ),
    "best_checkpoint": (
        lambda: fn.best_checkpoint(None, "never-written"),
        lambda: fn.best_checkpoint([], None),
        lambda: fn.best_checkpoint([], "never-written", above=None),
        lambda: fn.best_checkpoint([], "never-written", parts="params"),
        lambda: list(fn.best_checkpoint([STATE], "never-written")),
        lambda: list(fn.best_checkpoint([(STATE, "high")], "never-written")),
    ),
    "best_state": (
        lambda: fn.best_state([1]),
        lambda: fn.best_state([(1, "a"), (2, "b")]),
        lambda: fn.best_state([(1, None)]),
        lambda: fn.best_state(None),
    ),
    "binary_cross_entropy": (
        lambda: fn.binary_cross_entropy(TARGETS, None),
        lambda: fn.binary_cross_entropy(TARGETS, LABELS),
    ),
    "build": (
        lambda: fn.build("relu"),
        lambda: fn.build(None),
        lambda: fn.build(known=3, text="relu()"),
        lambda: fn.build("linear(2)", known=[fn.linear]),
        lambda: fn.build(MODEL),
    ),
    "chain": (
        lambda: fn.chain([fn.linear(2), fn.relu()]),
        lambda: fn.chain(fn.relu),
        lambda: fn.chain(fn.linear(2), "relu"),
        lambda: fn.chain(fn.linear(2), None),
        lambda: fn.chain(fn.linear),
    ),
    "checked_step": (
        lambda: fn.checked_step(fn.relu, fn.cross_entropy, fn.sgd(0.1), STATE, DATA),
        lambda: fn.checked_step(MODEL, fn.cross_entropy, fn.sgd(0.1), PARAMS, DATA),
        lambda: fn.checked_step(MODEL, "mse", fn.sgd(0.1), STATE, DATA),
        lambda: fn.checked_step(MODEL, fn.on_labels, fn.sgd(0.1), STATE, DATA),
    ),
    "checkpoints": (
        lambda: fn.checkpoints(None, "never-written"),
        lambda: fn.checkpoints([STATE], None),
        lambda: fn.checkpoints([STATE], "never-written", parts={"params": PARAMS}),
        lambda: fn.checkpoints([STATE], "never-written", keep=0),
    ),
    "clip_by_global_norm": (
        lambda: fn.clip_by_global_norm("a"),
        lambda: fn.clip_by_global_norm(1.0).update(PARAMS, PARAMS, PARAMS),
    ),
    "clip_by_value": (
        lambda: fn.clip_by_value("a"),
        lambda: fn.clip_by_value(None),
        lambda: fn.clip_by_value(1.0).update(PARAMS, PARAMS, None),
    ),
    "compose": (
        lambda: fn.compose([fn.sgd(0.1)]),
        lambda: fn.compose(fn.sgd),
        lambda: fn.compose(fn.clip_by_value, fn.sgd(0.1)),
        lambda: fn.compose(fn.sgd(0.1), fn.clip_by_value(1)),
        lambda: fn.compose(fn.clip_by_value(1.0), fn.sgd(0.1)).update(PARAMS, PARAMS, ()),
        lambda: fn.compose(fn.clip_by_value(1.0), fn.sgd(0.1)).update(PARAMS, PARAMS, PARAMS[0]),
        lambda: fn.compose(fn.clip_by_value(1.0), fn.sgd(0.1)).update(PARAMS, PARAMS, (PARAMS, ())),
    ),
    "concat": (lambda: fn.concat([fn.relu()]),),
    "confusion_matrix": (lambda: fn.confusion_matrix(None, LABELS),),
    "constant": (
        lambda: fn.constant("a"),
        lambda: fn.constant(X),
    ),
    "constant_rate": (lambda: fn.constant_rate("a"),),
    "cosine_decay": (lambda: fn.cosine_decay(0.1, steps=2.5),),
    "cosine_restarts": (lambda: fn.cosine_restarts(0.1, period="a"),),
    "cross_entropy": (
        lambda: fn.cross_entropy(TARGETS, None),
        lambda: fn.cross_entropy(TARGETS, 1),
        lambda: fn.cross_entropy(LABELS, TARGETS),
        lambda: fn.cross_entropy(TARGETS, LABELS.astype(float)),
        lambda: fn.cross_entropy(TARGETS, LABELS, label_smoothing="a"),
        lambda: fn.cross_entropy(TARGETS, ["a", "b", "c", "d"]),
        lambda: fn.cross_entropy(y=None, target=LABELS),
    ),
    "decoupled_decay": (
        lambda: fn.decoupled_decay(fn.sgd, share=0.1),
        lambda: fn.decoupled_decay(fn.sgd(0.1), share="a"),
        lambda: fn.decoupled_decay(fn.sgd(0.1), share=0.1).update(PARAMS, PARAMS, ()),
    ),
    "dropout": (
        lambda: fn.dropout("0.5"),
        lambda: fn.dropout(None),
        lambda: fn.dropout(50),
        lambda: fn.dropout(0.5).vjp((), X, 0),
    ),
    "early_stopping": (
        lambda: list(fn.early_stopping([1], patience=1)),
        lambda: fn.early_stopping([], patience="a"),
        lambda: fn.early_stopping(None, patience=1),
        lambda: list(fn.early_stopping([(1, "a"), (2, "b")], patience=1)),
    ),
    "elementwise": (
        lambda: fn.elementwise(fn.relu, fn.relu),
        lambda: fn.elementwise(np.sin, None),
        lambda: fn.elementwise("sin", "cos"),
        lambda: fn.elementwise(fn.relu(), fn.relu()),
        lambda: fn.elementwise(fn.relu, fn.relu).apply((), X),
        lambda: fn.elementwise(np.sin, np.cos, name=3),
        lambda: fn.elementwise(np.sin, np.cos, name=np.sin),
    ),
    "elu": (lambda: fn.elu(alpha="a"),),
    "embedding": (
        lambda: fn.embedding(2, 3).init(KEY, 3),
        lambda: fn.embedding(2, 3).init(0, (3,)),
        lambda: fn.embedding("2", 3),
        lambda: fn.embedding(2, 3, table_init="normal"),
        lambda: fn.embedding(2, 3, table_init=fn.normal).init(KEY, ()),
        lambda: fn.embedding(2, 3, table_init=np.zeros).init(KEY, ()),
        lambda: fn.embedding(2, 3, table_init=lambda _key, _shape, _fans: None).init(KEY, ()),
    ),
    "epoch_order": (
        lambda: fn.epoch_order("5", key=KEY, epoch=0),
        lambda: fn.epoch_order(5, key=0, epoch=0),
        lambda: fn.epoch_order(DATA, key=KEY, epoch=0),
        lambda: fn.epoch_order(-5, key=KEY, epoch=0),
    ),
    "epochs": (
        lambda: next(fn.epochs(partial(fn.train_step, MODEL, fn.cross_entropy, fn.sgd(0.1)), STATE, [DATA])),
        lambda: next(fn.epochs(None, STATE, [DATA].index)),
        lambda: next(fn.epochs(partial(fn.train_step, MODEL, fn.cross_entropy, fn.sgd(0.1)), STATE, DATA)),
        lambda: next(fn.epochs(STEP, STATE, lambda _epoch: None)),
        lambda: fn.epochs(STEP, STATE, lambda _epoch: [DATA], first="1"),
        lambda: fn.epochs(STEP, STATE, lambda _epoch: [DATA], first=-1),
        lambda: fn.epochs(STEP, STATE, lambda _epoch: [DATA], first=0.5),
    ),
    "evaluate": (
        lambda: fn.evaluate(MODEL, fn.cross_entropy, PARAMS, X),
        lambda: fn.evaluate(MODEL, fn.cross_entropy, PARAMS, None),
        lambda: fn.evaluate(MODEL, fn.cross_entropy, DATA, PARAMS),
        lambda: fn.evaluate(PARAMS, fn.cross_entropy, MODEL, DATA),
        lambda: fn.evaluate(fn.relu, fn.cross_entropy, PARAMS, DATA),
        lambda: fn.evaluate(MODEL, "mse", PARAMS, DATA),
        lambda: fn.evaluate(MODEL, fn.cross_entropy, PARAMS, DATA, metrics=fn.accuracy),
        lambda: fn.evaluate(MODEL, fn.cross_entropy, PARAMS, DATA, metrics=fn.precision),
        lambda: fn.evaluate(MODEL, fn.cross_entropy, PARAMS, DATA, metrics=(fn.precision,)),
        lambda: fn.evaluate(MODEL, fn.cross_entropy, PARAMS, DATA, metrics=("accuracy",)),
        lambda: fn.evaluate(MODEL, fn.on_labels, PARAMS, DATA),
        lambda: fn.evaluate(MODEL, fn.cross_entropy, STATE, DATA),
        lambda: fn.evaluate(MODEL, fn.cross_entropy, PARAMS, DATA, size="3"),
    ),
    "expected_calibration_error": (lambda: fn.expected_calibration_error(bins="a"),),
    "exponential_decay": (lambda: fn.exponential_decay(0.1, factor="a"),),
    "fit_standardize": (
        lambda: fn.fit_standardize(DATA),
        lambda: fn.fit_standardize(None),
        lambda: fn.fit_standardize((X, LABELS)),
        lambda: fn.fit_standardize("abc"),
        lambda: fn.fit_standardize(X, per_feature="no"),
        lambda: fn.fit_standardize(X, per_feature=X),
    ),
    "flatten": (lambda: fn.flatten().init(KEY, 3),),
    "fold_in": (
        lambda: fn.fold_in(0, 1),
        lambda: fn.fold_in(KEY, "a"),
        lambda: fn.fold_in(KEY, 1.5),
    ),
    "fold_metric": (
        lambda: fn.fold_metric(fn.accuracy, [(TARGETS, LABELS)]),
        lambda: fn.fold_metric(fn.precision, [(TARGETS, LABELS)]),
        lambda: fn.fold_metric(None, [(TARGETS, LABELS)]),
        lambda: fn.fold_metric([(TARGETS, LABELS)], fn.precision()),
        lambda: fn.fold_metric(fn.r2(), [DATA]),
        lambda: fn.fold_metric(fn.r2(), DATA),
        lambda: fn.fold_metric(fn.r2(), None),
        lambda: fn.fold_metric(fn.r2(), (TARGETS, TARGETS)),
    ),
    "frozen": (
        lambda: fn.frozen(fn.linear(2), None),
        lambda: fn.frozen(fn.linear, PARAMS),
        lambda: fn.frozen(MODEL, X.tolist()),
    ),
    "gaussian_noise": (
        lambda: fn.gaussian_noise("a"),
        lambda: fn.gaussian_noise(0.1).vjp((), X, 0),
    ),
    "gelu": (
        lambda: fn.gelu(approximate=True),
        lambda: fn.gelu(approximate=None),
    ),
    "generator": (
        lambda: fn.generator(0),
        lambda: fn.generator(None),
    ),
    "gradients": (
        lambda: fn.gradients(MODEL, PARAMS, X.tolist(), TARGETS),
        lambda: fn.gradients(MODEL, PARAMS, X, TARGETS.tolist()),
        lambda: fn.gradients(fn.relu, PARAMS, X, TARGETS),
        lambda: fn.gradients(MODEL, X, PARAMS, TARGETS),
        lambda: fn.gradients(MODEL, PARAMS, X, TARGETS, 0),
        lambda: fn.gradients(MODEL, PARAMS, X, X),
        lambda: fn.gradients(fn.sigmoid(), (), X, X[0]),
    ),
    "hessian_vector_product": (
        lambda: fn.hessian_vector_product(MODEL, fn.cross_entropy, PARAMS, DATA, None),
        lambda: fn.hessian_vector_product(MODEL, None, PARAMS, DATA, PARAMS),
    ),
    "hinge": (
        lambda: fn.hinge(TARGETS, None),
        lambda: fn.hinge(TARGETS, LABELS, margin="a"),
    ),
    "huber": (
        lambda: fn.huber(X, X, delta="a"),
        lambda: fn.huber(X, None),
    ),
    "is_weight": (lambda: fn.is_weight(PARAMS),),
    "jvp": (
        lambda: fn.jvp(MODEL, PARAMS, X, PARAMS, [[1.0]]),
        lambda: fn.jvp(MODEL, PARAMS, X, None),
        lambda: fn.jvp(MODEL, PARAMS, X.tolist(), PARAMS),
        lambda: fn.jvp(fn.relu, PARAMS, X, PARAMS),
        lambda: fn.jvp(MODEL, PARAMS, X, PARAMS, key=0),
    ),
    "kaiming_uniform": (lambda: fn.kaiming_uniform(a="a"),),
    "kl": (lambda: fn.kl(TARGETS, None),),
    "l1": (lambda: fn.l1(X, None),),
    "lamb": (
        lambda: fn.lamb(0.1, only="weight"),
        lambda: fn.lamb(0.1, only=True),
    ),
    "layer_norm": (
        lambda: fn.layer_norm().init(KEY, 3),
        lambda: fn.layer_norm(epsilon="a"),
    ),
    "leaky_relu": (lambda: fn.leaky_relu(slope="a"),),
    "linear": (
        lambda: fn.linear(784, 128),
        lambda: fn.linear("10"),
        lambda: fn.linear(None),
        lambda: fn.linear(2.0),
        lambda: fn.linear((2,)),
        lambda: fn.linear(2, bias="no"),
        lambda: fn.linear(2, bias=None),
        lambda: fn.linear(2, weight_init="glorot"),
        lambda: fn.linear(2, weight_init=fn.glorot_normal),
        lambda: fn.linear(2, weight_init=np.zeros((2, 2))),
        lambda: fn.linear(2, weight_init=fn.glorot_normal).init(KEY, (2,)),
        lambda: fn.linear(2).init(0, (2,)),
        lambda: fn.linear(2).init(KEY, 2),
        lambda: fn.linear(2).init(KEY, (2.0,)),
        lambda: fn.linear(2).init(KEY, ("2",)),
        lambda: fn.linear(2).init(KEY, None),
        lambda: fn.linear(2, weight_init=np.zeros).init(KEY, (2,)),
        lambda: fn.linear(2, bias_init=np.zeros).init(KEY, (2,)),
        lambda: fn.linear(2, weight_init=lambda _key, shape, fans: fn.normal(0.1)(0, shape, fans)).init(KEY, (2,)),
        lambda: fn.linear(2, weight_init=partial(np.full, fill_value=0.5)).init(KEY, (2,)),
        lambda: fn.linear(2, weight_init=lambda _key, _shape, _fans: None).init(KEY, (2,)),
        lambda: fn.linear(2, weight_init=lambda _key, _shape, _fans: 0.0).init(KEY, (2,)),
        lambda: fn.linear(2, weight_init=lambda _key, _shape, fans: np.zeros(fans[0])).init(KEY, (2,)),
        lambda: fn.linear(2, bias_init=lambda _key, _shape, _fans: [0.0, 0.0]).init(KEY, (2,)),
    ),
    "linear_decay": (lambda: fn.linear_decay(0.1, steps=None),),
    "lion": (lambda: fn.lion(0.1, only="weight").init(PARAMS),),
    "load": (
        lambda: fn.load(None),
        lambda: fn.load("a\0b"),
    ),
    "load_model": (
        lambda: fn.load_model(None),
        lambda: fn.load_model(MODEL),
    ),
    "log_softmax": (lambda: fn.log_softmax(axis=None),),
    "max_norm": (
        lambda: fn.max_norm(fn.sgd, limit=1.0),
        lambda: fn.max_norm(fn.sgd(0.1), limit="a"),
        lambda: fn.max_norm(fn.sgd(0.1), limit=1.0).update(PARAMS, PARAMS, ()),
    ),
    "maxout": (
        lambda: fn.maxout("2", 3),
        lambda: fn.maxout(2, 3, weight_init=fn.zeros).init(KEY, (2,)),
        lambda: fn.maxout(2, 2, weight_init=np.zeros).init(KEY, (2,)),
        lambda: fn.maxout(2, 2, bias_init=lambda _key, _shape, _fans: None).init(KEY, (2,)),
    ),
    "mean_absolute_error": (lambda: fn.mean_absolute_error()(None, TARGETS),),
    "mean_over_rows": (
        lambda: fn.mean_over_rows("accuracy"),
        lambda: fn.mean_over_rows(None),
    ),
    "mse": (
        lambda: fn.mse(X, None),
        lambda: fn.mse(None, X),
        lambda: fn.mse(X.tolist(), X.tolist()),
        lambda: fn.mse(X, 1.0),
        lambda: fn.mse(X, X, reduction=None),
        lambda: fn.mse(X, X, reduction="avg"),
        lambda: fn.mse(X, X, "sum"),
        lambda: fn.mse(y=None, target=X),
        lambda: fn.mse(y=X.tolist(), target=X),
        lambda: fn.mse(X, X, sample_weights=np.ones(4), reduction=X),
    ),
    "nadam": (lambda: fn.nadam(0.1).update(PARAMS, PARAMS, fn.adam(0.1).init(PARAMS)),),
    "namespace": (
        lambda: fn.namespace(None),
        lambda: fn.namespace("a"),
        lambda: fn.namespace([1.0]),
        lambda: fn.namespace(MODEL),
    ),
    "nll": (lambda: fn.nll(TARGETS, None),),
    "normal": (
        lambda: fn.normal(None),
        lambda: fn.normal(0.1)(0, (2,), (2, 2)),
    ),
    "on_labels": (
        lambda: fn.on_labels("mse"),
        lambda: fn.on_labels(None),
        lambda: fn.on_labels(fn.mse)(TARGETS, None),
        lambda: fn.on_labels(fn.on_labels)(TARGETS, LABELS),
        lambda: fn.on_labels(fn.mse)(None, LABELS),
        lambda: fn.on_labels(fn.mse)(TARGETS.tolist(), LABELS),
    ),
    "one_cycle": (lambda: fn.one_cycle("a", steps=3),),
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
    "parallel": (
        lambda: fn.parallel(fn.relu(), widths=3),
        lambda: fn.parallel(fn.relu(), widths="3"),
        lambda: fn.parallel(fn.relu(), widths=None),
        lambda: fn.parallel(fn.relu(), fn.tanh(), widths=(1, 1)).init(KEY, 2),
    ),
    "partitioned": (
        lambda: fn.partitioned(fn.sgd(0.1), fn.sgd(0.1), only=fn.is_weight).update(PARAMS, PARAMS, ()),
        lambda: fn.partitioned(fn.sgd, fn.sgd(0.1), only=fn.is_weight),
        lambda: fn.partitioned(fn.sgd(0.1), fn.sgd(0.1), only="weight"),
    ),
    "per_example_gradients": (lambda: fn.per_example_gradients(MODEL, fn.cross_entropy, PARAMS, X),),
    "per_example_norms": (lambda: fn.per_example_norms(MODEL, fn.cross_entropy, PARAMS, DATA, 0),),
    "piecewise": (
        lambda: fn.piecewise("ab", at=(1,)),
        lambda: fn.piecewise(0.1, at=3),
        lambda: fn.piecewise((0.1, 0.01), at=3),
        lambda: fn.piecewise((0.1, 0.01), at=None),
    ),
    "precision": (lambda: fn.precision(average=None),),
    "predict": (
        lambda: fn.predict(MODEL, PARAMS, None),
        lambda: fn.predict(MODEL, PARAMS, DATA),
        lambda: fn.predict(MODEL, PARAMS, X[0]),
        lambda: fn.predict(MODEL, X, PARAMS),
        lambda: fn.predict(MODEL, PARAMS, "abc"),
        lambda: fn.predict(MODEL, PARAMS, np.float32(3)),
        lambda: fn.predict(fn.relu, PARAMS, X),
        lambda: fn.predict(MODEL, STATE, X),
        lambda: fn.predict(MODEL, PARAMS, X, size=0),
    ),
    "r2": (lambda: fn.r2()(TARGETS, None),),
    "rate_range": (
        lambda: list(fn.rate_range(MODEL, fn.cross_entropy, fn.sgd(0.1), STATE, [(X, LABELS)] * 3, steps=3)),
        lambda: list(fn.rate_range(MODEL, fn.cross_entropy, fn.sgd, STATE, DATA, steps=3)),
        lambda: list(fn.rate_range(MODEL, fn.cross_entropy, fn.sgd, PARAMS, [DATA] * 3, steps=3)),
        lambda: list(fn.rate_range(MODEL, fn.cross_entropy, fn.sgd, STATE, [DATA] * 3, steps="3")),
        lambda: fn.rate_range(MODEL, fn.cross_entropy, fn.sgd, STATE, None, steps=3),
        lambda: fn.rate_range(MODEL, fn.cross_entropy, fn.constant_rate, STATE, [DATA] * 3, steps=3),
    ),
    "relu": (
        lambda: fn.relu().init(KEY, 3),
        lambda: fn.relu().apply((), None),
    ),
    "repeat": (
        lambda: fn.repeat(fn.relu, 2),
        lambda: fn.repeat(fn.relu(), "2"),
        lambda: fn.repeat(2, fn.relu()),
    ),
    "replay": (
        lambda: fn.replay(partial(fn.train_step, MODEL, fn.cross_entropy, fn.sgd(0.1)), PARAMS, [DATA], number=1),
        lambda: fn.replay(partial(fn.train_step, MODEL, fn.cross_entropy, fn.sgd(0.1)), STATE, [DATA], number="1"),
        lambda: fn.replay(None, STATE, [DATA], number=1),
        lambda: fn.replay(STEP, STATE, None, number=1),
    ),
    "residual": (lambda: fn.residual(fn.relu),),
    "restore": (
        lambda: fn.restore(None, PARAMS),
        lambda: fn.restore("f", PARAMS),
        lambda: fn.restore(PARAMS, None),
    ),
    "resume": (
        lambda: fn.resume(None, STATE),
        lambda: fn.resume(STATE, "never-written"),
    ),
    "rms_norm": (lambda: fn.rms_norm(epsilon=None),),
    "rmsprop": (
        lambda: fn.rmsprop(0.1, decay="a"),
        lambda: fn.rmsprop(0.1, centered="no"),
        lambda: fn.rmsprop(0.1).update(PARAMS, PARAMS, fn.adam(0.1).init(PARAMS)),
    ),
    "saliency": (
        lambda: fn.saliency(MODEL, PARAMS, X.tolist()),
        lambda: fn.saliency(MODEL, X, PARAMS),
        lambda: fn.saliency(fn.relu, PARAMS, X),
        lambda: fn.saliency(MODEL, PARAMS, X, of=0),
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
    "scale": (
        lambda: fn.scale("a"),
        lambda: fn.scale(1 / 255, dtype=np.int32),
        lambda: fn.scale(1 / 255, dtype=float),
    ),
    "scheduled": (
        lambda: fn.scheduled(fn.sgd(0.1), fn.constant_rate(0.1)),
        lambda: fn.scheduled(fn.sgd, 0.1),
        lambda: fn.scheduled(fn.sgd, fn.constant_rate),
        lambda: fn.scheduled(fn.constant_rate(0.1), fn.sgd),
        lambda: fn.scheduled("sgd", fn.constant_rate(0.1)),
        lambda: fn.scheduled(fn.sgd, "a".format),
        lambda: fn.scheduled(fn.sgd, fn.constant_rate(0.1)).update(PARAMS, PARAMS, ()),
        lambda: fn.scheduled(fn.constant_rate, fn.constant_rate(0.1)),
    ),
    "scored": (
        lambda: list(fn.scored([1], None)),
        lambda: list(fn.scored([1], 0.5)),
        lambda: fn.scored(None, float),
        lambda: list(fn.scored([1], str)),
        lambda: list(fn.scored([1], lambda _state: "0.5")),
    ),
    "sgd": (
        lambda: fn.sgd(0.1, momentum=0.9).update(PARAMS, PARAMS, ()),
        lambda: fn.sgd("0.1"),
        lambda: fn.sgd(None),
        lambda: fn.sgd(PARAMS),
        lambda: fn.sgd(0.1, momentum="0.9"),
        lambda: fn.sgd(fn.constant_rate(0.1)),
        lambda: fn.sgd(0.1).update(PARAMS, None, ()),
        lambda: fn.sgd(0.1).update(PARAMS, X, ()),
        lambda: fn.sgd(0.1).update(PARAMS, PARAMS, fn.adam(0.1).init(PARAMS)),
        lambda: fn.sgd(0.1).update(PARAMS, PARAMS, None),
        lambda: fn.sgd(0.1).update(PARAMS, PARAMS, PARAMS),
        lambda: fn.sgd(0.1, momentum=0.9).update(PARAMS, PARAMS, fn.adam(0.1).init(PARAMS)),
    ),
    "sgd_update": (
        lambda: fn.sgd_update(PARAMS, PARAMS, rate="a"),
        lambda: fn.sgd_update(PARAMS, X, rate=0.1),
    ),
    "softmax": (
        lambda: fn.softmax().init(KEY, 3),
        lambda: fn.softmax(axis="1"),
        lambda: fn.softmax(axis=None),
        lambda: fn.softmax(axis=1.0),
    ),
    "split": (
        lambda: fn.split(0, 2),
        lambda: fn.split(KEY, "2"),
        lambda: fn.split(KEY, -1),
    ),
    "split_data": (
        lambda: fn.split_data(X, key=KEY, share=0.5),
        lambda: fn.split_data(DATA, key=0, share=0.5),
        lambda: fn.split_data(DATA, key=KEY, share="0.5"),
    ),
    "standardize": (
        lambda: fn.standardize(X, X),
        lambda: fn.standardize("a", "b"),
        lambda: fn.standardize(None, 1),
        lambda: fn.standardize(0.0, 1.0, dtype=None),
        lambda: fn.standardize((0.0, 1.0), (1.0, 1.0)).init(KEY, 2),
    ),
    "statistics_table": (
        lambda: fn.statistics_table(PARAMS),
        lambda: fn.statistics_table(None),
    ),
    "step_decay": (lambda: fn.step_decay(0.1, every="a"),),
    "strict": (lambda: fn.strict(fn.relu),),
    "suggested_rate": (
        lambda: fn.suggested_rate(None),
        lambda: fn.suggested_rate(0.1),
        lambda: fn.suggested_rate([0.1, 0.2, 0.3]),
        lambda: fn.suggested_rate([("a", "b")]),
    ),
    "summary": (
        lambda: fn.summary(fn.linear, (2,)),
        lambda: fn.summary(MODEL, 2),
    ),
    "tied": (lambda: fn.tied(fn.relu),),
    "top_k_accuracy": (
        lambda: fn.top_k_accuracy("2"),
        lambda: fn.top_k_accuracy(2)(TARGETS, None),
    ),
    "train_state": (
        lambda: fn.train_state(MODEL, fn.sgd(0.1), key=0, example=(2,)),
        lambda: fn.train_state(MODEL, fn.sgd(0.1), key=None, example=(2,)),
        lambda: fn.train_state(MODEL, fn.sgd(0.1), key=KEY, example=2),
        lambda: fn.train_state(MODEL, fn.sgd(0.1), key=KEY, example=(2.0,)),
        lambda: fn.train_state(MODEL, fn.sgd(0.1), key=KEY, example=None),
        lambda: fn.train_state(MODEL, fn.sgd(0.1), key=KEY, example="2"),
        lambda: fn.train_state(MODEL, fn.sgd(0.1), key=KEY, example=X),
        lambda: fn.train_state(MODEL, fn.sgd, key=KEY, example=(2,)),
        lambda: fn.train_state(MODEL, None, key=KEY, example=(2,)),
        lambda: fn.train_state(MODEL, "sgd", key=KEY, example=(2,)),
        lambda: fn.train_state(fn.sgd(0.1), MODEL, key=KEY, example=(2,)),
        lambda: fn.train_state(fn.relu, fn.sgd(0.1), key=KEY, example=(2,)),
        lambda: fn.train_state(fn.linear, fn.sgd(0.1), key=KEY, example=(2,)),
        lambda: fn.train_state([fn.linear(3)], fn.sgd(0.1), key=KEY, example=(2,)),
        lambda: fn.train_state(PARAMS, fn.sgd(0.1), key=KEY, example=(2,)),
        lambda: fn.train_state(MODEL, fn.sgd(0.1), key=KEY, example=(2,), dtype=float),
        lambda: fn.train_state(MODEL, fn.sgd(0.1), key=KEY, example=(2,), dtype=np.int32),
        lambda: fn.train_state(MODEL, fn.sgd(0.1), key=KEY, example=(2,), dtype=None),
    ),
    "train_step": (
        lambda: fn.train_step(MODEL, fn.cross_entropy, fn.adam(0.1), STATE, DATA),
        lambda: fn.train_step(MODEL, fn.cross_entropy, fn.sgd(0.1), STATE, (X, LABELS, LABELS, LABELS)),
        lambda: fn.train_step(MODEL, fn.cross_entropy, fn.sgd, STATE, DATA),
        lambda: fn.train_step(MODEL, fn.cross_entropy, fn.sgd(0.1), PARAMS, DATA),
        lambda: fn.train_step(MODEL, fn.cross_entropy, STATE, fn.sgd(0.1), DATA),
        lambda: fn.train_step(fn.relu, fn.cross_entropy, fn.sgd(0.1), STATE, DATA),
        lambda: fn.train_step(MODEL, fn.sgd(0.1), fn.cross_entropy, STATE, DATA),
        lambda: fn.train_step(MODEL, fn.mse, fn.sgd(0.1), STATE, DATA),
        lambda: fn.train_step(MODEL, fn.cross_entropy, fn.sgd(0.1), STATE, {"a": X, "y": LABELS}),
        lambda: fn.train_step(MODEL, fn.cross_entropy, fn.sgd(0.1), STATE, 3),
        lambda: fn.train_step(MODEL, fn.cross_entropy, fn.sgd(0.1), STATE, "ab"),
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
    "tree_statistics": (
        lambda: fn.tree_statistics(None),
        lambda: fn.tree_statistics(("abc",)),
        lambda: fn.tree_statistics((1.0,)),
        lambda: fn.tree_statistics([X]),
        lambda: fn.tree_statistics(PARAMS, None),
    ),
    "uniform": (lambda: fn.uniform("a"),),
    "unstandardize": (lambda: fn.unstandardize((0.0, 1.0), (1.0, 1.0)).init(KEY, 2),),
    "update_ratios": (
        lambda: fn.update_ratios(PARAMS, None),
        lambda: fn.update_ratios(STATE, STATE),
        lambda: fn.update_ratios(PARAMS, X),
    ),
    "value_and_grad": (
        lambda: fn.value_and_grad(MODEL, fn.cross_entropy, PARAMS, X),
        lambda: fn.value_and_grad(MODEL, fn.cross_entropy, PARAMS, DATA, 0),
        lambda: fn.value_and_grad(PARAMS, fn.cross_entropy, MODEL, DATA),
        lambda: fn.value_and_grad(MODEL, PARAMS, fn.cross_entropy, DATA),
        lambda: fn.value_and_grad(fn.relu, fn.cross_entropy, PARAMS, DATA),
        lambda: fn.value_and_grad(MODEL, fn.on_labels, PARAMS, DATA),
        lambda: fn.value_and_grad(MODEL, None, PARAMS, DATA),
        lambda: fn.value_and_grad(MODEL, fn.cross_entropy, None, DATA),
        lambda: fn.value_and_grad(MODEL, fn.cross_entropy, STATE, DATA),
        lambda: fn.value_and_grad(MODEL, lambda _y, _target: (0.0, 0.0), PARAMS, DATA),
        lambda: fn.value_and_grad(fn.sigmoid(), lambda y, _target: (0.0, y[:1]), (), DATA),
    ),
    "warm_up": (
        lambda: fn.warm_up(0.1, steps=3),
        lambda: fn.warm_up(None, steps=3),
    ),
    "weight_decay": (
        lambda: fn.weight_decay("a"),
        lambda: fn.weight_decay(0.1, only="a"),
        lambda: fn.weight_decay(0.1, only="a").init(PARAMS),
    ),
}
"""A constructor in place of its result, arguments in another order, lists of layers, numbers as text, no key, …"""


def named(case: Callable[..., Any]) -> str:
    """Return what a case types."""
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
"""Mistakes, and what of the remedy is to be written."""


def test_the_remedy_is_what_to_write() -> None:
    others = []
    for call, remedy in REMEDIES:
        with pytest.raises(fnmlp.FnmlpError) as caught:
            call()
        others += [] if re.search(remedy, str(caught.value)) else [f"{remedy}: {caught.value}"]
    assert others == []


PAIR = (X, LABELS.tolist())


def same(left: Any, right: Any) -> bool:
    """Compare two trees, or what else is returned."""
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
"""All that take a batch."""


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
