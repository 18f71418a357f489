"""The laws of layers, losses and optimisers as a kit for those that users write.

`check_layer`, `check_loss` and `check_optimizer` need nothing beside the core; `layer_test` and the strategies need
Hypothesis, which the extra `testing` brings.
"""

from typing import TYPE_CHECKING

from fnmlp.testing.check import TRIALS, check_layer, check_loss, check_optimizer, laws
from fnmlp.testing.references import NumberRule, Reference, each_number
from fnmlp.testing.report import Law, LawBrokenError

if TYPE_CHECKING:
    from fnmlp.testing.strategies import layer_test

__all__ = [
    "TRIALS",
    "Law",
    "LawBrokenError",
    "NumberRule",
    "Reference",
    "check_layer",
    "check_loss",
    "check_optimizer",
    "each_number",
    "laws",
    "layer_test",
]


def __getattr__(name: str) -> object:
    """Import what needs Hypothesis only when it is asked for."""
    if name == "layer_test":
        from fnmlp.testing.strategies import layer_test

        return layer_test
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
