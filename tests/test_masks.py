"""Cutout and mirror: squares are equally likely around every pixel, and an image is mirrored or unchanged."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from fnmlp.augmentation import (
    cutout,
    mirror,
)
from fnmlp.errors import OptionError
from fnmlp.key import Key, generator
from tests.images import pictures
from tests.steps import seeds
from tests.sweep import each

KEY = Key(5)


lengths = st.integers(1, 12)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 8), seeds)
def test_what_is_cut_out_is_a_square_around_a_pixel_and_clipped_by_the_border(
    height: int, width: int, size: int, seed: int
) -> None:
    image = pictures(seed, (1, height, width))
    row, column = np.indices((height, width))
    candidates = set()
    for r, c in np.ndindex(height, width):
        top, left = r - size // 2, c - size // 2
        hidden = (row >= top) & (row < top + size) & (column >= left) & (column < left + size)
        candidates.add(np.where(hidden, 0, image).tobytes())
    assert cutout(Key(seed), image, size=size).tobytes() in candidates


def test_every_pixel_is_as_likely_the_centre_of_what_is_cut_out() -> None:
    centres = np.argwhere(cutout(KEY, np.ones((1200, 3, 4)), size=1) == 0)
    counts = np.bincount(centres[:, 1] * 4 + centres[:, 2], minlength=12)
    assert counts.sum() == 1200
    assert np.abs(counts - 100).max() < 40


@each("size", [0, -1, 1.5, True])
def test_a_size_that_is_no_count_is_refused(size: Any) -> None:
    with pytest.raises(OptionError, match=r"cutout\(size\)"):
        cutout(KEY, pictures(0, (2, 9, 8)), size=size)


@given(seeds, st.sampled_from([np.uint8, np.float32, np.float64]))
def test_an_image_is_mirrored_or_as_it_was(seed: int, dtype: Any) -> None:
    images = generator(Key(seed)).integers(0, 256, (64, 3, 4)).astype(dtype)
    found = mirror(Key(seed), images)
    as_it_was = (found == images).all(axis=(1, 2))
    assert ((found == images[:, :, ::-1]).all(axis=(1, 2)) | as_it_was).all()
    assert 10 < as_it_was.sum() < 54  # 32 on the average, with a deviation of 4
