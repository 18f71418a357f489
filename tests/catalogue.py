"""A specimen of everything public that fnmlp constructs: a new constructor needs one line here, and is then tested."""

from collections.abc import Iterable
from functools import partial
from typing import Any

from attrs import field
from attrs import frozen as record
import numpy as np
from numpy.typing import NDArray

from fnmlp.arrays import Array, Shape, namespace
from fnmlp.combinators import add, chain, concat, frozen, parallel, repeat, residual, strict, tied
from fnmlp.expressions import build
from fnmlp.initializers import (
    Initializer,
    constant,
    glorot_normal,
    glorot_uniform,
    kaiming_normal,
    kaiming_uniform,
    normal,
    uniform,
    zeros,
)
from fnmlp.key import Key, generator
from fnmlp.layer import Layer
from fnmlp.layers import (
    celu,
    dropout,
    elementwise,
    elu,
    embedding,
    flatten,
    gaussian_noise,
    gelu,
    glu,
    identity,
    layer_norm,
    leaky_relu,
    linear,
    log_softmax,
    maxout,
    prelu,
    relu,
    rms_norm,
    scale,
    silu,
    softmax,
    softplus,
    standardize,
    swiglu,
    tanh,
    unstandardize,
)
from fnmlp.losses import (
    binary_cross_entropy,
    binary_focal,
    cross_entropy,
    focal,
    hinge,
    huber,
    kl,
    l1,
    log_cosh,
    mse,
    nll,
    on_labels,
)
from fnmlp.metrics import (
    accuracy,
    confusion_matrix,
    expected_calibration_error,
    f1,
    mean_absolute_error,
    mean_over_rows,
    precision,
    r2,
    recall,
    top_k_accuracy,
)
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
from fnmlp.testing import TRIALS, Law, check_layer, each_number
from fnmlp.testing.cases import Draw, LayerCase
from fnmlp.testing.layers import LAYER_LAWS
from fnmlp.testing.numeric import normal as normal_numbers
from fnmlp.tree import Tree
from tests import rules
from tests.oracles import CURVES
from tests.specimens import LossSpecimen, MetricSpecimen, OptimizerSpecimen, labels_like, shares_like, some_ignored
from tests.steps import point_of


def pixels(key: Key, shape: Shape) -> Array:
    """Draw grey levels."""
    return generator(key).integers(0, 256, shape, dtype=np.uint8)


IDS = 5
"""How many rows the tables of the specimens of `embedding` have."""


def ids(key: Key, shape: Shape) -> Array:
    """Draw row numbers of a table."""
    return generator(key).integers(0, IDS, shape)


def sine(x: Array) -> Array:
    """Be a function that a user brings along."""
    return namespace(x).sin(x)


def cosine(x: Array) -> Array:
    """Be its derivative."""
    return namespace(x).cos(x)


@record(repr=False)
class Specimen:
    """A layer, the shape of an example, and what `check_layer` must know of it.

    `noisy`   it draws noise where a key is given.
    `named`   `build` makes it from its name alone; a layer that holds functions or parameters of the user's it can't.
    `kinks`   inputs where its derivative jumps.
    `portable`  it runs on arrays of other libraries too.
    """

    layer: Layer[Any]
    example: Shape
    by_row: bool = True
    noisy: bool = False
    draw: Draw = normal_numbers
    named: bool = True
    portable: bool = True
    kinks: tuple[float, ...] = ()
    text: str = field(init=False)

    @text.default
    def _text(self) -> str:
        return f"{self.layer.name} on {self.example}"

    def __repr__(self) -> str:
        return self.text

    @property
    def differentiable(self) -> bool:
        """Whether inputs are floats."""
        return self.draw is normal_numbers

    def point(self, seed: int, rows: int, dtype: Any = np.float64) -> tuple[Tree, NDArray[Any], NDArray[Any]]:
        """Return parameters, inputs and a cotangent to test the layer with; it takes floats unless it can't."""
        params, x, dy = point_of(self.layer, self.example, seed, rows, dtype)
        return params, self.draw(Key(seed), x.shape) if self.draw is ids else x, dy

    def check(
        self,
        layer: Layer[Any] | None = None,
        *,
        seed: int = 0,
        trials: int = TRIALS,
        laws: Iterable[Law[LayerCase]] = LAYER_LAWS,
    ) -> None:
        """Check the laws of this layer, or of a mutant in its place."""
        subject = self.layer if layer is None else layer
        check_layer(
            subject,
            self.example,
            seed=seed,
            trials=trials,
            draw=self.draw,
            noisy=self.noisy,
            rowwise=self.by_row,
            kinks=self.kinks,
            laws=laws,
        )


LAYERS = (
    Specimen(linear(3), (4,)),
    Specimen(linear(1), (1,)),
    Specimen(linear(3, bias=False), (4,)),
    Specimen(linear(2, weight_init=glorot_normal()), (3,)),
    Specimen(linear(2, bias_init=zeros()), (3,)),
    Specimen(linear(2, weight_init=kaiming_normal(a=0.5), bias_init=uniform(0.25)), (3,)),
    Specimen(linear(2, weight_init=glorot_uniform(), bias_init=constant(-0.5)), (3,)),
    Specimen(linear(2, weight_init=kaiming_uniform()), (3,)),
    Specimen(relu(), (2, 3), kinks=(0.0,)),
    Specimen(softmax(), (4,)),
    Specimen(softmax(), (2, 3)),
    Specimen(softmax(axis=1), (2, 3)),
    Specimen(softmax(axis=0), (4,), by_row=False),
    Specimen(identity(), (3,)),
    Specimen(flatten(), (2, 3)),
    Specimen(flatten(), ()),
    Specimen(scale(0.5), (3,)),
    Specimen(scale(0.5, offset=-0.25), (2, 3)),
    Specimen(scale(1 / 255, dtype="float64"), (3,)),
    Specimen(scale(1 / 255), (2, 3), draw=pixels),
    Specimen(standardize((0.5, -2.0, 0.0), (1.0, 0.25, 3.0)), (3,)),
    Specimen(standardize(0.25, 0.5, dtype="float64"), (2, 3), draw=pixels),
    Specimen(unstandardize((0.5, -2.0, 0.0), (1.0, 0.25, 3.0)), (3,)),
    Specimen(unstandardize(0.25, 0.5), (2, 3)),
    Specimen(chain(), (3,)),
    Specimen(chain(identity()), (3,)),
    Specimen(chain(linear(5), relu(), linear(3), softmax()), (4,)),
    Specimen(chain(flatten(), scale(0.5), chain(linear(4, bias=False), relu()), chain(), linear(2)), (2, 3)),
    Specimen(chain(linear(3), softmax(axis=0), identity()), (2,), by_row=False),
    Specimen(gelu(approximate="tanh"), (2, 3)),
    Specimen(elu(alpha=0.5), (2, 3), kinks=(0.0,)),
    Specimen(leaky_relu(slope=0.25), (2, 3), kinks=(0.0,)),
    Specimen(celu(alpha=0.5), (2, 3), kinks=(0.0,)),
    Specimen(prelu(), (4,), kinks=(0.0,)),
    Specimen(prelu(initial=0.5), (2, 3), kinks=(0.0,)),
    Specimen(prelu(per_feature=True), (4,), kinks=(0.0,)),
    Specimen(glu(), (4,)),
    Specimen(glu(), (3, 2)),
    Specimen(swiglu(), (4,)),
    Specimen(elementwise(sine, cosine), (4,), named=False),
    Specimen(log_softmax(), (4,)),
    Specimen(log_softmax(axis=1), (2, 3)),
    Specimen(log_softmax(axis=0), (4,), by_row=False),
    Specimen(dropout(0.5), (4,), noisy=True),
    Specimen(dropout(0), (4,)),
    Specimen(gaussian_noise(0.25), (2, 3), noisy=True),
    Specimen(layer_norm(), (5,)),
    Specimen(layer_norm(epsilon=0.5), (4,)),
    Specimen(rms_norm(), (5,)),
    Specimen(rms_norm(epsilon=0.5), (4,)),
    Specimen(embedding(IDS, 3), (), draw=ids),
    Specimen(embedding(IDS, 2, table_init=normal(0.5)), (4,), draw=ids),
    Specimen(maxout(3, 2), (4,)),
    Specimen(maxout(2, 3, weight_init=glorot_normal(), bias_init=constant(0.25)), (3,)),
    Specimen(residual(linear(4)), (4,)),
    Specimen(residual(chain(tanh(), dropout(0.5), linear(3))), (3,), noisy=True),
    Specimen(concat(identity(), linear(2)), (3,)),
    Specimen(concat(linear(2), tanh(), linear(1, bias=False)), (3,)),
    Specimen(add(tanh(), linear(3), linear(3)), (3,)),
    Specimen(parallel(linear(2), tanh(), widths=(3, 2)), (5,)),
    Specimen(parallel(relu(), softmax(), widths=(1, 2)), (2, 3)),
    Specimen(repeat(chain(linear(3), tanh()), 2), (3,)),
    Specimen(tied(linear(3), linear(3)), (3,)),
    Specimen(tied(chain(linear(3), tanh()), chain(linear(3), softplus())), (3,)),
    Specimen(frozen(linear(2), linear(2).init(Key(0), (3,))[0]), (3,), named=False),
    Specimen(strict(linear(3)), (4,), portable=False),
    Specimen(strict(chain(maxout(3, 2), residual(chain(rms_norm(), gelu())), linear(1))), (4,), portable=False),
    Specimen(strict(chain(embedding(IDS, 2), flatten(), dropout(0.5))), (3,), noisy=True, draw=ids, portable=False),
    Specimen(chain(embedding(IDS, 2), flatten(), layer_norm(), linear(3), gelu()), (4,), draw=ids),
    Specimen(chain(dropout(0.25), linear(4), silu(), dropout(0.5), linear(2), log_softmax()), (4,), noisy=True),
    *(Specimen(build(text), (4,), kinks=tuple(curve.meets)) for text, curve in CURVES.items()),
)

PORTABLE = tuple(specimen for specimen in LAYERS if specimen.portable)

WEIGHED = partial(cross_entropy, class_weights=(1.0, 2.0, 0.5, 3.0))

LOSSES = (
    LossSpecimen("mse", mse),
    LossSpecimen("mse(reduction=sum)", partial(mse, reduction="sum")),
    LossSpecimen("mse(reduction=none)", partial(mse, reduction="none"), by_row=True),
    LossSpecimen("on_labels(mse)", on_labels(mse), labels_like),
    LossSpecimen("on_labels(mse(reduction=sum))", on_labels(partial(mse, reduction="sum")), labels_like),
    LossSpecimen("l1", l1, kinks=(0.0,)),
    LossSpecimen("l1(reduction=none)", partial(l1, reduction="none"), by_row=True, kinks=(0.0,)),
    LossSpecimen("huber", huber, kinks=(-1.0, 1.0)),
    LossSpecimen("huber(delta=0.5)", partial(huber, delta=0.5, reduction="sum"), kinks=(-0.5, 0.5)),
    LossSpecimen("log_cosh", log_cosh),
    LossSpecimen("log_cosh(reduction=none)", partial(log_cosh, reduction="none"), by_row=True),
    LossSpecimen("cross_entropy", cross_entropy, labels_like),
    LossSpecimen("cross_entropy(reduction=none)", partial(cross_entropy, reduction="none"), labels_like, by_row=True),
    LossSpecimen("cross_entropy(label_smoothing=0.1)", partial(cross_entropy, label_smoothing=0.1), labels_like),
    LossSpecimen("cross_entropy(class_weights)", WEIGHED, labels_like),
    LossSpecimen("cross_entropy(both)", partial(WEIGHED, label_smoothing=0.2, reduction="sum"), labels_like),
    LossSpecimen("cross_entropy() on shares", cross_entropy, shares_like),
    LossSpecimen("cross_entropy(both) on shares", partial(WEIGHED, label_smoothing=0.1), shares_like),
    LossSpecimen("binary_cross_entropy", binary_cross_entropy, shares_like),
    LossSpecimen(
        "binary_cross_entropy(none)", partial(binary_cross_entropy, reduction="none"), shares_like, by_row=True
    ),
    LossSpecimen("binary_cross_entropy(pos_weight)", partial(binary_cross_entropy, pos_weight=2.5), shares_like),
    LossSpecimen("binary_focal", binary_focal, shares_like),
    LossSpecimen("binary_focal(alpha=0.5)", partial(binary_focal, alpha=0.5, gamma=1.5), shares_like),
    LossSpecimen("focal", focal, labels_like),
    LossSpecimen("focal(gamma=0.5)", partial(focal, gamma=0.5, class_weights=(1.0, 2.0, 0.5, 3.0)), labels_like),
    LossSpecimen("focal(gamma=0)", partial(focal, gamma=0.0, reduction="none"), labels_like, by_row=True),
    LossSpecimen("nll", nll, labels_like),
    LossSpecimen("nll(class_weights)", partial(nll, class_weights=(1.0, 2.0, 0.5, 3.0)), labels_like),
    LossSpecimen("hinge", hinge, labels_like, kinks=(-1.0,)),
    LossSpecimen(
        "hinge(margin=0.5)", partial(hinge, margin=0.5, reduction="none"), labels_like, by_row=True, kinks=(-0.5,)
    ),
    LossSpecimen("kl", kl, shares_like),
    LossSpecimen("kl(reduction=sum)", partial(kl, reduction="sum"), shares_like),
)

SCHEDULES: tuple[tuple[str, Schedule], ...] = (
    ("constant_rate(0.25)", constant_rate(0.25)),
    ("piecewise((0.25, 0.125), at=(1,))", piecewise((0.25, 0.125), at=(1,))),
    ("step_decay(0.25, every=20)", step_decay(0.25, every=20, factor=0.5)),
    ("exponential_decay(0.25, factor=0.99)", exponential_decay(0.25, factor=0.99)),
    ("linear_decay(0.25, steps=50)", linear_decay(0.25, steps=50)),
    ("cosine_decay(0.25, steps=50)", cosine_decay(0.25, steps=50, last=0.125)),
    ("cosine_restarts(0.25, period=10)", cosine_restarts(0.25, period=10, growth=2)),
    ("warm_up(steps=10)", warm_up(linear_decay(0.25, steps=50), steps=10)),
    ("one_cycle(0.25, steps=50)", one_cycle(0.25, steps=50)),
)


def is_first(path: str) -> bool:
    """Mean the first matrix of a tree."""
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
            f"scheduled(sgd, {name})", scheduled(sgd, schedule), each_number(rules.sgd(rules.RATES[name]))
        )
        for name, schedule in SCHEDULES
    ),
)

INITIALIZERS: tuple[tuple[str, Initializer], ...] = (
    ("kaiming_uniform()", kaiming_uniform()),
    ("kaiming_uniform(a=2)", kaiming_uniform(a=2)),
    ("kaiming_normal()", kaiming_normal()),
    ("kaiming_normal(a=0.5)", kaiming_normal(a=0.5)),
    ("glorot_uniform()", glorot_uniform()),
    ("glorot_normal()", glorot_normal()),
    ("uniform(0.25)", uniform(0.25)),
    ("normal(0.25)", normal(0.25)),
    ("zeros()", zeros()),
    ("constant(-0.5)", constant(-0.5)),
)

METRICS = (
    MetricSpecimen("accuracy", accuracy),
    MetricSpecimen("confusion_matrix", confusion_matrix),
    MetricSpecimen("top_k_accuracy(2)", top_k_accuracy(2)),
    MetricSpecimen("precision()", precision()),
    MetricSpecimen("precision(average=none)", precision(average="none")),
    MetricSpecimen("recall()", recall()),
    MetricSpecimen("recall(average=micro)", recall(average="micro")),
    MetricSpecimen("f1()", f1()),
    MetricSpecimen("f1(average=weighted)", f1(average="weighted")),
    MetricSpecimen("expected_calibration_error(bins=5)", expected_calibration_error(bins=5), draw_outputs=shares_like),
    MetricSpecimen("top_k_accuracy(2, ignore_label=255)", top_k_accuracy(2, ignore_label=255), some_ignored),
    MetricSpecimen("precision(ignore_label=255)", precision(ignore_label=255), some_ignored),
    MetricSpecimen(
        "recall(average=weighted, ignore_label=255)", recall(average="weighted", ignore_label=255), some_ignored
    ),
    MetricSpecimen("f1(average=none, ignore_label=255)", f1(average="none", ignore_label=255), some_ignored),
    MetricSpecimen(
        "expected_calibration_error(bins=5, ignore_label=255)",
        expected_calibration_error(bins=5, ignore_label=255),
        some_ignored,
        draw_outputs=shares_like,
    ),
    MetricSpecimen("mean_over_rows(accuracy)", mean_over_rows(accuracy)),
    MetricSpecimen("mean_absolute_error()", mean_absolute_error(), draw=normal_numbers),
    MetricSpecimen("r2()", r2(), draw=normal_numbers),
)
