"""Samples around a point, and the one program that takes them."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn.gradients import _sampling, compare
from funclearn.gradients._problem import pose, take_apart
from funclearn.gradients._sampling import finite_differences

POINT = np.array([0.5, -1.25, 2.0], np.float32)
SCALES = np.array([1.0, 3.0, 0.1], np.float32)


def sines(params, batch):
    return jnp.sum(jnp.sin(batch * params))


def posed():
    return pose(POINT, SCALES, None, order=1, limit=10, seed=0)


def exact():
    """The gradient, by NumPy."""
    scales = SCALES.astype(float)
    return scales * np.cos(scales * POINT)


def test_finite_differences_and_the_value_at_the_point():
    problem, gradient = posed(), exact()
    with jax.enable_x64(True):
        found, value = finite_differences(problem, take_apart(sines))
    assert np.all(np.abs(found.values - gradient) <= found.bounds)
    assert np.all(found.bounds < 1e-9)
    centre = np.sin(SCALES.astype(float) * POINT).sum()
    assert value.value == pytest.approx(centre, rel=1e-14)
    assert value.own == pytest.approx(centre, rel=1e-6) and value.own != value.value
    assert 0 < value.spread < 1e-14


def test_a_few_coordinates_at_steps_of_their_own_take_the_same_program(
    counting_compilations,
):
    problem, gradient = posed(), exact()
    with jax.enable_x64(True):
        every, _ = finite_differences(problem, take_apart(sines))
        which, first = np.array([2, 0]), np.array([8.0, 2.0**-20])
        with counting_compilations() as events:
            few, _ = finite_differences(problem, take_apart(sines), which, first)
    assert events == []
    assert few.values.shape == (2,)
    assert np.all(np.abs(few.values - gradient[which]) <= few.bounds)
    # Noise over a small step is large; a slow sine is seen best from afar.
    assert few.rounding[0] < every.rounding[2] and few.rounding[1] > every.rounding[0]


class EnoughError(Exception):
    """Ends a comparison where its memory is known."""


def test_wide_net_needs_little_memory(monkeypatch):
    objective = fl.make_objective(fl.models.wide_net, fl.losses.mse)
    params = fl.models.wide_net.init(jax.random.key(0))
    data = fl.data.noisy_sine(jax.random.key(1))
    sample = _sampling._sample

    def measured(take, *settings):
        def measure(*args):
            program: Any = sample(take, *settings)
            analysis = program.lower(*args).compile().memory_analysis()
            assert analysis is not None
            raise EnoughError(analysis.temp_size_in_bytes)

        return measure

    monkeypatch.setattr(_sampling, "_sample", measured)
    with pytest.raises(EnoughError) as found:
        compare(objective, params, data)
    assert found.value.args[0] < 2**28
