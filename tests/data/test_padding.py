"""Data sets whose last rows do not exist."""

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn.data import Padded, existing, for_batches, row_count

WEIGHTS = jnp.array([1.0, 1.0, 1.0, 0.0])
PADDED = Padded(jnp.arange(4.0), jnp.arange(4), WEIGHTS, 3, True)
WEIGHED = Padded(jnp.arange(4.0), jnp.arange(4), 2 * WEIGHTS, 3)
KEY = jax.random.key(0)


def static(padded):
    assert isinstance(padded, Padded)
    return padded.n_rows, padded.unweighted


def test_what_is_known_of_the_rows_outlives_what_is_done_with_them():
    for padded, known in ((PADDED, (3, True)), (WEIGHED, (3, False))):
        doubled = jax.tree.map(lambda leaf: 2 * leaf, padded)
        assert static(doubled) == known and doubled.targets.tolist() == [0, 2, 4, 6]
        assert static(jax.jit(lambda rows: rows)(padded)) == known
        assert static(fl.data.as_dataset("train", padded)) == known
        for copied in (copy.deepcopy(padded), pickle.loads(pickle.dumps(padded))):
            assert static(copied) == known
            np.testing.assert_array_equal(copied.weights, padded.weights)
        assert static(padded._replace(inputs=padded.targets)) == known
    # Weights of somebody's own are not left out of minibatches.
    assert static(PADDED._replace(weights=WEIGHTS)) == (3, False)


def test_it_is_known_while_tracing():
    counted = jax.jit(lambda rows: jnp.zeros(row_count("rows", rows)))
    assert counted(PADDED).shape == (3,)
    shorter = Padded(*PADDED, n_rows=2, unweighted=True)
    assert counted(shorter).shape == (2,)
    assert jax.tree.structure(shorter) != jax.tree.structure(PADDED)
    paths = [
        jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(PADDED)
    ]
    assert paths == [".inputs", ".targets", ".weights"]
    plain = fl.Dataset(*PADDED)
    assert row_count("rows", plain) == 4
    with pytest.raises(ValueError, match="rows must hold arrays"):
        row_count("rows", PADDED._replace(targets=jnp.arange(3)))


def test_rows_that_exist_are_a_plain_data_set():
    rows = existing(PADDED)
    assert type(rows) is fl.Dataset and rows.weights is None
    assert rows.inputs.tolist() == [0, 1, 2]
    assert existing(WEIGHED).weights.tolist() == [2, 2, 2]
    assert existing(rows) is rows


def test_minibatches_know_no_weights_that_padding_brought():
    rows = for_batches(PADDED)
    assert type(rows) is fl.Dataset and rows.weights is None and len(rows.inputs) == 4
    assert for_batches(WEIGHED).weights is WEIGHED.weights
    assert for_batches(rows) is rows


def test_no_part_has_rows_that_do_not_exist():
    rows = existing(PADDED)
    parts = zip(
        (*fl.data.split(KEY, PADDED, 0.4), *fl.data.batches(KEY, PADDED, 2)),
        (*fl.data.split(KEY, rows, 0.4), *fl.data.batches(KEY, rows, 2)),
        strict=True,
    )
    for part, wanted in parts:
        assert jax.tree.structure(part) == jax.tree.structure(wanted)
        assert part.inputs.tolist() == wanted.inputs.tolist()
    np.testing.assert_array_equal(
        fl.data.folds(KEY, PADDED, 3), fl.data.folds(KEY, rows, 3)
    )
    splits = fl.validation.leave_one_out(PADDED)
    assert splits.shape == (3, 3)
