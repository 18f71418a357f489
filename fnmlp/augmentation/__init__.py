"""Augmentation: pure functions (key, images) -> images, precomputed warps, and batches that pass through them."""

from fnmlp.augmentation.batches import augmented, mixup
from fnmlp.augmentation.cutout import cutout
from fnmlp.augmentation.geometry import elastic, random_warps, rotate, shear, shift, warp, zoom
from fnmlp.augmentation.mirror import mirror
from fnmlp.augmentation.warps import Warps, apply_warps, as_warps, resample

__all__ = [
    "Warps",
    "apply_warps",
    "as_warps",
    "augmented",
    "cutout",
    "elastic",
    "mirror",
    "mixup",
    "random_warps",
    "resample",
    "rotate",
    "shear",
    "shift",
    "warp",
    "zoom",
]
