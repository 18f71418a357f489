"""What an array is here, and which library's functions act on it."""

import sys
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fnmlp import numpy_namespace
from fnmlp.errors import DataError, DtypeError, MissingDependencyError

__all__ = ["Array", "Shape", "namespace"]

Array: TypeAlias = NDArray[Any]
"""A NumPy array, or any other array of the array-API standard (torch, JAX, CuPy, …)."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of one example: no batch axis."""


def namespace(x: Array) -> Any:
    """Return the module whose functions act on `x`: NumPy at no cost, others through array-api-compat.

    Raises:   DtypeError for anything but an array, and for masked arrays and matrices, whose arithmetic differs;
              MissingDependencyError for another library's array if array-api-compat is not installed.
    Source:   Python array API standard 2024.12, https://data-apis.org/array-api.

    >>> namespace(np.zeros(3)).add is np.add
    True
    """
    if type(x) is np.ndarray:
        return numpy_namespace
    if isinstance(x, np.ndarray):
        if isinstance(x, np.matrix) or hasattr(x, "filled"):
            raise no_array("namespace", x)
        return numpy_namespace
    if isinstance(x, np.generic):
        return np
    return _foreign_namespace(x)


def _foreign_namespace(x: object) -> ModuleType:
    try:
        from array_api_compat import array_namespace
    except ImportError as error:
        if type(x).__module__ == "builtins" or any(hasattr(x, way) for way in WAYS):
            raise no_array("namespace", x) from None
        expected = f"array-api-compat for arrays of type {type(x).__name__}"
        remedy = "pip install array-api-compat, or convert with numpy.asarray"
        raise MissingDependencyError.of("namespace", expected, error, remedy) from error
    try:
        module: ModuleType = array_namespace(x)
    except TypeError as error:
        raise no_array("namespace", x) from error
    return module


WAYS = {
    "filled": "fill its gaps with x.filled(number), or leave out the rows that have some",
    "toarray": "convert it with x.toarray()",
    "to_numpy": "convert it with x.to_numpy()",
}
"""How to convert objects that are nearly arrays: masked arrays, sparse ones, the tables of pandas and polars."""


def no_array(where: str, x: object) -> DtypeError:
    """Return the error for an object that is not an array, with the way to convert it."""
    remedy = next((remedy for way, remedy in WAYS.items() if hasattr(x, way)), "convert it with numpy.asarray(x)")
    return DtypeError(where, "an array", type(x).__name__, remedy)


def as_array(where: str, x: Any, like: Array | None = None) -> Array:
    """Return an array unchanged, and convert memory maps and lists of numbers to arrays.

    Floats in a list take the dtype of `like`, because a list has none. A list becomes an array of the library of
    `like`.
    Raises:   DtypeError for anything but an array or a list of numbers; DataError for a list whose rows differ in
              length.

    >>> as_array("predict", [[0.5, 1.0]], like=np.zeros(2, np.float32))
    array([[0.5, 1. ]], dtype=float32)
    """
    if type(x) is np.ndarray:
        return x
    if isinstance(x, (list, tuple, range)):
        return _listed(where, x, like)
    try:
        namespace(x)
    except DtypeError as error:
        raise DtypeError(where, error.expected, error.got, error.remedy) from error.__cause__
    return x.view(np.ndarray) if isinstance(x, np.memmap) else x


def _listed(where: str, x: Any, like: Array | None) -> Array:
    try:
        array = np.asarray(x)
    except ValueError as error:
        remedy = "make the rows equally long"
        raise DataError(where, "rows of one length", f"a {type(x).__name__} of others", remedy) from error
    if array.dtype.kind not in "biufc":
        raise DtypeError(where, "numbers", f"a {type(x).__name__} of {array.dtype}", "leave out all that is no number")
    if like is None:
        return array
    floats = array.dtype.kind == "f"
    array = bring(array, like)
    return to_dtype(array, like.dtype) if floats else array


def to_dtype(x: Array, dtype: object) -> Array:
    """Convert `x` to a dtype, given by name or as an object of its library; return `x` itself if it has that dtype.

    JAX has no numbers of 64 bits unless you enable them: there "float64" and "int64" mean the widest that it has.

    >>> to_dtype(np.array([1, 2], dtype=np.uint8), "float32")
    array([1., 2.], dtype=float32)
    """
    try:
        if isinstance(x, np.ndarray):
            return x.astype(dtype, copy=False)  # type: ignore[call-overload]
        xp, jax = namespace(x), sys.modules.get("jax")
        wanted = getattr(xp, dtype) if isinstance(dtype, str) else dtype
        if jax is not None and isinstance(x, jax.Array):
            wanted = jax.dtypes.canonicalize_dtype(wanted)
        result: Array = xp.astype(x, wanted, copy=False)
    except (AttributeError, TypeError, ValueError) as error:
        if isinstance(error, DtypeError):
            raise
        name = dtype if isinstance(dtype, str) else str(dtype)
        raise DtypeError("dtype", f"{x.dtype} numbers and a dtype for them", name, "choose 'float32'") from error
    return result


def same_dtype(x: Array, y: Array) -> bool:
    """Tell whether two arrays hold the same kind of numbers, in whatever byte order.

    >>> same_dtype(np.zeros(1, ">f4"), np.zeros(1, "<f4")), same_dtype(np.zeros(1, "f4"), np.zeros(1, "f8"))
    (True, False)
    """
    if x.dtype == y.dtype:
        return True
    both_numpy = isinstance(x, np.ndarray) and isinstance(y, np.ndarray)
    return both_numpy and bool(x.dtype.newbyteorder("=") == y.dtype.newbyteorder("="))


def bring(x: Any, like: Array) -> Array:
    """Move `x` to the library and the device of `like`; return `x` itself if it is there.

    >>> bring([1.0, 2.0], np.zeros(3))
    array([1., 2.])
    """
    if type(x) is type(like):
        return x
    if isinstance(x, np.ndarray) and not x.flags.writeable:
        x = x.copy()  # torch warns about read-only memory
    return namespace(like).asarray(x, device=device_of(like))


def at_hand(x: Any) -> bool:
    """Tell whether the values of an array can be read now: not while a compiler traces, nor from another device.

    A check of values is left out where they can't be read. Whatever the check would refuse becomes NaN there.

    >>> at_hand(np.zeros(2)), at_hand(3)
    (True, True)
    """
    return isinstance(x, (np.ndarray, np.generic, int, float)) or _foreign_at_hand(x)


def _foreign_at_hand(x: Any) -> bool:
    jax, torch = sys.modules.get("jax"), sys.modules.get("torch")
    if jax is not None and isinstance(x, jax.Array):
        # While a function is compiled, all that is computed from a constant is traced too.
        traced = is_traced(x) or is_traced(jax.lax.stop_gradient(x))
        return not traced and all(device.platform == "cpu" for device in x.devices())
    if torch is not None and isinstance(x, torch.Tensor):
        mapped = torch._C._functorch.is_functorch_wrapped_tensor(x)  # noqa: SLF001 (torch has no public way to ask)
        plain = type(x) in (torch.Tensor, torch.nn.Parameter) and not mapped
        return plain and x.device.type == "cpu" and not torch.compiler.is_compiling()
    return not hasattr(x, "__cuda_array_interface__")


def is_traced(x: Any) -> bool:
    """Tell whether JAX traces an array, so that nobody can know its values.

    >>> is_traced(np.zeros(2))
    False
    """
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(x, jax.core.Tracer)


def is_foreign(x: Any) -> bool:
    """Tell whether something is an array of another library than NumPy, and not nearly one, such as a sparse matrix.

    >>> is_foreign(np.zeros(2)), is_foreign(0.5)
    (False, False)
    """
    known = isinstance(x, (np.ndarray, np.generic)) or not hasattr(x, "dtype")
    return not known and not any(hasattr(x, way) for way in WAYS)


def device_of(x: Any) -> Any:
    """Return the device of an array, for new arrays beside it; None leaves the choice to the library of x.

    With JAX it is None unless x was put on one device on purpose: a traced array has no device yet, and one that is
    spread over several has more than one.

    >>> device_of(np.zeros(2))
    'cpu'
    """
    if not is_jax(x):
        return x.device
    placed = not is_traced(x) and x.committed and len(x.devices()) == 1
    return x.device if placed else None


def sum_rows(x: Array) -> Array:
    """Sum over the first axis by halves, because adding 60,000 float32 rows one by one loses two digits.

    >>> sum_rows(np.ones((3, 2)))
    array([3., 3.])
    """
    rows = x.shape[0]
    if rows <= 128:
        return namespace(x).sum(x, axis=0)
    return sum_rows(x[: rows // 2, ...]) + sum_rows(x[rows // 2 :, ...])


def owned(x: Array) -> Array:
    """Return an array that the caller just made, to be changed in place; a copy if torch's autograd has kept it.

    >>> x = np.zeros(2)
    >>> owned(x) is x
    True
    """
    return x.clone() if getattr(x, "requires_grad", False) else x  # type: ignore[attr-defined]


def read_only(x: Array) -> Array:
    """Make an array that the caller just created read-only, and return it; a tripwire, not a proof.

    >>> read_only(np.zeros(2)).flags.writeable
    False
    """
    if isinstance(x, np.ndarray):
        x.setflags(write=False)
    return x


def is_jax(x: Any) -> bool:
    """Tell whether an array is JAX's, traced or not.

    >>> is_jax(np.zeros(2))
    False
    """
    jax = sys.modules.get("jax")
    return jax is not None and isinstance(x, jax.Array)


def unshared(x: Array) -> Array:
    """Return `x` itself if it is read-only, else a copy, so that nobody can change the result later.

    >>> x = np.zeros(2)
    >>> unshared(x) is x, unshared(read_only(x)) is x
    (False, True)
    """
    if not isinstance(x, np.ndarray):
        return x
    return x if _is_constant(x) else x.copy()


def _is_constant(x: Any) -> bool:
    """Tell whether a NumPy array is read-only, and the array that it is a view of too."""
    while isinstance(x, np.ndarray):
        if x.flags.writeable:
            return False
        x = x.base
    return x is None or isinstance(x, bytes)


def widen(x: Array) -> Array:
    """Convert float32 to float64, so that a formula has digits to spare; return all else unchanged.

    >>> widen(np.zeros(2, np.float32)).dtype
    dtype('float64')
    """
    return to_dtype(x, "float64") if namespace(x).isdtype(x.dtype, namespace(x).float32) else x


def narrow(y: Array, wide: Array, x: Array) -> Array:
    """Convert y, which was computed from `wide = widen(x)`, back to the precision of x.

    >>> x = np.zeros(2, np.float32)
    >>> narrow(widen(x) + 1, widen(x), x)
    array([1., 1.], dtype=float32)
    """
    return y if wide is x else to_dtype(y, "float32")
