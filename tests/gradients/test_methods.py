"""Autodiff, finite differences and closed forms: three ways to one gradient."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn import analytic, gradients

KEY = jax.random.key(0)
NOISE = 0.3


def forward_mode(objective):
    """Stands for the closed form of a model that has none at hand."""
    return lambda params, batch, key: jax.jacfwd(objective)(params, batch, key)


def linear_with_noise(params, batch, key):
    noise = NOISE * jax.random.normal(key, batch.inputs.shape, batch.inputs.dtype)
    return analytic.linear_mse(params, batch._replace(inputs=batch.inputs + noise))


class Case(NamedTuple):
    model: fl.Model
    columns: tuple[int, ...] = ()
    closed_form: Callable[..., Any] | None = None
    penalty: Any = None
    input_noise: float = 0.0

    def objective(self):
        return fl.make_objective(
            self.model,
            fl.losses.mse,
            penalty=self.penalty,
            input_noise=self.input_noise,
        )

    def problem(self, dtype):
        """Parameters and data of the given precision."""
        rng = np.random.default_rng(3)
        inputs = rng.normal(size=(6, *self.columns))
        params = jax.tree.map(
            lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), dtype),
            jax.eval_shape(self.model.init, KEY),
        )
        targets = jax.eval_shape(self.model.apply, params, jnp.asarray(inputs, dtype))
        return params, fl.Dataset(
            jnp.asarray(inputs, dtype),
            jnp.asarray(rng.normal(size=targets.shape), dtype),
        )


CASES = {
    "linear": Case(fl.models.linear, (), analytic.linear_mse),
    "affine": Case(fl.models.affine(3), (3,), analytic.linear_mse),
    "polynomial": Case(fl.models.polynomial(3), (), analytic.polynomial_mse),
    "mlp": Case(fl.models.mlp((2, 4, 2)), (2,)),
    "penalised": Case(fl.models.linear, penalty=fl.losses.l2(0.5)),
    "noisy": Case(fl.models.linear, (), linear_with_noise, input_noise=NOISE),
}
# The rounding error of a central difference is ε^(2/3) of the loss, its truncation
# error as much of the third derivative; both are of order 10 here.
PRECISIONS = {"float64": 1e-9, "float32": 1e-3}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("dtype, tolerance", PRECISIONS.items(), ids=PRECISIONS)
@pytest.mark.slow
def test_the_methods_agree(case, dtype, tolerance, float64):
    params, batch = case.problem(dtype)
    objective = case.objective()
    closed_form = case.closed_form or forward_mode(objective)
    methods = {
        "autodiff": gradients.autodiff,
        "finite differences": gradients.finite_difference(),
        "closed form": gradients.given(closed_form),
    }

    @jax.jit
    def compare(params, batch, key):
        loss = objective(params, batch, key)
        results = {n: m(objective)(params, batch, key) for n, m in methods.items()}
        return loss, results

    loss, results = compare(params, batch, KEY)
    _, exact = results["autodiff"]
    for found, grads in results.values():
        np.testing.assert_allclose(found, loss, rtol=4 * float(jnp.finfo(dtype).eps))
        assert jax.tree.structure(grads) == jax.tree.structure(params)
        for ours, theirs in zip(*map(jax.tree.leaves, (grads, exact)), strict=True):
            assert ours.dtype == dtype and ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def test_one_fit_with_three_arguments_is_one_run(float64):
    train, _ = fl.data.standardise(fl.data.thermometer())
    optimizer = optax.sgd(1e-2)
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    state = fl.init_state(KEY, fl.models.linear.init(KEY), optimizer)
    runs = [
        fl.fit(
            fl.make_train_step(objective, optimizer, gradient=gradient),
            state,
            train,
            epochs=30,
            record=lambda state, info, evaluation: (state.params, info),
        ).history
        for gradient in (
            gradients.autodiff,
            gradients.finite_difference(step=0.1),
            gradients.given(analytic.linear_mse),
        )
    ]
    for run in runs[1:]:
        # A large step is exact for a quadratic.
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, rtol=1e-11), run, runs[0]
        )


def test_a_published_slip_is_another_gradient():
    """Swapping prediction and target in the loss's derivative turns its sign."""
    case = CASES["linear"]
    params, batch = case.problem("float32")

    def slip(params, batch):
        return jax.tree.map(jnp.negative, analytic.linear_mse(params, batch))

    grads = [
        method(case.objective())(params, batch, KEY)[1]
        for method in (gradients.autodiff, gradients.given(slip))
    ]
    np.testing.assert_allclose(grads[0].weight, -grads[1].weight, rtol=1e-6)


def cube(params, batch, key):
    cubes = [jnp.sum(leaf**3) for leaf in jax.tree.leaves(params)]
    return jnp.sum(jnp.stack(cubes))


@pytest.mark.parametrize("step", [1e-3, 0.1, 2.0])
def test_central_differences_of_a_cube_are_off_by_the_squared_step(step, float64):
    # ((x + h)³ - (x - h)³) / 2h = 3x² + h²
    points = jnp.array([-2.0, 0.0, 0.5])

    @jax.jit
    def slopes(step):  # the step may be traced
        return gradients.finite_difference(step=step)(cube)(points, None, KEY)[1]

    expected = 3 * points**2 + step**2
    np.testing.assert_allclose(slopes(step), expected, rtol=1e-8, atol=1e-11)
    fixed = gradients.finite_difference(step=step)(cube)(points, None, KEY)[1]
    np.testing.assert_allclose(fixed, expected, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_the_default_step_follows_precision_and_size_of_the_parameter(dtype, float64):
    seen = []

    def spy(params, batch, key):
        jax.debug.callback(
            lambda value: seen.append(float(value)), params, ordered=True
        )
        return params

    for point in (0.0, 1000.0):
        seen.clear()
        gradients.finite_difference()(spy)(jnp.asarray(point, dtype), None, KEY)
        jax.effects_barrier()
        step = float(jnp.finfo(dtype).eps) ** (1 / 3) * max(1, point)
        expected = [point - step, point, point + step]
        np.testing.assert_allclose(sorted(seen), expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("step", [None, 0.25])
@pytest.mark.slow
def test_short_types_are_moved_in_their_own_precision(dtype, step):
    points = np.array([-2.0, 0.0, 0.5, 3.0])

    def parabola(params, batch, key):
        return jnp.sum(params**2, dtype=jnp.float32)

    params = {"w": jnp.asarray(points, dtype), "b": jnp.asarray(1.5, dtype)}
    method = gradients.finite_difference(step=step)
    slopes = method(lambda p, *_: sum(parabola(x, *_) for x in p.values()))
    _, grads = slopes(params, None, KEY)
    # Central differences of a parabola are exact, but for squares of 8 or 11 bits.
    assert grads["w"].dtype == grads["b"].dtype == dtype
    rounding = 10 * float(jnp.finfo(dtype).eps) ** (2 / 3)
    np.testing.assert_allclose(grads["w"].astype(float), 2 * points, atol=rounding)
    np.testing.assert_allclose(grads["b"].astype(float), 3.0, atol=rounding)


@pytest.mark.parametrize("size", [1, 17])
@pytest.mark.slow
def test_every_coordinate_of_every_leaf_is_nudged(size, float64):
    params = {
        "vector": jnp.linspace(-1.0, 2.0, size),
        "rest": (jnp.arange(6.0).reshape(2, 3), jnp.float32(0.5), 3.0),
    }
    _, grads = gradients.finite_difference()(cube)(params, None, KEY)
    assert grads["rest"][1].dtype == jnp.float32
    for got, leaf in zip(*map(jax.tree.leaves, (grads, params)), strict=True):
        assert got.shape == jnp.shape(leaf)
        rounding = 1e-3 if got.dtype == jnp.float32 else 1e-8
        wanted = 3 * np.square(leaf)
        np.testing.assert_allclose(got, wanted, rtol=rounding, atol=rounding)


METHODS = {
    "autodiff": gradients.autodiff,
    "finite differences": gradients.finite_difference(),
    "closed form": gradients.given(lambda params, batch: params),
}
methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@methods
@pytest.mark.parametrize("leaf", [jnp.arange(2), 3, jnp.array(True), jnp.array(1j)])
def test_parameters_without_a_gradient_are_refused_by_name(method, leaf):
    params = {"weight": jnp.float32(1), "bias": [leaf]}
    for function in (method(cube), jax.jit(method(cube))):
        with pytest.raises(TypeError, match=r"params\['bias'\]\[0\] must be floating"):
            function(params, None, KEY)


@methods
@pytest.mark.slow
def test_the_methods_can_be_mapped(method):
    # Half of x²: its gradient is x, which is what the closed form gives.
    value_and_grad = method(lambda params, batch, key: jnp.sum(params**2) / 2)
    points = jnp.array([[1.0, -2.0], [0.5, 3.0]])
    losses, grads = jax.vmap(value_and_grad, (0, None, None))(points, None, KEY)
    np.testing.assert_allclose(losses, [2.5, 4.625], rtol=1e-6)
    np.testing.assert_allclose(grads, points, rtol=1e-3)


def number_of_calls(method):
    calls = []

    def counted(params, batch, key):
        jax.debug.callback(lambda _: calls.append(None), params)
        return jnp.sum(params)

    method(counted)(jnp.zeros(5), None, KEY)
    jax.effects_barrier()
    return len(calls)


@pytest.mark.slow
def test_finite_differences_cost_two_evaluations_a_coordinate():
    assert number_of_calls(gradients.finite_difference()) == 2 * 5 + 1


@pytest.mark.parametrize("step", [0, -0.1, math.nan])
def test_a_step_that_is_not_positive_is_refused(step):
    with pytest.raises(ValueError, match="step must be positive; got"):
        gradients.finite_difference(step=step)


@pytest.mark.parametrize("method", [gradients.autodiff, gradients.finite_difference()])
def test_an_objective_that_is_not_scalar_is_refused(method):
    with pytest.raises((TypeError, ValueError), match=r"scalar.*shape:? \(1,\)"):
        method(lambda params, batch, key: params)(jnp.ones(1), None, KEY)


@pytest.mark.slow
def test_finite_differences_of_parameters_without_entries():
    params = {"some": jnp.ones(2), "none": jnp.ones((0, 3))}

    def objective(params, batch, key):
        return jnp.sum(params["some"] ** 2) + jnp.sum(params["none"])

    grads = gradients.finite_difference()(objective)(params, None, KEY)[1]
    assert grads["none"].shape == (0, 3)
    np.testing.assert_allclose(grads["some"], [2, 2], rtol=1e-3)


CLOSED_FORMS = {
    "two arguments": lambda params, batch: {"w": batch * params["w"]},
    "three arguments": lambda params, batch, key: {
        "w": batch * params["w"] + 0 * jax.random.uniform(key, dtype=jnp.float32)
    },
    "partial": functools.partial(
        lambda factor, params, batch: {"w": factor * batch * params["w"]}, 1
    ),
    "another precision": lambda params, batch: {"w": jnp.float64(2.0) * params["w"]},
    "a plain number": lambda params, batch: {"w": 6.0},
}


@pytest.mark.parametrize("closed_form", CLOSED_FORMS.values(), ids=CLOSED_FORMS)
def test_a_closed_form_is_used_as_it_is_in_the_parameters_dtype(closed_form, float64):
    params, batch = {"w": jnp.float32(3)}, jnp.float32(2)
    value_and_grad = gradients.given(closed_form)(lambda p, b, k: b * p["w"] ** 2 / 2)
    for function in (value_and_grad, jax.jit(value_and_grad)):
        loss, grads = function(params, batch, KEY)
        assert (loss, grads) == (9, {"w": 6})
        assert grads["w"].dtype == jnp.float32


def test_a_closed_form_of_three_arguments_gets_the_key():
    keyed = gradients.given(lambda params, batch, key: jax.random.normal(key))
    _, grads = keyed(cube)(jnp.zeros(()), None, KEY)
    assert grads == jax.random.normal(KEY)


WRONG_FORMS = {
    "another structure": (
        lambda params, batch: params["w"],
        r"closed_form\(\.\.\.\) must have the structure of the parameters",
    ),
    "a missing leaf": (lambda params, batch: {}, "structure of the parameters"),
    "another shape": (
        lambda params, batch: {"w": params["w"][None]},
        r"closed_form\(\.\.\.\)\['w'\] must be .*\(2,\) .*got .*\(1, 2\)",
    ),
    "a sum": (lambda params, batch: {"w": jnp.sum(params["w"])}, r"got .*\(\)"),
}


@pytest.mark.parametrize("form, message", WRONG_FORMS.values(), ids=WRONG_FORMS)
def test_a_closed_form_of_another_shape_is_refused(form, message):
    value_and_grad = gradients.given(form)(cube)
    with pytest.raises(ValueError, match=message):
        value_and_grad({"w": jnp.ones(2)}, None, KEY)
