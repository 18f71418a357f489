"""The example's own layer keeps every law: the kit as a user uses it."""

from custom_layer import power
from fnmlp.arrays import Array, Shape
from fnmlp.key import Key
from fnmlp.testing import layer_test
from fnmlp.testing.numeric import normal


def positive(key: Key, shape: Shape) -> Array:
    """Draw numbers around 1 that have a logarithm."""
    return 0.5 + abs(normal(key, shape))


test_power = layer_test(power(), example=(3,), draw=positive, rowwise=True)
