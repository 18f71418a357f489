# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.combinators.branches import (add as add, concat as concat, parallel as parallel, residual as residual)
from fnmlp.combinators.chains import (chain as chain, repeat as repeat)
from fnmlp.combinators.sharing import (frozen as frozen, tied as tied)
from fnmlp.combinators.strictness import (strict as strict,)

__all__: list[str]
