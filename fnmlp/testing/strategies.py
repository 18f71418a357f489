"""Hypothesis strategies: keys, shapes, arrays in every layout, layers, chains and whole models.

They construct their values; nothing is drawn and rejected.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from fnmlp.arrays import Array, Shape
from fnmlp.checks import as_shape, check_kind
from fnmlp.combinators import add, chain, concat, parallel, repeat, residual, tied
from fnmlp.errors import MissingDependencyError
from fnmlp.key import INDEX_LIMIT, Key
from fnmlp.layer import Layer
from fnmlp.layers import (
    celu,
    dropout,
    elu,
    exponential,
    flatten,
    gaussian_noise,
    gelu,
    glu,
    hardsigmoid,
    hardswish,
    hardtanh,
    identity,
    layer_norm,
    leaky_relu,
    linear,
    log_softmax,
    maxout,
    mish,
    prelu,
    relu,
    relu6,
    rescale,
    rms_norm,
    scale,
    selu,
    sigmoid,
    silu,
    smooth_clip,
    softmax,
    softplus,
    softsign,
    swiglu,
    tanh,
)
from fnmlp.testing.cases import LAYOUTS
from fnmlp.testing.check import check_layer
from fnmlp.testing.numeric import normal

try:
    from hypothesis import given, settings
    from hypothesis import strategies as st
except ImportError as error:
    remedy = "pip install 'fnmlp[testing]'"
    raise MissingDependencyError.of("fnmlp.testing.strategies", "Hypothesis", error, remedy) from error

__all__ = ["layer_test"]

SPECIAL = (0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan)
"""Numbers that arithmetic treats specially; the smallest and largest of the dtype are added."""


def layer_test(layer: Layer[Any], example: Shape, **options: Any) -> Callable[[], None]:
    """Make a pytest test of every law of a layer, over seeds that Hypothesis chooses.

    The options are those of `check_layer`. Hypothesis's settings are those of your profile, but without a deadline:
    on a busy machine a right layer may take any time. `settings(...)(layer_test(...))` replaces them all.

    >>> test_my_layer = layer_test(linear(3), example=(5,))
    >>> test_my_layer.__name__
    'test_layer'
    """
    check_kind("layer_test(layer)", layer, Layer, "relu()")
    example = as_shape("layer_test(example)", example)

    @given(seed=st.integers(0, INDEX_LIMIT - 1))
    @settings(deadline=None)
    def test_layer(seed: int) -> None:
        check_layer(layer, example, seed=seed, trials=1, **options)

    vars(test_layer).pop("_hypothesis_internal_settings_applied", None)  # so that a user may apply settings too
    return test_layer


def keys() -> st.SearchStrategy[Key]:
    """Generate keys of any entropy, with paths of up to three indices."""
    path = st.lists(st.integers(0, INDEX_LIMIT - 1), max_size=3).map(tuple)
    return st.builds(Key, st.integers(0, 2**128 - 1), path)


def shapes(*, axes: int = 2, most: int = 5, least: int = 1) -> st.SearchStrategy[Shape]:
    """Generate shapes of up to `axes` axes, each from `least` to `most` long."""
    return st.lists(st.integers(least, most), min_size=1, max_size=axes).map(tuple)


@st.composite
def arrays(
    draw: st.DrawFn, shape: Shape, *, dtype: str = "float64", extreme: bool = False, special: bool = False
) -> Array:
    """Generate arrays of normal numbers: plain, strided, reversed, Fortran-ordered, read-only or big-endian.

    `extreme` scales them by any power of two that the dtype can hold. `special` adds zeros of both signs, infinities,
    NaN, and the smallest and largest numbers.
    """
    array = normal(draw(keys()), shape).astype(dtype)
    info = np.finfo(array.dtype)
    if extreme:
        array = np.ldexp(array, draw(st.integers(int(info.minexp), int(info.maxexp) - 4)))
    if special and array.size:
        values = (*SPECIAL, float(info.smallest_subnormal), float(info.tiny), float(info.max))
        for place in draw(st.sets(st.integers(0, array.size - 1), max_size=4)):
            array.flat[place] = draw(st.sampled_from(values))
    layout = draw(st.sampled_from(["plain", *LAYOUTS]))
    return array if layout == "plain" else LAYOUTS[layout](array)


ACTIVATIONS = (
    *(relu(), leaky_relu(), leaky_relu(slope=0.25), hardtanh(), hardswish(), sigmoid(), tanh(), softplus()),
    *(elu(), elu(alpha=0.5), celu(), celu(alpha=0.5), selu(), gelu(), gelu(approximate="tanh"), silu(), mish()),
    *(softsign(), exponential(), relu6(), hardsigmoid(), smooth_clip(), smooth_clip(limit=0.5)),
)
"""Generate layers without parameters that map each number by itself."""


@st.composite
def layers(draw: st.DrawFn, example: Shape, *, noise: bool = False) -> Layer[Any]:
    """Generate layers that accept an example of this shape, with random options; noisy ones if you ask for them."""
    choices: list[st.SearchStrategy[Layer[Any]]] = [
        st.sampled_from(ACTIVATIONS),
        st.just(identity()),
        st.builds(scale, st.floats(0.25, 1.0), offset=st.floats(-1.0, 1.0)),
        st.just(flatten()),
        st.just(prelu()),
    ]
    if noise:
        choices.append(st.sampled_from((dropout(0.5), gaussian_noise(0.25))))
    if len(example) == 1:
        choices.append(st.builds(linear, st.integers(1, 5), bias=st.booleans()))
        choices.append(st.builds(maxout, st.integers(1, 4), st.integers(2, 3)))
        choices.append(st.just(rescale()))
    if example[-1] % 2 == 0:
        choices.append(st.sampled_from((glu(), swiglu())))
    if example[-1] > 1:  # softmax of one number is 1, and has no gradient to check
        choices.append(st.sampled_from((softmax(), log_softmax())))
    if len(example) == 1 and example[0] > 3:  # with few numbers, the gradient is little but rounding
        choices.append(st.sampled_from((layer_norm(epsilon=0.5), rms_norm(epsilon=0.5))))
    return draw(st.one_of(choices))


@st.composite
def combined(draw: st.DrawFn, example: Shape, *, noise: bool = False) -> Layer[Any]:
    """Generate layers made by each of the combinators, for an example of one axis."""
    (features,) = example
    left, right = draw(layers(example, noise=noise)), draw(layers(example, noise=noise))
    keeping = chain(left, linear(features))
    width = draw(st.integers(1, features))
    choices = [
        st.just(concat(left, chain(right, linear(features)))),
        st.just(add(keeping, chain(right, linear(features)))),
        st.just(residual(keeping)),
        st.just(repeat(keeping, draw(st.integers(1, 3)))),
        st.just(tied(keeping, keeping)),
    ]
    if width < features:
        choices.append(st.just(parallel(linear(2), tanh(), widths=(width, features - width))))
    return draw(st.one_of(choices))


@st.composite
def chains(draw: st.DrawFn, example: Shape, *, most: int = 5, noise: bool = False) -> Layer[Any]:
    """Generate chains of up to `most` layers that accept an example of this shape; some contain combinators."""
    parts: list[Layer[Any]] = []
    shape = example
    for _ in range(draw(st.integers(0, most))):
        rare = draw(st.integers(0, 9)) if most > 2 else 9
        if rare == 0:
            part = draw(chains(shape, most=2, noise=noise))
        elif rare == 1 and len(shape) == 1:
            part = draw(combined(shape, noise=noise))
        else:
            part = draw(layers(shape, noise=noise))
        shape = part.init(Key(0), shape)[1]
        parts.append(part)
    return chain(*parts)


@st.composite
def models(draw: st.DrawFn, *, features: int = 6, classes: int = 4) -> tuple[Layer[Any], Shape]:
    """Generate classifiers, with the shape of their example: linear layers with relu, and softmax at the end."""
    example = (draw(st.integers(1, features)),)
    hidden = draw(st.lists(st.integers(1, features), max_size=3))
    inner = [part for units in hidden for part in (linear(units), relu())]
    return chain(*inner, linear(draw(st.integers(2, classes))), softmax()), example
