"""Columns are brought to mean 0 and deviation 1, and back."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import functools
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
KEY = jax.random.key(0)
UNEQUAL = fl.Dataset(jnp.zeros(3), jnp.zeros(2))
TRAIN = fl.Dataset(jnp.linspace(3.0, 8.0, 12).reshape(6, 2), jnp.arange(6.0))
values = st.floats(-1e3, 1e3)
column = st.one_of(
    st.lists(values, min_size=6, max_size=6), values.map(lambda value: [value] * 6)
)


class Refusal(NamedTuple):
    call: Any
    error: type[Exception]
    message: str


REFUSALS = {
    "standardise-nothing": Refusal(
        lambda: fl.data.standardise(fl.Dataset(jnp.zeros(0), jnp.zeros(0))),
        ValueError,
        "train must .* one row",
    ),
    "standardise-unequal": Refusal(
        lambda: fl.data.standardise(UNEQUAL), ValueError, r"train\.targets \(2,\)"
    ),
    "standardise-tuple": Refusal(
        lambda: fl.data.standardise((jnp.zeros(3), jnp.zeros(3))),
        TypeError,
        r"train must be a Dataset, as funclearn\.Dataset\(inputs, targets\); got tuple",
    ),
    "scale-dictionary": Refusal(
        lambda: fl.data.Scaler()({"inputs": jnp.zeros(3)}),
        TypeError,
        r"dataset must be a Dataset, .* got dict",
    ),
    "standardise-complex": Refusal(
        lambda: fl.data.standardise(fl.Dataset(1j * jnp.ones(3), jnp.zeros(3))),
        TypeError,
        r"train\.inputs must be real numbers; got complex64",
    ),
    "standardise-text": Refusal(
        lambda: fl.data.standardise(fl.Dataset(np.array(["a"]), jnp.zeros(1))),
        TypeError,
        r"train\.inputs must hold numbers; got text",
    ),
    "standardise-missing-targets": Refusal(
        lambda: fl.data.standardise(
            fl.Dataset(np.ones(3), np.array([1, np.nan, 2])), targets=True
        ),
        ValueError,
        r"train\.targets must be finite to have a mean; got nan at \[1\]",
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
@pytest.mark.slow
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
    assert np.asarray(scaler.input_scale)[0] == 1


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


PUBLIC = {
    "standardise": lambda key: fl.data.standardise(TRAIN, targets=True),
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


def of_single_operations(columns):
    """Shift, scale and scaled columns, by operations that are compiled one by one."""
    columns = jnp.asarray(columns, jnp.result_type(columns, float))

    def scaled(shift, scale):
        return jax.vmap(lambda row: (row - shift) / scale)(columns)

    constant = jnp.max(columns, axis=0) == jnp.min(columns, axis=0)
    shift = jnp.where(constant, columns[0], jnp.mean(columns, axis=0))
    reach = jnp.max(jnp.abs(scaled(shift, 1.0)), axis=0)
    reach = jnp.where(constant, 1.0, reach)
    deviation = reach * jnp.std(scaled(shift, reach), axis=0)
    scale = jnp.where(constant, 1.0, deviation)
    return shift, scale, scaled(shift, scale)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
@pytest.mark.parametrize("shape", [(11,), (1000,), (17, 7), (9, 3, 2)], ids=str)
@pytest.mark.slow
def test_what_is_compiled_together_has_the_bits_of_single_operations(
    shape, dtype, float64
):
    random = np.random.default_rng(0)
    for unit in (1e-30, 1.0, 1e4, 1e30):
        columns = random.normal(size=shape) * unit
        if len(shape) > 1:
            columns[:, 0] = 0.1 * unit
        with np.errstate(over="ignore", invalid="ignore"):
            columns = columns.clip(-1e9, 1e9) if dtype == "int32" else columns
            columns = jnp.asarray(columns.astype(dtype))
        scaled, scaler = fl.data.standardise(fl.Dataset(columns, jnp.zeros(shape[0])))
        found = scaler.input_shift, scaler.input_scale, scaled.inputs
        for one, other in zip(
            map(np.asarray, found), of_single_operations(columns), strict=True
        ):
            assert one.dtype == other.dtype
            assert one.tobytes() == np.asarray(other).tobytes()


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.slow
def test_standardising_is_differentiated_and_mapped(compiled, float64):
    def cubes(inputs):
        scaled, _ = fl.data.standardise(fl.Dataset(inputs, jnp.zeros(6)))
        return jnp.sum(scaled.inputs**3)

    def lanes(inputs):
        return jax.vmap(cubes)(jnp.stack([inputs, 2 * inputs + 1]))

    inputs = jnp.array([1.0, 2.0, 4.0, 7.0, 11.0, 3.0])
    grad, lanes = (jax.jit(f) if compiled else f for f in (jax.grad(cubes), lanes))
    step = 1e-6 * np.eye(6)
    slopes = [(cubes(inputs + s) - cubes(inputs - s)) / 2e-6 for s in step]
    np.testing.assert_allclose(grad(inputs), slopes, rtol=1e-6, atol=1e-8)
    # What is standardised does not depend on the unit.
    np.testing.assert_allclose(lanes(inputs), 2 * [cubes(inputs)], rtol=1e-12)


COLUMNS = {
    "seconds": 1.7e9 + 60.0 * np.arange(50),
    "whole seconds": 1_700_000_000 + 60 * np.arange(50),
    "populations": 7_794_798_739 + 1_000_000 * np.arange(50),
    "unsigned": np.arange(50).astype(np.uint64) + np.uint64(2**33),
}


@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS)
def test_columns_far_from_zero_survive_the_way_there_and_back(column):
    """Split, scaled, fitted in float32, and back in the unit of the data."""
    targets = np.float64(column) * 2 - 1e9
    parts = fl.data.split(KEY, fl.Dataset(column, targets), 0.2)
    train, scaler = fl.data.standardise(parts[0], targets=True)
    validation = scaler(parts[1])
    known = np.float64(parts[0].inputs)
    for part, scaled in zip(parts, (train, validation), strict=True):
        wanted = (np.float64(part.inputs) - known.mean()) / known.std()
        assert isinstance(scaled.inputs, jax.Array)
        np.testing.assert_allclose(scaled.inputs, wanted, atol=5e-7)
        back = scaler.unscale_predictions(scaled.targets)
        np.testing.assert_allclose(back, part.targets, atol=5e-7 * 2 * known.std())
    # Scaled, the two agree; so the line through them is the one that was drawn.
    line = scaler.unscale(fl.models.LinearParams(jnp.float32(1), jnp.float32(0)))
    np.testing.assert_allclose(line.weight, 2, rtol=1e-12)
    np.testing.assert_allclose(line.bias, -1e9, rtol=1e-9)
    predicted = fl.models.linear.apply(line, column)
    np.testing.assert_allclose(predicted, targets, rtol=1e-12)
    evaluate = fl.make_evaluation(fl.models.linear, fl.losses.mae)
    raw = fl.Dataset(column, targets + 3)
    np.testing.assert_allclose(evaluate(line, raw), 3, rtol=1e-5)


def test_what_is_traced_is_scaled_in_its_own_precision():
    train = fl.Dataset(np.arange(5.0), np.arange(5.0))
    _, scaler = fl.data.standardise(train, targets=True)
    rows = fl.Dataset(jnp.arange(3.0), jnp.arange(3.0))
    compiled = jax.jit(lambda rows: scaler(rows))(rows)
    back = jax.jit(lambda scaled: scaler.unscale_predictions(scaled))(compiled.targets)
    line = jax.jit(scaler.unscale)(
        fl.models.LinearParams(jnp.float32(1), jnp.float32(0))
    )
    wanted = (np.arange(3) - 2) / math.sqrt(2)
    for found in (compiled.inputs, scaler(rows).inputs):
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
    np.testing.assert_allclose(back, np.arange(3), atol=1e-6)
    np.testing.assert_allclose([line.weight, line.bias], [1, 0], atol=1e-6)
    assert all(leaf.dtype == jnp.float32 for leaf in (*compiled, back, *line))


# The shapes of a row's inputs and of its target.
ONE, THREE, FLAT = ((1,), ()), ((3,), (2,)), ((), ())
PLANE = fl.models.LinearParams(jnp.ones(3), jnp.zeros(()))


@functools.cache
def scaler_of(shapes):
    columns = [np.arange(4.0 * math.prod(shape)).reshape(4, *shape) for shape in shapes]
    rows = fl.Dataset(*(jnp.asarray(column, jnp.float32) for column in columns))
    return fl.data.standardise(rows, targets=shapes != ONE)[1]


SHAPES = {
    "three for a number": (
        lambda: scaler_of(FLAT)(fl.Dataset(jnp.ones((2, 3)), jnp.ones(2))),
        r"dataset\.inputs must have rows of shape \(\), .* of shape \(3,\)",
    ),
    "three for a number, traced": (
        lambda: jax.jit(lambda scaler, rows: scaler(rows))(
            scaler_of(FLAT), fl.Dataset(jnp.ones((2, 3)), jnp.ones(2))
        ),
        r"dataset\.inputs must have rows of shape \(\), .* of shape \(3,\)",
    ),
    "targets for a number": (
        lambda: scaler_of(FLAT)(fl.Dataset(jnp.ones(2), jnp.ones((2, 3)))),
        r"dataset\.targets must have rows of shape \(\), .* of shape \(3,\)",
    ),
    "predictions for a number": (
        lambda: scaler_of(FLAT).unscale_predictions(jnp.ones((2, 3))),
        r"predictions must have rows of shape \(\), .* of shape \(3,\)",
    ),
    "one column": (
        lambda: scaler_of(THREE)(fl.Dataset(jnp.ones((2, 1)), jnp.ones((2, 2)))),
        r"dataset\.inputs must have rows of shape \(3,\), .* got rows of shape \(1,\)",
    ),
    "no columns": (
        lambda: scaler_of(THREE)(fl.Dataset(jnp.ones(2), jnp.ones((2, 2)))),
        r"dataset\.inputs must have rows of shape \(3,\), .* of shape \(\)",
    ),
    "a column for a number": (
        lambda: scaler_of(ONE)(fl.Dataset(jnp.ones(2), jnp.ones(2))),
        r"dataset\.inputs must have rows of shape \(1,\), .* of shape \(\)",
    ),
    "a column for three": (
        lambda: scaler_of(ONE)(fl.Dataset(jnp.ones((2, 3)), jnp.ones(2))),
        r"dataset\.inputs must have rows of shape \(1,\), .* of shape \(3,\)",
    ),
    "channels": (
        lambda: scaler_of(THREE)(fl.Dataset(jnp.ones((2, 5, 3)), jnp.ones((2, 2)))),
        r"dataset\.inputs must have rows of shape \(3,\), .* of shape \(5, 3\)",
    ),
    "targets": (
        lambda: scaler_of(THREE)(fl.Dataset(jnp.ones((2, 3)), jnp.ones((2, 1)))),
        r"dataset\.targets must have rows of shape \(2,\), .* of shape \(1,\)",
    ),
    "NumPy's": (
        lambda: scaler_of(THREE)(fl.Dataset(np.ones((2, 1)), np.ones((2, 2)))),
        r"dataset\.inputs must have rows of shape \(3,\)",
    ),
    "predictions": (
        lambda: scaler_of(THREE).unscale_predictions(jnp.ones((5, 1))),
        r"predictions must have rows of shape \(2,\), .* of shape \(1,\)",
    ),
    "flat predictions": (
        lambda: scaler_of(THREE).unscale_predictions(jnp.ones(5)),
        r"predictions must have rows of shape \(2,\), .* of shape \(\)",
    ),
    "a line of two targets": (
        lambda: scaler_of(THREE).unscale(PLANE),
        r"params must fit the scaler, .* the shape \(2,\); got a prediction of shape",
    ),
    "a scalar weight": (
        lambda: (
            scaler_of(THREE)
            ._replace(target_shift=None, target_scale=None)
            .unscale(fl.models.LinearParams(jnp.ones(()), jnp.zeros(())))
        ),
        r"params must fit the scaler, .* shape \(3,\); got the weight of shape \(\)",
    ),
}


@pytest.mark.parametrize("call, message", SHAPES.values(), ids=SHAPES)
@pytest.mark.slow
def test_a_scaler_is_refused_where_shapes_differ(call, message):
    # Whatever NumPy's rules would make of the shapes.
    with (
        jax.numpy_rank_promotion("allow"),
        pytest.raises(ValueError, match=message),
    ):
        call()


@pytest.mark.parametrize("kind", [jnp.asarray, np.asarray])
def test_a_single_column_may_be_written_with_an_axis(kind):
    column = kind(np.array([[1.0], [2.0], [6.0]]))
    scaled, scaler = fl.data.standardise(fl.Dataset(column, 3 * column), targets=True)
    line = scaler.unscale(fl.models.LinearParams(jnp.float32(1), jnp.float32(0)))
    assert jnp.shape(line.weight) == jnp.shape(line.bias) == ()
    np.testing.assert_allclose(line.weight, 3, rtol=1e-6)
    np.testing.assert_allclose(line.bias, 0, atol=1e-5)
    np.testing.assert_allclose(
        fl.models.linear.apply(line, column), 3 * np.asarray(column), rtol=1e-5
    )
    assert scaled.inputs.shape == (3, 1)


def test_a_number_scales_every_column():
    halves = fl.data.Scaler(input_shift=1.0, input_scale=jnp.float32(2))
    for rows in (jnp.ones(2), np.ones((2, 3)), jnp.ones((2, 3, 4))):
        scaled = halves(fl.Dataset(rows, jnp.ones(2))).inputs
        assert scaled.shape == rows.shape and jnp.all(scaled == 0)


DTYPES = ("bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 "
          "float16 bfloat16 float32 float64").split()  # fmt: skip


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_is_scaled_as_its_numbers_are(dtype, wide):
    values = np.array([[0, 1], [1, 1], [1, 0], [1, 0]]).astype(jnp.dtype(dtype))
    if dtype != "bool":
        values[0, 1] = 100
    numbers = values.astype(np.float64)
    wanted = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    with jax.enable_x64(wide):
        kinds = [np.asarray]
        if wide or values.dtype.itemsize < 8:
            kinds.append(jnp.asarray)
        for kind in kinds:
            data = fl.Dataset(kind(values), kind(values))
            scaled, scaler = fl.data.standardise(data, targets=True)
            floats = jnp.result_type(data.inputs, float)
            eps = 4 * float(jnp.finfo(floats).eps)
            for found in (*scaled, scaler(data).inputs):
                assert found.dtype == floats
                np.testing.assert_allclose(
                    np.asarray(found, np.float64), wanted, rtol=eps, atol=eps
                )
            back = scaler.unscale_predictions(scaled.targets)
            np.testing.assert_allclose(
                np.asarray(back, np.float64), numbers, rtol=eps, atol=eps * 100
            )
