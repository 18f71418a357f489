"""Labels: integers of the range and nothing else; what is wrong is named by its row."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from fnmlp.errors import DataError, DtypeError, ShapeError
from fnmlp.labels import check_labels, one_hot

INTEGERS = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


@given(st.lists(st.integers(0, 6), max_size=9), st.sampled_from(INTEGERS), st.sampled_from(("float32", "float64")))
def test_each_row_is_1_at_its_label_and_0_elsewhere(labels: list[int], kind: str, dtype: str) -> None:
    rows = one_hot(np.array(labels, kind), 7, dtype=dtype)
    assert (rows.shape, str(rows.dtype)) == ((len(labels), 7), dtype)
    assert rows.tolist() == np.eye(7)[labels].tolist()


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float32")], ids=repr)
def test_the_dtype_is_given_by_name_or_as_an_object(dtype: Any) -> None:
    assert one_hot(np.array([1]), 2, dtype=dtype).dtype == np.float32


@given(st.lists(st.integers(0, 9), max_size=9), st.data())
def test_a_label_out_of_range_is_refused_by_row_not_taken_from_the_end(labels: list[int], data: st.DataObject) -> None:
    # NumPy's indexing takes label -1 for the last class, in silence.
    row = data.draw(st.integers(0, len(labels)))
    wrong = data.draw(st.sampled_from((-1, -128, 10, 127)))
    with pytest.raises(DataError, match=rf"labels\[{row}\]: expected 0 to 9, got {wrong};"):
        check_labels(np.array([*labels[:row], wrong, *labels[row:]], np.int8), 10)


def test_of_several_wrong_labels_the_first_is_named() -> None:
    with pytest.raises(DataError, match=r"labels\[1\]: expected 0 to 2, got 255"):
        one_hot(np.array([0, 255, 3, 1], np.uint8), 3)


@pytest.mark.parametrize("kind", ["float32", "float64", "complex128", "bool", "U1", "object"])
def test_labels_that_are_no_integers_are_refused(kind: str) -> None:
    with pytest.raises(DtypeError, match="labels: expected integers"):
        one_hot(np.array([0, 1]).astype(kind), 3)


@pytest.mark.parametrize("shape", [(), (3, 1), (1, 3), (2, 2, 2)])
def test_labels_of_other_than_one_axis_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"labels: expected shape \(batch,\)"):
        one_hot(np.zeros(shape, np.int64), 3)


def test_no_labels_give_no_rows() -> None:
    assert one_hot(np.zeros(0, np.uint8), 3).shape == (0, 3)
