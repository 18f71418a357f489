"""Arrays: whose functions act on them, their dtypes, and who may write to them."""

import builtins
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import array_api_strict
import numpy as np
from numpy.typing import NDArray
import pytest

from fnmlp.arrays import bring, namespace, read_only, same_dtype, to_dtype, unshared
from fnmlp.errors import DtypeError, MissingDependencyError
from tests.optional import optional
from tests.refusals import refusal

torch = optional("torch")


@pytest.mark.parametrize("x", [np.zeros(3), np.float32(1), np.zeros(())], ids=repr)
def test_numpy_acts_on_its_own_arrays_and_scalars(x: NDArray[Any]) -> None:
    assert namespace(x).add is np.add


def tensor(*numbers: float, dtype: Any = torch.float64) -> Any:
    return torch.tensor(numbers, dtype=dtype)


def test_another_library_acts_on_its_own_arrays() -> None:
    standard: Any = array_api_strict.zeros(3)
    assert namespace(standard) is array_api_strict
    assert type(namespace(tensor(1.0)).ones(1)) is torch.Tensor


@pytest.mark.parametrize("x", [[1.0], (1.0,), None, "text", 1.0, {}], ids=repr)
def test_what_is_no_array_is_refused_with_a_remedy(x: Any) -> None:
    with pytest.raises(DtypeError, match=r"expected an array.*numpy.asarray"):
        namespace(x)


def test_a_missing_array_api_compat_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    true_import = builtins.__import__

    def without_it(
        name: str,
        namespace: Mapping[str, object] | None = None,
        names: Mapping[str, object] | None = None,
        wanted: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        if name == "array_api_compat":
            raise ImportError(name)
        return true_import(name, namespace, names, wanted or (), level)

    monkeypatch.setattr(builtins, "__import__", without_it)
    with pytest.raises(MissingDependencyError, match="pip install array-api-compat"):
        namespace(tensor(1.0))
    assert namespace(np.zeros(1)).add is np.add


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype(np.float32)], ids=repr)
def test_to_dtype_takes_a_name_or_a_dtype_and_copies_only_where_it_must(dtype: Any) -> None:
    x = np.array([1, 2], np.uint8)
    y = to_dtype(x, dtype)
    assert (str(y.dtype), y.tolist()) == ("float32", [1.0, 2.0])
    assert to_dtype(y, dtype) is y


def test_to_dtype_keeps_the_library() -> None:
    assert str(to_dtype(tensor(1.0), "float32").dtype) == "torch.float32"


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [("<f4", ">f4", True), (">f8", "<f8", True), ("f4", "f8", False), ("i4", "f4", False), ("i4", "u4", False)],
)
def test_byte_order_is_no_difference_of_dtype(left: str, right: str, same: bool) -> None:
    assert same_dtype(np.zeros(1, left), np.zeros(1, right)) is same
    assert same_dtype(np.zeros(1, right), np.zeros(1, left)) is same


def test_dtypes_of_other_libraries_are_compared() -> None:
    one, other = tensor(1.0), tensor(1.0, dtype=torch.float32)
    assert same_dtype(one, one)
    assert not same_dtype(one, other)


def test_bring_converts_between_libraries_and_leaves_what_is_there() -> None:
    x, y = np.array([1.0, 2.0]), tensor(3.0, 4.0)
    assert bring(x, x) is x
    assert bring(y, y) is y
    assert bring(y, x).tolist() == [3.0, 4.0]
    assert str(bring(x, y).dtype) == "torch.float64"


def test_read_only_forbids_writing_to_the_array_itself() -> None:
    x = np.zeros(2)
    assert read_only(x) is x
    with pytest.raises(ValueError, match="read-only"):
        x[0] = 1


def test_unshared_copies_what_can_be_written_and_nothing_else() -> None:
    x = np.zeros(2)
    copy = unshared(x)
    assert not np.shares_memory(copy, x)
    assert unshared(read_only(x)) is x


def test_arrays_of_other_libraries_pass_as_they_are() -> None:
    x = tensor(1.0, 2.0)
    assert read_only(x) is x
    assert unshared(x) is x


def test_what_is_no_array_has_no_dtype_to_be_converted() -> None:
    refusal(partial(to_dtype, cast("Any", [1.0]), "float32"), DtypeError, "expected an array, got list")
