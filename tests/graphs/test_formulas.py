"""Formulas of single operations, with the axes they work along."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import functools

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from funclearn import graphs

vector, matrix = jnp.array([1.0, 2.0, 3.0, 4.0]), jnp.ones((4, 4))


function_arguments_formula = [
    (lambda x: x - (-2), [1.0], "x - (-2)"),
    (lambda x: -x, [1.0], "-x"),
    (lambda x: x**3, [1.0], "x³"),
    (lambda x: x**-2, [1.0], "x⁻²"),
    (lambda x: jnp.sqrt(x), [1.0], "√x"),
    (lambda x: jnp.log(x), [1.0], "ln(x)"),
    (lambda x: jnp.abs(x), [1.0], "|x|"),
    (lambda x: jnp.sum(x), [vector], "sum(x)"),
    (lambda x: jnp.max(x), [vector], "max(x)"),
    (lambda m, x: m @ x, [matrix, vector], "m @ x"),
    (lambda m: m.T, [matrix], "mᵀ"),
    (lambda x: x[1:3], [vector], "x[1:3]"),
    (lambda x: x[::2], [vector], "x[0:4:2]"),
    (lambda x: x.astype(jnp.bfloat16), [vector], "bfloat16(x)"),
    (lambda x, y: jax.lax.select(True, x, y), [1.0, 2.0], "x if true else y"),
    (lambda x, y: jnp.logaddexp(x, y), [1.0, 2.0], "logaddexp(x, y)"),
    (lambda x: jax.lax.erf(x), [1.0], "erf(x)"),
]


@pytest.mark.parametrize(
    ("function", "arguments", "formula"), function_arguments_formula
)
def test_formula(function, arguments, formula):
    output = jax.eval_shape(function, *arguments)
    cotangent = jnp.ones(output.shape, output.dtype)
    graph = graphs.trace(function, *arguments, cotangent=cotangent)
    assert graph.nodes[-1].formula == formula


more_formulas = [
    (lambda x: jax.lax.select_n(2, x, 2 * x, 3 * x), [1.0], "2 of (x, v1, v2)"),
    (
        lambda x: jnp.transpose(x, (1, 2, 0)),
        [jnp.ones((2, 2, 2))],
        "transpose(x, (1, 2, 0))",
    ),
    (lambda m, x: x @ m @ x, [matrix, vector], "v1 @ x"),
    (
        lambda m, x: jax.vmap(jnp.dot)(m, m),
        [matrix, vector],
        "dot(m, m, axes=((1,), (1,)), batch=((0,), (0,)))",
    ),
    (lambda x: -2.0 * x, [1.0], "(-2)·x"),
    (lambda x, y: x >= y, [1.0, 2.0], "x ≥ y"),
    (lambda x: jnp.expm1(x), [1.0], "exp(x) - 1"),
    (lambda x: jax.nn.relu(x), [1.0], "relu(x)"),
]


@pytest.mark.parametrize(("function", "arguments", "formula"), more_formulas)
def test_formulas_of_other_operations(function, arguments, formula):
    @functools.wraps(function)  # whose parameters name the inputs
    def as_number(*args):
        return function(*args).astype(float).sum()

    graph = graphs.trace(as_number, *arguments)
    assert formula in [node.formula for node in graph.nodes]


table, cube = jnp.ones((4, 3)), jnp.ones((2, 4, 3))

ALONG_AXES = [
    (lambda x: jnp.sum(x), table, "sum(x)"),
    (lambda x: jnp.sum(x, axis=0), table, "sum(x, axis=0)"),
    (lambda x: jnp.sum(x, axis=(0, 2)), cube, "sum(x, axes=(0, 2))"),
    (lambda x: jnp.max(x, axis=1), table, "max(x, axis=1)"),
    (lambda x: jnp.prod(x, axis=1), table, "product(x, axis=1)"),
    (lambda x: jnp.argmax(x, axis=1), table, "argmax(x, axis=1)"),
    (lambda x: lax.cumsum(x, 1), table, "cumsum(x, axis=1)"),
    (lambda x: lax.cumsum(x, 0, reverse=True), table, "cumsum(x, axis=0, reverse)"),
    (lambda x: lax.cumsum(x), vector, "cumsum(x)"),
    (lambda x: lax.sort(x, dimension=0), table, "sort(x, axis=0)"),
    (lambda x: lax.rev(x, (1,)), table, "reverse(x, axis=1)"),
    (lambda x: lax.concatenate([x, x], 0), table, "join(x, x, axis=0)"),
    (lambda x: lax.concatenate([x, x], 1), table, "join(x, x, axis=1)"),
    (lambda x: lax.concatenate([x, x], 0), vector, "join(x, x)"),
    (lambda x: lax.reshape(x, (2, 6)), table, "reshape(x, (2, 6))"),
    (lambda x: lax.squeeze(x[:, :1], (1,)), table, "squeeze(v1, axis=1)"),
    (lambda x: lax.broadcast_in_dim(x, (2, 4), (1,)), vector, "broadcast(x, (2, 4))"),
    (
        lambda x: lax.broadcast_in_dim(x, (4, 2), (0,)),
        vector,
        "broadcast(x, (4, 2), axis=0)",
    ),
    (lambda x: lax.top_k(x, 2)[0], vector, "top_k(x, 2)"),
    (lambda x: lax.split(x, (1, 3), 0)[1], table, "split(x, (1, 3), axis=0)"),
    (lambda x: lax.pad(x, 0.0, [(1, 0, 2)]), vector, "pad(x, 0, ((1, 0, 2),))"),
    (lambda x: jnp.fft.ifft(x).real, vector, "ifft(v1, lengths=(4,))"),
    (lambda x: x[:, jnp.array([0, 2])], table, "gather(x, c1, axis=1)"),
    (lambda x: x.at[:, 1].add(2.0), table, "scatter-add(x, 1, 2, axis=1)"),
    (
        lambda x: lax.reduce_precision(x, 5, 10),
        vector,
        "reduce_precision(x, exponent=5, mantissa=10)",
    ),
    (
        lambda x: lax.reduce_window(x, 0.0, lax.add, (2, 1), (2, 1), "VALID"),
        table,
        "reduce_window_sum(x, window=(2, 1), strides=(2, 1))",
    ),
    (
        lambda x: lax.conv(x[None], x[None], (1,), "VALID"),
        table,
        "conv_general_dilated(v1, v2)",
    ),
    (
        lambda x: lax.conv(x[None], x[None], (2,), [(1, 1)]),
        table,
        "conv_general_dilated(v1, v2, strides=(2,), padding=((1, 1),))",
    ),
    (
        lambda x: lax.scan(lambda c, r: (c + r, c), 0.0, x, reverse=True)[0],
        vector,
        "scan[4, reverse](0, x)",
    ),
    (
        lambda x: lax.dynamic_slice(x, (lax.argmax(x, 0, "int32"),), (2,)),
        vector,
        "x[v4:v4+2]",
    ),
    (lambda x: lax.dot(x, x.T), table, "x @ v1"),
    (lambda x: jnp.einsum("ij,kj->ik", x, x), table, "x @ xᵀ"),
    (lambda x: jnp.einsum("ij,ik->jk", x, x), table, "xᵀ @ x"),
    (lambda x: jnp.einsum("ij,i->j", x, x[:, 0]), table, "xᵀ @ v2"),
    (lambda x: x @ jnp.ones((3, 2)), cube, "x @ 1"),
    (
        lambda x: jnp.einsum("bij,bkj->bik", x, x),
        cube,
        "dot(x, x, axes=((2,), (2,)), batch=((0,), (0,)))",
    ),
]


@pytest.mark.parametrize(("function", "argument", "formula"), ALONG_AXES)
@pytest.mark.slow
def test_formulas_name_the_axes(function, argument, formula):
    def total(x):
        return jnp.sum(function(x).astype(float))

    graph = graphs.trace(total, argument)
    assert formula in [node.formula for node in graph.nodes]


def test_a_product_is_not_written_as_one_of_other_axes():
    square = jnp.arange(9.0).reshape(3, 3)

    def both(x):
        return jnp.sum(jnp.einsum("ij,ik->jk", x, x) * jnp.einsum("ij,jk->ik", x, x))

    formulas = [node.formula for node in graphs.trace(both, square).nodes]
    assert {"xᵀ @ x", "x @ x"} <= {*formulas}
