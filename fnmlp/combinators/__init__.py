"""Combinators: layers made of layers."""

from fnmlp.combinators.branches import add, concat, parallel, residual
from fnmlp.combinators.chains import chain, repeat
from fnmlp.combinators.sharing import frozen, tied
from fnmlp.combinators.strictness import strict

__all__ = ["add", "chain", "concat", "frozen", "parallel", "repeat", "residual", "strict", "tied"]
