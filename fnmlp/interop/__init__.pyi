# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.interop.jax import (fold_epoch as fold_epoch, register_tree as register_tree)

__all__: list[str]
