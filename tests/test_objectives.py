"""Objectives and evaluations: what is added, what is drawn, and what is left out."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from funclearn.models import LinearParams

KEY = jax.random.key(0)
NO_KEY: Any = None
ECHO = fl.Model(init=lambda key: jnp.zeros(()), apply=lambda params, inputs: inputs)
PARAMS = LinearParams(jnp.float32(2), jnp.float32(-1))
BATCH = fl.Dataset(jnp.array([0.5, 1.0, 4.0]), jnp.array([1.0, 1.0, 3.0]))
LOSS = np.mean((2 * np.array([0.5, 1, 4]) - 1 - np.array([1, 1, 3])) ** 2)
NORM = 2.0**2 + 1.0**2


def test_the_objective_is_loss_plus_penalty_once():
    plain = fl.make_objective(fl.models.linear, fl.losses.mse)
    penalised = fl.make_objective(
        fl.models.linear, fl.losses.mse, penalty=fl.losses.l2(0.1)
    )
    for transform in (lambda function: function, jax.jit):
        np.testing.assert_allclose(transform(plain)(PARAMS, BATCH, KEY), LOSS)
        np.testing.assert_allclose(
            transform(penalised)(PARAMS, BATCH, KEY), LOSS + 0.1 * NORM, rtol=1e-6
        )


def test_the_evaluation_knows_neither_penalty_nor_noise():
    evaluate = fl.make_evaluation(fl.models.linear, fl.losses.mse)
    for function in (evaluate, jax.jit(evaluate)):
        np.testing.assert_allclose(function(PARAMS, BATCH), LOSS)


def test_metrics_come_by_name_beside_the_loss():
    evaluate = fl.make_evaluation(
        fl.models.linear,
        fl.losses.mse,
        {"mae": fl.losses.mae, "worst": lambda p, t: jnp.max(jnp.abs(p - t))},
    )
    values = jax.jit(evaluate)(PARAMS, BATCH)
    assert set(values) == {"loss", "mae", "worst"}
    np.testing.assert_allclose(values["loss"], LOSS)
    np.testing.assert_allclose(values["mae"], (1 + 0 + 4) / 3, rtol=1e-6)
    assert values["worst"] == 4


def test_refusals():
    with pytest.raises(ValueError, match='must not contain "loss"'):
        fl.make_evaluation(ECHO, fl.losses.mse, {"loss": fl.losses.mae})
    for noise in (-0.1, math.nan):
        with pytest.raises(ValueError, match="input_noise must not be negative; got"):
            fl.make_objective(ECHO, fl.losses.mse, input_noise=noise)


def test_without_noise_the_key_is_dead_code():
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    program = str(jax.make_jaxpr(objective)(PARAMS, BATCH, KEY))
    assert "random" not in program and "threefry" not in program


@pytest.mark.usefixtures("plain_annotations")
def test_without_noise_the_key_may_be_left_out():
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    np.testing.assert_allclose(objective(PARAMS, BATCH, NO_KEY), LOSS)


def seen_inputs(noise, inputs, key):
    """The inputs that a model sees, by a loss that returns them."""
    objective = fl.make_objective(
        ECHO, lambda predictions, targets: predictions, input_noise=noise
    )
    return objective(jnp.zeros(()), fl.Dataset(inputs, inputs), key)


@pytest.mark.usefixtures("plain_annotations")
def test_noise_has_mean_0_the_given_deviation_and_no_correlation():
    noise, shape = 0.3, (3000, 2)
    inputs = jnp.full(shape, 5.0)
    errors = np.asarray(seen_inputs(noise, inputs, KEY)) - 5
    n = errors.size
    assert abs(errors.mean()) < 4 * noise / math.sqrt(n)
    assert abs(errors.std() - noise) < 4 * noise / math.sqrt(2 * n)
    assert abs(np.corrcoef(errors.T)[0, 1]) < 4 / math.sqrt(shape[0])


@pytest.mark.usefixtures("plain_annotations")
def test_noise_is_a_function_of_the_key():
    inputs = jnp.zeros(5)
    one, same, other = (
        seen_inputs(1.0, inputs, jax.random.key(seed)) for seed in (1, 1, 2)
    )
    assert jnp.array_equal(one, same)
    assert not jnp.any(one == other)


@pytest.mark.usefixtures("plain_annotations")
def test_noise_may_be_traced_and_falls_on_integers_too():
    inputs = jnp.arange(4)
    levels = jnp.array([0.0, 1.0, 2.0])
    seen = jax.jit(jax.vmap(lambda noise: seen_inputs(noise, inputs, KEY)))(levels)
    assert jnp.array_equal(seen[0], inputs.astype(float))
    np.testing.assert_allclose(seen[2] - seen[0], 2 * (seen[1] - seen[0]), rtol=1e-5)


def test_noise_costs_a_line_its_variance_times_the_squared_weight():
    # E[(w (x + e) + b - y)²] = (w x + b - y)² + w² σ²
    noise, n_draws = 0.5, 4000
    objective = fl.make_objective(fl.models.linear, fl.losses.mse, input_noise=noise)
    keys = jax.random.split(KEY, n_draws)
    losses = np.asarray(
        jax.jit(jax.vmap(objective, (None, None, 0)))(PARAMS, BATCH, keys)
    )
    expected = LOSS + (2 * noise) ** 2
    assert abs(losses.mean() - expected) < 4 * losses.std() / math.sqrt(n_draws)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_objective_and_evaluation_keep_the_dtype(dtype, float64):
    params, batch = jax.tree.map(lambda leaf: leaf.astype(dtype), (PARAMS, BATCH))
    objective = fl.make_objective(
        fl.models.linear, fl.losses.mse, penalty=fl.losses.l1(0.1), input_noise=0.1
    )
    evaluate = fl.make_evaluation(fl.models.linear, fl.losses.mse)
    assert objective(params, batch, KEY).dtype == dtype
    assert evaluate(params, batch).dtype == dtype


EVALUATIONS = {
    "scalar": (jnp.float32(2.5), 2.5),
    "number": (2.5, 2.5),
    "NumPy's": (np.float64(2.5), 2.5),
    "mistakes": (jnp.int32(3), 3.0),
    "dictionary": ({"loss": jnp.float32(2.5), "mae": jnp.ones(3)}, 2.5),
    "dictionary without": ({"mae": jnp.float32(2.5)}, None),
    "array": (jnp.ones(3), None),
    "complex": (jnp.complex64(1), None),
    "truth": (jnp.bool_(True), None),
    "tuple": ((jnp.float32(2.5),), None),
    "nothing": (None, None),
}


@pytest.mark.parametrize("evaluation, wanted", EVALUATIONS.values(), ids=EVALUATIONS)
def test_the_loss_of_an_evaluation(evaluation, wanted):
    loss = fl.objectives.loss_of(evaluation)
    if wanted is None:
        assert loss is None
    else:
        assert loss is not None and loss.shape == ()
        assert jnp.issubdtype(loss.dtype, jnp.floating)
        assert float(loss) == wanted
        if isinstance(evaluation, jax.Array):
            np.testing.assert_array_equal(
                jax.jit(fl.objectives.loss_of)(evaluation), loss
            )


def test_what_stands_for_the_loss():
    stacked = {"loss": jnp.ones(3), "mae": jnp.zeros(3)}
    assert fl.objectives.loss_entry(stacked) is stacked["loss"]
    assert fl.objectives.loss_entry({"mae": 1.0}) is None
    assert fl.objectives.loss_entry(None) is None
    assert fl.objectives.loss_entry("anything") == "anything"


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


@pytest.mark.usefixtures("plain_annotations")
def test_noise_is_one_number():
    with pytest.raises(ValueError, match=r"input_noise must be one number .*\(3,\)"):
        fl.make_objective(LINEAR, MSE, input_noise=jnp.ones(3))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", "float64"])
@pytest.mark.usefixtures("plain_annotations")
def test_noise_falls_on_inputs_of_every_dtype(dtype):
    inputs = np.ones(2000).astype(dtype)
    for kind in (np.asarray, jnp.asarray):
        errors = np.asarray(seen_inputs(0.5, kind(inputs), KEY), np.float64) - 1
        assert abs(errors.std() - 0.5) < 0.05 and abs(errors.mean()) < 0.05


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
