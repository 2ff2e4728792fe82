import io
import json
import math
import struct

import numpy as np
import pytest
import safetensors

from funclearn.checkpoints._errors import Damage
from funclearn.checkpoints._format import _checksum, header_of, layout, read_header
from funclearn.checkpoints._head import as_json
from funclearn.checkpoints._leaves import DTYPES
from tests.checkpoints.test_head import HEAD, LEAVES

SIZE = layout(LEAVES)["state.i"].end


def opened(content, *, size=None):
    read = io.BytesIO(content).read
    return read_header(read, len(content) if size is None else size)


def file_of(text, header=None, *, size=SIZE):
    """A file around the text of a head, with a checksum that is right."""
    tensors = json.loads(header_of(HEAD)[8:]) if header is None else header
    tensors["__metadata__"] = {"funclearn": text, "sha256": _checksum(text)}
    encoded = json.dumps(tensors).encode()
    return len(encoded).to_bytes(8, "little") + encoded + bytes(size)


def test_a_head_comes_back():
    header = header_of(HEAD)
    head, start = opened(header + bytes(SIZE))
    assert start == len(header) and start % 8 == 0
    assert head._replace(value=0) == HEAD._replace(value=0) and str(head.value) == "nan"
    assert {name: entry.leaf for name, entry in head.entries.items()} == LEAVES


def test_numbers_lie_without_gaps_and_aligned():
    end = 0
    for name, tensor in layout(LEAVES).items():
        size = DTYPES[LEAVES[name].dtype].itemsize
        assert tensor.start == end and tensor.start % size == 0
        end = tensor.end
    assert end == SIZE


def test_safetensors_itself_reads_it():
    numbers = np.random.default_rng(0).bytes(SIZE)
    found = safetensors.deserialize(header_of(HEAD) + numbers)
    placed = layout(LEAVES)
    assert {name for name, _ in found} == set(LEAVES)
    for name, info in found:
        assert info["dtype"] == placed[name].dtype
        assert tuple(info["shape"]) == placed[name].shape
        assert bytes(info["data"]) == numbers[placed[name].start : placed[name].end]


def test_a_head_beyond_what_safetensors_reads_is_refused(monkeypatch):
    assert header_of(HEAD)
    monkeypatch.setattr("funclearn.checkpoints._format._LONGEST", 1000)
    with pytest.raises(ValueError, match="in 1000 bytes; this one"):
        header_of(HEAD)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "its 0 bytes are no checkpoint"),
        (b"\x01\x00", "its 2 bytes are no checkpoint"),
        (struct.pack("<Q", 2**60) + b"{}", "its 10 bytes are no checkpoint"),
        (struct.pack("<Q", 2**64 - 1) + b"{}", "its 10 bytes are no checkpoint"),
        (struct.pack("<Q", 2) + b"[]", "its header cannot be read"),
        (struct.pack("<Q", 2) + b"{}", "it is no checkpoint of this library"),
        (struct.pack("<Q", 90000) + b"[" * 90000, "its header cannot be read"),
        (struct.pack("<Q", 3) + b"\xff\xfe{", "its header cannot be read"),
        (struct.pack("<Q", 9000) + b"9" * 9000, "its header cannot be read"),
    ],
)
def test_what_is_no_checkpoint_is_refused(content, message):
    with pytest.raises(Damage, match=message):
        opened(content)


def test_no_memory_is_taken_for_what_a_header_claims():
    """The header is not read where the file is too short for it, nor a long one."""
    for length in (2**60, 200_000_000):
        file = io.BytesIO(struct.pack("<Q", length))
        with pytest.raises(Damage):
            read_header(file.read, 2**61)
    with pytest.raises(Damage, match="its end is missing"):
        opened(struct.pack("<Q", 50) + b"{}", size=100)


def claiming(shape):
    """The text of a head that claims an array of a shape."""
    leaves = {"state.w": ["float32", shape, None, False, False, "sum"]}
    return json.dumps(
        {**as_json(HEAD), "trees": {"state": {"nodes": {}, "leaves": leaves}}}
    )


@pytest.mark.parametrize("shape", [[2**50], [2**62, 2**62, 2**62], [-1], [-1, -1]])
def test_a_head_that_claims_more_than_there_is_is_refused(shape, plain_annotations):
    end = 4 * math.prod(shape)
    tensor = {"dtype": "F32", "shape": shape, "data_offsets": [0, end]}
    with pytest.raises(Damage, match=r"its head is malformed|where its header says"):
        opened(file_of(claiming(shape), {"state.w": tensor}))


@pytest.mark.parametrize("text", ["[]", "{", "{}", "[" * 90000])
def test_a_text_that_is_no_head_is_refused(text):
    with pytest.raises(Damage, match=r"cannot be read|no format None"):
        opened(file_of(text))


def entry(**changes):
    header = json.loads(header_of(HEAD)[8:])
    header["state.w"] = {**header["state.w"], **changes}
    return header


@pytest.mark.parametrize(
    "header",
    [
        {},
        entry(dtype="I32"),
        entry(shape=[4]),
        entry(data_offsets=[0, 16]),
        entry(data_offsets=[-16, 0]),
        entry(data_offsets=[32, 2**60]),
        {**entry(), "more": entry()["state.w"]},
    ],
)
def test_a_header_that_is_not_that_of_its_head_is_refused(header):
    with pytest.raises(Damage, match="its header is not that of its head"):
        opened(file_of(json.dumps(as_json(HEAD)), header))


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1])
def test_a_file_of_another_size_than_its_header_says_is_refused(size):
    with pytest.raises(Damage, match="bytes where its header says"):
        opened(file_of(json.dumps(as_json(HEAD)), size=size))


def test_a_changed_head_is_refused():
    content = (header_of(HEAD) + bytes(SIZE)).replace(b'step\\":7', b'step\\":8')
    with pytest.raises(Damage, match="the checksum of its head is wrong"):
        opened(content)
