# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.interop.tensorboard.logging import (log_events as log_events,)

__all__: list[str]
