# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.data.datasets import (
    Dataset as Dataset,
    digits as digits,
    emnist as emnist,
    fashion_mnist as fashion_mnist,
    kmnist as kmnist,
    load_dataset as load_dataset,
    mnist as mnist,
    qmnist as qmnist,
)
from fnmlp.data.drawings import (Fit as Fit, fit_drawing as fit_drawing)
from fnmlp.data.folders import (data_sets_in as data_sets_in,)
from fnmlp.data.idx import (read_idx as read_idx, write_idx as write_idx)
from fnmlp.data.images import (read_image as read_image,)
from fnmlp.data.sources import (SOURCES as SOURCES, Source as Source)

__all__: list[str]
