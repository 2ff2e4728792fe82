"""What rows count, against NumPy's weighted average."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn import _weights

RNG = np.random.default_rng(1)
VALUES = RNG.normal(size=(6, 4)).astype(np.float32)


@pytest.mark.parametrize(
    "weights",
    [
        np.array([1, 0, 3, 2, 0, 1]),
        np.array([True, False, True, True, False, True]),
        RNG.uniform(size=(6, 4)).astype(np.float32),
    ],
    ids=["counts", "mask", "entries"],
)
def test_a_weighted_mean_is_numpys(weights):
    whole = np.broadcast_to(weights.reshape(6, -1), VALUES.shape)
    counted = _weights.as_weights(weights, VALUES.shape)
    spoilt = jnp.where(whole == 0, jnp.nan, VALUES)
    expected = np.average(VALUES, weights=whole)
    mean = jax.jit(_weights.weighted_mean)(spoilt, counted)
    np.testing.assert_allclose(mean, expected, rtol=1e-6)


def test_nothing_that_counts_has_the_mean_0():
    none = _weights.as_weights(jnp.zeros(6), VALUES.shape)
    assert _weights.weighted_mean(jnp.asarray(VALUES), none) == 0
    assert _weights.ratio(jnp.float32(3), jnp.float32(0)) == 3


@pytest.mark.parametrize(
    "weights, error, message",
    [
        (jnp.ones(5), ValueError, r"got weights \(5,\) for \(6, 4\)"),
        (jnp.ones((6, 3)), ValueError, r"got weights \(6, 3\) for \(6, 4\)"),
        (jnp.ones(()), ValueError, r"got weights \(\) for \(6, 4\)"),
        (1j * jnp.ones(6), TypeError, "weights must be real numbers; got complex64"),
    ],
    ids=["short", "columns", "number", "complex"],
)
def test_weights_fit_what_they_weigh(weights, error, message):
    with pytest.raises(error, match=message):
        _weights.as_weights(weights, (6, 4))


@pytest.mark.parametrize(
    "weights, message",
    [
        ([1.0, -2.0], r"train\.weights must be finite and not negative; got -2\.0"),
        ([1.0, np.nan], r"train\.weights must be finite and not negative; got nan"),
        ([0, 0], r"train\.weights must not all be 0"),
    ],
    ids=["negative", "NaN", "nothing"],
)
def test_weights_that_have_no_mean_are_refused_where_they_are_known(weights, message):
    rows = fl.Dataset(jnp.ones(2), jnp.ones(2), jnp.asarray(weights))
    with pytest.raises(ValueError, match=message):
        fl.data.as_dataset("train", rows)
    # Of a tracer nothing is known.
    jax.jit(lambda rows: fl.data.as_dataset("train", rows))(rows)


def test_what_rows_count_together():
    rows = fl.Dataset(jnp.ones((3, 2)), jnp.ones((3, 2)))
    assert _weights.total_of(rows, 3) == 3
    assert _weights.total_of(rows._replace(weights=jnp.array([1, 0, 4])), 3) == 5
    halves = rows._replace(weights=jnp.array([[1, 0], [1, 1], [0, 0]]))
    assert _weights.total_of(halves, 3) == 1.5
    assert _weights.weights_of({"weights": 1}) is None


def test_no_derivative_comes_from_what_does_not_count():
    def loss(values):
        kept = _weights.without(values, jnp.array([1.0, 0.0]))
        return jnp.sum(jnp.sqrt(kept))

    assert jax.grad(lambda scale: loss(scale * jnp.array([4.0, jnp.nan])))(1.0) != 0
    grads = jax.grad(loss)(jnp.array([4.0, jnp.nan]))
    assert grads[0] == 0.25
