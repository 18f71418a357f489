"""A specimen of everything public that fnmlp constructs, with its oracle.

A new constructor needs one line, in the file of its kind. All laws, array libraries and file formats are then tested
with it.
"""

from tests.catalogue.activations import CURVES
from tests.catalogue.initializers import INITIALIZERS
from tests.catalogue.layers import LAYERS, PORTABLE, Specimen, ids
from tests.catalogue.losses import LOSSES
from tests.catalogue.metrics import METRICS
from tests.catalogue.optimizers import OPTIMIZERS, SCHEDULES, is_first

__all__ = [
    "CURVES",
    "INITIALIZERS",
    "LAYERS",
    "LOSSES",
    "METRICS",
    "OPTIMIZERS",
    "PORTABLE",
    "SCHEDULES",
    "Specimen",
    "ids",
    "is_first",
]
