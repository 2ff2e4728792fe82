"""Derivatives of runs, against closed forms and under JAX's transformations."""

# What is passed here the types allow to be meant otherwise, and the tests know what
# their results are where the types leave it open.
# pyright: reportArgumentType=false, reportCallIssue=false
# pyright: reportOptionalMemberAccess=false

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn.hypergradients import Hypergradient, hypergradient
from tests.hypergradients.runs import (
    CURVATURES,
    KEY,
    READINGS,
    descend,
    shrink,
    train_line,
)

START = np.array([1.0, -3.0])
QUIET = {"check": False, "growth": False}


def by_hand(rate, epochs=40):
    """The loss after gradient descent, and its derivatives by rate and start."""
    left = 1 - rate * CURVATURES
    moved = -epochs * left ** (epochs - 1) * CURVATURES * START
    end = left**epochs * START
    loss = 0.5 * np.sum(CURVATURES * end**2)
    return loss, np.sum(CURVATURES * end * moved), CURVATURES * end * left**epochs


@pytest.mark.parametrize(("dtype", "digits"), [("float64", 1e-12), ("float32", 2e-5)])
@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.slow
def test_rate_and_start_of_a_descent(float64, mode, dtype, digits):
    loss, by_rate, by_start = by_hand(0.1)
    wrt = {"rate": jnp.asarray(0.1, dtype), "start": jnp.asarray(START, dtype)}
    found = hypergradient(descend, wrt, mode=mode, **QUIET)
    assert found.mode == mode
    assert found.value.dtype == found["start"].dtype == dtype
    np.testing.assert_allclose(found.value, loss, rtol=digits)
    np.testing.assert_allclose(found["rate"], by_rate, rtol=digits)
    np.testing.assert_allclose(found["start"], by_start, rtol=digits)


@pytest.mark.slow
def test_one_rate_a_step(float64):
    """At equal rates every step has an equal share, since the steps commute."""
    _, by_rate, _ = by_hand(0.1)
    found = hypergradient(
        descend, {"rate": jnp.full(40, 0.1)}, start=jnp.asarray(START), **QUIET
    )
    assert found.mode == "reverse"
    np.testing.assert_allclose(found["rate"], np.full(40, by_rate / 40), rtol=1e-11)


def test_momentum(float64):
    """Against the powers of the matrix of position and speed."""

    def loss(momentum, rate=0.1):
        total = 0.0
        for curvature, start in zip(CURVATURES, START, strict=True):
            matrix = np.array(
                [[1 - rate * curvature, -rate * momentum], [curvature, momentum]]
            )
            end = (np.linalg.matrix_power(matrix, 40) @ [start, 0.0])[0]
            total += 0.5 * curvature * end**2
        return total

    slope = (loss(0.5 + 1e-5) - loss(0.5 - 1e-5)) / 2e-5
    found = hypergradient(
        descend, {"momentum": 0.5}, rate=0.1, start=jnp.asarray(START), **QUIET
    )
    np.testing.assert_allclose(found.value, loss(0.5), rtol=1e-12)
    np.testing.assert_allclose(found["momentum"], slope, rtol=1e-7)


@pytest.mark.slow
def test_rows_noise_and_penalty_agree_with_finite_differences(float64):
    readings = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), READINGS)

    @jax.jit
    def run(weights, noise, penalty):
        data = readings._replace(weights=weights)
        return train_line(0.01, data=data, noise=noise, penalty=penalty)

    wrt = {"weights": jnp.ones(11), "noise": 0.1, "penalty": 0.05}
    found = hypergradient(run, wrt, **QUIET)
    assert found.mode == "reverse"
    assert found["weights"].shape == (11,)
    moves = 1e-5 * jnp.eye(13)
    ahead, behind = (
        jax.vmap(lambda move: run(1.0 + move[:11], 0.1 + move[11], 0.05 + move[12]))(x)
        for x in (moves, -moves)
    )
    slopes = jnp.append(found["weights"], jnp.stack([found["noise"], found["penalty"]]))
    np.testing.assert_allclose(slopes, (ahead - behind) / 2e-5, rtol=1e-5, atol=1e-7)
    # As much more of every row is no change.
    flat = train_line(0.01, data=readings)
    assert abs(found["weights"].sum()) < 1e-9 * flat


@pytest.mark.slow
def test_a_run_that_stops_early(float64):
    """It has the derivative of a run of as many epochs."""
    start = jnp.asarray(START)
    stop = fl.stopping.target(0.3) | fl.stopping.patience(9)
    # The loss of an epoch is that before its step.
    epochs = 1 + next(n for n in range(40) if by_hand(0.1, n)[0] <= 0.3)

    def stopped(rate):
        return descend(rate, start, stop=stop)

    for mode in ("forward", "reverse"):
        growth = mode == "forward"
        found = hypergradient(
            stopped, {"rate": 0.1}, mode=mode, check=False, growth=growth
        )
        loss, by_rate, _ = by_hand(0.1, epochs)
        np.testing.assert_allclose(found.value, loss, rtol=1e-12)
        np.testing.assert_allclose(found["rate"], by_rate, rtol=1e-12)
        if found.growth:
            # What the rules remember, and the epochs that never ran, do not count.
            assert found.growth.steps == epochs
            assert 0.8 < found.growth.rate < 0.951


def test_names_give_a_function():
    slope = hypergradient(shrink, ["start", "rate"], **QUIET)
    found = slope(rate=0.1, start=2.0)
    assert [*found.derivatives] == ["start", "rate"]
    np.testing.assert_allclose(found["start"], 0.9**20, rtol=1e-5)
    alone = hypergradient(shrink, "rate", **QUIET)
    np.testing.assert_allclose(
        alone(rate=0.1, start=2.0)["rate"], -40 * 0.9**19, rtol=1e-5
    )


@pytest.mark.slow
def test_it_is_a_part_of_what_is_compiled_or_mapped():
    def slopes(rate, growth=True):
        return hypergradient(shrink, {"rate": rate}, start=1.0, growth=growth)

    rates = jnp.array([0.1, 0.2])
    found = jax.jit(jax.vmap(slopes))(rates)
    assert isinstance(found, Hypergradient)
    assert found.mode == "forward" and found.check is None
    np.testing.assert_allclose(found["rate"], -20 * (1 - rates) ** 19, rtol=1e-5)
    np.testing.assert_allclose(found.growth.rate, 1 - rates, rtol=1e-5)
    curvature = jax.grad(lambda rate: slopes(rate, growth=False)["rate"])(0.1)
    np.testing.assert_allclose(curvature, 380 * 0.9**18, rtol=1e-5)


def test_whole_numbers_keys_and_functions_are_given():
    def run(scale, key, steps, shape):
        end = shrink(0.1, jnp.sum(scale), steps)
        return shape(end) + jax.random.normal(key)

    found = hypergradient(
        run, {"scale": jnp.ones(3)}, key=KEY, steps=5, shape=jnp.tanh, **QUIET
    )
    by_end = 1 - np.tanh(3 * 0.9**5) ** 2
    np.testing.assert_allclose(found["scale"], by_end * 0.9**5, rtol=1e-5)


def test_it_compiles_once_and_is_forgotten_with_the_run():
    traced = []

    def make():
        def run(rate, start):
            traced.append(1)
            return shrink(rate, start)

        return run

    run = make()
    hypergradient(run, {"rate": 0.1}, start=1.0, **QUIET)
    count = len(traced)
    hypergradient(run, {"rate": 0.2}, start=2.0, **QUIET)
    assert len(traced) == count
    gone = weakref.ref(run)
    del run
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    ("wrt", "more", "error", "message"),
    [
        ({"rate": 1}, {"start": 1.0}, TypeError, "rate must be floating-point"),
        ({"rate": 0.1}, {}, TypeError, "missing a required argument: 'start'"),
        ({"speed": 0.1}, {"start": 1.0}, TypeError, "by name, speed, start"),
        ({"rate": 0.1}, {"rate": 0.2}, ValueError, "rate must have one value"),
        ({}, {}, ValueError, "wrt must name arguments"),
        (("rate", "rate"), {}, ValueError, "each once"),
        ("speed", {}, TypeError, "'speed'"),
        ("rate", {"start": 1.0}, TypeError, "go to the function that is returned"),
        ({"rate": jnp.ones(0)}, {"start": 1.0}, ValueError, "at least one number"),
        ({"rate": 0.1}, {"start": 1.0, "mode": "back"}, ValueError, "mode must be"),
    ],
)
def test_what_cannot_be_meant_is_refused(plain_annotations, wrt, more, error, message):
    with pytest.raises(error, match=message):
        hypergradient(shrink, wrt, **more)


def test_a_function_needs_what_it_differentiates_by():
    with pytest.raises(TypeError, match="rate must be given"):
        hypergradient(shrink, "rate")(start=1.0)


def test_what_is_fixed_must_be_hashable():
    with pytest.raises(TypeError, match="hashable; got a set"):
        hypergradient(lambda rate, names: rate, {"rate": 0.1}, names={1})
