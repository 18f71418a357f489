"""What a newcomer types by mistake: by the name of the function, calls that must be answered in one line."""

from tests.mistakes.layers import LAYERS
from tests.mistakes.losses import LOSSES
from tests.mistakes.optimizers import OPTIMIZERS
from tests.mistakes.testing import TESTING
from tests.mistakes.training import TRAINING
from tests.mistakes.trees import TREES

MISTAKES = {**LAYERS, **LOSSES, **OPTIMIZERS, **TESTING, **TRAINING, **TREES}
"""A constructor in place of its result, arguments in another order, lists of layers, numbers as text, no key, …"""
