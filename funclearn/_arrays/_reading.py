"""Frames, series, tensors and lists as arrays of numbers, or a refusal by name."""

from collections.abc import Iterable
from typing import Any, Protocol, TypeAlias, TypeGuard, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree, Shaped

from funclearn._checks import path_name
from funclearn._jaxprs import Tracer

__all__ = [
    "Arrays",
    "as_array",
    "as_arrays",
    "check_dataset",
    "check_real",
    "is_known",
]

Arrays: TypeAlias = Shaped[Array | np.ndarray, "..."]
"""An array of JAX's or of NumPy's, of any shape."""


@runtime_checkable
class _Arraylike(Protocol):
    """A frame, a series, a tensor: whatever tells NumPy how to read it."""

    def __array__(self, *args: Any, **kwargs: Any) -> np.ndarray:
        """The values."""
        ...


def as_arrays(name: str, data: PyTree) -> PyTree:
    """Reads data as arrays, without changing a value.

    Args:
        name: the argument to name in messages.
        data: a pytree, such as a `Dataset`, of arrays of JAX's or NumPy's; of frames
            and series (of pandas or polars: the columns of a frame are the columns of
            an array); of tensors that NumPy can read; of lists of numbers.

    Returns:
        The same pytree, of arrays of JAX's and NumPy's.

    Raises:
        TypeError: if a leaf is not an array of numbers.
        ValueError: if a masked array hides values.
    """
    # Nearly always there is nothing to read, and a fit should start at once.
    if all(map(_is_read, jax.tree.leaves(data))):
        return data
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: as_array(path_name(name, path), leaf),
        data,
        is_leaf=_is_list_of_numbers,
    )


def as_array(name: str, value: Any) -> Arrays:
    """Reads one array of numbers, or one number, without changing a value.

    Raises:
        TypeError: if it is none, or holds what is not a number.
        ValueError: if it is a masked array that hides values.
    """
    if _is_read(value):
        return value
    if np.ma.isMaskedArray(value):
        if np.ma.is_masked(value):
            raise ValueError(
                f"{name} must not hide values behind a mask: fill them, or leave their "
                "rows out."
            )
        array = np.asarray(value.data)
    elif hasattr(value, "__jax_array__"):
        return jnp.asarray(value)
    elif isinstance(
        value, bool | int | float | complex | np.ndarray
    ) or _is_list_of_numbers(value):
        array = _read(name, value)
    elif isinstance(value, _Arraylike):
        array = _of_columns(name, value)
    else:
        raise TypeError(
            f"{name} must be an array of numbers, of JAX or NumPy; got "
            f"{_short(value)} of type {type(value).__name__}."
        )
    if not _is_numeric(array.dtype):
        raise TypeError(f"{name} must hold numbers; got {_described(array)}.")
    return array.astype(_native(array.dtype), copy=False)


def check_real(name: str, array: Any) -> None:
    """Refuses arrays of anything but truth values, integers and real floats.

    Raises:
        TypeError: if the dtype is complex, say.
    """
    dtype = jnp.result_type(array)
    real = jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)
    if not real and dtype != jnp.bool_:
        raise TypeError(f"{name} must be real numbers; got {dtype}.")


def check_dataset(name: str, data: object) -> None:
    """Refuses data without the fields of a `Dataset`.

    Raises:
        TypeError: if there are no inputs and targets.
    """
    if not (hasattr(data, "inputs") and hasattr(data, "targets")):
        raise TypeError(
            f"{name} must be a Dataset, as funclearn.Dataset(inputs, targets); got "
            f"{type(data).__name__}."
        )


def is_known(tree: PyTree) -> bool:
    """Whether every leaf has a value: none is traced, or partly in other processes."""
    return not any(map(_is_unknown, jax.tree.leaves(tree)))


def _is_unknown(leaf: object) -> bool:
    if isinstance(leaf, Tracer) or not isinstance(leaf, jax.Array):
        return isinstance(leaf, Tracer)
    return not (leaf.is_fully_addressable or leaf.is_fully_replicated)


def _is_read(leaf: object) -> TypeGuard[Arrays]:
    if isinstance(leaf, jax.Array | jax.ShapeDtypeStruct):
        return True
    # A subclass may multiply otherwise, as matrices do, or hide values.
    return (
        type(leaf) is np.ndarray
        and _is_numeric(leaf.dtype)
        and leaf.dtype == _native(leaf.dtype)
    )


def _is_numeric(dtype: np.dtype) -> bool:
    if dtype.kind == "m":  # to NumPy a time span is an integer
        return False
    return bool(jnp.issubdtype(dtype, jnp.number) or dtype == np.bool_)


def _native(dtype: np.dtype) -> np.dtype:
    """The dtype without what JAX does not know: longer floats, other byte orders."""
    if dtype.type in (np.longdouble, np.clongdouble):
        return np.dtype(float if dtype.kind == "f" else complex)
    return dtype.newbyteorder("=")


def _is_list_of_numbers(value: object) -> bool:
    """Whether it is a list of numbers or texts, or of such lists.

    A list of arrays is a pytree.
    """
    if not isinstance(value, list | tuple) or hasattr(value, "_fields") or not value:
        return False
    return all(
        isinstance(entry, bool | int | float | complex | str | np.generic)
        or entry is None
        or _is_list_of_numbers(entry)
        for entry in value
    )


def _read(name: str, value: object) -> np.ndarray:
    try:
        return np.asarray(value)
    except Exception as error:  # a tensor's own, of another library
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TypeError(
            f"{name} must be an array of numbers that NumPy can read; got "
            f"{type(value).__name__}: {reason}"
        ) from None


def _of_columns(name: str, value: Any) -> np.ndarray:
    array = _read(name, value)
    columns = getattr(value, "columns", None)
    if array.dtype != object or array.ndim != 2 or not isinstance(columns, Iterable):
        return array
    # Columns of unlike types come as objects; and which one holds text is worth a word.
    items = getattr(value, "items", None)
    pairs = items() if items else ((column, value[column]) for column in columns)
    return np.column_stack([as_array(f"{name}[{key!r}]", one) for key, one in pairs])


_ADVICE = {
    "O": "objects, such as {}: make numbers of them by .astype(float)",
    "U": "text, such as {}: encode it as numbers first",
    "S": "text, such as {}: encode it as numbers first",
    "M": "dates, such as {}: subtract one and divide by np.timedelta64(1, 's')",
    "m": "time spans, such as {}: divide by np.timedelta64(1, 's')",
}


def _described(array: np.ndarray) -> str:
    text = _ADVICE.get(array.dtype.kind, f"{array.dtype}, such as {{}}")
    return text.format(_short(array.flat[0]) if array.size else "none")


def _short(value: object) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else f"{text[:37]}..."
