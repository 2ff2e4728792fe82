"""Losses of numbers against NumPy, SciPy and scikit-learn, and their refusals."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.test_util import check_grads
from scipy import special
from sklearn import metrics

import funclearn as fl

RNG = np.random.default_rng(0)


def huber(predictions, targets, delta=1.0):
    return special.huber(delta, predictions - targets).mean()


def absolute(predictions, targets):
    return metrics.mean_absolute_error(targets.ravel(), predictions.ravel())


def squared(predictions, targets):
    return metrics.mean_squared_error(targets.ravel(), predictions.ravel())


REGRESSION = {
    "mse": (fl.losses.mse, squared),
    "mae": (fl.losses.mae, absolute),
    "huber": (fl.losses.huber, huber),
    "huber of 0.3": (
        functools.partial(fl.losses.huber, delta=0.3),
        functools.partial(huber, delta=0.3),
    ),
}
regression = pytest.mark.parametrize(
    "loss, oracle", REGRESSION.values(), ids=REGRESSION
)


def some_pair(shape, dtype):
    return (2 * RNG.normal(size=(2, *shape))).astype(dtype)


@regression
@pytest.mark.parametrize("shape", [(1,), (7,), (7, 1), (2, 3, 2)])
def test_a_loss_is_the_mean_of_its_oracle(loss, oracle, shape):
    predictions, targets = some_pair(shape, np.float32)
    value = loss(jnp.asarray(predictions), jnp.asarray(targets))
    np.testing.assert_allclose(value, oracle(predictions, targets), rtol=1e-6)


@regression
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_a_loss_keeps_its_dtype_compiled_or_not(loss, oracle, dtype, float64):
    predictions, targets = (jnp.asarray(a, dtype) for a in some_pair((7,), np.float64))
    eager, compiled = loss(predictions, targets), jax.jit(loss)(predictions, targets)
    assert eager.dtype == compiled.dtype == dtype
    wanted = oracle(np.float64(predictions), np.float64(targets))
    rounding = 4 * float(jnp.finfo(dtype).eps)
    np.testing.assert_allclose(
        np.array([eager, compiled], np.float64), wanted, rtol=rounding
    )


@regression
@pytest.mark.usefixtures("plain_annotations")
def test_gradients_agree_with_differences(loss, oracle, float64):
    predictions, targets = map(jnp.asarray, some_pair((7,), np.float64))
    check_grads(loss, (predictions, targets), order=1, modes=("fwd", "rev"))


@regression
def test_a_perfect_fit_stays_where_it_is(loss, oracle):
    exact = jnp.array([1.0, -2.0, 0.0])
    assert jax.grad(loss)(exact, exact).tolist() == [0, 0, 0]


BROADCASTABLE = [
    ((4,), (4, 1)),
    ((4, 1), (4,)),
    ((4, 1), (1, 4)),
    ((4,), ()),
    ((4,), (1,)),
    ((1, 4), (4,)),
    ((2, 3, 1), (2, 3)),
]
INCOMPATIBLE = [((4,), (3,)), ((4, 2), (2, 4)), ((4, 2), (8,))]


@regression
@pytest.mark.parametrize("got, needed", BROADCASTABLE + INCOMPATIBLE, ids=str)
def test_unequal_shapes_are_refused_while_tracing(loss, oracle, got, needed):
    predictions, targets = jnp.zeros(got), jnp.zeros(needed)
    # Whatever NumPy's rules would make of the shapes.
    with jax.numpy_rank_promotion("allow"):
        for transformed in (loss, jax.jit(loss), jax.grad(loss)):
            with pytest.raises(ValueError) as caught:
                transformed(predictions, targets)
            assert f"predictions {got} and targets {needed}" in str(caught.value)


def test_unequal_shapes_are_refused_in_every_lane_and_before_subtracting():
    with pytest.raises(ValueError, match=r"predictions \(4,\) and targets \(4, 1\)"):
        jax.vmap(fl.losses.mse)(jnp.zeros((2, 4)), jnp.zeros((2, 4, 1)))
    # 10^12 differences would not fit into any memory.
    long = jax.ShapeDtypeStruct((10**6,), jnp.float32)
    tall = jax.ShapeDtypeStruct((10**6, 1), jnp.float32)
    with pytest.raises(ValueError, match="one shape"):
        jax.eval_shape(fl.losses.mse, long, tall)


def test_a_network_cannot_be_trained_on_targets_of_another_shape():
    inputs, targets = fl.data.noisy_sine(jax.random.key(0))
    objective = fl.make_objective(fl.models.wide_net, fl.losses.mse)
    params = jax.eval_shape(fl.models.wide_net.init, jax.random.key(1))
    with pytest.raises(ValueError, match=r"predictions \(32, 1\) and targets \(32,\)"):
        jax.eval_shape(
            objective, params, fl.Dataset(inputs, targets[:, 0]), jax.random.key(2)
        )


@regression
def test_nothing_has_no_mean(loss, oracle):
    with pytest.raises(ValueError, match=r"predictions must not be empty.*\(0, 2\)"):
        loss(jnp.zeros((0, 2)), jnp.zeros((0, 2)))


@pytest.mark.parametrize("delta", [0, -1.0, math.nan])
def test_huber_refuses_a_width_that_is_not_positive(delta):
    with pytest.raises(ValueError, match="delta must be positive; got"):
        fl.losses.huber(jnp.ones(2), jnp.ones(2), delta=delta)


def test_what_leaves_the_range_of_float16_is_a_float32():
    large = jnp.array([300.0, -300.0], jnp.float16)
    for value, wanted in (
        (fl.losses.mse(large, -large), 360000),
        (fl.losses.mae(200 * large, jnp.zeros(2, jnp.float16)), 60000),
        (fl.losses.huber(large, -large), 599.5),
        (fl.losses.l2(0.5)(large), 90000),
        (fl.losses.l1(1000)({"a": large}), 600000),
    ):
        assert value.dtype == jnp.float32 and float(value) == wanted
    grads = jax.grad(fl.losses.mse)(large, -large)
    assert grads.dtype == jnp.float16 and grads.tolist() == [600, -600]


DTYPES = ("bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 "
          "float16 bfloat16 float32 float64").split()  # fmt: skip


def ends(dtype):
    """Two rows of numbers, the ends of the dtype's range among them."""
    kind = jnp.dtype(dtype)
    if dtype == "bool":
        rows = [0, 1, 1], [1, 1, 0]
    elif jnp.issubdtype(kind, jnp.integer):
        low, high = int(np.iinfo(kind).min), int(np.iinfo(kind).max)
        if kind.itemsize == 8:  # whose squares' sum float32 does not hold
            low, high = low // 2, high // 2
        rows = [low, 3, high], [high, 1, high - 1]
    else:
        rows = [-0.5, 200.0, 3.25], [300.0, 2.0, 3.0]
    return (np.array(row, kind) for row in rows)


@regression
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_loss_of_every_dtype_is_that_of_its_numbers(loss, oracle, dtype):
    predictions, targets = ends(dtype)
    exact = [array.astype(np.longdouble) for array in (predictions, targets)]
    wanted = float(oracle(*map(np.float64, (exact[0] - exact[1], 0 * exact[1]))))
    for wide in (False, True):
        with jax.enable_x64(wide):
            pairs = [(predictions, targets)]
            if wide or predictions.dtype.itemsize < 8:
                pairs.append((jnp.asarray(predictions), jnp.asarray(targets)))
            for pair in pairs:
                value = loss(*pair)
                floats = jnp.result_type(*pair, float)
                assert value.dtype == (np.float32 if dtype == "float16" else floats)
                eps = 4 * float(jnp.finfo(value.dtype).eps)
                np.testing.assert_allclose(np.float64(value), wanted, rtol=eps)


@regression
@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool", "float16"])
def test_predictions_have_gradients_whatever_the_targets_are(loss, oracle, dtype):
    targets = jnp.array([0, 1, 1]).astype(dtype)
    predictions = jnp.array([0.25, 3.5, 0.5])
    grads = jax.grad(loss)(predictions, targets)
    floats = jax.grad(loss)(predictions, targets.astype(jnp.float32))
    assert grads.dtype == jnp.float32 and jnp.any(grads != 0)
    np.testing.assert_array_equal(grads, floats)


def test_neighbours_are_held_apart():
    """Integers that float32 merges, alone and beside floats, traced and not."""
    near = jnp.array([2**24, 2**31 - 1]), jnp.array([2**24 + 1, 2**31 - 2])
    for mae in (fl.losses.mae, jax.jit(fl.losses.mae)):
        assert mae(*near) == 1
        assert mae(jnp.array([2.0**24]), near[1][:1]) == 1
        assert (
            mae(jnp.array([255], jnp.uint8), jnp.array([-(2**24) - 1])) == 2**24 + 256
        )
    seconds = 1.7e9 + 60.0 * np.arange(3)
    assert fl.losses.mae(seconds, seconds + 7) == 7
    assert fl.losses.mae(seconds.astype(int), seconds + 7) == 7


@regression
@pytest.mark.usefixtures("plain_annotations")
def test_what_is_no_array_of_real_numbers_is_refused_by_name(loss, oracle):
    ones = jnp.ones(2)
    for wrong, message in (
        (1j * ones, "must be real numbers; got complex64"),
        (np.array(["a", "b"]), "must hold numbers; got text"),
        (np.array([1, 2], "M8[s]"), "must hold numbers; got dates"),
        ((ones, ones), "must be an array of numbers"),
        (None, "must be an array of numbers"),
    ):
        with pytest.raises(TypeError, match=f"predictions {message}"):
            loss(wrong, ones)
        with pytest.raises(TypeError, match=f"targets {message}"):
            loss(ones, wrong)
    assert loss([1.0, 2.0], [1, 2]) == 0


WEIGHTS = np.array([2.0, 0.0, 1.0, 0.5, 0.0, 3.0, 1.0], np.float32)
WEIGHTED = {
    "mse": (fl.losses.mse, lambda e: e**2),
    "mae": (fl.losses.mae, np.abs),
    "huber": (fl.losses.huber, lambda e: special.huber(1.0, e)),
    "mean_of": (fl.losses.mean_of(optax.losses.squared_error), lambda e: e**2),
}
weighted = pytest.mark.parametrize("loss, of_errors", WEIGHTED.values(), ids=WEIGHTED)


@weighted
@pytest.mark.parametrize("shape", [(7,), (7, 3)], ids=str)
def test_a_weighted_loss_is_numpys_average(loss, of_errors, shape):
    predictions, targets = some_pair(shape, np.float32)
    errors = of_errors((predictions - targets).astype(np.float64))
    weights = np.broadcast_to(WEIGHTS.reshape(7, *(1,) * (len(shape) - 1)), shape)
    expected = np.average(errors, weights=weights)
    for transform in (lambda function: function, jax.jit):
        value = transform(loss)(predictions, targets, weights=WEIGHTS)
        np.testing.assert_allclose(value, expected, rtol=1e-5)
    plain = loss(predictions, targets)
    alike = loss(predictions, targets, weights=np.full(7, 0.3))
    np.testing.assert_allclose(alike, plain, rtol=1e-6)


@regression
def test_rows_that_do_not_count_have_no_part_in_the_gradient(loss, oracle):
    predictions, targets = map(jnp.asarray, some_pair((7,), np.float32))
    unknown = jnp.where(WEIGHTS == 0, jnp.nan, targets)
    value, grads = jax.value_and_grad(loss)(predictions, unknown, weights=WEIGHTS)
    assert np.isfinite(value)
    assert np.array_equal(np.asarray(grads) == 0, WEIGHTS == 0)
    kept = np.flatnonzero(WEIGHTS)
    alone = jax.grad(loss)(predictions[kept], targets[kept], weights=WEIGHTS[kept])
    np.testing.assert_allclose(grads[kept], alone, rtol=1e-6)


def test_a_mean_of_losses_needs_one_a_row():
    with pytest.raises(ValueError, match=r"one number a row at least; got shape \(\)"):
        fl.losses.mean_of(fl.losses.mse)(jnp.ones(2), jnp.ones(2))


def test_a_batch_in_which_nothing_counts_changes_nothing():
    value, grads = jax.value_and_grad(fl.losses.mse)(
        jnp.ones(3), jnp.zeros(3), weights=jnp.zeros(3)
    )
    assert value == 0 and not grads.any()
