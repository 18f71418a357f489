"""A test kit for your own layers, losses and optimisers: the laws that they must keep.

`check_layer`, `check_loss` and `check_optimizer` have no extra requirements. `layer_test` and the strategies need
Hypothesis, which the extra `testing` installs.
"""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
