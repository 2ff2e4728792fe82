"""Gradients at one point, and the programs that find them."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from funclearn.gradients import compare
from funclearn.gradients._evaluation import closed_form, reverse_mode
from funclearn.gradients._problem import pose, take_apart
from funclearn.gradients._sampling import finite_differences

POINT = np.array([0.5, -1.25, 2.0], np.float32)
SCALES = np.array([1.0, 3.0, 0.1], np.float32)


def sines(params, batch):
    return jnp.sum(jnp.sin(batch * params))


def cosines(params, batch):
    return batch * jnp.cos(batch * params)


def posed(*, order=1, key=None, limit=10):
    return pose(POINT, SCALES, key, order=order, limit=limit, seed=0)


def exact():
    """The gradient and the diagonal of the Hessian, by NumPy."""
    scales, point = SCALES.astype(float), POINT.astype(float)
    angles = scales * point
    return scales * np.cos(angles), -(scales**2) * np.sin(angles)


@pytest.mark.parametrize("limit", [10, 2])
def test_reverse_mode_is_exact_in_float64(limit):
    problem, (gradient, _) = posed(limit=limit), exact()
    with jax.enable_x64(True):
        found, value = reverse_mode(problem, take_apart(sines))
    chosen = gradient[problem.chosen]
    assert found.values.shape == (min(limit, 3),)
    np.testing.assert_allclose(found.values, chosen, rtol=1e-14)
    np.testing.assert_allclose(found.own, chosen, rtol=1e-6)
    assert np.any(found.own != found.values)
    assert np.all(found.spread > 0) and np.all(found.spread < 1e-14)
    assert value == pytest.approx(np.sin(SCALES.astype(float) * POINT).sum(), rel=1e-14)


def test_a_closed_form_is_evaluated_as_it_is():
    problem, (gradient, _) = posed(), exact()
    with jax.enable_x64(True):
        found = closed_form(problem, take_apart(cosines))
        wrong = closed_form(problem, take_apart(lambda p, b: 2 * cosines(p, b)))
    np.testing.assert_allclose(found.values, gradient, rtol=1e-14)
    np.testing.assert_allclose(wrong.values, 2 * gradient, rtol=1e-14)


def test_the_second_order_is_the_product_with_the_direction():
    problem, (_, curvature) = posed(order=2), exact()
    product = curvature * np.asarray(problem.direction, float)
    with jax.enable_x64(True):
        found, _ = reverse_mode(problem, take_apart(sines))
        formula = closed_form(problem, take_apart(cosines))
        differences, _ = finite_differences(problem, take_apart(sines))
    np.testing.assert_allclose(found.values, product, rtol=1e-13)
    np.testing.assert_allclose(formula.values, product, rtol=1e-13)
    assert np.all(np.abs(differences.values - product) <= differences.bounds)
    assert np.all(differences.bounds < 1e-7)


def test_a_key_is_needed_where_something_is_drawn():
    def noisy(params, batch, key):
        return jnp.sum(params) * jax.random.normal(key)

    key = jax.random.key(1)
    without, problem = posed(), posed(key=key)
    with jax.enable_x64(True):
        with pytest.raises(ValueError, match="key must be given"):
            reverse_mode(without, take_apart(noisy))
        found, _ = reverse_mode(problem, take_apart(noisy))
    drawn = jax.random.normal(key)
    np.testing.assert_allclose(found.own, np.full(3, drawn), rtol=1e-6)


def test_equal_shapes_compile_once(line, counting_compilations):
    compare(line.objective, line.params, line.batch, against=line.gradient)
    moved = type(line.params)(jnp.float32(3.0), jnp.float32(-2.0))
    with counting_compilations() as events:
        compare(line.objective, moved, line.batch[::-1], against=line.gradient)
    assert events == []


def test_other_arrays_of_a_partial_compile_nothing(counting_compilations):
    def objective(scales, params, batch):
        return sines(params, scales)

    compare(Partial(objective, SCALES), POINT, None)
    with counting_compilations() as events:
        report = compare(Partial(objective, 2 * SCALES), POINT, None)
    assert events == []
    exactly = 2 * SCALES * np.cos(2 * SCALES * POINT)
    np.testing.assert_allclose(report.autodiff.own, exactly, rtol=1e-5)


def closure(data):
    return lambda params, batch: jnp.sum(jnp.sin(params)) * jnp.mean(data)


def of_a_class(data):
    class Objective:
        def loss(self, params, batch):
            return jnp.sum(params**2) * jnp.mean(data)

    return Objective().loss


def by_scan(data):
    def objective(params, batch):
        def step(carry, row):
            return carry * jnp.mean(row), None

        return jax.lax.scan(step, jnp.sum(params), data[None])[0]

    return objective


def by_cond(data):
    def objective(params, batch):
        total = jnp.sum(params)
        return jax.lax.cond(
            params[0] > 0, lambda: total * jnp.mean(data), lambda: total * jnp.sum(data)
        )

    return objective


def by_a_rule(data):
    @jax.custom_vjp
    def objective(params, batch):
        return jnp.sum(params**2) * jnp.mean(data)

    def backward(params, cotangent):
        return 2 * params * jnp.mean(data) * cotangent, None

    objective.defvjp(lambda params, batch: (objective(params, batch), params), backward)
    return objective


LARGE = {
    "closure": closure,
    "jit": lambda data: jax.jit(closure(data)),
    "checkpoint": lambda data: jax.checkpoint(closure(data)),
    "partial": lambda data: Partial(closure(data)),
    "method": of_a_class,
    "scan": by_scan,
    "cond": by_cond,
    "rule": by_a_rule,
}


def live_bytes():
    gc.collect()
    return sum(array.nbytes for array in jax.live_arrays())


# Each kind of function at one order; the scan and the rule close over data, too.
@pytest.mark.parametrize(
    ("name", "order"),
    [
        ("scan", 1),
        ("rule", 1),
        ("closure", 2),
        ("jit", 2),
        ("method", 2),
    ],
)
@pytest.mark.slow
def test_nothing_outlives_the_functions_that_were_compared(name, order):
    compare(sines, POINT, SCALES, against=cosines, order=order)
    before, data = live_bytes(), jnp.full(2000, 0.5)
    objective = LARGE[name](data)
    form = Partial(lambda scales, params, batch: scales * params, jnp.mean(data))
    function = getattr(objective, "func", objective)
    holders = (
        weakref.WeakMethod(function)
        if hasattr(function, "__self__")
        else weakref.ref(function),
        weakref.ref(form.func),
    )
    compare(objective, POINT, SCALES, against=form, order=order)
    del objective, function, form, data
    assert live_bytes() <= before
    assert [holder() for holder in holders] == [None, None]
