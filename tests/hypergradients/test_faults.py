"""Derivatives that are not finite are refused, with their cause."""

# What is passed here the types allow to be meant otherwise, and the tests know what
# their results are where the types leave it open.
# pyright: reportArgumentType=false, reportCallIssue=false
# pyright: reportOptionalMemberAccess=false

import jax.numpy as jnp
import optax
import pytest

import funclearn as fl
from funclearn.hypergradients import hypergradient
from tests.hypergradients.runs import KEY, logistic, train_line

QUIET = {"check": False, "growth": False}


def with_adam(rate, eps_root):
    """Of its two inputs one is always zero, and so is the gradient of its weight."""
    data = fl.Dataset(jnp.array([[1.0, 0.0], [2.0, 0.0]]), jnp.array([1.0, 2.0]))
    optimizer = optax.adam(rate, eps_root=eps_root)

    def objective(params, batch, key):
        return jnp.mean((batch.inputs @ params - batch.targets) ** 2)

    state = fl.init_state(KEY, jnp.zeros(2), optimizer)
    step = fl.make_train_step(objective, optimizer)
    return objective(fl.fit(step, state, data, epochs=9).state.params, data, KEY)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_adam_at_a_gradient_of_zero(mode):
    message = r"by rate is not finite in 1 of 1 .*eps_root > 0.*funclearn.optimizers"
    with pytest.raises(FloatingPointError, match=message):
        hypergradient(with_adam, {"rate": 0.1}, eps_root=0.0, mode=mode, **QUIET)
    found = hypergradient(with_adam, {"rate": 0.1}, eps_root=1e-12, mode=mode, **QUIET)
    above, below = (with_adam(rate, 1e-12) for rate in (0.101, 0.099))
    slope = float(above - below) / 0.002
    assert float(found["rate"]) == pytest.approx(slope, rel=0.02)


def test_a_run_that_diverges():
    with pytest.raises(FloatingPointError, match="a run that diverges"):
        hypergradient(train_line, {"rate": 1e3}, **QUIET)


def test_chaos_beyond_the_largest_number():
    with pytest.raises(FloatingPointError, match="beyond the largest number"):
        hypergradient(lambda r: logistic(r, 300), {"r": 4.0}, check=False)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda x: jnp.sum(jnp.sqrt(x)), "takes a root"),
        (
            lambda x: jnp.sum(jnp.where(x > 0, jnp.log(x), 0.0)),
            "a power or a logarithm",
        ),
        (lambda x: jnp.sum(jnp.where(x > 0, 1 / x, 0.0)), "no finite slope"),
    ],
)
def test_what_has_no_slope_is_named(run, message):
    with pytest.raises(FloatingPointError, match=f"in 1 of 2 numbers.*({message})"):
        hypergradient(run, {"x": jnp.array([0.0, 1.0])}, mode="reverse", **QUIET)
