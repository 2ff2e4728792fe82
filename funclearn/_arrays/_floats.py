"""Numbers of any dtype as floats, and their differences, as of real numbers.

Bytes wrap, truth values have no difference, integers beyond 2**24 are not held apart by
float32, and half precision ends at 65504: by JAX's rules each of them would give
another number than the arithmetic of real numbers.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree, Shaped

from funclearn._arrays._narrowing import is_narrowed, narrowed
from funclearn._arrays._reading import Arrays, as_array, check_real, is_known

__all__ = [
    "accumulator",
    "as_floats",
    "difference",
    "errors_of",
    "is_floating",
    "minus",
]

# Beyond it float64 does not hold every integer.
_EXACT = 2**53


def is_floating(value: object) -> bool:
    """Whether a value is an array or a number, of a real floating-point dtype."""
    number = isinstance(value, jax.Array | np.ndarray | np.generic | float)
    return number and jnp.issubdtype(jnp.result_type(value), jnp.floating)


def accumulator(*arrays: Arrays | float | int) -> tuple[np.dtype, np.dtype]:
    """The dtype to compute a mean in, and the one to give it.

    Args:
        arrays: real numbers, of which it is computed.

    Returns:
        Float32 at least, and the float dtype that JAX gives the arrays together; but
        float32 where that ends long before float32 does, as float16 at 65504.
    """
    result = np.dtype(jnp.result_type(*arrays, float))
    inside = np.dtype(jnp.promote_types(result, jnp.float32))
    narrow = jnp.finfo(result).maxexp < jnp.finfo(jnp.float32).maxexp
    return inside, inside if narrow else result


def as_floats(name: str, inputs: PyTree, params: PyTree) -> Arrays:
    """Reads numbers as floats of a dtype that parameters can be multiplied with.

    Args:
        name: the argument to name in messages.
        inputs: an array of real numbers, or a frame, a series, a list of them.
        params: a pytree of arrays of floats.

    Returns:
        An array of JAX's; or of NumPy's in float64, if both are NumPy's and the
        parameters have digits that JAX would drop, as `Scaler.unscale` returns them.

    Raises:
        TypeError: if the inputs are no array of real numbers.
        ValueError: if a value is beyond the range of JAX's floats.
    """
    array = as_array(name, inputs)
    check_real(name, array)
    leaves = jax.tree.leaves(params)
    if isinstance(array, np.ndarray):
        # Floats hold the size of any integer, where JAX's integers would wrap.
        wide = array.astype(np.float64) if is_narrowed(array) else array
        if leaves and all(map(is_narrowed, leaves)):
            return wide.astype(np.float64)
        array = jnp.asarray(narrowed(name, wide))
    if jnp.issubdtype(array.dtype, jnp.floating):
        return array.astype(jnp.result_type(array, *leaves))
    return array.astype(accumulator(*leaves)[0])


def errors_of(
    predictions: PyTree, targets: PyTree
) -> tuple[Float[Array, "..."], np.dtype]:
    """The differences of predictions and targets, and the dtype of their mean.

    Args:
        predictions: an array of real numbers, or a frame, a series, a list of them.
        targets: another of the same shape.

    Returns:
        The differences, in float32 at least, and the second dtype of `accumulator`.

    Raises:
        TypeError: if either is no array of real numbers.
        ValueError: if the shapes differ, or there is nothing to subtract.
    """
    predictions = as_array("predictions", predictions)
    targets = as_array("targets", targets)
    got, needed = jnp.shape(predictions), jnp.shape(targets)
    if got != needed:
        raise ValueError(
            f"predictions and targets must have one shape; got predictions {got} and "
            f"targets {needed}, which NumPy's rules would broadcast or refuse."
        )
    if 0 in got:
        raise ValueError(f"predictions must not be empty; got shape {got}.")
    check_real("predictions", predictions)
    check_real("targets", targets)
    # What JAX would narrow is subtracted before it is, where it is no tracer.
    if not is_known((predictions, targets)):
        predictions = narrowed("predictions", predictions)
        targets = narrowed("targets", targets)
    _, dtype = accumulator(predictions, targets)
    return difference(predictions, targets), dtype


def difference(minuend: Arrays, subtrahend: Arrays) -> Float[Array, "..."]:
    """The difference of real numbers of one shape, in float32 at least.

    Args:
        minuend: an array. If JAX would narrow one of the two, neither is traced.
        subtrahend: another.
    """
    dtype, _ = accumulator(minuend, subtrahend)
    if is_narrowed(minuend) or is_narrowed(subtrahend):
        with np.errstate(over="ignore"):  # to infinity, as anywhere
            exact = minus(np.asarray(minuend), np.asarray(subtrahend))
            return jnp.asarray(exact.astype(dtype))
    wide = max(jnp.result_type(array).itemsize for array in (minuend, subtrahend))
    # Integers of 64 bits are there only where float64 is.
    inside = np.dtype(float) if wide == 8 else dtype
    high, low = _parts(jnp.asarray(minuend), inside)
    other_high, other_low = _parts(jnp.asarray(subtrahend), inside)
    # Of neighbours the high parts cancel exactly, before the low ones are rounded.
    value = high - other_high
    value = value if low is None else value + low
    value = value if other_low is None else value - other_low
    return value.astype(dtype)


def _parts(
    array: Shaped[Array, "..."], dtype: np.dtype
) -> tuple[Float[Array, "..."], Float[Array, "..."] | None]:
    """Two floats whose sum is an integer that one float would round."""
    if jnp.issubdtype(array.dtype, jnp.integer):
        bits = jnp.iinfo(array.dtype).bits
        if bits > jnp.finfo(dtype).nmant + 1:
            low = jax.lax.rem(array, jnp.full_like(array, 1 << bits // 2))
            return (array - low).astype(dtype), low.astype(dtype)
    return array.astype(dtype), None


def minus(minuend: np.ndarray, subtrahend: np.ndarray) -> np.ndarray:
    """The difference of real numbers of NumPy's in float64, exact for integers."""
    rounded = np.asarray(minuend.astype(np.float64) - subtrahend.astype(np.float64))
    if not (_is_large(minuend) or _is_large(subtrahend)):
        return rounded
    exact = np.asarray(_integers(minuend) - _integers(subtrahend), np.float64)
    exact = exact + _fractions(minuend) - _fractions(subtrahend)
    return np.where(np.isfinite(rounded), exact, rounded)


def _is_large(array: np.ndarray) -> bool:
    whole = array.dtype.kind in "iu" and array.dtype.itemsize == 8
    return whole and bool(np.any(np.abs(array.astype(np.float64)) > _EXACT))


# As integers of Python's, which have any size.
_integers = np.frompyfunc(
    lambda value: round(value) if math.isfinite(value) else 0, 1, 1
)


def _fractions(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind in "biu":
        return np.zeros(())
    finite = np.where(np.isfinite(array), array, 0).astype(np.float64)
    return np.asarray(finite - np.rint(finite))
