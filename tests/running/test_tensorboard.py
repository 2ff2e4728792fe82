"""Event files, read back by a reader of their framing written here."""

import importlib
import struct
import sys

import jax
import numpy as np
import pytest

from funclearn.running import _tensorboard

# Its messages are made when it is imported: type checkers don't know them.
PROTO = importlib.import_module("tensorboardX.proto.event_pb2")

N = 3000

ROWS = {
    "loss": np.geomspace(1e3, 1e-3, N, dtype=np.float32),
    "evaluation": {"accuracy": np.linspace(0, 1, N), "n": np.arange(N)},
    "w": np.ones((N, 2), np.float32),
    "large": np.ones((N, 17), np.float32),
}

ROW = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), ROWS)

# Told from the definition, not by the function under test.
DRAWN = [e for e in range(1, N + 1) if e <= 1000 or e % 10 == 0]


def read(start, stop):
    return jax.tree.map(lambda leaf: leaf[start:stop], ROWS)


def opened(folder, rows=0, read=read):
    return _tensorboard.open_events(folder, ROW, rows, read)


def records(path):
    """TFRecord: a length, its checksum, the data, its checksum."""
    content, at = path.read_bytes(), 0
    while at + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, at)
        yield PROTO.Event.FromString(content[at + 12 : at + 12 + length])
        at += 12 + length + 4


def shown(folder):
    """What TensorBoard shows: by name the steps and values, in the order of files."""
    curves = {}
    for path in sorted(folder.iterdir()):
        for event in records(path):
            if event.session_log.status == PROTO.SessionLog.START:
                for points in curves.values():
                    points[:] = [one for one in points if one[0] < event.step]
            for value in event.summary.value:
                points = curves.setdefault(value.tag, [])
                points.append((event.step, value.simple_value))
    return curves


def right(folder, steps):
    curves = shown(folder)
    names = ["evaluation.accuracy", "evaluation.n", "loss", "w[0]", "w[1]"]
    assert sorted(curves) == names
    values = ROWS["loss"], ROWS["evaluation"]["accuracy"].astype(np.float32)
    for name, known in zip(("loss", "evaluation.accuracy"), values, strict=True):
        wanted = [(step, float(known[step - 1])) for step in steps]
        assert curves[name] == wanted


@pytest.mark.parametrize("chunk", [1, 7, 1000, N])
def test_points_do_not_depend_on_the_chunks(tmp_path, chunk):
    events = opened(tmp_path)
    for start in range(0, N, chunk):
        events.append(start, read(start, start + chunk))
    events.close()
    events.close()
    right(tmp_path, DRAWN)


def test_the_last_row_is_a_point(tmp_path):
    events = opened(tmp_path)
    events.append(0, read(0, 1234))
    events.append(1234, read(1234, 1234))
    events.close()
    right(tmp_path, [step for step in DRAWN if step < 1234] + [1234])


@pytest.mark.parametrize("reached, rows", [(700, 700), (900, 500), (400, 700), (9, 0)])
def test_resuming_leaves_no_gap_and_no_double_point(tmp_path, reached, rows):
    """What was never written is added, what is beyond is hidden."""
    events = opened(tmp_path)
    events.append(0, read(0, reached))
    events.close()
    events = opened(tmp_path, rows)
    for start in range(rows, N, 100):
        events.append(start, read(start, min(N, start + 100)))
    events.close()
    right(tmp_path, DRAWN)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "deleted"])
def test_a_damaged_file_is_made_good(tmp_path, damage):
    events = opened(tmp_path)
    events.append(0, read(0, 700))
    events.close()
    (path,) = tmp_path.iterdir()
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes({"cut": content[:-5], "flipped": content}.get(damage, b""))
    if damage == "deleted":
        path.unlink()
    asked = []

    def spied(start, stop):
        asked.append(start)
        return read(start, stop)

    events = opened(tmp_path, 700, spied)
    events.close()
    if damage != "deleted":
        # TensorBoard stops at what is not whole, as our reader would not.
        path.write_bytes(b"")
    assert asked and min(asked) < 700
    first = min(asked) + 1 if damage == "flipped" else 700 if damage == "cut" else 1
    curves = shown(tmp_path)
    assert [step for step, _ in curves["loss"]] == list(range(first, 701))


def test_beyond_the_range_of_float32(tmp_path):
    rows = {"a": np.array([1e300, -np.inf, np.nan])}
    row = {"a": jax.ShapeDtypeStruct((), np.float64)}
    events = _tensorboard.open_events(tmp_path, row, 0, read)
    events.append(0, rows)
    events.close()
    values = [value for _, value in shown(tmp_path)["a"]]
    np.testing.assert_array_equal(values, [np.inf, -np.inf, np.nan])


def test_a_file_that_vanished_is_named(tmp_path):
    events = opened(tmp_path)
    (path,) = tmp_path.iterdir()
    path.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        events.append(0, read(0, 5))
    assert caught.value.filename == str(path)
    with pytest.raises(FileNotFoundError):
        events.close()


def test_the_extra_is_named_where_it_is_missing(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("tensorboardX")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"pip install 'funclearn\[tensorboard\]'"):
        opened(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("stop", [1, 999, 1001, 12345, 10**6 + 1])
def test_files_are_bounded(stop):
    """900 points for every power of ten, whatever part is asked for."""
    digits = len(str(stop))
    whole = [
        epoch
        for scale in (10 ** max(0, power - 3) for power in range(1, digits + 1))
        for epoch in range(scale, min(stop, 1000 * scale) + 1, scale)
        if scale == 1 or epoch > 100 * scale
    ]
    whole = sorted(set(whole))
    assert len(whole) <= 1000 + 900 * max(0, digits - 3)
    np.testing.assert_array_equal(_tensorboard.drawn(0, stop), whole)
    for start in (0, stop // 3, stop - 1, stop):
        wanted = [epoch for epoch in whole if epoch > start]
        np.testing.assert_array_equal(_tensorboard.drawn(start, stop), wanted)
