"""Claims about augmentation under JAX: masks and maps are drawn from JAX's numbers; what is NumPy's alone says so."""

from functools import partial

import numpy as np
import pytest

import fnmlp as fn
from fnmlp.augmentation import cutout, mirror, shift
from fnmlp.errors import DtypeError

jax = pytest.importorskip("jax", reason="jax is not installed")
pytest.importorskip("fnmlp.interop.jax")

IMAGES = np.arange(1, 1 + 64 * 12, dtype=np.float32).reshape(64, 3, 4)
KEY = fn.to(fn.Key(5), like=jax.numpy.zeros(()))


def test_a_compiled_mirror_and_cutout_make_what_the_plain_ones_may_make() -> None:
    # They asked NumPy's generator for numbers, which a traced key does not have.
    images = jax.numpy.asarray(IMAGES)
    mirrored, cut = jax.jit(lambda key, x: (mirror(key, x), cutout(key, x, size=2)))(KEY, images)
    as_it_was = (np.asarray(mirrored) == IMAGES).all(axis=(1, 2))
    assert ((np.asarray(mirrored) == IMAGES[:, :, ::-1]).all(axis=(1, 2)) | as_it_was).all()
    assert 10 < as_it_was.sum() < 54  # 32 on the average, with a deviation of 4
    hidden = (np.asarray(cut) == 0).sum(axis=(1, 2))
    assert set(hidden.tolist()) <= {1, 2, 4}
    assert (np.asarray(cut)[np.asarray(cut) != 0] == IMAGES[np.asarray(cut) != 0]).all()


def test_a_key_of_numpys_draws_the_same_on_both_libraries() -> None:
    for augment in (mirror, partial(cutout, size=2)):
        on_jax = augment(fn.Key(3), jax.numpy.asarray(IMAGES))
        assert np.array_equal(on_jax, augment(fn.Key(3), IMAGES))


def test_warps_that_are_drawn_anew_refuse_images_of_jax() -> None:
    with pytest.raises(
        DtypeError, match=r"expected a NumPy array, got an array of JAX.s; convert with numpy\.asarray, outside"
    ):
        shift(fn.Key(0), jax.numpy.asarray(IMAGES), pixels=1.0)
