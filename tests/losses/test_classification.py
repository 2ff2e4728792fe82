"""Losses of classes against SciPy and scikit-learn, and their refusals."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special
from sklearn import metrics

import funclearn as fl

RNG = np.random.default_rng(0)


def cross_entropy(logits, labels):
    flat = special.softmax(logits.astype(np.float64), axis=-1)
    flat = flat.reshape(-1, logits.shape[-1])
    return metrics.log_loss(labels.ravel(), flat, labels=range(logits.shape[-1]))


@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 4)])
@pytest.mark.parametrize("kind", [np.int32, np.uint8])
@pytest.mark.slow
def test_cross_entropy_is_the_log_loss(shape, kind):
    logits = (5 * RNG.normal(size=shape)).astype(np.float32)
    labels = RNG.integers(shape[-1], size=shape[:-1]).astype(kind)
    wanted = cross_entropy(logits, labels)
    for loss in (fl.losses.cross_entropy, jax.jit(fl.losses.cross_entropy)):
        value = loss(jnp.asarray(logits), jnp.asarray(labels))
        # Rounding errors are as large as the logits make them, about 10 units of 1e-7.
        np.testing.assert_allclose(value, wanted, rtol=2e-6, atol=2e-6)


@pytest.mark.slow
def test_cross_entropy_survives_large_logits():
    logits = jnp.array([[1e4, 0.0], [-1e4, 0.0]])
    value, slopes = jax.value_and_grad(fl.losses.cross_entropy)(
        logits, jnp.array([1, 1])
    )
    assert value == 5000
    assert slopes.tolist() == [[0.5, -0.5], [0, 0]]


@pytest.mark.parametrize("label", [-1, -3, 3, 100])
@pytest.mark.slow
def test_a_label_out_of_range_is_not_taken_for_another(label):
    labels = jnp.array([0, label])
    assert jnp.isnan(fl.losses.cross_entropy(jnp.zeros((2, 3)), labels))


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
    "one class": (LOGITS[:, :1], jnp.zeros(4, int), ValueError, "binary_cross_entropy"),
    "no classes": (LOGITS[:, :0], jnp.zeros(4, int), ValueError, r"\(4, 0\)"),
}


@pytest.mark.parametrize(
    "logits, labels, error, message", REFUSALS.values(), ids=REFUSALS
)
def test_cross_entropy_refuses(logits, labels, error, message):
    for loss in (fl.losses.cross_entropy, jax.jit(fl.losses.cross_entropy)):
        with pytest.raises(error, match=message):
            loss(logits, labels)


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


@pytest.mark.slow
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


LABELS = np.array([2, 0, 1, 1, 2, 0, 0])
ROWS = RNG.normal(size=(7, 3)).astype(np.float32)
ROW_WEIGHTS = np.array([2.0, 0.0, 1.0, 0.5, 0.0, 3.0, 1.0], np.float32)
CLASS_WEIGHTS = np.array([0.5, 2.0, 1.5])


@pytest.mark.parametrize("smoothing", [0, 0.1, 1.0])
@pytest.mark.parametrize("of_rows", [None, ROW_WEIGHTS], ids=["alike", "rows"])
@pytest.mark.parametrize("of_classes", [None, CLASS_WEIGHTS], ids=["alike", "classes"])
def test_smoothed_and_weighted_cross_entropy(smoothing, of_rows, of_classes):
    """By the formula of PyTorch's documentation, in NumPy's float64."""
    losses = -special.log_softmax(ROWS.astype(np.float64), axis=1)
    classes = np.ones(3) if of_classes is None else of_classes
    rows = np.ones(7) if of_rows is None else of_rows
    targets = (1 - smoothing) * np.eye(3)[LABELS] + smoothing / 3
    above = (rows[:, None] * targets * classes * losses).sum()
    expected = above / (rows * classes[LABELS]).sum()
    value = jax.jit(
        functools.partial(
            fl.losses.cross_entropy,
            label_smoothing=smoothing,
            class_weights=of_classes,
        )
    )(ROWS, LABELS, weights=of_rows)
    np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.slow
def test_labels_that_do_not_count_may_be_anything():
    labels = np.where(ROW_WEIGHTS == 0, -100, LABELS)
    for of_classes in (None, CLASS_WEIGHTS):
        loss = functools.partial(fl.losses.cross_entropy, class_weights=of_classes)
        value, grads = jax.value_and_grad(loss)(ROWS, labels, weights=ROW_WEIGHTS)
        kept = np.flatnonzero(ROW_WEIGHTS)
        alone = loss(ROWS[kept], labels[kept], weights=ROW_WEIGHTS[kept])
        np.testing.assert_allclose(value, alone, rtol=1e-6)
        assert np.array_equal(np.all(grads == 0, axis=1), ROW_WEIGHTS == 0)
        spoilt = np.where(ROW_WEIGHTS[:, None] == 0, np.inf, ROWS)
        same = jax.grad(loss)(spoilt, labels, weights=ROW_WEIGHTS)
        np.testing.assert_array_equal(same, grads)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"label_smoothing": 1.5}, "label_smoothing must be between 0 and 1; got 1.5"),
        ({"class_weights": np.ones(2)}, r"each of 3 classes; got shape \(2,\)"),
        ({"class_weights": np.array([1, -1, 1])}, "class_weights must not be negative"),
    ],
    ids=["smoothing", "classes", "negative"],
)
def test_settings_of_cross_entropy_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        fl.losses.cross_entropy(ROWS, LABELS, **settings)


@pytest.mark.parametrize("smoothing", [0, 0.2])
@pytest.mark.parametrize("positive", [1, 2.5])
def test_binary_cross_entropy_is_that_of_probabilities(smoothing, positive):
    logits, targets = ROWS[:, 0], (LABELS == 1)
    p = special.expit(logits.astype(np.float64))
    t = (1 - smoothing) * targets + smoothing / 2
    losses = -positive * t * np.log(p) - (1 - t) * np.log(1 - p)
    value = fl.losses.binary_cross_entropy(
        logits,
        targets,
        ROW_WEIGHTS,
        label_smoothing=smoothing,
        positive_weight=positive,
    )
    np.testing.assert_allclose(
        value, np.average(losses, weights=ROW_WEIGHTS), rtol=1e-5
    )


@pytest.mark.slow
def test_binary_cross_entropy_survives_large_logits():
    logits, targets = jnp.array([1e4, -1e4]), jnp.array([0, 0])
    value, grads = jax.value_and_grad(fl.losses.binary_cross_entropy)(logits, targets)
    assert value == 5e3 and grads.tolist() == [0.5, 0]
    for targets, message in ((jnp.ones((2, 1)), "one shape"), (jnp.ones(3), "one sha")):
        with pytest.raises(ValueError, match=message):
            fl.losses.binary_cross_entropy(logits, targets)
