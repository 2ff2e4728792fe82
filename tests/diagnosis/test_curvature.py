"""Curvatures agree with closed forms and with SciPy."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from scipy.sparse.linalg import eigsh

KEY = jax.random.key(0)


def quadratic(params, matrix, key):
    del key
    return 0.5 * params @ (matrix @ params)


def symmetric(curvatures, seed=0):
    """A matrix with these eigenvalues, whose eigenvectors are random."""
    shape = len(curvatures), len(curvatures)
    vectors, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=shape))
    return vectors * np.asarray(curvatures) @ vectors.T


@pytest.mark.parametrize("name", ["raw", "scaled"])
def test_curvatures_of_the_line_are_those_of_its_closed_form(
    stability, line, readings, name, line_hessian
):
    found = stability(*line, readings[name])
    low, high = np.linalg.eigvalsh(line_hessian(readings[name].inputs))
    assert abs(found.largest - high) <= found.error
    assert abs(found.smallest - low) <= found.error
    assert found.condition == pytest.approx(high / low, rel=float(found.error / low))


# All large ones are of one size: they share the programs that they need.
SPECTRA = {
    "one": [3.0],
    "two": [-1.0, 2.0],
    "spread": np.geomspace(1e-3, 1e3, 100),
    "saddle": np.linspace(-3, 1, 100),
    "hill": np.linspace(-3, -1, 100),
    "equal": np.full(100, 2.0),
    "rank two": [5.0, 4.0] + [0.0] * 98,
    "flat": np.zeros(100),
    "cluster": np.r_[np.full(49, 1.0), np.full(49, 1.001), 10.0, 10.001],
}


@pytest.mark.parametrize("products", [1, 10, 64])
@pytest.mark.parametrize("spectrum", SPECTRA.values(), ids=SPECTRA)
def test_an_eigenvalue_lies_within_the_error(stability, spectrum, products, float64):
    matrix = jnp.asarray(symmetric(spectrum))
    zero = jnp.zeros(len(spectrum))
    found = stability(quadratic, zero, matrix, products=products)
    truth = np.linalg.eigvalsh(matrix)
    for curvature in found.largest, found.smallest:
        assert np.min(np.abs(truth - curvature)) <= found.error
    if products >= 64:
        scale = np.max(np.abs(truth))
        np.testing.assert_allclose(found.largest, truth[-1], atol=1e-9 * scale)
        # The small end of a wide spectrum is the last to be found.
        np.testing.assert_allclose(found.smallest, truth[0], atol=1e-3 * scale)


@pytest.mark.slow
def test_lanczos_finds_both_ends_for_a_network(fl, stability):
    model = fl.models.mlp((1, 30, 1))
    objective = fl.make_objective(model, fl.losses.mse)
    params, data = jax.jit(model.init)(KEY), fl.data.noisy_sine(KEY)
    found = stability(objective, params, data)
    flat, unravel = ravel_pytree(params)
    assert flat.size > 64
    hessian = jax.jit(jax.hessian(lambda flat: objective(unravel(flat), data, KEY)))
    hessian = np.asarray(hessian(flat), np.float64)
    for end, curvature in ("LA", found.largest), ("SA", found.smallest):
        truth = np.asarray(eigsh(hessian, 1, which=end, return_eigenvectors=False))
        assert curvature == pytest.approx(truth.item(), abs=float(found.error))
    assert found.error < 1e-3 * found.largest


def test_stability_is_a_pure_function_to_map_and_compile(fl, stability, line, readings):
    objective, start = line
    scales = jnp.array([1.0, 10.0])

    def at(scale):
        data = fl.data.Scaler(input_scale=scale)(readings["raw"])
        return stability(objective, start, data)

    mapped = jax.jit(jax.vmap(at))(scales)
    for lane, scale in enumerate(scales):
        alone = at(scale)
        np.testing.assert_allclose(mapped.largest[lane], alone.largest, rtol=1e-6)
        np.testing.assert_allclose(mapped.limit(0.9)[lane], alone.limit(0.9), rtol=1e-6)


def test_a_noisy_objective_is_given_the_key(fl, stability, line, readings):
    noisy = fl.make_objective(fl.models.linear, fl.losses.mse, input_noise=3.0)
    with_key = [
        stability(noisy, line[1], readings["raw"], jax.random.key(seed))
        for seed in (0, 0, 1)
    ]
    assert with_key[0].largest == with_key[1].largest != with_key[2].largest


def test_at_the_limit_the_slowest_mode_neither_grows_nor_shrinks(
    stability, float64, method
):
    momentum, nesterov = method
    curvature = 7.0
    matrix = jnp.diag(jnp.array([1.0, curvature]))
    found = stability(quadratic, jnp.ones(2), matrix)
    rate = float(found.limit(momentum, nesterov=nesterov))

    def growth(rate):
        ahead = momentum if nesterov else 0
        # One step takes (velocity, position) to m v + λ x, x - η (m' v' + λ x).
        velocity = np.array([momentum, curvature])
        step = velocity if not nesterov else ahead * velocity + [0, curvature]
        return np.abs(np.linalg.eigvals([velocity, [0, 1] - rate * step])).max()

    assert growth(rate) == pytest.approx(1, abs=1e-7)
    assert growth(0.99 * rate) < 1 < growth(1.01 * rate)


@pytest.mark.parametrize("name", ["raw", "scaled"])
def test_runs_explode_above_the_predicted_limit_and_not_below(
    fl, stability, line, readings, name, method
):
    momentum, nesterov = method
    objective, start = line
    limit = stability(objective, start, readings[name]).limit(
        momentum, nesterov=nesterov
    )

    def last_loss(rate):
        optimizer = optax.sgd(rate, momentum, nesterov)
        state = fl.init_state(KEY, start, optimizer)
        step = fl.make_train_step(objective, optimizer)
        losses = fl.fit(step, state, readings[name], epochs=2000).history.loss
        return losses[-1] / losses[0]

    below, above = jax.vmap(last_loss)(limit * jnp.array([0.99, 1.01]))
    assert below < 1
    assert not above < 1e3


def test_predicts_what_the_sources_saw(stability, line, readings):
    raw, scaled = (stability(*line, readings[name]) for name in readings)
    assert 1e-4 < raw.limit() < 1e-2 < scaled.limit()
    assert raw.limit() == pytest.approx(3.4e-4, rel=0.01)
    assert scaled.limit() == pytest.approx(0.033, rel=0.01)


def test_without_upward_curvature_there_is_no_limit(stability):
    found = stability(quadratic, jnp.zeros(3), -jnp.eye(3))
    assert found.limit() == jnp.inf
    assert found.condition == jnp.inf


def test_the_input_scale_is_that_of_the_smallest_condition_number(
    stability, line, readings, line_hessian
):
    raw = np.asarray(readings["raw"].inputs, np.float64)
    found = stability(*line, readings["raw"])
    scales = np.geomspace(1, 1e3, 5001)
    conditions = [np.linalg.cond(line_hessian(raw / scale)) for scale in scales]
    best = scales[np.argmin(conditions)]
    assert found.input_scale == pytest.approx(best, rel=2 * (scales[1] - 1))


def test_the_input_scale_is_one_a_column_and_never_zero(fl, stability):
    model = fl.models.affine(2)
    objective = fl.make_objective(model, fl.losses.mse)
    data = fl.Dataset(jnp.array([[3.0, 0.0], [4.0, 0.0]]), jnp.zeros(2))
    found = stability(objective, model.init(KEY), data)
    np.testing.assert_allclose(found.input_scale, [np.sqrt(12.5), 1.0], rtol=1e-6)
    other = stability(quadratic, jnp.ones(2), jnp.eye(2))
    assert other.input_scale is None


@pytest.mark.parametrize("unit", [1e20, 1.0, 1e-25])
def test_the_input_scale_stays_in_range(fl, stability, line, unit):
    data = fl.Dataset(jnp.array([3.0, 4.0]) * unit, jnp.zeros(2))
    scale = stability(line[0], line[1], data).input_scale
    assert scale == pytest.approx(unit * np.sqrt(12.5), rel=1e-6)


@pytest.mark.parametrize("unit", [1e-25, 1.0, 1e25])
def test_lanczos_stays_in_range(stability, unit):
    curvatures = jnp.arange(1, 101) * unit
    found = stability(
        lambda params, batch, key: 0.5 * jnp.sum(batch * params**2),
        jnp.zeros(100),
        curvatures,
    )
    assert 0 < found.error < 0.1 * found.largest
    assert abs(found.largest - 100 * unit) <= found.error


@pytest.mark.parametrize(
    "momentum, error, message",
    [
        (1.5, ValueError, "between 0 and 1; got 1.5"),
        (-2, ValueError, "between 0 and 1; got -2"),
        ("a", TypeError, "a number; got 'a'"),
    ],
)
@pytest.mark.usefixtures("plain_annotations")
def test_refuses_what_is_no_momentum(stability, momentum, error, message):
    found = stability(quadratic, jnp.zeros(3), jnp.eye(3))
    with pytest.raises(error, match=f"momentum must be {message}"):
        found.limit(momentum)


@pytest.mark.parametrize(
    "params, error, message",
    [
        (np.zeros(3, np.float16), TypeError, "single or double precision.*float16"),
        (np.zeros(0, np.float32), ValueError, "at least one number"),
    ],
)
def test_refuses_parameters_without_eigenvalues(stability, params, error, message):
    with pytest.raises(error, match=message):
        stability(quadratic, params, jnp.eye(3))


@pytest.mark.parametrize("size", [3, 100], ids=["dense", "lanczos"])
@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.slow
def test_an_objective_does_not_outlive_its_curvatures(fl, size, compiled):
    def objective(params, batch, key):
        del key
        return jnp.mean(batch) * jnp.sum(params**2)

    def look(params):
        return fl.diagnosis.stability(objective, params, jnp.ones(3))

    found = (jax.jit(look) if compiled else look)(jnp.ones(size))
    reference = weakref.ref(objective)
    del objective, look
    gc.collect()
    assert reference() is None
    assert found.largest == pytest.approx(2)


@pytest.mark.parametrize("products", [0, -1])
def test_refuses_no_products(fl, products):
    with pytest.raises(ValueError, match="products must be at least 1"):
        fl.diagnosis.stability(quadratic, jnp.ones(2), jnp.eye(2), products=products)
