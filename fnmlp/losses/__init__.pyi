# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.losses.binary import (binary_cross_entropy as binary_cross_entropy,)
from fnmlp.losses.classification import (
    cross_entropy as cross_entropy,
    hinge as hinge,
    kl as kl,
    nll as nll,
    on_labels as on_labels,
)
from fnmlp.losses.focal_losses import (binary_focal as binary_focal, focal as focal)
from fnmlp.losses.members import (over_members as over_members,)
from fnmlp.losses.regression import (
    huber as huber,
    l1 as l1,
    log_cosh as log_cosh,
    mse as mse,
    poisson_nll as poisson_nll,
)
from fnmlp.losses.shared import (Loss as Loss,)

__all__: list[str]
