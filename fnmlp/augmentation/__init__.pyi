# Written by `python -m tests.names` from what each module says in its `__all__`.
from fnmlp.augmentation.batches import (augmented as augmented, mixup as mixup)
from fnmlp.augmentation.geometry import (
    elastic as elastic,
    random_warps as random_warps,
    rotate as rotate,
    shear as shear,
    shift as shift,
    warp as warp,
    zoom as zoom,
)
from fnmlp.augmentation.masks import (cutout as cutout, mirror as mirror)
from fnmlp.augmentation.warps import (
    Warps as Warps,
    apply_warps as apply_warps,
    as_warps as as_warps,
    resample as resample,
)

__all__: list[str]
