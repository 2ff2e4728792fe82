"""The commonest accidents of broadcasting, and what people broadcast on purpose.

All of one length, 8: by lengths alone no accident differs from what was meant. Each is
a function as it is written, since that is what decides.
"""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false
# pyright: reportAttributeAccessIssue=false
# pyright: reportIndexIssue=false
# pyright: reportOperatorIssue=false
# pyright: reportSelfClsParameterName=false

import inspect
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from funclearn.testing import assert_no_silent_broadcast

N = 8
F = jnp.float32
PARAMS, FLAT, COLUMN, TABLE, LABELS = (
    jax.ShapeDtypeStruct((3,), F),
    jax.ShapeDtypeStruct((N,), F),
    jax.ShapeDtypeStruct((N, 1), F),
    jax.ShapeDtypeStruct((N, N), F),
    jax.ShapeDtypeStruct((N,), jnp.int32),
)
INPUTS = jax.ShapeDtypeStruct((N, 3), F)


class Accidents:
    """Each is given parameters (3,), inputs (8, 3) and targets (8,)."""

    def column_of_targets(w, x, y):
        y = y[:, None]
        prediction = x @ w
        return jnp.mean((prediction - y) ** 2)

    def reshaped_targets(w, x, y):
        y = y.reshape(-1, 1)
        prediction = (x @ w).squeeze()
        return jnp.mean((prediction - y) ** 2)

    def column_of_predictions(w, x, y):
        prediction = (x @ w)[:, None]
        return jnp.mean(jnp.square(y - prediction))

    def cast_targets(w, x, y):
        y = y.astype(jnp.float32).reshape((-1, 1))
        return jnp.mean(jnp.abs(x @ w - y))

    def targets_of_an_outer_function(w, x, y):
        y = jnp.expand_dims(y, -1)
        return jax.grad(lambda w: jnp.mean((x @ w - y) ** 2))(w)

    def product_of_residuals(w, x, y):
        y = y[..., jnp.newaxis]
        error = jnp.dot(x, w) - y
        return error.T @ error / len(y)

    def row_turned_round(w, x, y):
        y = jnp.atleast_2d(y).T
        return jnp.mean((x @ w - y) ** 2)

    def stacked_column(w, x, y):
        y = jnp.stack([y], axis=1)
        return jnp.mean((x @ w - y) ** 2)

    def standardised_targets(w, x, y):
        y = ((y - y.mean()) / y.std())[:, None]
        return jnp.sum((x @ w - y) ** 2)

    def returned_residuals(w, x, y):
        y = y[:, None]
        return x @ w - y

    def weights_of_the_loss(w, x, y):
        weights = jnp.abs(y)[:, None]
        return jnp.sum(weights * (x @ w - y) ** 2)

    def masked_loss(w, x, y):
        error, mask = x @ w - y, (y > 0)[:, None]
        return jnp.sum(jnp.where(mask, error, 0.0))

    def accuracy(w, x, y):
        positive = (x @ w > 0)[:, None]
        return jnp.mean(positive == (y > 0))

    def huber(w, x, y):
        y = y[:, None]
        error = x @ w - y
        return jnp.mean(jnp.where(jnp.abs(error) < 1, error**2, jnp.abs(error)))

    def zeros_of_the_shape_of_the_error(w, x, y):
        y = y[:, None]
        error = x @ w - y
        return jnp.sum(jnp.where(jnp.isnan(error), jnp.zeros_like(error), error))

    def scaled_gradient(w, x, y):
        def loss(scale, w):
            targets = y[:, None]
            return scale * jnp.mean((x @ w - targets) ** 2)

        return jax.grad(loss, argnums=1)(w[0], w)

    def hessian(w, x, y):
        def loss(w):
            targets = y[:, None]
            return jnp.mean(jnp.exp(x @ w) * targets)

        return jax.hessian(loss)(w)

    def in_a_loop(w, x, y):
        y = y[:, None]

        def step(w, _):
            return w - jax.grad(lambda w: jnp.mean((x @ w - y) ** 2))(w), None

        return jax.lax.scan(step, w, length=3)[0]

    def under_vmap(w, x, y):
        y = y[:, None]
        return jax.vmap(lambda rate: jnp.mean((x @ (rate * w) - y) ** 2))(jnp.ones(5))

    def loss_of_a_library(w, x, y):
        y = y[:, None]
        return optax.sigmoid_binary_cross_entropy(x @ w, y).mean()

    def nothing_but_arguments(w, x, y):
        y, prediction = y[:, None], x[:, 0]
        return jnp.mean((prediction - y) ** 2)

    def vectorized_loss(w, x, y):
        y = y[:, None]
        return jnp.mean(jnp.vectorize(lambda p, t: (p - t) ** 2)(x @ w, y))

    def vectorized_ufunc(w, x, y):
        y = y[:, None]
        minus = jnp.frompyfunc(lambda p, t: p - t, 2, 1, identity=0.0)
        return jnp.mean(minus(x @ w, y) ** 2)

    def column_within_the_expression(w, x, y):
        return jnp.mean((x @ w - y[:, None]) ** 2)

    def column_of_predictions_within_the_expression(w, x, y):
        return jnp.sum(jnp.abs((x @ w)[:, jnp.newaxis] - y))

    def reshaped_within_the_expression(w, x, y):
        return jnp.linalg.norm(x @ w - y.reshape(-1, 1))

    def accuracy_within_the_expression(w, x, y):
        return jnp.mean((x @ w > 0) == (y > 0)[:, None])

    def entropy_within_the_expression(w, x, y):
        p = jax.nn.sigmoid(x @ w)
        return -jnp.mean(y[:, None] * jnp.log(p) + (1 - y[:, None]) * jnp.log(1 - p))

    def gradient_within_the_expression(w, x, y):
        def loss(w):
            return jnp.mean(jnp.square(x @ w - jnp.expand_dims(y, 1)))

        return jax.value_and_grad(loss)(w)

    def targets_of_the_inputs(w, x, y):
        return jnp.mean((x @ w - x[:, 0][:, None]) ** 2)

    def arguments_within_the_expression(w, x, y):
        return jax.jit(lambda p, t: jnp.mean((p - t[:, None]) ** 2))(x[:, 0], y)

    def numpy_column_within_the_expression(w, x, y):
        targets = np.linspace(0, 1, N, dtype=np.float32)
        return jnp.mean((x @ w - targets[:, None]) ** 2)

    def mapped_within_the_expression(w, x, y):
        def loss(rate):
            return jnp.mean((x @ (rate * w) - y[:, None]) ** 2)

        return jax.vmap(loss)(jnp.ones(5))


class Meant:
    """The defaults say what each is given."""

    def symmetry(y=COLUMN):
        return jnp.all(y == y.T), jnp.allclose(y, y.T), jnp.array_equal(y, y.T)

    def symmetry_of_labels(z=TABLE, labels=LABELS):
        labels = labels.reshape(-1, 1)
        return jnp.sum(jnp.equal(labels, labels.T) * (z @ z.T))

    def pairwise(x=FLAT):
        return jnp.abs(x[:, None] - x[None, :])

    def pairwise_points(x=INPUTS):
        return jnp.sqrt(jnp.sum((x[:, None] - x[None]) ** 2, axis=-1) + 1e-9)

    def pairwise_named(x=FLAT):
        column = x[:, None]
        return jnp.mean(jnp.abs(column - x))

    def pairwise_scaled(x=FLAT, scale=1.5):
        column, row = x[:, None] / scale, x / scale
        return jnp.mean(jnp.exp(-((column - row) ** 2)))

    def transposed_kernel(x=COLUMN):
        return jnp.mean(jnp.exp(-((x - x.T) ** 2)))

    def kernel_of_two(x=FLAT, z=FLAT):
        column = x[:, None]
        return jnp.exp(-((column - z) ** 2))

    def gaussian_process(x=COLUMN, y=FLAT):
        def kernel(a, b):
            return jnp.exp(-((a - b.T) ** 2))

        return kernel(x, x) @ jnp.linalg.solve(kernel(x, x) + jnp.eye(N), y)

    def squared_distances(x=INPUTS):
        norms = jnp.sum(x**2, axis=1, keepdims=True)
        return norms + norms.T - 2 * x @ x.T

    def cdist(x=INPUTS, y=INPUTS):
        left, right = jnp.sum(x**2, axis=1, keepdims=True), jnp.sum(y**2, axis=1)
        return jnp.mean(jnp.sqrt(jnp.maximum(left + right - 2 * x @ y.T, 1e-6)))

    def gradient_of_cdist(x=INPUTS, y=INPUTS):
        return jax.grad(Meant.cdist)(x, y)

    def cosines(x=INPUTS, y=INPUTS):
        left = jnp.linalg.norm(x, axis=1, keepdims=True)
        right = jnp.linalg.norm(y, axis=1)
        return x @ y.T / (left * right)

    def hessian_of_cosines(x=INPUTS, y=INPUTS):
        return jax.hessian(lambda x: jnp.sum(Meant.cosines(x, y)))(x)

    def kernel_features(x=FLAT, centres=FLAT, w=FLAT, y=FLAT):
        prediction = jnp.exp(-((x[:, None] - centres) ** 2)) @ w
        return jnp.mean((prediction - y) ** 2)

    def kernel_sums(x=FLAT, centres=FLAT, w=FLAT, y=FLAT):
        prediction = jnp.sum(w * jnp.exp(-((x[:, None] - centres) ** 2)), axis=1)
        return jnp.mean((prediction - y) ** 2)

    def nearest(x=FLAT, y=FLAT):
        return jnp.mean(jnp.min(jnp.abs(x[:, None] - y), axis=1))

    def discrepancy(x=FLAT, y=FLAT, scale=FLAT):
        def kernel(a, b):
            return jnp.mean(jnp.exp(-((a[:, None] - b) ** 2)))

        z = scale * y
        return kernel(x, x) + kernel(z, z) - 2 * kernel(x, z)

    def ranking_of_two_groups(w=PARAMS, positive=INPUTS, negative=INPUTS):
        one, other = positive @ w, negative @ w
        return jnp.mean(jax.nn.softplus(other - one[:, None]))

    def ranking_of_halves(w=PARAMS, x=INPUTS):
        scores = jnp.concatenate([x, -x]) @ w
        return jnp.mean(scores[:N, None] > scores[N:])

    def waves(times=FLAT, frequencies=FLAT):
        return jnp.sum(jnp.sin(times[:, None] * frequencies))

    def transport(f=FLAT, g=FLAT, cost=TABLE, w=FLAT):
        return jnp.sum(jnp.exp((w * f)[:, None] + g - cost))

    def pairs_in_both(x=FLAT, y=FLAT):
        return jnp.mean(jnp.abs(x[:, None] - y[None, :]))

    def pairs_of_one(x=FLAT):
        return jnp.mean(jnp.abs(x[:, None] - x)), jnp.sum(x[:, None] * x)

    def one_hot(labels=LABELS):
        return labels[:, None] == jnp.arange(N)

    def one_hot_named(labels=LABELS):
        labels = labels[:, None]
        return jnp.where(labels == np.arange(N), 1.0, 0.0).mean()

    def lengths(lengths=COLUMN, scores=TABLE):
        return jnp.sum(scores * (jnp.arange(N) < lengths))

    def causal_attention(scores=TABLE):
        query, key = jnp.arange(N)[:, None], jnp.arange(N)
        return jax.nn.softmax(jnp.where(query >= key, scores, -jnp.inf))

    def masked_attention(scores=TABLE, query=FLAT, key=FLAT):
        query = query[:, None] > 0
        return jax.nn.softmax(jnp.where(query & (key > 0), scores, -1e9))

    def mask_of_a_batch(mask=TABLE):
        return mask[:, :, None] * mask[:, None, :]

    def positions(x=TABLE):
        place, rate = jnp.arange(N)[:, None], jnp.exp(-jnp.arange(N) / N)
        return x + jnp.sin(place * rate)

    def rotary(rates=FLAT):
        place = jnp.arange(N)[:, None]
        return jnp.sin(place * rates).sum()

    def powers(x=FLAT):
        x = x[:, None]
        return jnp.sum(x ** jnp.arange(N))

    def layer_norm(x=TABLE):
        spread = jnp.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return (x - x.mean(-1, keepdims=True)) / spread

    def batch_norm(x=TABLE, scale=FLAT, shift=FLAT):
        return scale * (x - x.mean(0)) / jnp.sqrt(x.var(0) + 1e-5) + shift

    def softmax(x=TABLE):
        powers = jnp.exp(x - x.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def double_centring(k=TABLE):
        return k - k.mean(0) - k.mean(1, keepdims=True) + k.mean()

    def bias(x=TABLE, b=FLAT):
        return x + b

    def standardisation(x=TABLE):
        return (x - x.mean(0)) / x.std(0)

    def outer(x=FLAT, y=FLAT):
        return jnp.outer(x, y) + x[:, None] * y

    def meshgrid(x=FLAT, y=FLAT):
        a, b = jnp.meshgrid(x, y, sparse=True)
        return jnp.sum(a * b)

    def ix(x=TABLE, rows=LABELS, columns=LABELS):
        a, b = jnp.ix_(rows, columns)
        return x[jnp.ix_(rows, columns)] * (a - b)

    def ogrid(x=FLAT):
        i, j = jnp.ogrid[:N, :N]
        return x[(i - j) % N]

    def weights_of_rows(w=FLAT, x=TABLE):
        return jnp.sum(w[:, None] * x)

    def weights_of_the_loss(w=FLAT, error=FLAT):
        return jnp.sum(w * error) / jnp.sum(w)

    def normalised_adjacency(a=TABLE):
        degree = a.sum(axis=1, keepdims=True)
        return a / jnp.sqrt(degree * degree.T)

    def sinkhorn(f=FLAT, g=FLAT, cost=TABLE):
        f = f[:, None]
        return jnp.sum(jnp.exp((f + g - cost) / 0.1))

    def support_vectors(y=FLAT, k=TABLE):
        column = y[:, None]
        return jnp.sum(column * y * k)

    def ranking(scores=FLAT):
        column = scores[:, None]
        return jnp.mean(jax.nn.relu(1 - (column - scores)))

    def hessian_of_a_product(x=FLAT):
        def total(x):
            column = x[:, None]
            return jnp.sum(jnp.sin(column * x))

        return jax.hessian(total)(x), jax.jvp(total, [x], [x])

    def vectorized_pairs(x=FLAT, y=FLAT, points=INPUTS):
        apart = jnp.vectorize(lambda a, b: jnp.sum(a - b), signature="(k),(k)->()")
        minus = jnp.vectorize(lambda a, b: a - b)
        return apart(points[:, None], points[None]), minus(x[:, None], y)


def members(group):
    return {name: f for name, f in vars(group).items() if inspect.isfunction(f)}


@pytest.mark.parametrize("name", members(Accidents))
def test_an_accident_is_caught(name, message_of):
    message = message_of(members(Accidents)[name], PARAMS, INPUTS, FLAT)
    assert "which gives (8, 8)" in message or "which gives (5, 8, 8)" in message


@pytest.mark.parametrize("name", members(Meant))
def test_what_is_meant_is_no_accident(name):
    function = members(Meant)[name]
    defaults = inspect.signature(function).parameters.values()
    assert_no_silent_broadcast(function, *(one.default for one in defaults))


def test_the_call_of_a_vectorized_function_is_named(message_of):
    message = message_of(Accidents.vectorized_loss, PARAMS, INPUTS, FLAT)
    assert "`(x @ w)` (8,) meets `y` (8, 1)" in message


class Losses(NamedTuple):
    total: jax.Array
    pairs: jax.Array


def test_pairs_of_arguments_are_meant_where_the_function_returns_them(message_of):
    def loss(x, z):
        column = x[:, None]
        return jnp.mean((column - z) ** 2)

    def both(x, z):
        column = x[:, None]
        pairs = (column - z) ** 2
        return Losses(jnp.mean(pairs), pairs)

    assert "`column` (8, 1) meets `z` (8,)" in message_of(loss, FLAT, FLAT)
    assert_no_silent_broadcast(both, FLAT, FLAT)


def test_pairs_of_one_expression_may_be_returned_beside_their_mean(message_of):
    def loss(w, x, y):
        return jnp.mean(x @ w - y[:, None])

    def both(w, x, y):
        pairs = x @ w - y[:, None]
        return Losses(jnp.mean(pairs), pairs)

    message = message_of(loss, PARAMS, INPUTS, FLAT)
    assert "`(x @ w)` (8,) meets `y[:, None]` (8, 1)" in message
    assert_no_silent_broadcast(both, PARAMS, INPUTS, FLAT)


def test_what_is_computed_from_the_pairs_does_not_speak_for_them(message_of):
    def loss(w, x, y):
        y = y[:, None]
        error = x @ w - y
        return jnp.sum(error * (error.T @ error))

    assert "which gives (8, 8)" in message_of(loss, PARAMS, INPUTS, FLAT)
