"""Tables: columns of numbers, texts, booleans and dates, as the arrays of numbers that networks take."""

from fnmlp.lazy import offering

__getattr__, __dir__, __all__ = offering(__name__)
