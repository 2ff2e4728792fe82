"""Arrays from IDX files, the form of MNIST: four bytes, the shape, the values.

The first two bytes are 0, the third names the dtype and the fourth the rank; the axes'
lengths follow in four bytes each, then the values, row by row. All is big-endian.

References:
    LeCun, Cortes and Burges, *The MNIST database of handwritten digits*, 1998.
"""

import gzip
import io
import math
import os
import zlib

import numpy as np
from jaxtyping import Shaped

from funclearn._words import described

__all__ = ["read_idx"]

_DTYPES = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_MOST_AXES = 64  # of an array of NumPy's
_CHUNK = 2**20  # bytes; memory grows by what is there, not by what a header claims


def read_idx(
    path: str | os.PathLike[str], *, most_bytes: int = 2**30
) -> Shaped[np.ndarray, "..."]:
    """Reads the array of an IDX file, which may be packed by gzip.

    A header that claims more than there is, or less, is refused; memory is taken for
    the bytes that are there alone.

    Args:
        path: the file.
        most_bytes: the most that the array may take, 1 GiB unless told otherwise. A
            packed file may be a thousand times as large as it looks.

    Returns:
        The array, in the machine's own byte order.

    Raises:
        OSError: if the file cannot be read.
        TypeError: if `path` is no path.
        ValueError: if the file is no IDX file, is cut off, goes on after its array, is
            damaged, or is larger than `most_bytes`.

    Example:
        >>> import pathlib, tempfile
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "numbers-idx2-ubyte"
        >>> head = bytes([0, 0, 8, 2]) + bytes([0, 0, 0, 2]) + bytes([0, 0, 0, 3])
        >>> _ = file.write_bytes(head + bytes([1, 2, 3, 4, 5, 6]))
        >>> print(fl.data.read_idx(file))
        [[1 2 3]
         [4 5 6]]
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path must be a path of a file; got {described(path)}.")
    name = os.fspath(path)
    with open(path, "rb") as raw:
        start = raw.read(2)
        raw.seek(0)
        if start != b"\x1f\x8b":
            return _read(name, raw, most_bytes, os.fstat(raw.fileno()).st_size)
        try:
            with gzip.open(raw) as file:
                return _read(name, file, most_bytes, None)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            reason = str(error).rstrip(".")
            raise ValueError(f"{name} is damaged as a gzip file: {reason}.") from error


def _read(
    name: str, file: io.BufferedIOBase, most_bytes: int, length: int | None
) -> np.ndarray:
    dtype, shape = _header(name, file)
    size = math.prod(shape) * dtype.itemsize
    # An empty axis hides the others' lengths, which NumPy multiplies all the same.
    if math.prod(max(axis, 1) for axis in shape) * dtype.itemsize > most_bytes:
        raise ValueError(
            f"{name} claims to hold {dtype.name}{shape}, more than most_bytes="
            f"{most_bytes} allows."
        )
    claim = f"{name} must hold the {size} bytes of {dtype.name}{shape} after its header"
    head = 4 + 4 * len(shape)
    if length is not None and length != head + size:
        raise ValueError(f"{claim}; got {length - head}.")
    values = bytearray()
    while len(values) <= size:
        # One byte more than is claimed shows whether the file ends there.
        chunk = file.read(min(_CHUNK, size + 1 - len(values)))
        if not chunk:
            break
        values += chunk
    if len(values) != size:
        got = "more" if len(values) > size else len(values)
        raise ValueError(f"{claim}; got {got}.")
    array = np.frombuffer(values, dtype).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _header(name: str, file: io.BufferedIOBase) -> tuple[np.dtype, tuple[int, ...]]:
    """The dtype and the shape that a file claims.

    Raises:
        ValueError: if it does not begin as an IDX file does.
    """
    magic = file.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        raise ValueError(
            f"{name} must be an IDX file, which begins with two bytes 0 and one of "
            f"{', '.join(map(str, _DTYPES))}; it begins with {list(magic)}."
        )
    rank = magic[3]
    if not 1 <= rank <= _MOST_AXES:
        raise ValueError(f"{name} must have 1 to {_MOST_AXES} axes; it claims {rank}.")
    axes = file.read(4 * rank)
    if len(axes) < 4 * rank:
        raise ValueError(f"{name} ends within its header, after {4 + len(axes)} bytes.")
    return _DTYPES[magic[2]], tuple(np.frombuffer(axes, ">u4").tolist())
