"""Loss and gradient over blocks, against those of the whole batch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import funclearn as fl
from funclearn.training._blocks import loss_over, means_over
from tests.runs import bits
from tests.two_layers import OBJECTIVE, some_params

KEY = jax.random.key(3)
BLOCKS = 4


def spread(rows, n_devices):
    mesh = jax.make_mesh(
        (n_devices,),
        ("data",),
        axis_types=(AxisType.Auto,),
        devices=jax.devices()[:n_devices],
    )
    return jax.device_put(rows, NamedSharding(mesh, P("data")))


def some_rows(n_rows, weights=False):
    rng = np.random.default_rng(11)
    inputs, targets = rng.normal(size=(n_rows, 3)), rng.normal(size=(n_rows, 1))
    weighed = rng.uniform(size=n_rows) if weights else None
    return fl.Dataset(jnp.asarray(inputs), jnp.asarray(targets), weighed)


def slope(params, rows, key):
    return jax.value_and_grad(OBJECTIVE)(params, rows, key)


def over(blocks, params, rows):
    return means_over(blocks, slope, params, rows, None)


def assert_close(tree, other, rtol=1e-14):
    for pair in zip(*map(jax.tree.leaves, (tree, other)), strict=True):
        np.testing.assert_allclose(*pair, rtol=rtol, atol=1e-15)
        assert pair[0].dtype == pair[1].dtype


@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("n_rows", [3, 8, 11])
@pytest.mark.slow
def test_means_are_those_of_the_whole_batch(n_rows, weights, float64):
    rows, params = some_rows(n_rows, weights), some_params()
    expected = jax.jit(slope)(params, rows, None)
    got = jax.jit(functools.partial(over, BLOCKS))(params, rows)
    assert_close(got, expected)


@pytest.mark.parametrize("n_devices", [2, 4])
def test_a_gradient_is_not_counted_once_for_every_device(n_devices, float64):
    """As `jax.grad` in a `jax.shard_map` does it, of parameters that all share."""
    rows, params = spread(some_rows(8), n_devices), some_params()
    result = jax.jit(functools.partial(over, BLOCKS))
    assert_close(result(params, rows), jax.jit(slope)(params, some_rows(8), None))
    assert bits(result(params, rows)) == bits(result(params, some_rows(8)))


@pytest.mark.parametrize("blocks", [1, 3, 5])
def test_any_number_of_blocks_counts_every_row_once(blocks, float64):
    rows = jnp.arange(15.0)

    def first(given, rows, key):
        return given * jnp.mean(rows)

    found = means_over(blocks, first, 2.0, rows, None)
    np.testing.assert_allclose(found, 14, rtol=1e-14)


def test_rows_that_do_not_count_may_have_no_mean():
    rows = fl.Dataset(jnp.arange(5.0), jnp.zeros(5), jnp.array([1.0, 2, 0, 0, 0]))

    def mean(given, rows, key):
        return jnp.sum(rows.weights * rows.inputs) / jnp.sum(rows.weights)

    np.testing.assert_allclose(means_over(4, mean, None, rows, None), 2 / 3)
    nothing = rows._replace(weights=jnp.zeros(5))
    assert means_over(4, mean, None, nothing, None) == 0


def test_every_block_has_a_key_of_its_own():
    def draw(given, rows, key):
        return jax.random.uniform(key)

    draws = [float(jax.random.uniform(jax.random.fold_in(KEY, n))) for n in range(4)]
    found = means_over(4, draw, None, jnp.zeros(8), KEY)
    np.testing.assert_allclose(found, np.mean(draws), rtol=1e-6)


def test_what_has_no_mean_is_that_of_the_first_block():
    def notes(given, rows, key):
        return {"count": given + rows[0].astype(int), "key": key, "mean": rows[0]}

    found = jax.jit(lambda rows: means_over(4, notes, 5, rows, KEY))
    for rows in (jnp.arange(8.0), spread(jnp.arange(8.0), 4)):
        result = found(rows)
        assert (result["count"], result["mean"]) == (5, 3)
        assert result["key"] == jax.random.fold_in(KEY, 0)


@pytest.mark.slow
def test_low_precision_is_summed_in_float32():
    ones = jnp.ones(1024, jnp.bfloat16)
    found = means_over(1024, lambda given, rows, key: rows[0], None, ones, None)
    assert found == 1 and jnp.result_type(found) == jnp.bfloat16


def of_both(given, rows, key):
    free, strength = given
    return OBJECTIVE(free, rows, key) + strength * jnp.sum(free[0] ** 2)


def along(function):
    """Its derivative along a direction of what it is given, forwards."""

    def derivative(given, rows):
        direction = some_params(), jnp.asarray(1.3)
        return jax.jvp(lambda x: function(x, rows), (given,), (direction,))

    return derivative


@pytest.mark.parametrize(
    "transform",
    [
        lambda function: function,
        jax.grad,
        lambda function: jax.grad(function, argnums=1),
        along,
        lambda function: along(jax.grad(function)),
    ],
    ids=["value", "by parameters", "by rows", "forwards", "twice"],
)
@pytest.mark.slow
def test_a_loss_has_all_derivatives(transform, float64):
    given, rows = (some_params(), 0.7), some_rows(8)

    def loss(given, rows):
        return loss_over(BLOCKS, of_both, given, rows, None)

    def plain(given, rows):
        return of_both(given, rows, None)

    expected = jax.jit(transform(plain))(given, rows)
    for same in (rows, spread(rows, 2)):
        assert_close(jax.jit(transform(loss))(given, same), expected, rtol=1e-12)


@pytest.mark.slow
def test_the_gradient_of_a_loss_has_the_same_bits_on_all_devices():
    params, rows = some_params(), some_rows(8)

    def of_free(given, rows, key):
        return OBJECTIVE(given[0], rows, key)

    def loss(params, rows):
        return loss_over(BLOCKS, of_free, (params, None), rows, None)

    slope = jax.jit(jax.value_and_grad(loss))
    alone = slope(params, rows)
    for n_devices in (1, 2, 4):
        assert bits(slope(params, spread(rows, n_devices))) == bits(alone)


@pytest.mark.slow
def test_what_a_loss_closes_over_may_be_differentiated(float64):
    rows, params = some_rows(8), some_params()

    def loss(strength):
        def of_free(given, rows, key):
            return of_both((given[0], strength), rows, key)

        return loss_over(BLOCKS, of_free, (params, None), rows, None)

    expected = np.sum(np.square(params[0]))
    for derivative in (jax.grad(loss), jax.jacfwd(loss)):
        np.testing.assert_allclose(derivative(0.7), expected, rtol=1e-13)
    lanes = jax.vmap(jax.grad(loss))(jnp.arange(3.0))
    np.testing.assert_allclose(lanes, [expected] * 3, rtol=1e-13)
