import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn.checkpoints import fingerprint
from funclearn.checkpoints._fingerprint import fingerprint_of


class Dataset(NamedTuple):
    inputs: object
    targets: object
    weights: object = None


class Other(NamedTuple):
    inputs: object
    targets: object
    weights: object = None


BASE = np.arange(6, dtype=np.float32).reshape(2, 3)


def test_equal_data_have_one_fingerprint(tmp_path):
    data = fl.Dataset(BASE, BASE[:, 0])
    np.save(tmp_path / "x.npy", BASE)
    same = [
        fl.Dataset(jnp.asarray(BASE), jnp.asarray(BASE[:, 0])),
        fl.Dataset(np.load(tmp_path / "x.npy", mmap_mode="r"), BASE[:, 0].copy()),
        fl.Dataset(np.asfortranarray(BASE), BASE[:, 0]),
        fl.Dataset(BASE.astype(">f4"), BASE[:, 0]),
    ]
    assert {fingerprint(one) for one in [data, *same]} == {fingerprint(data)}


def test_any_difference_changes_it():
    negative = BASE.copy()
    negative[0, 0] = -0.0
    different = [
        Dataset(BASE, BASE),
        Other(BASE, BASE),
        Dataset(BASE, BASE, BASE),
        Dataset(BASE, None, BASE),
        Dataset(BASE.T.copy(), BASE),
        Dataset(BASE.reshape(3, 2), BASE),
        Dataset(BASE.view(np.int32), BASE),
        Dataset(negative, BASE),
        Dataset(BASE.astype(np.float64), BASE),
        {"inputs": BASE, "targets": BASE},
        {"inputs": BASE, "target": BASE},
        [BASE, BASE],
        BASE,
        jax.random.key(0),
        jax.random.key_data(jax.random.key(0)),
        [],
        None,
        1,
        1.0,
    ]
    assert len({fingerprint(one) for one in different}) == len(different)


CHILD = """
import numpy as np, funclearn as fl
print(fl.checkpoints.fingerprint(fl.Dataset(np.arange(4.0), {"b": 1, "a": 2})))
"""


def test_it_is_the_same_in_another_process():
    """With another seed for Python's hashes."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(fl.__file__).parents[1],
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    data = fl.Dataset(np.arange(4.0), {"b": 1, "a": 2})
    assert child.stdout.strip() == fingerprint(data)


def test_a_fingerprint_stands_for_data():
    assert fingerprint_of(None) is None and fingerprint_of("ab") == "ab"
    assert fingerprint_of(BASE) == fingerprint(BASE)


def test_what_has_no_bytes_is_refused():
    with pytest.raises(TypeError, match=r"data\[0\] must be an array"):
        fingerprint(["text"])
