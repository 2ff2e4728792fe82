"""What objectives and evaluations refuse, and how they read data."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from tests.objectives.settings import BATCH, ECHO, KEY, LOSS, NO_KEY, PARAMS

LINEAR, MSE = fl.models.linear, fl.losses.mse
WRONG: Any = {
    "no model": (lambda: fl.make_objective(fl.models.affine, MSE), "model must be a"),
    "a module": (
        lambda: fl.make_evaluation("linear", MSE),
        "model must be a .*'linear'",
    ),
    "a class": (lambda: fl.make_objective(fl.Model, MSE), "model must be a .*Model"),
    "no loss": (lambda: fl.make_objective(LINEAR, "mse"), "loss must be a func.*'mse'"),
    "no penalty": (
        lambda: fl.make_objective(LINEAR, MSE, penalty=0.1),
        r"penalty must be a function of the parameters, as .*l2\(0\.1\).* got 0\.1",
    ),
    "no noise": (
        lambda: fl.make_objective(LINEAR, MSE, input_noise="0.1"),
        "input_noise must be a number; got '0.1'",
    ),
    "no metric": (
        lambda: fl.make_evaluation(LINEAR, MSE, {"mae": "mae"}),
        r"metrics\['mae'\] must be a function .* got 'mae'",
    ),
    "a pair": (
        lambda: fl.make_objective(LINEAR, MSE)(PARAMS, tuple(BATCH), None),
        r"batch must be a Dataset, as funclearn\.Dataset\(inputs, targets\); got",
    ),
    "a dictionary": (
        lambda: fl.make_evaluation(LINEAR, MSE)(PARAMS, BATCH._asdict()),
        r"dataset must be a Dataset, as .* got .*dict",
    ),
    "text": (
        lambda: fl.make_evaluation(LINEAR, MSE)(PARAMS, fl.Dataset(["a"], ["b"])),
        r"dataset\.inputs must hold numbers; got text",
    ),
    "noise on a tree": (
        lambda: fl.make_objective(ECHO, MSE, input_noise=0.1)(
            PARAMS, fl.Dataset({"a": jnp.ones(3)}, jnp.ones(3)), KEY
        ),
        "inputs must be an array of numbers",
    ),
    "noise on complex numbers": (
        lambda: fl.make_objective(ECHO, MSE, input_noise=0.1)(
            PARAMS, fl.Dataset(1j * jnp.ones(3), jnp.ones(3)), KEY
        ),
        "inputs must be real numbers; got complex64",
    ),
}


@pytest.mark.parametrize("call, message", WRONG.values(), ids=WRONG)
@pytest.mark.usefixtures("plain_annotations")
def test_parts_and_data_are_refused_by_name(call, message):
    with pytest.raises(TypeError, match=message):
        call()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float64"])
def test_data_of_every_dtype_are_their_numbers(dtype):
    """And the parameters have the gradients that they have with floats."""
    objective = fl.make_objective(LINEAR, MSE)
    evaluate = fl.make_evaluation(LINEAR, MSE)
    batch = fl.Dataset(*(np.array(row).astype(dtype) for row in ([0, 1, 1], [1, 0, 1])))
    floats = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), batch)
    wanted = np.mean((2.0 * batch.inputs - 1 - batch.targets.astype(float)) ** 2)
    found = evaluate(PARAMS, batch), objective(PARAMS, batch, KEY)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    grads, of_floats = (
        jax.grad(objective)(PARAMS, data, KEY) for data in (batch, floats)
    )
    assert grads == of_floats and grads.weight != 0


@pytest.mark.usefixtures("plain_annotations")
def test_numpys_integers_that_would_wrap_are_refused_by_name():
    large = fl.Dataset(np.array([2**40]), np.array([1.0]))
    for call in (
        lambda: fl.make_objective(ECHO, MSE)(PARAMS, large, KEY),
        lambda: fl.make_evaluation(ECHO, MSE)(PARAMS, large),
    ):
        with pytest.raises(ValueError, match=r"\.inputs must fit into JAX's int32"):
            call()


@pytest.mark.parametrize("weights", [jnp.array([1, 0, 2]), np.array([True, False, 1])])
def test_rows_without_weight_may_hold_anything(weights):
    """They are left out of the gradient too, whatever the model makes of them."""
    spoilt = BATCH._replace(
        inputs=BATCH.inputs.at[1].set(jnp.nan),
        targets=BATCH.targets.at[1].set(jnp.inf),
        weights=weights,
    )
    kept = jnp.array([0, 2])
    inputs, targets = (leaf[kept] for leaf in BATCH)
    rows = fl.Dataset(inputs, targets, jnp.asarray(weights)[kept])
    objective = fl.make_objective(LINEAR, MSE)
    slope = jax.jit(jax.value_and_grad(objective))
    for pair in zip(
        *(jax.tree.leaves(slope(PARAMS, one, NO_KEY)) for one in (spoilt, rows)),
        strict=True,
    ):
        np.testing.assert_allclose(*pair, rtol=1e-6)
    assert fl.make_evaluation(LINEAR, MSE)(PARAMS, spoilt) == objective(
        PARAMS, rows, NO_KEY
    )


def test_an_evaluation_of_nothing_is_not_a_number():
    nothing = BATCH._replace(weights=jnp.zeros(3))
    own = {"own": fl.losses.mean_of(lambda p, y: abs(p - y))}
    for batch_size in (None, 2):
        evaluate = fl.make_evaluation(LINEAR, MSE, own, batch_size=batch_size)
        values = evaluate(PARAMS, nothing)
        assert np.isnan(values["loss"]) and np.isnan(values["own"])


def test_a_loss_that_takes_no_weights_is_refused_for_rows_that_have_them():
    rows = BATCH._replace(weights=jnp.array([1.0, 0.0, 1.0]))

    def loss(predictions, targets):
        return jnp.mean((predictions - targets) ** 2)

    with pytest.raises(TypeError, match="loss must take a keyword weights, as the"):
        fl.make_objective(LINEAR, loss)(PARAMS, rows, NO_KEY)
    evaluate = fl.make_evaluation(LINEAR, MSE, {"own": loss})
    with pytest.raises(TypeError, match=r"metrics\['own'\] must take a keyword weig"):
        evaluate(PARAMS, rows)
    plain = fl.make_objective(LINEAR, loss)(PARAMS, BATCH, NO_KEY)
    np.testing.assert_allclose(plain, LOSS)
