"""Derivatives of runs held against finite differences."""

# What is passed here the types allow to be meant otherwise, and the tests know what
# their results are where the types leave it open.
# pyright: reportArgumentType=false, reportCallIssue=false
# pyright: reportOptionalMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.gradients import Agreement
from funclearn.hypergradients import Trust, hypergradient
from funclearn.hypergradients._check import _along, _direction
from tests.hypergradients.runs import KEY, logistic, shrink


@pytest.mark.slow
def test_a_right_derivative_agrees_and_the_error_is_that_of_its_precision(float64):
    for kind, most in ((np.float32, 1e-5), (np.float64, 1e-9)):
        found = hypergradient(
            shrink, {"rate": kind(0.1), "start": kind(2.0)}, growth=False
        )
        assert found.check.verdict in (Agreement.AGREES, Agreement.NEARLY_AGREES)
        exact = -20 * 2 * (1 - float(kind(0.1))) ** 19
        off = abs(float(found["rate"]) / exact - 1)
        np.testing.assert_allclose(found.check.errors["rate"], off, atol=1e-7)
        assert off < most


def test_a_wrong_derivative_disagrees():
    """A run of whose derivative a part is cut off, as some optimizers do."""

    def run(rate, start):
        def step(_, x):
            return x - rate * jax.lax.stop_gradient(x)

        return jax.lax.fori_loop(0, 20, step, start)

    found = hypergradient(run, {"rate": 0.1, "start": jnp.ones(())}, growth=False)
    assert found.check.verdict is Agreement.DISAGREES
    assert found.trust is Trust.DISAGREES
    exact = 0.9**20
    np.testing.assert_allclose(found.check.errors["start"], 1 / exact - 1, rtol=1e-3)
    assert "disagrees" in str(found)


def test_every_number_is_moved_uphill():
    point, slope = np.array([2.0, 0.0, -1.0]), np.array([-1.0, 0.0, 3.0])
    direction = _direction(point, slope)
    np.testing.assert_allclose(direction, [-2, np.sqrt(5 / 3), 1], rtol=1e-6)
    assert _along(slope, direction) == 5.0
    np.testing.assert_array_equal(_direction(np.zeros(2), slope[:2]), [-1, 1])


def test_what_does_not_matter_has_no_error():
    found = hypergradient(
        lambda rate, aside, key: shrink(rate, 1.0) + jax.random.normal(key),
        {"rate": 0.1, "aside": jnp.ones(2)},
        key=KEY,
        growth=False,
    )
    assert found.check.errors["aside"] == 0
    assert found.trust is Trust.HOLDS


def test_chaos_cannot_be_told():
    found = hypergradient(logistic, {"r": 3.9}, growth=False)
    assert found.trust in (Trust.CANNOT_TELL, Trust.DISAGREES)


def test_what_cannot_be_carried_out_in_float64_is_not_checked(monkeypatch):
    def compare(*_, **__):
        raise NotImplementedError("no rule for it")

    monkeypatch.setattr("funclearn.hypergradients._check.compare", compare)
    found = hypergradient(shrink, {"rate": 0.1}, start=1.0, growth=False)
    assert found.trust is Trust.NOT_CHECKED
    assert found.check.verdict is Agreement.CANNOT_TELL
    assert "Could not be checked: no rule for it" in str(found)


def test_half_precision():
    kind = jnp.bfloat16
    found = hypergradient(
        lambda rate, start: shrink(rate, start, 4),
        {"rate": jnp.asarray(0.1, kind)},
        start=jnp.asarray(1.0, kind),
        growth=False,
    )
    assert found["rate"].dtype == kind
    assert 0 < found.check.errors["rate"] < 0.1
