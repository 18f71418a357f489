"""Mistakes with optimisers, transforms and schedules."""

from collections.abc import Callable
from typing import Any

from tests.right_calls import PARAMS, X, fn

OPTIMIZERS: dict[str, tuple[Callable[[], Any], ...]] = {
    "accumulated": (
        lambda: fn.accumulated(fn.sgd, steps=2),
        lambda: fn.accumulated(fn.sgd(0.1), steps="2"),
        lambda: fn.accumulated(fn.sgd(0.1), steps=2).update(PARAMS, PARAMS, ()),
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
    "apply_if_finite": (
        lambda: fn.apply_if_finite(fn.sgd(0.1), max_consecutive_errors=1).update(PARAMS, PARAMS, ()),
        lambda: fn.apply_if_finite(fn.sgd, max_consecutive_errors=1),
    ),
    "averaged": (
        lambda: fn.averaged(fn.sgd),
        lambda: fn.averaged(0.9),
        lambda: fn.averaged(fn.sgd(0.1), decay="a"),
        lambda: fn.averaged(fn.sgd(0.1)).update(PARAMS, PARAMS, ()),
    ),
    "averaged_params": (lambda: fn.averaged_params(PARAMS),),
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
    "constant_rate": (lambda: fn.constant_rate("a"),),
    "cosine_cycles": (
        lambda: fn.cosine_cycles(0.1, steps=10, cycles=31),
        lambda: fn.cosine_cycles(0.1, steps=10, cycles=2.0),
        lambda: fn.cosine_cycles(0.1, steps=0),
    ),
    "cosine_decay": (lambda: fn.cosine_decay(0.1, steps=2.5),),
    "cosine_restarts": (lambda: fn.cosine_restarts(0.1, period="a"),),
    "decoupled_decay": (
        lambda: fn.decoupled_decay(fn.sgd, share=0.1),
        lambda: fn.decoupled_decay(fn.sgd(0.1), share="a"),
        lambda: fn.decoupled_decay(fn.sgd(0.1), share=0.1).update(PARAMS, PARAMS, ()),
    ),
    "exponential_decay": (lambda: fn.exponential_decay(0.1, factor="a"),),
    "is_weight": (lambda: fn.is_weight(PARAMS),),
    "lamb": (
        lambda: fn.lamb(0.1, only="weight"),
        lambda: fn.lamb(0.1, only=True),
    ),
    "linear_decay": (lambda: fn.linear_decay(0.1, steps=None),),
    "lion": (lambda: fn.lion(0.1, only="weight").init(PARAMS),),
    "max_norm": (
        lambda: fn.max_norm(fn.sgd, limit=1.0),
        lambda: fn.max_norm(fn.sgd(0.1), limit="a"),
        lambda: fn.max_norm(fn.sgd(0.1), limit=1.0).update(PARAMS, PARAMS, ()),
    ),
    "nadam": (lambda: fn.nadam(0.1).update(PARAMS, PARAMS, fn.adam(0.1).init(PARAMS)),),
    "one_cycle": (lambda: fn.one_cycle("a", steps=3),),
    "partitioned": (
        lambda: fn.partitioned(fn.sgd(0.1), fn.sgd(0.1), only=fn.is_weight).update(PARAMS, PARAMS, ()),
        lambda: fn.partitioned(fn.sgd, fn.sgd(0.1), only=fn.is_weight),
        lambda: fn.partitioned(fn.sgd(0.1), fn.sgd(0.1), only="weight"),
    ),
    "piecewise": (
        lambda: fn.piecewise("ab", at=(1,)),
        lambda: fn.piecewise(0.1, at=3),
        lambda: fn.piecewise((0.1, 0.01), at=3),
        lambda: fn.piecewise((0.1, 0.01), at=None),
    ),
    "rmsprop": (
        lambda: fn.rmsprop(0.1, decay="a"),
        lambda: fn.rmsprop(0.1, centered="no"),
        lambda: fn.rmsprop(0.1).update(PARAMS, PARAMS, fn.adam(0.1).init(PARAMS)),
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
    "step_decay": (lambda: fn.step_decay(0.1, every="a"),),
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
