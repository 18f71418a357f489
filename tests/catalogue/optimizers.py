"""Specimens of every optimiser, each with its rule written a second time, and of every schedule."""

import numpy as np

from fnmlp.optimizers import (
    Schedule,
    accumulated,
    adadelta,
    adagrad,
    adam,
    adamax,
    adamw,
    apply_if_finite,
    averaged,
    clip_by_global_norm,
    clip_by_value,
    compose,
    constant_rate,
    cosine_cycles,
    cosine_decay,
    cosine_restarts,
    decoupled_decay,
    everywhere,
    exponential_decay,
    is_weight,
    lamb,
    linear_decay,
    lion,
    max_norm,
    muon,
    nadam,
    one_cycle,
    partitioned,
    piecewise,
    radam,
    rmsprop,
    scheduled,
    sgd,
    step_decay,
    warm_up,
    weight_decay,
)
from fnmlp.testing import each_number
from tests.oracles import optimizers as rules
from tests.specimens import OptimizerSpecimen

SCHEDULES: tuple[tuple[str, Schedule], ...] = (
    ("constant_rate(0.25)", constant_rate(0.25)),
    ("piecewise((0.25, 0.125), at=(1,))", piecewise((0.25, 0.125), at=(1,))),
    ("step_decay(0.25, every=20)", step_decay(0.25, every=20, factor=0.5)),
    ("exponential_decay(0.25, factor=0.99)", exponential_decay(0.25, factor=0.99)),
    ("linear_decay(0.25, steps=50)", linear_decay(0.25, steps=50)),
    ("cosine_decay(0.25, steps=50)", cosine_decay(0.25, steps=50, last=0.125)),
    ("cosine_cycles(0.25, steps=50)", cosine_cycles(0.25, steps=50)),
    ("cosine_restarts(0.25, period=10)", cosine_restarts(0.25, period=10, growth=2)),
    ("warm_up(steps=10)", warm_up(linear_decay(0.25, steps=50), steps=10)),
    ("one_cycle(0.25, steps=50)", one_cycle(0.25, steps=50)),
)


def is_first(path: str) -> bool:
    """Choose the first matrix of a tree."""
    return path in {"[0]", "[0].weight"}


DECAY = rules.feeding(lambda p, g: g + 0.1 * p, rules.sgd(0.5))
ADAM = rules.adam(0.1)
ADAMW, LION = rules.adam(0.1, decay=0.1), rules.lion(0.1, decay=0.1)

OPTIMIZERS = (
    OptimizerSpecimen("sgd(0.5)", sgd(0.5), each_number(rules.sgd(0.5))),
    OptimizerSpecimen("sgd(float64 rate)", sgd(np.float64(0.1)), each_number(rules.sgd(0.1))),
    OptimizerSpecimen(
        "sgd(momentum=0.5)", sgd(0.1, momentum=0.5, dampening=0.25), each_number(rules.sgd(0.1, 0.5, 0.25))
    ),
    OptimizerSpecimen(
        "sgd(nesterov=True)",
        sgd(np.float64(0.1), momentum=np.float64(0.5), nesterov=True),
        each_number(rules.sgd(0.1, 0.5, nesterov=True)),
    ),
    OptimizerSpecimen("adam(0.1)", adam(0.1), each_number(ADAM)),
    OptimizerSpecimen(
        "adam(float64 options)",
        adam(np.float64(0.1), betas=(np.float64(0.5), np.float64(0.9)), epsilon=np.float64(1e-4)),
        each_number(rules.adam(0.1, (0.5, 0.9), 1e-4)),
    ),
    OptimizerSpecimen("adam(amsgrad=True)", adam(0.1, amsgrad=True), each_number(rules.adam(0.1, top=True))),
    OptimizerSpecimen("adamw(0.1)", adamw(0.1, weight_decay=0.1), each_number(ADAMW), shrinks=True),
    OptimizerSpecimen("adamw(only=is_weight)", adamw(0.1, weight_decay=0.1, only=is_weight), each_number(ADAM)),
    OptimizerSpecimen(
        "adamw(only=is_first)", adamw(0.1, weight_decay=0.1, only=is_first), rules.only_first(ADAMW, ADAM), shrinks=True
    ),
    OptimizerSpecimen(
        "adamw(amsgrad=True)",
        adamw(0.1, weight_decay=0.1, amsgrad=True),
        each_number(rules.adam(0.1, decay=0.1, top=True)),
        shrinks=True,
    ),
    OptimizerSpecimen("nadam(0.1)", nadam(0.1, momentum_decay=0.1), each_number(rules.nadam(0.1, psi=0.1))),
    OptimizerSpecimen("radam(0.1)", radam(0.1, betas=(0.5, 0.9)), each_number(rules.radam(0.1, (0.5, 0.9)))),
    OptimizerSpecimen("adamax(0.1)", adamax(0.1, betas=(0.5, 0.9)), each_number(rules.adamax(0.1, (0.5, 0.9)))),
    OptimizerSpecimen("adadelta(epsilon=0.01)", adadelta(epsilon=0.01), each_number(rules.adadelta(1.0, 0.9, 0.01))),
    OptimizerSpecimen("rmsprop(0.1)", rmsprop(0.1), each_number(rules.rmsprop(0.1))),
    OptimizerSpecimen(
        "rmsprop(centered=True)",
        rmsprop(0.1, momentum=0.5, centered=True),
        each_number(rules.rmsprop(0.1, 0.5, centered=True)),
    ),
    OptimizerSpecimen(
        "adagrad(0.5)", adagrad(0.5, rate_decay=0.01, initial=0.1), each_number(rules.adagrad(0.5, 0.01, 0.1))
    ),
    OptimizerSpecimen("lion(0.1)", lion(0.1, weight_decay=0.1), each_number(LION), shrinks=True),
    OptimizerSpecimen(
        "lion(only=is_weight)", lion(0.1, weight_decay=0.1, only=is_weight), each_number(rules.lion(0.1))
    ),
    OptimizerSpecimen("lamb(0.1)", lamb(0.1, weight_decay=0.1), rules.lamb(0.1, 0.1), shrinks=True),
    OptimizerSpecimen("lamb(only=is_weight)", lamb(0.1, weight_decay=0.1, only=is_weight), rules.lamb(0.1, 0.0)),
    OptimizerSpecimen(
        "partitioned(muon(0.1), sgd(0.5))",
        partitioned(muon(0.1), sgd(0.5), only=is_first),
        rules.muon_and_sgd(0.1, 0.5),
        shrinks=True,
    ),
    OptimizerSpecimen(
        "apply_if_finite(adam(0.1))", apply_if_finite(adam(0.1), max_consecutive_errors=2), each_number(ADAM)
    ),
    OptimizerSpecimen(
        "clip_by_value(0.5)",
        compose(clip_by_value(0.5), sgd(0.5)),
        each_number(rules.feeding(lambda _, g: max(-0.5, min(g, 0.5)), rules.sgd(0.5))),
    ),
    OptimizerSpecimen(
        "clip_by_global_norm(1.0)",
        compose(clip_by_global_norm(1.0), sgd(0.5, momentum=0.5)),
        rules.clipped_by_norm(1.0, 0.5, 0.5),
    ),
    OptimizerSpecimen(
        "compose(weight_decay(0.1), sgd(0.5))", compose(weight_decay(0.1), sgd(0.5)), each_number(DECAY), shrinks=True
    ),
    OptimizerSpecimen(
        "weight_decay(only=is_first)",
        compose(weight_decay(0.1, only=is_first), sgd(0.5)),
        rules.only_first(DECAY, rules.sgd(0.5)),
        shrinks=True,
    ),
    OptimizerSpecimen(
        "accumulated(adam(0.1), steps=2)", accumulated(adam(0.1), steps=2), each_number(rules.in_pairs(ADAM)), steps=2
    ),
    OptimizerSpecimen("averaged(sgd(0.5))", averaged(sgd(0.5), decay=0.9), each_number(rules.sgd(0.5))),
    OptimizerSpecimen("max_norm(sgd(0.1), limit=1000)", max_norm(sgd(0.1), limit=1000), each_number(rules.sgd(0.1))),
    OptimizerSpecimen(
        "max_norm(only=everywhere)",
        max_norm(sgd(0.1), limit=0.5, only=everywhere),
        rules.short_columns(0.1, 0.5),
        shrinks=True,
    ),
    OptimizerSpecimen(
        "decoupled_decay(sgd(0.1))",
        decoupled_decay(sgd(0.1), share=np.float64(0.1)),
        each_number(rules.shrinking(0.1, 0.1)),
        shrinks=True,
    ),
    *(
        OptimizerSpecimen(
            f"scheduled(sgd, {name})",
            scheduled(sgd, schedule),
            each_number(rules.sgd(rules.RATES[name])),
            steps=2 if schedule(0) == 0 else 1,
        )
        for name, schedule in SCHEDULES
    ),
)
