"""The assertion that a gradient is right, on functions that never heard of it."""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import funclearn as fl
from funclearn.testing import (
    GradientsNearlyAgree,
    GradientsUndecided,
    assert_gradients_agree,
)

INPUTS = np.array([35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9], np.float32)
TARGETS = np.array([0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0], np.float32)


class Affine(NamedTuple):
    matrix: jax.Array
    offset: jax.Array


def residuals(params, batch):
    inputs, targets = batch
    return inputs @ params.matrix + params.offset[None, :] - targets


def loss(params, batch):
    return jnp.mean(jnp.square(residuals(params, batch)))


def by_hand(params, batch):
    slopes = 2 * residuals(params, batch) / batch[1].size
    return Affine(batch[0].T @ slopes, jnp.sum(slopes, axis=0))


RANDOM = np.random.default_rng(0)


def normal(*shape):
    return jnp.asarray(RANDOM.normal(size=shape), jnp.float32)


PARAMS = Affine(normal(3, 3), normal(3))
BATCH = normal(7, 3), normal(7, 3)


def times(factor):
    return lambda p, b: jax.tree.map(lambda grad: grad * factor, by_hand(p, b))


@pytest.mark.slow
def test_right_gradient():
    assert assert_gradients_agree(loss, by_hand, PARAMS, BATCH) is None


@pytest.mark.slow
def test_right_second_order():
    assert_gradients_agree(loss, by_hand, PARAMS, BATCH, order=2)


# A slip, and what the message has to say about it.
SLIPS = {
    "factor 2": (times(2.0), "every derivative is twice what it should be"),
    "factor 1/2": (times(0.5), "every derivative is half of what it should be"),
    "sign": (times(-1.0), "every derivative is of the wrong sign"),
    "missing mean": (times(7.0), "a sum over 7 rows where there is a mean"),
    "mean twice": (times(1 / 7), "divided by the 7 rows once too often"),
    "two at once": (times(-2.0), "twice what it should be and of the wrong sign"),
    "any factor": (times(1.3), "every derivative is 1.3 times what it should be"),
    "transposed": (
        lambda p, b: by_hand(p, b)._replace(matrix=by_hand(p, b).matrix.T),
        "params.matrix is transposed",
    ),
    "left out": (
        lambda p, b: by_hand(p, b)._replace(offset=jnp.zeros(3)),
        "params.offset is zero, as if its term had been left out",
    ),
    "one array": (
        lambda p, b: by_hand(p, b)._replace(offset=7 * by_hand(p, b).offset),
        "params.offset is a sum over 7 rows",
    ),
    "one entry": (
        lambda p, b: by_hand(p, b)._replace(
            matrix=by_hand(p, b).matrix.at[1, 2].multiply(1.001)
        ),
        r"params.matrix\[1, 2\] alone is wrong",
    ),
    "penalty too much": (
        lambda p, b: jax.tree.map(lambda g, x: g + 0.6 * x, by_hand(p, b), p),
        "L2 penalty of strength 0.3 does not belong",
    ),
    "penalty of signs": (
        lambda p, b: jax.tree.map(lambda g, x: g + jnp.sign(x), by_hand(p, b), p),
        "L1 penalty of strength 1 does not belong",
    ),
}


@pytest.mark.parametrize(("closed_form", "slip"), SLIPS.values(), ids=SLIPS)
@pytest.mark.slow
def test_names_the_likely_slip(closed_form, slip):
    with pytest.raises(AssertionError, match=f"The likely slip: .*{slip}") as found:
        assert_gradients_agree(loss, closed_form, PARAMS, BATCH)
    assert not isinstance(found.value, GradientsUndecided)


@pytest.mark.slow
def test_missing_penalty():
    def penalised(params, batch):
        return loss(params, batch) + 0.1 * sum(map(jnp.vdot, params, params))

    with pytest.raises(
        AssertionError, match=r"L2 penalty of strength 0\.1 is left out"
    ):
        assert_gradients_agree(penalised, by_hand, PARAMS, BATCH)


def line_loss(params, batch):
    return jnp.mean((params["w"] * batch[0] + params["b"] - batch[1]) ** 2)


def line_gradient(params, batch):
    slopes = 2 * (params["w"] * batch[0] + params["b"] - batch[1]) / batch[0].size
    return {"w": jnp.sum(slopes * batch[0]), "b": jnp.sum(slopes)}


def exchanged(params, batch):
    found = line_gradient(params, batch)
    return {"w": found["b"], "b": found["w"]}


LINE, READINGS = {"w": jnp.float32(1), "b": jnp.float32(0.5)}, (INPUTS, TARGETS)


@pytest.mark.slow
def test_exchanged_arrays():
    with pytest.raises(AssertionError, match=r"params\['b'\] and .* are exchanged"):
        assert_gradients_agree(line_loss, exchanged, LINE, READINGS)


@pytest.mark.slow
def test_published_slips():
    def wrong_model(params, batch):
        slopes = 2 * (params["b"] + params["w"] * params["b"] - batch[1]) / INPUTS.size
        return {"w": jnp.sum(slopes * batch[0]), "b": jnp.sum(slopes)}

    def swapped_arguments(params, batch):
        slopes = 2 * (batch[1] - params["w"] * batch[0] - params["b"]) / INPUTS.size
        return {"w": jnp.sum(slopes * batch[0]), "b": jnp.sum(slopes)}

    assert_gradients_agree(line_loss, line_gradient, LINE, READINGS)
    with pytest.raises(AssertionError):
        assert_gradients_agree(line_loss, wrong_model, LINE, READINGS)
    with pytest.raises(AssertionError, match="wrong sign, as if two arguments were"):
        assert_gradients_agree(line_loss, swapped_arguments, LINE, READINGS)


def test_message_has_everything_to_find_the_mistake():
    def wrong(params, batch):
        found = line_gradient(params, batch)
        return {"w": 1.5 * found["w"], "b": found["b"]}

    x, y = INPUTS.astype(float), TARGETS.astype(float)
    exact = float(np.mean(2 * (x + 0.5 - y) * x))
    with pytest.raises(AssertionError) as found:
        assert_gradients_agree(line_loss, wrong, LINE, READINGS)
    message = str(found.value)
    place, values = message.split("\n\n")[0].split(":\n")
    assert place.startswith("closed form and finite differences disagree")
    assert place.endswith("params['w']")
    numbers = dict(line.rsplit(maxsplit=1) for line in values.splitlines()[:2])
    assert float(numbers["  closed form"]) == pytest.approx(1.5 * exact)
    assert float(numbers["  autodiff"]) == pytest.approx(exact)
    assert f"{exact:.6g}" in values.splitlines()[2]
    assert "closed form / finite difference = 1.5" in values


def test_wrong_autodiff_is_named():
    @jax.custom_vjp
    def square(x):
        return x**2

    square.defvjp(lambda x: (x**2, x), lambda x, cotangent: (3 * x * cotangent,))
    with pytest.raises(AssertionError, match=r"^autodiff and finite") as found:
        assert_gradients_agree(
            lambda p, _: square(p), lambda p, _: 2 * p, jnp.float32(1.5), None
        )
    assert "custom rule" in str(found.value)
    assert "likely slip" not in str(found.value)


def test_undecided_is_no_yes():
    def drowned(params, batch):
        return 1e6 + 1e-8 * jnp.sin(params)

    with pytest.raises(GradientsUndecided, match=r"Cannot tell: .* hides it"):
        assert_gradients_agree(
            drowned, lambda p, _: 1e-8 * jnp.cos(p), jnp.float32(0.5), None
        )
    assert issubclass(GradientsUndecided, AssertionError)
    assert GradientsUndecided is fl.gradients.GradientsUndecided


def test_a_difference_below_any_slip_passes_with_a_warning():
    def short_of_digits(params, batch):
        return 2 * 3.14157 * jnp.cos(2 * jnp.pi * params)

    def objective(params, batch):
        return jnp.sin(2 * jnp.pi * params)

    point = jnp.float32(0.3)
    with pytest.warns(GradientsNearlyAgree, match="nearly agrees"):
        assert_gradients_agree(objective, short_of_digits, point, None)
    assert GradientsNearlyAgree is fl.gradients.GradientsNearlyAgree
    # To whom it matters a finer resolution is a no.
    with pytest.raises(AssertionError, match="disagree"):
        assert_gradients_agree(objective, short_of_digits, point, None, resolution=1e-5)


def test_an_infinite_slope_is_no_yes():
    def objective(params, batch):
        return jnp.sqrt(params)

    for slope in (-7.0, np.inf, np.nan):
        form = Partial(lambda slope, params, batch: slope, np.float32(slope))
        with pytest.raises(GradientsUndecided, match=r"above it do\snot\ssettle"):
            assert_gradients_agree(objective, form, jnp.zeros(()), None)


def test_resolution_decides_what_is_undecided():
    assert_gradients_agree(line_loss, line_gradient, LINE, READINGS, resolution=1e-8)
    with pytest.raises(GradientsUndecided, match=r"one of\s1.0e-15\sis\sto\sbe"):
        assert_gradients_agree(
            line_loss, line_gradient, LINE, READINGS, resolution=1e-15
        )


@pytest.mark.slow
def test_key_goes_to_those_who_take_one():
    def noisy(params, batch, key):
        return jnp.sum((params * jax.random.normal(key, (3,)) - batch) ** 2)

    def gradient(params, batch, key):
        noise = jax.random.normal(key, (3,))
        return 2 * (params * noise - batch) * noise

    params, batch = jnp.ones(3), jnp.arange(3.0)
    assert_gradients_agree(noisy, gradient, params, batch, jax.random.key(1))
    with pytest.raises(AssertionError):
        assert_gradients_agree(
            noisy,
            lambda p, b: -gradient(p, b, jax.random.key(2)),
            params,
            batch,
            jax.random.key(3),
        )
    with pytest.raises(ValueError, match="key must be given"):
        assert_gradients_agree(noisy, gradient, params, batch)


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Module:
    """A module in the manner of Equinox: a pytree that can be called."""

    weight: jax.Array
    activation: Any = dataclasses.field(metadata={"static": True}, default=jnp.tanh)

    def __call__(self, x):
        return self.activation(x @ self.weight)


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Distance:
    """An objective that holds an array."""

    target: jax.Array

    def __call__(self, params, batch):
        return jnp.sum((params(batch) - self.target) ** 2)


@pytest.mark.slow
def test_callable_pytrees():
    def gradient(module, batch):
        hidden = module(batch)
        return Module(batch.T @ (2 * (hidden - 0.5) * (1 - hidden) * (1 + hidden)))

    assert_gradients_agree(
        Distance(jnp.full(7, 0.5)), gradient, Module(jnp.ones(3)), BATCH[0]
    )


@pytest.mark.slow
def test_funclearn_models():
    objective = fl.make_objective(fl.models.neuron, fl.losses.mse)
    params = fl.models.LinearParams(jnp.float32(0.02), jnp.float32(-0.5))
    data = fl.data.thermometer()
    assert_gradients_agree(objective, fl.analytic.neuron_mse, params, data)
