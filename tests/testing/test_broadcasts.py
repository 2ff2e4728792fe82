"""Broadcasts that nobody meant are found, and those that somebody meant are not.

The functions under test stand here as users write them: how they are written is what
decides.
"""

import functools
import itertools
import operator

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from funclearn.testing import assert_no_silent_broadcast
from funclearn.testing._broadcasts import find_broadcasts
from funclearn.testing._calls import to_jaxpr

N = 4


FLAT, COLUMN, ROW, TABLE = (
    jax.ShapeDtypeStruct(shape, jnp.float32) for shape in [(N,), (N, 1), (1, N), (N, N)]
)


FLATS, COLUMNS, ROWS = (
    jax.ShapeDtypeStruct((3, *one.shape), one.dtype) for one in (FLAT, COLUMN, ROW)
)


GRID = np.arange(N, dtype=np.float32)


minus = jnp.subtract


def mse(predictions, targets):
    return jnp.mean((predictions - targets) ** 2)


def over_several_lines(predictions, targets):
    return jnp.mean(
        (
            predictions  # the left side
            - targets
        )
        ** 2
    )


def in_place(predictions, targets):
    predictions -= targets
    return predictions


def line(weight, inputs):
    return weight * inputs + 1.0


def through_a_model(inputs, targets):
    predictions = line(2.0, inputs[:, None])
    return mse(predictions, targets)


def through_a_model_on_one_line(inputs, targets):
    return jnp.mean((line(2.0, inputs[:, None]) - targets) ** 2)


def column_that_was_computed(inputs, targets):
    predictions = 2.0 * inputs[:, None] + 1.0
    return predictions - targets


def kept_dimension(inputs, targets):
    predictions = inputs.sum(axis=1, keepdims=True)
    return predictions - targets


def sum_of_columns(inputs, targets):
    predictions = inputs[:, :, None].sum(axis=1)
    return predictions - targets


def in_scan(predictions, targets):
    def add(total, _):
        return total + mse(predictions, targets), None

    return jax.lax.scan(add, 0.0, length=3)[0]


def over_scan(predictions, targets):
    def add(total, pair):
        return total + mse(*pair), None

    return jax.lax.scan(add, 0.0, (predictions, targets))[0]


def in_while(predictions, targets):
    return jax.lax.while_loop(
        lambda total: total < 1.0, lambda total: total + mse(predictions, targets), 0.0
    )


def in_cond(predictions, targets):
    return jax.lax.cond(
        predictions[0, 0] > 0, lambda: mse(predictions, targets), lambda: 0.0
    )


def carried(predictions, targets):
    """The carry is the targets at first, and something else thereafter."""

    def halve(state):
        column = targets[:, None]
        return state + jnp.mean(column - state) * predictions[:, 0]

    return jax.lax.while_loop(lambda state: state[0] > 0, halve, targets)


def filled(targets):
    return jnp.zeros((N, 1)) - targets


@jax.custom_vjp
def with_own_gradient(predictions, targets):
    return mse(predictions, targets)


with_own_gradient.defvjp(
    lambda predictions, targets: (mse(predictions, targets), (predictions, targets)),
    lambda arrays, slope: jax.tree.map(lambda array: slope * array, arrays),
)


ACCIDENTS = {
    "operator": (lambda p, t: p - t, COLUMN, FLAT),
    "the other way round": (lambda p, t: t - p, COLUMN, FLAT),
    "column and row": (lambda p, t: p - t, COLUMN, ROW),
    "row and flat": (lambda p, t: p - t, ROW, FLAT),
    "flat and row": (lambda p, t: p == t, FLAT, ROW),
    "within a loss": (mse, COLUMN, FLAT),
    "over several lines": (over_several_lines, COLUMN, FLAT),
    "in place": (in_place, COLUMN, FLAT),
    "jnp function": (lambda p, t: jnp.subtract(p, t), COLUMN, FLAT),
    "alias": (lambda p, t: minus(p, t), COLUMN, FLAT),
    "operator module": (lambda p, t: operator.sub(p, t), COLUMN, FLAT),
    "JAX's own function": (jnp.subtract, COLUMN, FLAT),
    "product": (lambda p, t: p * t, COLUMN, FLAT),
    "power": (lambda p, t: p**t, COLUMN, FLAT),
    "comparison": (lambda p, t: jnp.mean(p == t), COLUMN, FLAT),
    "where": (lambda p, t: jnp.where(p > 0, t, 0.0), COLUMN, FLAT),
    "minimum": (lambda p, t: jnp.minimum(p, t), COLUMN, FLAT),
    "isclose": (lambda p, t: jnp.isclose(p, t).all(), COLUMN, FLAT),
    "hypot": (lambda p, t: jnp.hypot(p, t), COLUMN, FLAT),
    "log density": (jax.scipy.stats.norm.logpdf, COLUMN, FLAT),
    "tree of functions": (
        lambda p, t: jax.tree.map(jnp.subtract, {"a": p}, {"a": t}),
        COLUMN,
        FLAT,
    ),
    "reduce": (lambda p, t: functools.reduce(operator.sub, [p, t]), COLUMN, FLAT),
    "dtypes differ": (lambda p, t: p.astype(jnp.bfloat16) - t, COLUMN, FLAT),
    "matrix product": (lambda x, w, t: x @ w - t, TABLE, COLUMN, FLAT),
    "one column of many": (lambda x, t: x[:, :1] - t, TABLE, FLAT),
    "kept dimension": (kept_dimension, TABLE, FLAT),
    "kept labels": (
        lambda x, t: jnp.argmax(x, axis=1, keepdims=True) == t,
        TABLE,
        FLAT,
    ),
    "sum of columns": (sum_of_columns, TABLE, FLAT),
    "through a model": (through_a_model, FLAT, FLAT),
    "through a model on one line": (through_a_model_on_one_line, FLAT, FLAT),
    "computed column": (column_that_was_computed, FLAT, FLAT),
    "reshaped for a callee": (lambda x, t: mse(x.reshape(-1, 1), t), FLAT, FLAT),
    "squeezed on one side": (lambda p, t: p - t.squeeze(), COLUMN, COLUMN),
    "transposed": (lambda p, t: p - t.T, COLUMN, COLUMN),
    "array of zeros": (filled, FLAT),
    "NumPy array": (lambda p: p - GRID, COLUMN),
    "jit": (jax.jit(mse), COLUMN, FLAT),
    "jit in jit": (jax.jit(lambda p, t: jax.jit(mse)(p, t)), COLUMN, FLAT),
    "grad": (jax.grad(mse), COLUMN, FLAT),
    "hessian": (jax.hessian(mse), COLUMN, FLAT),
    "jvp": (lambda p, t: jax.jvp(lambda q: mse(q, t), [p], [p]), COLUMN, FLAT),
    "checkpoint": (jax.grad(jax.checkpoint(mse)), COLUMN, FLAT),
    "custom vjp": (jax.grad(with_own_gradient), COLUMN, FLAT),
    "vmap": (jax.vmap(mse), COLUMNS, FLATS),
    "vmap over one": (jax.vmap(mse, (0, None)), COLUMNS, FLAT),
    "vmap of jit": (jax.vmap(jax.jit(mse), (0, None)), COLUMNS, FLAT),
    "vmap of grad": (jax.jit(jax.vmap(jax.grad(mse), (None, 0))), COLUMN, FLATS),
    "vmap of rows": (jax.vmap(mse), ROWS, FLATS),
    "vmap of column and row": (jax.vmap(mse), COLUMNS, ROWS),
    "scan": (in_scan, COLUMN, FLAT),
    "over a scan": (over_scan, COLUMNS, FLATS),
    "map": (lambda p, t: jax.lax.map(lambda x: mse(*x), (p, t)), COLUMNS, FLATS),
    "while": (in_while, COLUMN, FLAT),
    "cond": (in_cond, COLUMN, FLAT),
    "carry of a loop": (carried, COLUMN, FLAT),
}


def named_column(x):
    column = x[:, None]
    return column - x


def kernel(x, y):
    return jnp.exp(-0.5 * (x - y) ** 2)


def centred(x):
    return x - x.mean(0, keepdims=True) - x.mean(1, keepdims=True) + x.mean()


def pairs_in_scan(x):
    column = x[:, None]

    def add(total, _):
        return total + jnp.sum(column - x[None, :]), None

    return jax.lax.scan(add, 0.0, length=2)[0]


def named_column_in_scan(x):
    column = x[:, None]

    def add(total, _):
        return total + jnp.sum(column - x), None

    return jax.lax.scan(add, 0.0, length=2)[0]


def named_column_in_while(x):
    column = x[:, None]
    return jax.lax.while_loop(
        lambda total: total < jnp.sum(column * x),
        lambda total: total + jnp.sum(column - x),
        0.0,
    )


def named_column_in_cond(x):
    column = x[:, None]
    return jax.lax.cond(x[0] > 0, lambda: jnp.sum(column - x), lambda: 0.0)


def named_cast(x):
    column = x[:, None].astype(jnp.bfloat16)
    return column - x


def named_row(x, y):
    row = x[None, :]
    return row - y


def pairwise(function):
    return jax.vmap(jax.vmap(function, (None, 0)), (0, None))


def causal(scores):
    places = jnp.arange(N)
    return jnp.where(places[:, None] >= places, scores, -jnp.inf)


MEANT = {
    "equal shapes": (mse, COLUMN, COLUMN),
    "number": (lambda p: p - 1.0, COLUMN),
    "scalar": (lambda p, s: p * s, COLUMN, jax.ShapeDtypeStruct((), jnp.float32)),
    "bias": (lambda h, b: h + b, TABLE, FLAT),
    "bias of a batch of one": (lambda h, b: h + b, ROW, FLAT),
    "layer": (lambda x, w, b: jnp.tanh(x @ w + b), TABLE, TABLE, FLAT),
    "weight of every row": (lambda w, h: w * h, COLUMN, TABLE),
    "one row": (mse, jax.ShapeDtypeStruct((1, 1), float), np.ones(1, np.float32)),
    "another length": (
        lambda p, t: p - t,
        COLUMN,
        jax.ShapeDtypeStruct((7,), jnp.float32),
    ),
    "None in both": (lambda x, y: x[:, None] - y[None, :], FLAT, FLAT),
    "None in one": (lambda x, y: x[:, None] - y, FLAT, FLAT),
    "None in the second": (lambda x, y: y - x[:, None], FLAT, FLAT),
    "None against data": (lambda p, t: p - t[None, :], COLUMN, FLAT),
    "newaxis": (lambda x, y: x[:, jnp.newaxis] - y, FLAT, FLAT),
    "ellipsis": (lambda x, y: x[..., None] - y, FLAT, FLAT),
    "reshape": (lambda x, y: x.reshape(-1, 1) - y, FLAT, FLAT),
    "reshape to itself": (lambda p, t: p.reshape(-1, 1) - t, COLUMN, FLAT),
    "expand_dims": (lambda x, y: jnp.expand_dims(x, 1) - y, FLAT, FLAT),
    "broadcast_to": (lambda p, t: p - jnp.broadcast_to(t, (N, N)), COLUMN, FLAT),
    "broadcast_arrays": (
        lambda p, t: operator.sub(*jnp.broadcast_arrays(p, t)),
        COLUMN,
        FLAT,
    ),
    "broadcast for a callee": (
        lambda p, t: mse(*jnp.broadcast_arrays(p, t)),
        COLUMN,
        FLAT,
    ),
    "transposed": (lambda x, y: x[None, :].T - y, FLAT, FLAT),
    "squeezed": (lambda x, y: jnp.squeeze(x[:, None, None], 2) - y, FLAT, FLAT),
    "summed": (lambda x, y: x[:, None, None].sum(2) - y, FLAT, FLAT),
    "NumPy expression": (lambda x: x - (GRID[:, None] + 1), FLAT),
    "NumPy sign": (lambda x: x + -GRID[:, None], FLAT),
    "NumPy None": (lambda x: x - GRID[:, None], FLAT),
    "NumPy reshape": (lambda p: p - GRID.reshape(1, -1), COLUMN),
    "sign": (lambda x, y: -x[:, None] + y, FLAT, FLAT),
    "function of it": (lambda x, y: jnp.exp(-x[:, None]) * y, FLAT, FLAT),
    "under a name": (named_column, FLAT),
    "cast under a name": (named_cast, FLAT),
    "row under a name": (named_row, FLAT, FLAT),
    "for a callee": (lambda x, y: kernel(x[:, None], y[None, :]), FLAT, FLAT),
    "scaled for a callee": (
        lambda x, y: kernel(x[:, None] / 3, y[None, :] / 2),
        FLAT,
        FLAT,
    ),
    "outer": (lambda x, y: jnp.outer(x, y), FLAT, FLAT),
    "ufunc outer": (lambda x, y: jnp.subtract.outer(x, y), FLAT, FLAT),
    "einsum": (lambda x, y: jnp.einsum("i,j->ij", x, y), FLAT, FLAT),
    "kept both ways": (centred, TABLE),
    "softmax": (jax.nn.softmax, TABLE),
    "causal mask": (causal, TABLE),
    "one_hot": (lambda x: jax.nn.one_hot(x.astype(int), N), FLAT),
    "vander": (lambda x: jnp.vander(x, N), FLAT),
    "meshgrid": (lambda x, y: jnp.meshgrid(x, y), FLAT, FLAT),
    "isin": (lambda x, y: jnp.isin(x, y), FLAT, FLAT),
    "pairs by vmap": (pairwise(lambda a, b: a - b), FLAT, FLAT),
    "pairs of points by vmap": (
        pairwise(lambda a, b: jnp.sum((a - b) ** 2)),
        COLUMN,
        COLUMN,
    ),
    "gradients of pairs": (pairwise(jax.grad(kernel)), FLAT, FLAT),
    "one vmap": (lambda x, y: jax.vmap(lambda a: a - y)(x), FLAT, FLAT),
    "grad of pairs": (
        jax.grad(lambda x: jnp.sum(kernel(x[:, None], x[None, :]))),
        FLAT,
    ),
    "hessian of pairs": (jax.hessian(lambda x: jnp.sum(x[:, None] / x)), FLAT),
    "in scan": (pairs_in_scan, FLAT),
    "named in scan": (named_column_in_scan, FLAT),
    "named in while": (named_column_in_while, FLAT),
    "named in cond": (named_column_in_cond, FLAT),
    "named in vmap": (
        lambda x: (lambda column: jax.vmap(lambda a: a * (column - x))(jnp.ones(3)))(
            x[:, None]
        ),
        FLAT,
    ),
}


@pytest.mark.parametrize("case", ACCIDENTS.values(), ids=ACCIDENTS)
def test_an_accident_is_found(case):
    function, *arguments = case
    with pytest.raises(AssertionError, match="which gives"):
        assert_no_silent_broadcast(function, *arguments)


@pytest.mark.parametrize("case", MEANT.values(), ids=MEANT)
def test_what_is_meant_is_left_alone(case):
    function, *arguments = case
    assert_no_silent_broadcast(function, *arguments)


SHAPES = [
    shape for rank in range(3) for shape in itertools.product([1, 3, 4], repeat=rank)
]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_of_plain_arguments_the_shapes_decide(shape):
    for other in SHAPES:
        try:
            result = np.broadcast_shapes(shape, other)
        except ValueError:
            continue
        arguments = [jax.ShapeDtypeStruct(side, float) for side in (shape, other)]
        # Both are stretched, and since one length is met twice, it is a square.
        expected = result not in (shape, other) and len(set(result)) == 1
        try:
            assert_no_silent_broadcast(operator.add, *arguments)
        except AssertionError:
            assert expected, other
        else:
            assert not expected, other


def test_jax_itself_does_not_raise_for_column_and_row(message_of):
    column, row = jnp.ones((N, 1)), jnp.ones((1, N))
    with jax.numpy_rank_promotion("raise"):
        assert mse(column, row) == 0
        message_of(mse, column, row)


def linen_network():
    network = linen.Sequential([linen.Dense(N), linen.LayerNorm(), linen.Dense(1)])
    params = network.init(jax.random.key(0), jnp.ones((N, 1)))
    return lambda inputs: network.apply(params, inputs)


def nnx_network():
    return nnx.Linear(1, 1, rngs=nnx.Rngs(0))


@pytest.mark.parametrize("build", [linen_network, nnx_network])
@pytest.mark.slow
def test_flax_modules(build, message_of):
    network = build()
    assert_no_silent_broadcast(lambda x, y: mse(network(x), y), COLUMN, COLUMN)
    assert "in mse" in message_of(lambda x, y: mse(network(x), y), COLUMN, FLAT)


@pytest.mark.parametrize(
    "module", [linen.MultiHeadDotProductAttention(num_heads=2), linen.LayerNorm()]
)
@pytest.mark.slow
def test_axes_of_one_length_are_no_trouble_within_flax(module):
    inputs = jnp.ones((N, N, N))
    params = module.init(jax.random.key(0), inputs)
    batch = jnp.ones((N, N, N, N))
    assert_no_silent_broadcast(jax.vmap(module.apply, (None, 0)), params, batch)


def test_the_function_is_not_run():
    def fail():
        raise RuntimeError

    def loss(predictions, targets):
        jax.debug.callback(fail)
        return mse(predictions, targets)

    assert_no_silent_broadcast(loss, COLUMN, COLUMN)


def test_arguments_that_are_no_arrays_stay_as_they_are(message_of):
    def loss(params, settings, key):
        noise = jax.random.normal(key, params.shape)
        assert settings["name"] == "mse" and settings["train"]
        return settings["loss"](params + noise, jnp.arange(settings["rows"]))

    settings = {"name": "mse", "train": True, "rows": N, "loss": mse}
    key = jax.random.key(0)
    assert_no_silent_broadcast(loss, FLAT, settings, key)
    assert "in mse" in message_of(loss, COLUMN, settings, key)


def test_a_broadcast_is_found_once_with_shapes_and_places():
    def loss(predictions, targets):
        return mse(predictions, targets)

    def twice(predictions, targets):
        return loss(predictions, targets) + loss(predictions, 2 * targets)

    with jax.numpy_rank_promotion("allow"):
        (found,) = find_broadcasts(to_jaxpr(twice, (COLUMN, FLAT)))
    assert found.shapes == ((N, 1), (N,))
    assert found.result == (N, N)
    assert [site.code.co_name for site in found.stack] == ["mse", "loss", "twice"]


def test_broadcasts_are_in_the_order_of_the_program():
    with jax.numpy_rank_promotion("allow"):
        found = find_broadcasts(
            to_jaxpr(lambda p, t: (p * t) + jax.jit(mse)(p, t), (COLUMN, FLAT))
        )
    assert [one.stack[0].code.co_name for one in found] == ["<lambda>", "mse"]
