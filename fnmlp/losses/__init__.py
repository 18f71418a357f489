"""Losses: (y, target) -> (value, gradient of the value with respect to y).

The value is a mean, a sum, or with `reduction="none"` one number for each row. These numbers add up to the sum, and the
gradient is that of the sum. `sample_weights` says how much each row counts: a row of weight 2 counts like two rows.
"""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
