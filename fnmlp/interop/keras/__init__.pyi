# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.interop.keras.models import (from_keras as from_keras,)

__all__: list[str]
