"""Data sets: what is drawn, split, scaled and read, and what is refused."""

import csv
import math
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


def numbered(n_rows):
    """A data set whose rows can be told apart, and their targets be checked."""
    rows = jnp.arange(n_rows)
    return fl.Dataset(inputs=rows, targets=10 * rows)


def pairs(dataset):
    return list(zip(dataset.inputs.tolist(), dataset.targets.tolist(), strict=True))


def test_thermometer_gives_the_published_first_loss():
    dataset = fl.data.thermometer()
    assert dataset.inputs.shape == dataset.targets.shape == (11,)
    residuals = np.asarray(dataset.inputs, np.float64) - np.asarray(dataset.targets)
    np.testing.assert_allclose(np.mean(residuals**2), 1763.8848, rtol=1e-7)


def test_sine_without_noise_is_the_sine():
    inputs, targets = fl.data.noisy_sine(jax.random.key(0), 7, 0.0)
    np.testing.assert_allclose(inputs, np.linspace(-1, 1, 7)[:, None], atol=1e-6)
    np.testing.assert_allclose(targets, np.sin(np.pi * np.asarray(inputs)), atol=1e-6)


def test_noise_of_the_sine_is_normal_with_the_given_deviation():
    n_samples, noise = 4000, 0.25
    inputs, targets = fl.data.noisy_sine(jax.random.key(1), n_samples, noise)
    errors = np.asarray(targets - jnp.sin(jnp.pi * inputs))
    # Four standard errors of a mean and of a standard deviation.
    assert abs(errors.mean()) < 4 * noise / math.sqrt(n_samples)
    assert abs(errors.std() - noise) < 4 * noise / math.sqrt(2 * n_samples)


def test_the_same_key_draws_the_same_noise_and_another_key_another():
    one, same = (fl.data.noisy_sine(jax.random.key(3)) for _ in range(2))
    other = fl.data.noisy_sine(jax.random.key(4))
    assert jnp.array_equal(one.targets, same.targets)
    assert not jnp.any(one.targets == other.targets)


@properties
@given(n_rows=st.integers(2, 5), fraction=st.floats(0.01, 0.99), seed=seeds)
@example(n_rows=11, fraction=0.2, seed=0)
@example(n_rows=100, fraction=0.29, seed=0)  # 0.29 * 100 is 28.999999999999996
def test_split_is_a_partition(n_rows, fraction, seed):
    n_validation = int(fraction * n_rows)
    assume(n_validation > 0)
    key = jax.random.key(seed)
    train, validation = fl.data.split(key, numbered(n_rows), fraction)
    assert validation.inputs.shape == (n_validation,)
    assert sorted(pairs(train) + pairs(validation)) == pairs(numbered(n_rows))
    again = fl.data.split(key, numbered(n_rows), fraction)
    assert [pairs(train), pairs(validation)] == [pairs(part) for part in again]


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


KEY = jax.random.key(0)
FRACTION: Any = 2.0
SEED: Any = 0
UNEQUAL = fl.Dataset(jnp.zeros(3), jnp.zeros(2))
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
    "sine-0": Refusal(
        lambda: fl.data.noisy_sine(KEY, 0), ValueError, "n_samples must be at least 1"
    ),
    "sine-no-key": Refusal(
        lambda: fl.data.noisy_sine(SEED), TypeError, "key must be a typed key, .* got 0"
    ),
    "standardise-nothing": Refusal(
        lambda: fl.data.standardise(numbered(0)), ValueError, "train must .* one row"
    ),
    "standardise-unequal": Refusal(
        lambda: fl.data.standardise(UNEQUAL), ValueError, r"train\.targets \(2,\)"
    ),
    "unscale-polynomial": Refusal(
        lambda: fl.data.Scaler().unscale(fl.models.polynomial(1).init(KEY)),
        TypeError,
        "params must be the parameters of a linear model.*got PolynomialParams",
    ),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
@pytest.mark.usefixtures("plain_annotations")
def test_refusals_name_the_argument_when_called(refusal):
    with pytest.raises(refusal.error, match=refusal.message):
        refusal.call()


values = st.floats(-1e3, 1e3)
column = st.one_of(
    st.lists(values, min_size=6, max_size=6), values.map(lambda value: [value] * 6)
)


def assert_standardised(scaled, original):
    """Checks every column against the rounding that its own spread allows."""
    original = original.reshape(len(original), -1)
    for ours, theirs in zip(scaled.reshape(original.shape).T, original.T, strict=True):
        if np.ptp(theirs) == 0:
            assert np.all(ours == 0)
            continue
        rounding = 1e-14 * np.abs(theirs).max() / theirs.std()
        np.testing.assert_allclose(ours.mean(), 0, atol=rounding)
        np.testing.assert_allclose(ours.std(), 1, rtol=rounding)


@properties
@given(columns=st.lists(column, min_size=1, max_size=3), targets=st.booleans())
@example(columns=[[0.1] * 6, [1, 2, 3, 4, 5, 6]], targets=True)
def test_standardised_columns_have_mean_0_and_deviation_1(columns, targets):
    table = np.array(columns).T
    assume(all(s == 0 or s > 1e-9 for s in np.ptp(table, axis=0)))
    with jax.enable_x64(True):
        train = fl.Dataset(jnp.asarray(table), jnp.asarray(table[:, 0]))
        scaled, scaler = fl.data.standardise(train, targets=targets)
        assert_standardised(np.asarray(scaled.inputs), table)
        if targets:
            assert_standardised(np.asarray(scaled.targets), table[:, :1])
        else:
            assert jnp.array_equal(scaled.targets, train.targets)
        for again, first in zip(scaler(train), scaled, strict=True):
            assert jnp.array_equal(again, first)
        restored = scaler.unscale_predictions(scaled.targets)
        np.testing.assert_allclose(restored, train.targets, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("n_columns", [None, 3])
@pytest.mark.parametrize("targets", [False, True])
def test_unscaled_parameters_are_the_same_line(n_columns, targets, float64):
    keys = jax.random.split(jax.random.key(5), 3)
    shape = (9,) if n_columns is None else (9, n_columns)
    model = fl.models.linear if n_columns is None else fl.models.affine(n_columns)
    train = fl.Dataset(
        50 + 7 * jax.random.normal(keys[0], shape), jax.random.normal(keys[1], (9,)) - 4
    )
    scaled, scaler = fl.data.standardise(train, targets=targets)
    params = model.init(keys[2])
    predicted = scaler.unscale_predictions(model.apply(params, scaled.inputs))
    original = scaler.unscale(params)
    assert type(original) is type(params)
    np.testing.assert_allclose(
        model.apply(original, train.inputs), predicted, rtol=1e-13
    )


def test_other_data_are_scaled_with_the_numbers_of_the_training_part():
    train, validation = fl.data.split(KEY, fl.data.thermometer(), 0.3)
    _, scaler = fl.data.standardise(train)
    inputs = np.asarray(train.inputs)
    expected = (np.asarray(validation.inputs) - inputs.mean()) / inputs.std()
    np.testing.assert_allclose(scaler(validation).inputs, expected, rtol=1e-5)
    assert jnp.array_equal(scaler(validation).targets, validation.targets)


@pytest.mark.parametrize("unit", [1e-27, 1.0, 1e30])
def test_columns_are_standardised_in_whatever_unit(unit):
    column = np.array([1.0, 2.0, 4.0, 7.0])
    train = fl.Dataset(jnp.asarray(column * unit), jnp.zeros(4))
    expected = (column - column.mean()) / column.std()
    np.testing.assert_allclose(
        fl.data.standardise(train)[0].inputs, expected, rtol=1e-5
    )


def test_a_large_constant_column_is_shifted_to_zero_exactly():
    # The computed mean of eleven times 16777217.1 is another number.
    inputs = jnp.full((11, 2), 16777217.1).at[:, 1].set(jnp.arange(11.0))
    scaled, scaler = fl.data.standardise(fl.Dataset(inputs, jnp.zeros(11)))
    assert jnp.all(scaled.inputs[:, 0] == 0)
    assert scaler.input_scale[0] == 1


def test_integer_readings_are_standardised_as_numbers():
    train = fl.Dataset._make([np.arange(5), np.arange(5)])
    scaled, _ = fl.data.standardise(train, targets=True)
    expected = (np.arange(5) - 2) / math.sqrt(2)
    np.testing.assert_allclose(scaled.inputs, expected, rtol=1e-6)
    np.testing.assert_allclose(scaled.targets, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "scale",
    [
        lambda rows: fl.data.standardise(rows)[0],
        lambda rows: jax.jit(fl.data.standardise)(rows)[1](rows),
        fl.data.Scaler(input_scale=10.0),
    ],
)
def test_targets_that_are_not_scaled_keep_their_dtype(scale):
    labels = jnp.array([0, 2, 1])
    scaled = scale(fl.Dataset(jnp.eye(3) * 4, labels))
    assert scaled.targets.dtype == labels.dtype
    assert jnp.array_equal(scaled.targets, labels)
    assert jnp.isfinite(fl.losses.cross_entropy(scaled.inputs, scaled.targets))


def test_targets_may_be_shifted_or_divided_alone():
    readings = fl.Dataset(jnp.arange(3.0), jnp.arange(3))
    for scaler, expected in (
        (fl.data.Scaler(target_shift=1.0), [-1, 0, 1]),
        (fl.data.Scaler(target_scale=2.0), [0, 0.5, 1]),
    ):
        targets = scaler(readings).targets
        assert targets.tolist() == expected
        assert scaler.unscale_predictions(targets).tolist() == [0, 1, 2]


TRAIN = fl.Dataset(jnp.linspace(3.0, 8.0, 12).reshape(6, 2), jnp.arange(6.0))
PUBLIC = {
    "noisy_sine": lambda key: fl.data.noisy_sine(key, 5),
    "split": lambda key: fl.data.split(key, TRAIN),
    "batches": lambda key: list(fl.data.batches(key, TRAIN, 4)),
    "standardise": lambda key: fl.data.standardise(TRAIN, targets=True),
    "thermometer": lambda key: fl.data.thermometer(),
    "unscale": lambda key: fl.data.standardise(TRAIN)[1].unscale(
        fl.models.affine(2).init(key)
    ),
}


@pytest.mark.parametrize("function", PUBLIC.values(), ids=PUBLIC)
def test_compiled_equals_eager(function):
    eager, compiled = function(KEY), jax.jit(function)(KEY)
    assert jax.tree.structure(eager) == jax.tree.structure(compiled)
    for one, other in zip(*map(jax.tree.leaves, (eager, compiled)), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_standardise_keeps_the_precision_that_it_is_given(dtype, float64):
    train = fl.Dataset(TRAIN.inputs.astype(dtype), TRAIN.targets.astype(dtype))
    leaves = jax.tree.leaves(fl.data.standardise(train, targets=True))
    assert [leaf.dtype for leaf in leaves] == 6 * [dtype]


def test_drawn_and_read_data_have_the_default_precision(tmp_path, float64):
    path = tmp_path / "table.csv"
    path.write_text("0.1,1e39\n")
    read = fl.data.read_csv(path, target=1, header=False)
    assert read.targets[0] == 1e39 and read.inputs[0, 0] == 0.1
    for dataset in (fl.data.thermometer(), fl.data.noisy_sine(KEY), read):
        assert [leaf.dtype for leaf in dataset] == 2 * [jnp.float64]


class Table(NamedTuple):
    text: str | bytes
    arguments: dict[str, Any]
    inputs: Any
    targets: Any


TABLES = {
    "names": Table("x,y\n1,2\n3,4\n", {"target": "y"}, [[1], [3]], [2, 4]),
    "target first": Table("y,x\n1,2\n3,4\n", {"target": "y"}, [[2], [4]], [1, 3]),
    "positions": Table("a,b,c\n1,2,3\n", {"target": 0, "inputs": [2]}, [[3]], [1]),
    "one input": Table("a,b,c\n1,2,3\n", {"target": "c", "inputs": "b"}, [2], [3]),
    "one position": Table("a,b,c\n1,2,3\n", {"target": "c", "inputs": 1}, [2], [3]),
    "mixed, in the order asked for": Table(
        "a,b,c\n1,2,3\n", {"target": "b", "inputs": ("c", 0)}, [[3, 1]], [2]
    ),
    "no header": Table(
        "1,2\n3,4\n", {"target": 1, "header": False}, [[1], [3]], [2, 4]
    ),
    "quoted": Table(
        '"x, in m","y ""raw"""\n"1"," 2 "\n',
        {"target": 'y "raw"', "inputs": "x, in m"},
        [1],
        [2],
    ),
    "blank lines": Table(
        "\n x , y \n\n1,2\n  \n3,4\n\n", {"target": "y"}, [[1], [3]], [2, 4]
    ),
    "byte-order mark": Table(
        "\ufeffx,y\n1,2\n", {"target": 1, "inputs": "x"}, [1], [2]
    ),
    "Windows": Table(b"x,y\r\n1,2\r\n\r\n3,4", {"target": "y"}, [[1], [3]], [2, 4]),
    "old Mac": Table(b"x,y\r1,2\r3,4\r", {"target": "y"}, [[1], [3]], [2, 4]),
    "numbers": Table(
        "x,y\n+1e2,-0.5\n .5 ,3E-2\n", {"target": "y"}, [[100], [0.5]], [-0.5, 0.03]
    ),
    "text elsewhere": Table(
        'name,x,y\n"a\nb",1,2\nNA,3,4\n', {"target": "y", "inputs": "x"}, [1, 3], [2, 4]
    ),
    "same name elsewhere": Table(
        "n,n,x,y\n1,1,1,2\n", {"target": "y", "inputs": "x"}, [1], [2]
    ),
}


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_read_csv_reads(table, tmp_path):
    path = write(tmp_path / "table.csv", table.text)
    dataset = fl.data.read_csv(path, **table.arguments)
    for got, wanted in zip(dataset, (table.inputs, table.targets), strict=True):
        assert got.dtype == jnp.float32
        assert np.array_equal(got, np.array(wanted, np.float32))


class Slip(NamedTuple):
    text: str | bytes
    arguments: dict[str, Any]
    pieces: tuple[str, ...]


SLIPS = {
    "bad cell": Slip("x,y\n1,2\n\n3,abc\n", {}, ("line 4", "column 'y'", "'abc'")),
    "bad input": Slip("x,y\n1,2\n3 m,4\n", {}, ("line 3", "column 'x'", "'3 m'")),
    "bad cell after a field of two lines": Slip(
        'n,x,y\n"a\nb",1,2\nc,3,?\n', {"inputs": "x"}, ("line 4", "column 'y'", "'?'")
    ),
    "bad cell without header": Slip(
        "1,2\n3,x4\n", {"header": False, "target": 1}, ("line 2", "column 1", "'x4'")
    ),
    "header that is not one": Slip(
        "x,y\n1,2\n", {"header": False, "target": 1}, ("line 1", "column 1", "'y'")
    ),
    "data for a header": Slip(
        "1,2\n3,4\n5,6\n", {"target": 1}, ("line 1", "1,2", "header=False")
    ),
    "no cell": Slip("x,y\n1,\n", {}, ("line 2", "column 'y'", "''")),
    "only commas": Slip("x,y\n,\n", {}, ("line 2", "''")),
    "not a number": Slip("x,y\n1,nan\n", {}, ("line 2", "column 'y'", "'nan'")),
    "infinite": Slip("x,y\n1,-Infinity\n", {}, ("line 2", "'-Infinity'")),
    "overflow": Slip("x,y\n1,1e39\n", {}, ("line 2", "'1e39'")),
    "underscore": Slip("x,y\n1,1_000\n", {}, ("line 2", "'1_000'")),
    "decimal comma": Slip('x,y\n1,"2,5"\n', {}, ("line 2", "column 'y'", "'2,5'")),
    "hexadecimal": Slip("x,y\n1,0x10\n", {}, ("line 2", "'0x10'")),
    "NUL": Slip("x,y\n1,2\0\n", {}, ("line 2",)),
    "missing column": Slip(
        "x,y\n1,2\n", {"target": "z"}, ("target", "'z'", "'x', 'y'")
    ),
    "missing input": Slip("x,y\n1,2\n", {"inputs": ["w"]}, ("inputs", "'w'")),
    "duplicate column": Slip("x,x,y\n1,2,3\n", {"inputs": "x"}, ("inputs", "'x'", "2")),
    "target among inputs": Slip("x,y\n1,2\n", {"inputs": ["x", 1]}, ("inputs", "'y'")),
    "input twice": Slip("x,y\n1,2\n", {"inputs": ["x", 0]}, ("inputs", "['x', 0]")),
    "no inputs": Slip("x,y\n1,2\n", {"inputs": []}, ("inputs", "none")),
    "no other column": Slip("y\n1\n", {}, ("one column", "inputs")),
    "position beyond": Slip("x,y\n1,2\n", {"target": 2}, ("target", "2")),
    "negative position": Slip("x,y\n1,2\n", {"target": -1}, ("target", "-1")),
    "name without header": Slip("1,2\n", {"header": False}, ("target", "'y'")),
    "short line": Slip("x,y\n1,2\n3\n", {}, ("line 3", "1 fields", "2")),
    "long line": Slip("x,y\n1,2,\n", {}, ("line 2", "3 fields", "2")),
    "semicolons": Slip("x;y\n1;2\n", {}, ("target", "'x;y'")),
    "unclosed quote": Slip('x,y\n1,"2\n3,4\n', {}, ("line 2",)),
    "text after quote": Slip('x,y\n1,"2"3\n', {}, ("line 2",)),
    "empty": Slip("", {}, ("empty",)),
    "blank": Slip("\ufeff\n \n", {}, ("empty",)),
    "header only": Slip("x,y\n\n", {}, ("header", "no rows")),
    "Latin-1": Slip("x,y\n1,2\n# 20 °C\n".encode("latin-1"), {}, ("UTF-8",)),
    "UTF-16": Slip("x,y\n1,2\n".encode("utf-16"), {}, ("UTF-8",)),
}


def test_read_csv_takes_years_for_names_if_asked_for_one(tmp_path):
    path = write(tmp_path / "table.csv", "2019,2020\n1,2\n")
    dataset = fl.data.read_csv(path, target="2020")
    assert dataset.inputs.tolist() == [[1.0]]
    assert dataset.targets.tolist() == [2.0]


@pytest.mark.parametrize("slip", SLIPS.values(), ids=SLIPS)
def test_read_csv_says_what_is_wrong_and_where(slip, tmp_path):
    path = write(tmp_path / "table.csv", slip.text)
    with pytest.raises(ValueError) as caught:
        fl.data.read_csv(path, **{"target": "y", **slip.arguments})
    message = str(caught.value).replace(str(path), "PATH")
    assert all(piece in message for piece in slip.pieces), message


def test_read_csv_names_the_file(tmp_path):
    path = write(tmp_path / "table.csv", "x,y\n1,two\n")
    with pytest.raises(ValueError, match=r"table\.csv, line 2"):
        fl.data.read_csv(str(path), target="y")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        fl.data.read_csv(tmp_path / "nowhere.csv", target="y")


cells = st.floats(width=32, allow_nan=False, allow_infinity=False)


@properties
@given(
    table=st.integers(2, 4).flatmap(
        lambda width: st.lists(
            st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=5
        )
    ),
    header=st.booleans(),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n", "\n\n"]),
)
def test_read_csv_reads_back_what_was_written(
    tmp_path_factory, table, header, quoting, line_end
):
    path = tmp_path_factory.getbasetemp() / "round_trip.csv"
    names = [f"column, {position}" for position in range(len(table[0]))]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=quoting, lineterminator=line_end)
        writer.writerows([names] * header + table)
    target = names[0] if header else 0
    dataset = fl.data.read_csv(path, target=target, header=header)
    written = np.array(table, np.float32)
    assert np.array_equal(dataset.targets, written[:, 0])
    assert np.array_equal(dataset.inputs, written[:, 1:])
