"""The laws of layers, losses and optimisers as a kit for those that users write.

`check_layer`, `check_loss` and `check_optimizer` need nothing beside the core; `layer_test` and the strategies need
Hypothesis, which the extra `testing` brings.
"""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
