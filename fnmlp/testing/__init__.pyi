# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.testing.check import (
    TRIALS as TRIALS,
    check_layer as check_layer,
    check_loss as check_loss,
    check_optimizer as check_optimizer,
    laws as laws,
)
from fnmlp.testing.references import (NumberRule as NumberRule, Reference as Reference, each_number as each_number)
from fnmlp.testing.report import (Law as Law, LawBrokenError as LawBrokenError)
from fnmlp.testing.strategies import (layer_test as layer_test,)

__all__: list[str]
