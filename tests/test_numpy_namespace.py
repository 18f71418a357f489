"""The namespace for NumPy arrays gives NumPy's own answers, with less overhead."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
import numpy as np
import pytest

from fnmlp import numpy_namespace

LONG, MANY = numpy_namespace.LONG, numpy_namespace.MANY
DTYPES = [np.bool_, np.uint8, np.int8, np.int64, np.float32, np.float64, np.complex128]
KINDS = ["bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric"]
REDUCTIONS = ["sum", "max", "min", "all"]
any_array = arrays.arrays(st.sampled_from(DTYPES), arrays.array_shapes(min_dims=0, max_dims=3))


def same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one.dtype == other.dtype and one.tobytes() == other.tobytes()


@pytest.mark.parametrize("name", REDUCTIONS)
@given(data=st.data(), x=any_array)
def test_reductions_are_those_of_numpy(name: str, data: st.DataObject, x: Any) -> None:
    axis = data.draw(st.none() | arrays.valid_tuple_axes(x.ndim) | st.sampled_from([*range(-x.ndim, x.ndim)] or [None]))
    keepdims = data.draw(st.booleans())
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x, axis=axis, keepdims=keepdims)
        assert same(getattr(numpy_namespace, name)(x, axis=axis, keepdims=keepdims), expected)
        assert same(getattr(numpy_namespace, name)(x), getattr(np, name)(x))


@given(x=any_array, kind=st.sampled_from(KINDS) | st.tuples(st.sampled_from(KINDS), st.sampled_from(KINDS)))
def test_kinds_are_those_of_numpy(x: Any, kind: Any) -> None:
    assert numpy_namespace.isdtype(x.dtype, kind) == np.isdtype(x.dtype, kind)
    for dtype in (x.dtype, x.dtype.newbyteorder()):
        assert numpy_namespace.isdtype(dtype, np.float32) == np.isdtype(dtype, np.float32)


def test_a_kind_that_the_standard_does_not_know_is_refused() -> None:
    with pytest.raises(KeyError, match="float"):
        numpy_namespace.isdtype(np.dtype(np.float32), "float")


@given(x=arrays.arrays(np.int16, (4, 3)), rows=arrays.arrays(np.intp, 5, elements=st.integers(0, 3)))
def test_taking_and_converting_are_those_of_numpy(x: Any, rows: Any) -> None:
    assert same(numpy_namespace.take(x, rows, axis=0), np.take(x, rows, axis=0))
    assert same(numpy_namespace.astype(x, np.float32), np.astype(x, np.float32))
    assert numpy_namespace.astype(x, np.int16, copy=False) is x
    assert not np.shares_memory(numpy_namespace.astype(x, np.int16), x)


@pytest.mark.parametrize("name", ["maximum", "minimum"])
@pytest.mark.parametrize("length", [LONG - 1, LONG, LONG + 9])
@given(
    bound=st.integers(-3, 3) | st.floats(-3, 3, width=16),
    dtype=st.sampled_from([np.int64, np.float32, np.float64, np.complex128, ">f4", ">f8"]),
    numbers=st.lists(st.sampled_from([-np.inf, -2.0, -0.0, 0.0, 1.5, np.inf, np.nan]), min_size=1),
    layout=st.sampled_from("CF"),
)
def test_bounds_are_those_of_numpy(
    name: str, length: int, bound: float, dtype: Any, numbers: list[float], layout: Any
) -> None:
    with np.errstate(all="ignore"):
        x = np.resize(np.array(numbers), (2 * MANY // LONG, length)).astype(dtype, order=layout)
    for array in (x, x[0], x[::2, ::-1], x[:, :0]):
        mine, theirs = getattr(numpy_namespace, name)(array, bound), getattr(np, name)(array, bound)
        assert same(mine, theirs)
    assert same(getattr(numpy_namespace, name)(x[0, 0], bound), getattr(np, name)(x[0, 0], bound))


def test_all_else_is_numpys_own() -> None:
    assert numpy_namespace.exp is np.exp
    with pytest.raises(AttributeError, match="no_such_function"):
        _ = numpy_namespace.no_such_function
