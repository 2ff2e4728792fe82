"""The largest stable rates are those of NumPy's eigenvalues."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.data import Dataset
from funclearn.diagnosis._limits import limits_at, scaled_inputs
from funclearn.training import TrainState

KEY = jax.random.key(0)
INPUTS = np.random.default_rng(0).normal(size=(20, 3)) * [1.0, 5.0, 0.2]
TRAIN = Dataset(jnp.float32(INPUTS), jnp.ones(20))
STATE = TrainState(jnp.zeros(3), (), KEY, jnp.int32(0))


def squares(params, batch, key):
    del key
    return jnp.mean((batch.inputs @ params - batch.targets) ** 2)


def curvature(inputs):
    return np.linalg.eigvalsh(2 * inputs.T @ inputs / len(inputs))[-1]


@pytest.mark.parametrize(
    "momentum, nesterov, factor", [(0.0, False, 2), (0.5, False, 3), (0.5, True, 1.5)]
)
def test_limits_of_a_quadratic(momentum, nesterov, factor):
    found = limits_at(squares, STATE, TRAIN, momentum, nesterov=nesterov)
    assert found.limit == pytest.approx(factor / curvature(INPUTS), rel=1e-4)
    scaled = INPUTS / np.sqrt(np.mean(INPUTS**2, axis=0))
    assert found.scaled_limit == pytest.approx(factor / curvature(scaled), rel=1e-4)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("decay", [0.3, 5.0])
def test_a_decay_bends_like_a_penalty(momentum, decay):
    def penalised(params, batch, key):
        return squares(params, batch, key) + decay / 2 * jnp.sum(params**2)

    found = limits_at(squares, STATE, TRAIN, momentum, nesterov=False).decaying(decay)
    other = limits_at(penalised, STATE, TRAIN, momentum, nesterov=False)
    assert found.limit == pytest.approx(other.limit, rel=1e-4)
    assert found.scaled_limit is None


def test_a_decay_alone_has_a_limit_too():
    def linear(params, batch, key):
        del batch, key
        return jnp.sum(params)

    flat = limits_at(linear, STATE, TRAIN, 0.0, nesterov=False)
    assert flat.limit == math.inf
    assert flat.decaying(5.0).limit == pytest.approx(0.4)
    assert flat.decaying(0.0) is flat


def test_no_limit_where_steps_follow_another_law():
    found = limits_at(squares, STATE, TRAIN, 0.0, nesterov=False).nowhere()
    assert math.isnan(found.limit)
    assert found.scaled_limit is None


def test_only_datasets_of_numbers_can_be_scaled():
    found = limits_at(squares, STATE, TRAIN, 0.0, nesterov=False).stability
    scaled = scaled_inputs(TRAIN, found)
    assert scaled is not None
    np.testing.assert_allclose(np.mean(np.square(scaled.inputs), axis=0), 1, rtol=1e-5)
    assert scaled_inputs({"inputs": TRAIN.inputs}, found) is None
    assert scaled_inputs(TRAIN, found._replace(input_scale=None)) is None
