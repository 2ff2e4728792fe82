"""Arrays and plain values as a script that hands them to an explorable.

A page that was opened from the disk may not fetch files, but it may run scripts. So the
data of an explorable are a script that calls `explore.data(key, data)`; arrays in it
are their bytes in base 64, which `templates/explorables/common.js` unpacks.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Quantised", "pack", "script"]

# The typed arrays of JavaScript, little-endian on all machines that run browsers.
_DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")


class Quantised(NamedTuple):
    """An array that is only drawn, each value rounded to one of evenly spaced levels.

    Infinities and NaN stay what they are.

    Attributes:
        values: the array.
        bits: 8 or 16 a value.
        log: whether the levels are even on a logarithmic scale, for values that are
            not negative.
        bounds: lowest and highest level, to which other finite values are moved; None
            for those of the values.
    """

    values: np.ndarray
    bits: int = 16
    log: bool = False
    bounds: tuple[float, float] | None = None


def script(key: str, data: Mapping[str, Any]) -> str:
    """Writes the script that hands data over under a key.

    Raises:
        TypeError: they hold what `pack` refuses.
        ValueError: likewise.
    """
    # Other than JSON, JavaScript has the numbers that Python writes NaN and Infinity.
    return f"explore.data({json.dumps(key)}, {json.dumps(pack(data))});\n"


def pack(value: Any) -> Any:
    """Replaces the arrays in mappings, lists and tuples by objects with their bytes.

    Args:
        value: such a container, a plain value, an array of numbers or truth values, or
            a `Quantised` one. Integers of 64 bits must fit into 32, and truth values
            become 0 and 1.

    Raises:
        TypeError: there is a value of another type.
        ValueError: an integer does not fit, or a quantised array cannot be, as
            `Quantised` says.
    """
    if isinstance(value, Quantised):
        return _pack_quantised(value)
    if isinstance(value, Mapping):
        return {str(name): pack(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [pack(part) for part in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return _pack_array(value)
    if isinstance(value, str | int | float | None):
        return value
    raise TypeError(f"an explorable's data must be plain or arrays; got {value!r}.")


def _pack_array(array: np.ndarray) -> dict[str, Any]:
    if array.dtype == bool:
        array = array.astype(np.uint8)
    if array.dtype == np.int64:
        narrow = array.astype(np.int32)
        if np.any(narrow != array):
            raise ValueError(f"integers must fit into 32 bits; got {np.max(array)}.")
        array = narrow
    if array.dtype.name not in _DTYPES:
        raise TypeError(f"an array must be of {_DTYPES}; got {array.dtype}.")
    content = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return {
        "dtype": array.dtype.name,
        "shape": [*array.shape],
        "base64": base64.b64encode(content).decode(),
    }


def _pack_quantised(curve: Quantised) -> dict[str, Any]:
    if curve.bits not in (8, 16):
        raise ValueError(f"bits must be 8 or 16; got {curve.bits}.")
    values = np.asarray(curve.values, float)
    if curve.log and np.any(values < 0):
        raise ValueError(f"values must not be negative; got {np.nanmin(values)}.")
    # The logarithm of zero is infinite, and the exponential takes it back to zero.
    with np.errstate(divide="ignore"):
        values = np.log(values) if curve.log else values
        given = np.asarray(curve.bounds, float) if curve.bounds else None
        given = np.log(given) if curve.log and given is not None else given
    finite = values[np.isfinite(values)] if given is None else given
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    # The three highest codes are -inf, inf and nan.
    top = 2**curve.bits - 4
    share = (np.clip(values, low, high) - low) / ((high - low) or 1.0)
    codes = np.where(np.isnan(values), top + 3, np.rint(top * share))
    codes = np.where(np.isinf(values), top + 1 + (values > 0), codes)
    packed = _pack_array(codes.astype(f"uint{curve.bits}"))
    return packed | {"low": float(low), "high": float(high), "log": curve.log}
