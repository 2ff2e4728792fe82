"""Parts, folds and minibatches hold every row once, and are drawn fairly."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import math
import os
import subprocess
import sys
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import funclearn as fl

# Derandomised: the same examples on every machine and in every run.
properties = settings(max_examples=25, deadline=None, derandomize=True, database=None)
seeds = st.integers(0, 2**32 - 1)
KEY = jax.random.key(0)
FRACTION: Any = 2.0
UNEQUAL = fl.Dataset(jnp.zeros(3), jnp.zeros(2))
TRAIN = fl.Dataset(jnp.linspace(3.0, 8.0, 12).reshape(6, 2), jnp.arange(6.0))


def numbered(n_rows):
    """A data set whose rows can be told apart, and their targets be checked."""
    rows = jnp.arange(n_rows)
    return fl.Dataset(inputs=rows, targets=10 * rows)


def pairs(dataset):
    return list(zip(dataset.inputs.tolist(), dataset.targets.tolist(), strict=True))


@properties
@given(n_rows=st.integers(2, 5), fraction=st.floats(0.01, 0.99), seed=seeds)
@example(n_rows=11, fraction=0.2, seed=0)
@example(n_rows=100, fraction=0.29, seed=0)  # 0.29 * 100 is 28.999999999999996
@pytest.mark.slow
def test_split_is_a_partition(n_rows, fraction, seed):
    n_validation = int(fraction * n_rows)
    assume(n_validation > 0)
    key = jax.random.key(seed)
    train, validation = fl.data.split(key, numbered(n_rows), fraction)
    assert validation.inputs.shape == (n_validation,)
    assert sorted(pairs(train) + pairs(validation)) == pairs(numbered(n_rows))
    again = fl.data.split(key, numbered(n_rows), fraction)
    assert [pairs(train), pairs(validation)] == [pairs(part) for part in again]


@pytest.mark.slow
def test_every_row_validates_equally_often():
    keys = jax.random.split(jax.random.key(0), 2000)
    validation = jax.vmap(lambda key: fl.data.split(key, numbered(11))[1].inputs)(keys)
    counts = np.bincount(np.asarray(validation).ravel(), minlength=11)
    probability = 2 / 11
    deviation = math.sqrt(2000 * probability * (1 - probability))
    assert np.abs(counts - 2000 * probability).max() < 4 * deviation


def test_split_and_batches_take_any_pytree_of_arrays():
    dataset = {"image": np.arange(24).reshape(6, 2, 2), "label": (jnp.arange(6),)}
    key = jax.random.key(0)
    for part in [*fl.data.split(key, dataset, 0.5), *fl.data.batches(key, dataset, 3)]:
        assert part["image"].shape == (3, 2, 2)
        assert jnp.array_equal(part["image"][:, 0, 0], 4 * part["label"][0])


@properties
@given(n_rows=st.integers(1, 6), data=st.data(), seed=seeds)
@pytest.mark.slow
def test_batches_hold_every_row_once(n_rows, data, seed):
    size = data.draw(st.integers(1, n_rows))
    key = jax.random.key(seed)
    drawn = [pairs(one) for one in fl.data.batches(key, numbered(n_rows), size)]
    rest = n_rows % size
    assert list(map(len, drawn)) == n_rows // size * [size] + [rest] * (rest > 0)
    assert sorted(row for one in drawn for row in one) == pairs(numbered(n_rows))
    assert drawn == [pairs(one) for one in fl.data.batches(key, numbered(n_rows), size)]


def test_batches_of_another_key_come_in_another_order():
    orders = {
        tuple(pairs(next(fl.data.batches(jax.random.key(seed), numbered(8), 8))))
        for seed in range(5)
    }
    assert len(orders) == 5


class Refusal(NamedTuple):
    call: Any
    error: type[Exception]
    message: str


REFUSALS = {
    "split-nothing": Refusal(
        lambda: fl.data.split(KEY, numbered(4), 0.2),
        ValueError,
        r"validation_fraction .* 0 to validate with and 4 to train",
    ),
    **{
        f"split-{fraction}": Refusal(
            lambda fraction=fraction: fl.data.split(KEY, numbered(4), fraction),
            ValueError,
            f"validation_fraction must be between 0 and 1; got {fraction}",
        )
        for fraction in (0, 1.0, -0.5, math.nan, math.inf)
    },
    "split-traced": Refusal(
        lambda: jax.jit(lambda part: fl.data.split(KEY, numbered(4), part))(0.5),
        TypeError,
        "validation_fraction must be a number known at trace time",
    ),
    "split-legacy-key": Refusal(
        lambda: fl.data.split(jax.random.PRNGKey(0), numbered(4), 0.5),
        TypeError,
        r"key must be a typed key, as jax.random.key\(0\); got uint32\(2,\)",
    ),
    "split-keys": Refusal(
        lambda: fl.data.split(jax.random.split(KEY), numbered(4), 0.5),
        ValueError,
        r"key must be a single key; got keys of shape \(2,\)",
    ),
    "split-unequal": Refusal(
        lambda: fl.data.split(KEY, UNEQUAL, 0.5),
        ValueError,
        r"dataset\.inputs \(3,\), dataset\.targets \(2,\)",
    ),
    "split-scalar": Refusal(
        lambda: fl.data.split(KEY, fl.Dataset(jnp.ones(3), jnp.float32(1)), 0.5),
        ValueError,
        r"dataset\.targets \(\)",
    ),
    "split-nothing-at-all": Refusal(
        lambda: fl.data.split(KEY, (), 0.5), ValueError, "dataset must .* got none"
    ),
    "batches-0": Refusal(
        lambda: fl.data.batches(KEY, numbered(4), 0),
        ValueError,
        "batch_size must be at least 1; got 0",
    ),
    "batches-5": Refusal(
        lambda: fl.data.batches(KEY, numbered(4), 5),
        ValueError,
        "batch_size must be at most the number of rows, 4; got 5",
    ),
    "batches-2.0": Refusal(
        lambda: fl.data.batches(KEY, numbered(4), FRACTION),
        TypeError,
        "batch_size must be an integer known at trace time; got 2.0",
    ),
    "batches-unequal": Refusal(
        lambda: fl.data.batches(KEY, UNEQUAL, 1), ValueError, r"targets \(2,\)"
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.usefixtures("plain_annotations")
def test_refusals_name_the_argument_when_called(refusal):
    with pytest.raises(refusal.error, match=refusal.message):
        refusal.call()


PUBLIC = {
    "split": lambda key: fl.data.split(key, TRAIN),
    "batches": lambda key: list(fl.data.batches(key, TRAIN, 4)),
}


@pytest.mark.parametrize("function", PUBLIC.values(), ids=PUBLIC)
def test_compiled_equals_eager(function):
    eager, compiled = function(KEY), jax.jit(function)(KEY)
    assert jax.tree.structure(eager) == jax.tree.structure(compiled)
    for one, other in zip(*map(jax.tree.leaves, (eager, compiled)), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


FOLDS = [(11, 2), (11, 3), (11, 5), (11, 11), (12, 4), (7, 6)]


@pytest.fixture(scope="module")
def readings():
    return fl.data.Scaler(input_scale=10.0)(fl.data.thermometer())


@pytest.mark.parametrize("n_rows, n_folds", FOLDS)
def test_folds_hold_every_row_out_once(n_rows, n_folds):
    folds = np.asarray(fl.data.folds(KEY, jnp.zeros(n_rows), n_folds))
    assert folds.shape == (n_folds, n_rows) and folds.dtype == bool
    assert (folds.sum(axis=0) == 1).all()
    assert np.ptp(folds.sum(axis=1)) <= 1


def test_folds_follow_from_the_key_alone(readings):
    folds = fl.data.folds(KEY, readings, 3)
    compiled = jax.jit(fl.data.folds, static_argnums=2)(KEY, readings, 3)
    others = fl.data.folds(jax.random.key(1), readings, 3)
    assert np.array_equal(folds, compiled)
    assert not np.array_equal(folds, others)


def test_folds_are_as_likely_to_hold_out_one_row_as_another(readings):
    keys = jax.random.split(KEY, 2000)
    first = jax.vmap(lambda key: fl.data.folds(key, readings, 3)[0])(keys)
    # 4 of 11 rows: a standard error of 1.1 %.
    np.testing.assert_allclose(first.mean(axis=0), 4 / 11, atol=0.05)


@pytest.mark.parametrize(
    "n_folds, error", [(1, ValueError), (12, ValueError), (2.5, TypeError)]
)
def test_folds_refuse_impossible_numbers(readings, n_folds, error, plain_annotations):
    with pytest.raises(error, match="n_folds"):
        fl.data.folds(KEY, readings, n_folds)


def keyed(n_rows):
    """Rows of every kind that a data set may hold, told apart by their numbers."""
    return {
        "number": np.arange(n_rows),
        "key": jax.random.split(KEY, n_rows),
        "value": (jnp.arange(n_rows, dtype=jnp.float32)[:, None] * jnp.ones((1, 2)),),
    }


def assert_rows(part, rows):
    rows = np.asarray(rows)
    assert jnp.array_equal(part["number"], rows)
    keys = jax.random.key_data(jax.random.split(KEY, 9))[rows]
    assert jnp.array_equal(jax.random.key_data(part["key"]), keys)
    assert jnp.array_equal(part["value"][0][:, 1], rows)


@pytest.mark.slow
def test_parts_and_batches_are_slices_of_one_permutation():
    order = np.asarray(jax.random.permutation(KEY, 9))
    train, validation = fl.data.split(KEY, keyed(9), 0.4)
    assert_rows(train, order[:6])
    assert_rows(validation, order[6:])
    drawn = list(fl.data.batches(KEY, keyed(9), 4))
    for batch, start in zip(drawn, (0, 4, 8), strict=True):
        assert_rows(batch, order[start : start + 4])


def test_folds_are_a_permutation_of_equal_shares():
    masks = fl.data.folds(KEY, jnp.zeros(9), 4)
    fold = np.asarray(jax.random.permutation(KEY, np.arange(9) % 4))
    assert np.array_equal(masks, fold == np.arange(4)[:, None])


def lane_of(tree, lane):
    return jax.tree.map(lambda leaf: leaf[lane], tree)


@pytest.mark.slow
def test_splits_are_drawn_within_other_transformations():
    @jax.jit
    @jax.vmap
    def parts(key):
        return fl.data.split(key, keyed(9), 0.4), list(
            fl.data.batches(key, keyed(9), 4)
        )

    keys = jax.random.split(KEY, 3)
    (train, validation), drawn = parts(keys)
    for lane, key in enumerate(keys):
        order = np.asarray(jax.random.permutation(key, 9))
        for part, rows in (
            (train, order[:6]),
            (validation, order[6:]),
            (drawn[0], order[:4]),
            (drawn[2], order[8:]),
        ):
            assert_rows(lane_of(part, lane), rows)


@pytest.mark.parametrize("compiled", [False, True])
def test_rows_have_the_gradients_of_what_is_made_of_them(compiled):
    def loss(values):
        train, validation = fl.data.split(KEY, values, 0.4)
        first = next(fl.data.batches(KEY, values, 4))
        return jnp.sum(train) + 10 * jnp.sum(validation) + 100 * jnp.sum(first)

    order = np.asarray(jax.random.permutation(KEY, 9))
    expected = np.ones(9)
    expected[order[6:]] = 10
    expected[order[:4]] += 100
    grad = jax.grad(loss)
    found = (jax.jit(grad) if compiled else grad)(jnp.zeros(9))
    assert found.tolist() == expected.tolist()


def test_batches_of_one_size_are_one_program(monkeypatch):
    from funclearn.data import _splits

    sizes = []

    def take(dataset, indices):
        sizes.append(len(indices))
        return fl.data.take(dataset, indices)

    monkeypatch.setattr(_splits, "take", take)
    for seed in range(2):
        assert len(list(fl.data.batches(jax.random.key(seed), numbered(23), 5))) == 5
    assert sizes == [5, 3]


def test_splits_lose_nothing_of_numpys_64_bits():
    people = 7_794_798_739 + np.arange(9)
    seconds = 1.7e9 + 60 * np.arange(9.0)
    order = np.asarray(jax.random.permutation(KEY, 9))
    for part, rows in zip(
        fl.data.split(KEY, {"n": people, "t": seconds, "x": jnp.arange(9)}, 0.4),
        (order[:6], order[6:]),
        strict=True,
    ):
        assert part["n"].tolist() == people[rows].tolist()
        assert part["t"].tolist() == seconds[rows].tolist()
        assert isinstance(part["x"], jax.Array) and part["x"].tolist() == rows.tolist()


def test_what_is_drawn_for_a_step_is_refused_where_it_would_wrap():
    people = 7_794_798_739 + np.arange(9)
    for draw in (
        lambda: fl.data.batches(KEY, people, 3),
        lambda: jax.vmap(lambda key: fl.data.split(key, people, 0.5)[0])(KEY[None]),
    ):
        with pytest.raises(ValueError, match="dataset must fit into JAX's int32"):
            draw()


def test_frames_and_lists_have_rows():
    data = fl.Dataset([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [1, 2, 3])
    train, validation = fl.data.split(KEY, data, 0.4)
    assert train.inputs.shape == (2, 2) and validation.targets.shape == (1,)
    assert fl.data.folds(KEY, data, 3).shape == (3, 3)
    assert [len(batch.targets) for batch in fl.data.batches(KEY, data, 2)] == [2, 1]


SHARDED = """
import jax, jax.numpy as jnp, numpy as np, funclearn as fl
from jax.sharding import AxisType, NamedSharding, PartitionSpec

key, devices, rows = jax.random.key(0), jax.devices(), jnp.arange(12.0)
order = np.asarray(jax.random.permutation(key, 12)).tolist()
meshes = [jax.make_mesh((4,), ("d",), axis_types=(axis,))
          for axis in (AxisType.Auto, AxisType.Explicit)]
auto, explicit = (
    jax.device_put(rows, NamedSharding(mesh, PartitionSpec("d"))) for mesh in meshes
)
table = jax.device_put(jnp.stack([rows, rows], 1),
                       NamedSharding(meshes[1], PartitionSpec("d", None)))
first, second = (jax.device_put(rows, device) for device in devices[:2])
far = jax.device_put(key, devices[3])
cases = {
    "sharded": (key, auto, auto),
    "key elsewhere": (far, auto, auto),
    "one of NumPy": (key, auto, np.arange(12.0)),
    "sharded and not": (key, auto, second),
    "two devices": (key, first, second),
    "another device": (key, second, second),
    "explicit": (key, explicit, explicit),
    "explicit, two axes": (far, table[:, 0], explicit),
}
for name, (drawn, inputs, targets) in cases.items():
    data = fl.Dataset(inputs, targets)
    train, validation = fl.data.split(drawn, data, 0.25)
    batches = list(fl.data.batches(drawn, data, 5))
    for field in ("inputs", "targets"):
        values = lambda part: np.asarray(getattr(part, field)).tolist()
        assert values(train) + values(validation) == order, name
        assert sum(map(values, batches), []) == order, name
        leaf = getattr(data, field)
        if isinstance(leaf, jax.Array):
            assert getattr(train, field).devices() == leaf.devices(), name
print(len(cases))
"""


@pytest.mark.slow
def test_rows_are_drawn_from_leaves_on_several_devices():
    flags = "--xla_force_host_platform_device_count=4"
    result = subprocess.run(
        [sys.executable, "-c", SHARDED],
        capture_output=True,
        text=True,
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
    )
    assert result.stdout.split() == ["8"], result.stderr
