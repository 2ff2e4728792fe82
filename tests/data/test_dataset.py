"""A data set is a pytree, and rows are taken from all of its leaves."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import copy
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl

ROWS = np.array([2, 0, 2])


def test_a_data_set_is_a_pytree_with_named_leaves():
    dataset = fl.Dataset(jnp.arange(4), jnp.arange(4.0))
    taken = jax.jit(fl.data.take)(dataset, ROWS)
    assert isinstance(taken, fl.Dataset)
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(taken)]
    assert paths == [".inputs", ".targets"]


def test_data_are_read_as_jax_computes_with_them():
    ready = fl.Dataset(jnp.ones(2), jax.random.split(jax.random.key(0)))
    assert fl.data.as_dataset("train", ready) is ready
    read = fl.data.as_dataset("train", fl.Dataset([[1, 2.5]], np.array([2**31 - 1])))
    assert read.inputs.dtype == np.float32 and read.inputs.tolist() == [[1, 2.5]]
    assert read.targets.dtype == np.int32 and read.targets.tolist() == [2**31 - 1]


@pytest.mark.parametrize(
    "data, error, message",
    [
        (
            fl.Dataset(["a"], [1.0]),
            TypeError,
            r"train\.inputs must hold numbers; got te",
        ),
        (fl.Dataset([1.0], [2**40]), ValueError, r"train\.targets must fit into JAX's"),
        ([object()], TypeError, r"train\[0\] must be an array of numbers"),
        ("rows.csv", TypeError, "train must be an array of numbers.* got 'rows.csv'"),
    ],
    ids=["text", "large", "object", "path"],
)
def test_data_that_cannot_be_read_are_refused_by_name(data, error, message):
    with pytest.raises(error, match=message):
        fl.data.as_dataset("train", data)


def test_a_fit_is_handed_what_numpy_holds():
    """Frames, lists and NumPy's arrays train; what would wrap is refused by name."""
    step = fl.make_train_step(
        fl.make_objective(fl.models.linear, fl.losses.mse), optax.sgd(0.1)
    )
    key = jax.random.key(0)
    state = fl.init_state(key, fl.models.linear.init(key), optax.sgd(0.1))
    values = np.array([1.0, 2.0, 4.0]), np.array([2.0, 4.0, 8.0])
    runs = [
        fl.fit(step, state, fl.Dataset(*map(kind, values)), epochs=3)
        for kind in (jnp.asarray, np.asarray, np.ndarray.tolist)
    ]
    losses = [run.history.loss.tolist() for run in runs]
    assert losses[0] == losses[1] == losses[2]
    people = fl.Dataset(np.array([7_794_798_739, 1]), np.zeros(2))
    with pytest.raises(ValueError, match=r"train\.inputs must fit into JAX's int32"):
        fl.fit(step, state, people, epochs=1)


WEIGHED = fl.Dataset(jnp.arange(4.0), jnp.arange(4), jnp.array([1.0, 0.0, 2.0, 1.0]))


def test_a_data_set_is_as_long_as_what_it_holds():
    plain = WEIGHED._replace(weights=None)
    inputs, targets = plain
    assert inputs is WEIGHED.inputs and targets is WEIGHED.targets
    inputs, targets, weights = WEIGHED
    assert weights is WEIGHED.weights and plain.weights is None
    assert plain._replace(weights=weights)._asdict() == WEIGHED._asdict()
    assert repr(fl.Dataset(1, 2)) == "Dataset(inputs=1, targets=2)"
    assert repr(fl.Dataset(1, 2, 3)) == "Dataset(inputs=1, targets=2, weights=3)"
    for one in (fl.Dataset(1, 2), fl.Dataset(1, 2, 3)):
        assert pickle.loads(pickle.dumps(one)) == copy.deepcopy(one) == one
        match one:
            case fl.Dataset(inputs, targets, weights):
                assert (inputs, targets, weights) == (1, 2, one.weights)


def test_a_data_set_is_a_pytree_of_three_fields():
    paths = [path for path, _ in jax.tree.leaves_with_path(WEIGHED)]
    assert [*map(jax.tree_util.keystr, paths)] == [".inputs", ".targets", ".weights"]
    plain = fl.Dataset(jnp.ones(2), jnp.ones(2))
    assert jax.tree.structure(plain) != jax.tree.structure(WEIGHED)
    axes = fl.Dataset(0, 0, None)
    sums = jax.vmap(lambda rows: rows.inputs * rows.weights.sum(), in_axes=(axes,))
    assert sums(WEIGHED).tolist() == [0, 4, 8, 12]
    doubled = jax.jit(lambda rows: jax.tree.map(lambda leaf: 2 * leaf, rows))(WEIGHED)
    assert isinstance(doubled, fl.Dataset)
    assert doubled.weights.tolist() == [2, 0, 4, 2]


def test_rows_keep_their_weights():
    assert fl.data.take(WEIGHED, ROWS).weights.tolist() == [2, 1, 2]
    key = jax.random.key(0)
    parts = fl.data.split(key, WEIGHED, 0.25)
    for rows in (*parts, *fl.data.batches(key, WEIGHED, 3)):
        expected = np.asarray(WEIGHED.weights)[np.asarray(rows.targets)]
        np.testing.assert_array_equal(rows.weights, expected)
    assert fl.data.folds(key, WEIGHED, 2).shape == (2, 4)
