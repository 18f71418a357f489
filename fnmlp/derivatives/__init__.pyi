# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.derivatives.directional import (
    hessian_vector_product as hessian_vector_product,
    jvp as jvp,
    saliency as saliency,
)
from fnmlp.derivatives.per_example import (
    per_example_gradients as per_example_gradients,
    per_example_norms as per_example_norms,
)

__all__: list[str]
