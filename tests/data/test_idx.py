import gzip
import re
import tracemalloc

import numpy as np
import pytest

import funclearn as fl
from tests.data.server import idx

CODES = {"u1": 8, "i1": 9, ">i2": 11, ">i4": 12, ">f4": 13, ">f8": 14}
ONES = idx(np.ones((2, 3), np.uint8), 8)


def claiming(code, *axes):
    return bytes([0, 0, code, len(axes)]) + np.array(axes, ">u4").tobytes()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("dtype", CODES)
def test_every_dtype_is_read(tmp_path, dtype, pack):
    values = np.arange(-12, 12).reshape(2, 3, 4).astype(dtype)
    (tmp_path / "file").write_bytes(pack(idx(values, CODES[dtype])))
    read = fl.data.read_idx(tmp_path / "file")
    np.testing.assert_array_equal(read, values, strict=False)
    assert read.dtype == values.dtype.newbyteorder("=") and read.dtype.isnative
    read[0, 0, 0] = 1  # it is the caller's own


def test_an_empty_axis_is_read(tmp_path):
    (tmp_path / "file").write_bytes(claiming(8, 0, 28, 28))
    assert fl.data.read_idx(tmp_path / "file").shape == (0, 28, 28)


REFUSED = {
    "empty": (b"", "begins with []"),
    "page": (b"<html>", "begins with [60, 104, 116, 109]"),
    "dtype": (bytes([0, 0, 10, 1, 0, 0, 0, 0]), "begins with [0, 0, 10, 1]"),
    "no axes": (bytes([0, 0, 8, 0, 1]), "must have 1 to 64 axes; it claims 0."),
    "axes": (bytes([0, 0, 8, 255]) + bytes(1020), "it claims 255."),
    "header": (claiming(8, 2, 3)[:-1], "ends within its header, after 11 bytes."),
    "short": (ONES[:-1], "hold the 6 bytes of uint8(2, 3) after its header; got 5."),
    "long": (ONES + b"1", "hold the 6 bytes of uint8(2, 3) after its header; got"),
    "nothing": (
        claiming(14, 5),
        "the 40 bytes of float64(5,) after its header; got 0.",
    ),
    "claim": (claiming(8, 2**32 - 1, 2**32 - 1), "more than most_bytes=1073741824"),
    "hidden": (claiming(8, 0, 2**32 - 1, 9), "more than most_bytes=1073741824"),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("data_message", REFUSED.values(), ids=REFUSED)
def test_lies_are_refused(tmp_path, data_message, pack):
    data, message = data_message
    (tmp_path / "file").write_bytes(pack(data))
    with pytest.raises(ValueError, match=re.escape(message)):
        fl.data.read_idx(tmp_path / "file")


@pytest.mark.parametrize("spoil", ["cut", "changed", "followed"])
def test_damaged_packing_is_refused(tmp_path, spoil):
    packed = gzip.compress(ONES)
    changed = packed[:-6] + bytes([packed[-6] ^ 1]) + packed[-5:]
    data = {"cut": packed[:-9], "changed": changed, "followed": packed + b"more"}
    (tmp_path / "file").write_bytes(data[spoil])
    with pytest.raises(ValueError, match=r"file is damaged as a gzip file: .*[^.]\.$"):
        fl.data.read_idx(tmp_path / "file")


def test_a_bomb_is_refused(tmp_path):
    """Of a million zeros in a thousand bytes no more than the claim is unpacked."""
    bomb = claiming(8, 1000) + bytes(10**6)
    (tmp_path / "file").write_bytes(gzip.compress(bomb))
    with pytest.raises(ValueError, match=r"the 1000 bytes .* got more"):
        fl.data.read_idx(tmp_path / "file")
    (tmp_path / "file").write_bytes(gzip.compress(claiming(8, 10**6) + bytes(10**6)))
    with pytest.raises(ValueError, match="allows"):
        fl.data.read_idx(tmp_path / "file", most_bytes=10**5)


def test_memory_is_not_taken_for_a_claim(tmp_path):
    packed = gzip.compress(claiming(8, 2**29))
    (tmp_path / "file").write_bytes(packed)
    tracemalloc.start()
    with pytest.raises(ValueError, match="got 0"):
        fl.data.read_idx(tmp_path / "file")
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


def test_paths_are_asked_for(tmp_path, plain_annotations):
    with pytest.raises(TypeError, match="path must be a path of a file; got 3"):
        fl.data.read_idx(3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(FileNotFoundError):
        fl.data.read_idx(tmp_path / "nothing")
