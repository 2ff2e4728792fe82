"""Losses and penalties against NumPy, SciPy and scikit-learn, and their refusals."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
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


def cross_entropy(logits, labels):
    flat = special.softmax(logits.astype(np.float64), axis=-1)
    flat = flat.reshape(-1, logits.shape[-1])
    return metrics.log_loss(labels.ravel(), flat, labels=range(logits.shape[-1]))


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


@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 4)])
@pytest.mark.parametrize("kind", [np.int32, np.uint8])
def test_cross_entropy_is_the_log_loss(shape, kind):
    logits = (5 * RNG.normal(size=shape)).astype(np.float32)
    labels = RNG.integers(shape[-1], size=shape[:-1]).astype(kind)
    wanted = cross_entropy(logits, labels)
    for loss in (fl.losses.cross_entropy, jax.jit(fl.losses.cross_entropy)):
        value = loss(jnp.asarray(logits), jnp.asarray(labels))
        # Rounding errors are as large as the logits make them, about 10 units of 1e-7.
        np.testing.assert_allclose(value, wanted, rtol=2e-6, atol=2e-6)


def test_cross_entropy_survives_large_logits():
    logits = jnp.array([[1e4, 0.0], [-1e4, 0.0]])
    value, slopes = jax.value_and_grad(fl.losses.cross_entropy)(
        logits, jnp.array([1, 1])
    )
    assert value == 5000
    assert slopes.tolist() == [[0.5, -0.5], [0, 0]]


@pytest.mark.parametrize("label", [-1, -3, 3, 100])
def test_a_label_out_of_range_is_not_taken_for_another(label):
    labels = jnp.array([0, label])
    assert jnp.isnan(fl.losses.cross_entropy(jnp.zeros((2, 3)), labels))


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


LOGITS = jnp.zeros((4, 3))
REFUSALS = {
    "column of labels": (
        LOGITS,
        jnp.zeros((4, 1), int),
        ValueError,
        r"labels \(4, 1\)",
    ),
    "one-hot labels": (LOGITS, jnp.zeros((4, 3), int), ValueError, r"labels \(4, 3\)"),
    "too few labels": (LOGITS, jnp.zeros(3, int), ValueError, r"logits \(4, 3\)"),
    "scalar logit": (LOGITS[0, 0], jnp.zeros((), int), ValueError, r"logits \(\)"),
    "floating labels": (LOGITS, jnp.zeros(4), TypeError, "labels.*integers.*float32"),
    "boolean labels": (LOGITS, jnp.zeros(4, bool), TypeError, "integers; got bool"),
    "no rows": (LOGITS[:0], jnp.zeros(0, int), ValueError, "logits must not be empty"),
    "no classes": (LOGITS[:, :0], jnp.zeros(4, int), ValueError, r"\(4, 0\)"),
}


@pytest.mark.parametrize(
    "logits, labels, error, message", REFUSALS.values(), ids=REFUSALS
)
def test_cross_entropy_refuses(logits, labels, error, message):
    for loss in (fl.losses.cross_entropy, jax.jit(fl.losses.cross_entropy)):
        with pytest.raises(error, match=message):
            loss(logits, labels)


@pytest.mark.parametrize("delta", [0, -1.0, math.nan])
def test_huber_refuses_a_width_that_is_not_positive(delta):
    with pytest.raises(ValueError, match="delta must be positive; got"):
        fl.losses.huber(jnp.ones(2), jnp.ones(2), delta=delta)


@pytest.mark.parametrize("penalty", [fl.losses.l1, fl.losses.l2])
@pytest.mark.parametrize("strength", [-1e-9, math.nan])
def test_penalties_refuse_a_negative_strength(penalty, strength):
    with pytest.raises(ValueError, match="strength must not be negative; got"):
        penalty(strength)


TREE = {"a": jnp.array([[1.0, -2.0], [0.5, 0.0]]), "b": (jnp.float32(-3),)}
FLAT = np.array([1.0, -2.0, 0.5, 0.0, -3.0])
PENALTIES = {
    "l1": (fl.losses.l1, np.abs(FLAT).sum(), np.sign(FLAT)),
    "l2": (fl.losses.l2, (FLAT**2).sum(), 2 * FLAT),
}


@pytest.mark.parametrize("penalty, size, slope", PENALTIES.values(), ids=PENALTIES)
@pytest.mark.parametrize("strength", [0, 0.1, 3])
def test_penalties_sum_over_every_leaf(penalty, size, slope, strength):
    value, grads = jax.value_and_grad(penalty(strength))(TREE)
    np.testing.assert_allclose(value, strength * size, rtol=1e-6)
    flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(grads)])
    np.testing.assert_allclose(flat, strength * slope, rtol=1e-6)


@pytest.mark.parametrize("penalty, size, slope", PENALTIES.values(), ids=PENALTIES)
def test_a_strength_may_be_traced(penalty, size, slope):
    strengths = jnp.array([0.0, 0.5, 2.0])
    values = jax.jit(jax.vmap(lambda strength: penalty(strength)(TREE)))(strengths)
    np.testing.assert_allclose(values, size * strengths, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
def test_penalties_keep_the_dtype_of_the_parameters(dtype, float64):
    tree = jax.tree.map(lambda leaf: leaf.astype(dtype), TREE)
    for penalty in (fl.losses.l1(0.5), fl.losses.l2(0.5)):
        assert jax.eval_shape(penalty, tree).dtype == dtype


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


@pytest.mark.parametrize(
    "params, error, message",
    [
        ({"a": jnp.ones(2, int)}, TypeError, r"params\['a'\] must be floating"),
        (1j * jnp.ones(2), TypeError, "params must be floating-point.*complex64"),
        ({}, ValueError, "params must have at least one leaf"),
    ],
    ids=["integers", "complex", "nothing"],
)
def test_penalties_are_of_floats(params, error, message):
    for penalty in (fl.losses.l1(0.5), fl.losses.l2(0.5)):
        with pytest.raises(error, match=message):
            penalty(params)


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


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "bfloat16", "float64"])
def test_cross_entropy_of_every_dtype(dtype):
    logits = np.array([[100, 95, 0], [1, 2, 7], [120, 7, 99]], jnp.dtype(dtype))
    labels = np.array([1, 2, 0])
    wanted = cross_entropy(logits.astype(np.float64), labels)
    for kind in (np.asarray, jnp.asarray):
        for of_labels in ("uint8", "int8", "int32", "uint32", "int64"):
            value = fl.losses.cross_entropy(kind(logits), labels.astype(of_labels))
            halves = dtype == "bfloat16"
            assert value.dtype == (jnp.bfloat16 if halves else jnp.float32)
            np.testing.assert_allclose(
                float(value), wanted, rtol=4e-3 if halves else 2e-6
            )


def test_labels_in_bytes_name_classes_that_bytes_cannot_count():
    logits = jnp.zeros((2, 300)).at[0, 44].set(5.0).at[1, 127].set(5.0)
    for dtype in ("int8", "uint8", "int32"):
        labels = np.array([44, 127], dtype)
        np.testing.assert_allclose(
            fl.losses.cross_entropy(logits, labels),
            cross_entropy(np.asarray(logits), labels),
            rtol=1e-6,
        )
        wrong = jnp.array([44, -1], jnp.int8)
        assert jnp.isnan(fl.losses.cross_entropy(logits, wrong))
    with pytest.raises(ValueError, match="labels must fit into JAX's int32"):
        fl.losses.cross_entropy(logits, np.array([2**32 + 44, 1]))


def test_cross_entropy_refuses_complex_logits():
    with pytest.raises(TypeError, match="logits must be real numbers; got complex64"):
        fl.losses.cross_entropy(1j * LOGITS, jnp.zeros(4, int))
