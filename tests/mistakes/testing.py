"""Mistakes with the test kit: a constructor for its result, a bare size, one number or law for several."""

from collections.abc import Callable, Generator
from typing import Any

import fnmlp.testing
from tests.right_calls import fn

kit: Any = fnmlp.testing


def descent(p: float) -> Generator[float, float, None]:
    """Descend; no test runs it."""
    p -= yield p


TESTING: dict[str, tuple[Callable[[], Any], ...]] = {
    "check_layer": (
        lambda: kit.check_layer(fn.softsign, (5,)),
        lambda: kit.check_layer("softsign", (5,)),
        lambda: kit.check_layer([fn.linear(2), fn.relu()], (5,)),
        lambda: kit.check_layer(fn.softsign(), 5),
        lambda: kit.check_layer(fn.softsign(), None),
        lambda: kit.check_layer(fn.softsign(), (2.5,)),
        lambda: kit.check_layer(fn.softsign(), (5,), seed=fn.Key(0)),
        lambda: kit.check_layer(fn.softsign(), (5,), seed=-1),
        lambda: kit.check_layer(fn.softsign(), (5,), trials=0),
        lambda: kit.check_layer(fn.softsign(), (5,), trials="10"),
        lambda: kit.check_layer(fn.softsign(), (5,), draw="normal"),
        lambda: kit.check_layer(fn.softsign(), (5,), draw=lambda: 1),
        lambda: kit.check_layer(fn.softsign(), (5,), kinks=0.0),
        lambda: kit.check_layer(fn.softsign(), (5,), kinks=("0",)),
        lambda: kit.check_layer(fn.softsign(), (5,), noisy="no"),
        lambda: kit.check_layer(fn.softsign(), (5,), rowwise=0.5),
        lambda: kit.check_layer(fn.softsign(), (5,), laws=kit.laws()[0]),
        lambda: kit.check_layer(fn.softsign(), (5,), laws="rows do not mix"),
        lambda: kit.check_layer(fn.softsign(), (5,), on="numpi"),
    ),
    "check_loss": (
        lambda: kit.check_loss("mse", (5,)),
        lambda: kit.check_loss(fn.on_labels, (5,)),
        lambda: kit.check_loss(fn.mse, 5),
        lambda: kit.check_loss(fn.mse, (5,), trials=None),
        lambda: kit.check_loss(fn.mse, (5,), draw=1),
        lambda: kit.check_loss(fn.mse, (5,), draw_target=[1, 0]),
        lambda: kit.check_loss(fn.mse, (5,), kinks=1),
    ),
    "check_optimizer": (
        lambda: kit.check_optimizer(fn.sgd),
        lambda: kit.check_optimizer(0.1),
        lambda: kit.check_optimizer(fn.sgd(0.1), steps=0),
        lambda: kit.check_optimizer(fn.sgd(0.1), trials=1.5),
        lambda: kit.check_optimizer(fn.sgd(0.1), reference=0.1),
        lambda: kit.check_optimizer(fn.sgd(0.1), reference=descent(0.5)),
    ),
    "each_number": (lambda: kit.each_number(descent(0.5)), lambda: kit.each_number(lambda: 1)),
    "layer_test": (
        lambda: kit.layer_test(fn.softsign, (5,)),
        lambda: kit.layer_test(fn.softsign(), 5),
    ),
}
