"""What a script leaves is read, and compared to the bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.testing._outcomes import difference, outcome


def test_files_are_found_by_names_and_globs(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("a.txt", "b.txt", "deep/c.bin"):
        (tmp_path / name).write_text(name)
    assert outcome(tmp_path, "a.txt") == {"a.txt": b"a.txt"}
    assert set(outcome(tmp_path, ["*.txt", "deep/*"])) == {
        "a.txt",
        "b.txt",
        "deep/c.bin",
    }
    with pytest.raises(LookupError, match="the folder holds no file 'd"):
        outcome(tmp_path, ["a.txt", "d.txt"])


def test_a_function_that_cannot_read_left_nothing(tmp_path):
    with pytest.raises(LookupError, match="cannot read the folder: FileNotFoundError"):
        outcome(tmp_path, lambda folder: (folder / "nothing").read_bytes())


FILES = {
    "same": ({"a": b"12"}, {"a": b"12"}, None),
    "byte": (
        {"a": b"1" * 20 + b"34"},
        {"a": b"1" * 20 + b"24"},
        "a differs from byte 20 on: b'1111111134', uninterrupted b'1111111124' (22 and "
        "22 bytes)",
    ),
    "short": (
        {"a": b"1"},
        {"a": b"12"},
        "a differs from byte 1 on: b'1', uninterrupted b'12' (1 and 2 bytes)",
    ),
    "empty": (
        {"a": b""},
        {"a": b"1"},
        "a differs from byte 0 on: b'', uninterrupted b'1' (0 and 1 bytes)",
    ),
    "missing": ({"b": b""}, {"a": b"", "b": b""}, "a is missing"),
    "more": (
        {"a": b"", "b": b""},
        {"a": b""},
        "b is there, which it is not uninterrupted",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files(name):
    got, expected, words = FILES[name]
    assert difference(got, expected, "*") == words


ULP = np.nextafter(np.float32(1), np.float32(2))
VALUES = {
    "same": (
        {"x": [jnp.ones(2), np.nan, b"1", "text", 3, None]},
        {"x": [jnp.ones(2), np.nan, b"1", "text", 3, None]},
        None,
    ),
    "one unit in the last place": (
        {"w": np.array([[1, 1], [1, ULP]], np.float32)},
        {"w": np.ones((2, 2), np.float32)},
        "result['w'][1, 1] is 1.0000001192092896, uninterrupted 1.0",
    ),
    "sign of zero": (-0.0, 0.0, "result is -0.0, uninterrupted 0.0"),
    "bfloat16": (
        jnp.array([1, 2], jnp.bfloat16),
        jnp.array([1, 3], jnp.bfloat16),
        "result[1] is 2.0, uninterrupted 3.0",
    ),
    "bytes": (
        [b"12"],
        [b"13"],
        "result[0] differs from byte 1 on: b'12', uninterrupted b'13' (2 and 2 bytes)",
    ),
    "text": ("a", "b", "result is 'a', uninterrupted 'b'"),
    "key": (jax.random.key(0), jax.random.key(0), None),
    "other key": (
        jax.random.key(1),
        jax.random.key(0),
        "result[1] is 1, uninterrupted 0",
    ),
    "dtype": (
        np.ones(2, np.float32),
        np.ones(2),
        "result is float32[2], uninterrupted float64[2]",
    ),
    "shape": (
        np.ones(2),
        np.ones((1, 2)),
        "result is float64[2], uninterrupted float64[1, 2]",
    ),
    "structure": (
        [1],
        (1,),
        "the result is PyTreeDef([*]), uninterrupted PyTreeDef((*,))",
    ),
    "no rows": (np.ones((0, 2)), np.ones((0, 2)), None),
}


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    got, expected, words = VALUES[name]
    assert difference(got, expected, lambda folder: 1) == words
