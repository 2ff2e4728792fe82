"""Values, adjoints and local derivatives of whole graphs, against JAX's own."""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.ad_checkpoint import checkpoint_name

import funclearn as fl
from funclearn import graphs


def sources_function(x, y, z):
    """f of Neuromatch's exercise 1.2, with the names of its graph."""
    a = checkpoint_name(2 * x, "a")
    b = checkpoint_name(jnp.sin(y), "b")
    c = checkpoint_name(a / b, "c")
    d = checkpoint_name(z * c, "d")
    e = checkpoint_name(jnp.log1p(d), "e")
    return checkpoint_name(jnp.tanh(e), "f")


def paths(graph, start):
    """Lists every path from a node to the output, as the edges along it."""
    if (start,) == graph.outputs:
        return [()]
    return [
        (edge, *rest)
        for edge in graph.edges
        if edge.source == start and edge.derivative
        for rest in paths(graph, edge.target)
    ]


def sum_over_paths(graph, start):
    """Adds the products of the local derivatives along all paths, one by one."""
    factors = {edge: float(edge.derivative.jacobian()) for edge in graph.edges}
    return sum(
        math.prod(factors[edge] for edge in path) for path in paths(graph, start)
    )


def sum_over_array_paths(graph, start):
    """The same sum, of products of Jacobians, with common factors taken out."""
    sums: dict[int, Any] = {graph.outputs[0]: np.ones(())}
    for edge in reversed(graph.edges):
        if edge.derivative and edge.target in sums:
            jacobian = np.asarray(edge.derivative.jacobian())
            assert jacobian.shape == edge.derivative.shape
            ndim = graph.nodes[edge.target].value.ndim
            product = np.tensordot(sums[edge.target], jacobian, axes=ndim)
            sums[edge.source] = sums.get(edge.source, 0) + product
    return sums.get(start, 0)


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-11)


UNARY = (
    jnp.sin,
    jnp.tanh,
    jax.nn.softplus,
    jax.jit(jnp.cos),
    lambda v: v * v,
    lambda v: 1.5 - v,
    lambda v: 1 / (1 + v**2),
    jax.checkpoint(lambda v: v * jnp.sin(v)),
)


BINARY = (jnp.add, jnp.subtract, jnp.multiply, lambda v, w: v * jnp.exp(-w * w))


def random_scalar_function(generator):
    """A composition of 8 operations, on one to three inputs and on one another."""
    n_inputs = int(generator.integers(1, 4))
    steps = [_random_step(generator, n_inputs + done) for done in range(8)]

    def function(*inputs):
        values = [*inputs]
        for operation, operands in steps:
            values.append(operation(*(values[place] for place in operands)))
        return values[-1] + values[-2]

    return function, [float(x) for x in generator.normal(size=n_inputs)]


def _random_step(generator, n_known):
    operations = UNARY if generator.random() < 0.5 else BINARY
    operation = operations[generator.integers(len(operations))]
    n_operands = 1 if operations is UNARY else 2
    # Mostly recent values, so that most of them reach the output.
    recent = generator.integers(max(0, n_known - 4), n_known, size=n_operands)
    return operation, recent.tolist()


def random_array_function(generator):
    """A composition of 6 operations on a vector, a matrix and a scalar."""
    choices = generator.integers(8, size=6)

    def function(vector, matrix, scalar):
        value = vector
        for choice in choices:
            value = (
                lambda v: matrix @ v,
                lambda v: jnp.tanh(v) * scalar,
                lambda v: v + vector,
                lambda v: v - jnp.mean(v)[None],
                lambda v: jnp.concatenate([v[1:], v[:1]]),
                lambda v: jnp.where(v > 0, v, jnp.sin(v)),
                lambda v: jax.nn.softmax(v),
                lambda v: jnp.outer(v, vector).sum(axis=1),
            )[choice](value)
        return jnp.sum(value * vector)

    arguments = (generator.normal(size=3), generator.normal(size=(3, 3)), 0.7)
    return function, [jnp.asarray(argument) for argument in arguments]


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("seed", range(24))
def test_sum_over_paths_is_autodiff_for_scalars(seed):
    function, arguments = random_scalar_function(np.random.default_rng(seed))
    check_chain_rule(function, arguments, sum_over_paths)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.slow
def test_sum_over_paths_is_autodiff_for_arrays(seed):
    function, arguments = random_array_function(np.random.default_rng(seed))
    check_chain_rule(function, arguments, sum_over_array_paths)


def check_chain_rule(function, arguments, total):
    graph = graphs.trace(function, *arguments)
    assert_close(graph.nodes[graph.outputs[0]].value, function(*arguments))
    gradients = jax.grad(function, range(len(arguments)))(*arguments)
    for place, gradient in enumerate(gradients):
        assert_close(graph.nodes[place].adjoint, gradient)
        assert_close(total(graph, place), gradient)


def test_every_adjoint_is_a_gradient():
    """That with respect to an intermediate is the gradient of all that follows."""
    graph = graphs.trace(sources_function, 1.0, 2.0, 3.0)
    d = graph.node("d")
    rest = jax.grad(lambda d: jnp.tanh(jnp.log1p(d)))(d.value)
    np.testing.assert_allclose(d.adjoint, rest, rtol=1e-6)
    assert graph.node("f").adjoint == 1


class Params(NamedTuple):
    weight: jax.Array
    bias: jax.Array


def _normal(*shape):
    draws = np.random.default_rng(sum(shape)).normal(size=shape)
    return jnp.asarray(draws, jnp.float32)


DENSE = flax.linen.Sequential([flax.linen.Dense(2), flax.linen.relu])


@functools.cache
def _dense_params():
    return DENSE.init(jax.random.key(0), jnp.ones((3, 2)))


@functools.cache
def _nnx_parts():
    return nnx.split(nnx.Linear(2, 2, rngs=nnx.Rngs(0)))


NOISY = fl.make_objective(fl.models.linear, fl.losses.mse, input_noise=0.1)


LINE = fl.models.LinearParams(jnp.float32(1.0), jnp.float32(2.0))


def _dense(params, inputs):
    outputs: Any = DENSE.apply(params, inputs)
    return jnp.mean(outputs**2)


def _nnx(state, inputs):
    return jnp.mean(nnx.merge(_nnx_parts()[0], state)(inputs) ** 2)


def _no_step(x):
    return jax.lax.scan(lambda carry, row: (carry * row, row), x[0], x[:0])[0]


# Each function, and what makes its arguments.
FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[[], list[Any]]]] = {
    "fan-out": (lambda x: x * x + jnp.sin(x), lambda: [0.5]),
    "input returned": (lambda x, y: x, lambda: [0.5, 2.0]),
    "constant returned": (lambda x: 3.0, lambda: [0.5]),
    "unused input": (lambda x, y: 3 * x, lambda: [0.5, 2.0]),
    "integer input": (lambda x, n: x**n, lambda: [0.5, 3]),
    "index": (lambda x, i: x[i] * x[0], lambda: [_normal(4), 2]),
    "pytree": (lambda p: p["a"] * p["b"][0], lambda: [{"a": 2.0, "b": [3.0]}]),
    "nested jit": (
        jax.jit(lambda x: jax.jit(jnp.sum)(jnp.tanh(x))),
        lambda: [_normal(3)],
    ),
    "sort": (lambda x: jnp.sort(-x)[1], lambda: [_normal(5)]),
    "complex": (lambda x: jnp.abs(jnp.fft.fft(x)).sum(), lambda: [_normal(4)]),
    "vmap": (
        lambda x: jax.vmap(lambda t: t * jnp.sin(t))(x).sum(),
        lambda: [_normal(3)],
    ),
    "gradient": (jax.grad(lambda x: jnp.tanh(x) ** 2), lambda: [0.3]),
    "switch": (lambda x, i: jax.lax.switch(i, [jnp.sin, jnp.cos], x), lambda: [0.5, 1]),
    "no step": (_no_step, lambda: [_normal(3)]),
    "half precision": (
        lambda x: (x * x).sum(),
        lambda: [_normal(3).astype(jnp.bfloat16)],
    ),
    "linen": (_dense, lambda: [_dense_params(), _normal(3, 2)]),
    "nnx": (_nnx, lambda: [_nnx_parts()[1], _normal(3, 2)]),
    "objective": (NOISY, lambda: [LINE, fl.data.thermometer(), jax.random.key(1)]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_adjoints_are_those_of_jax(name):
    function, make_arguments = FUNCTIONS[name]
    arguments = make_arguments()
    graph = graphs.trace(function, *arguments)
    (end,) = graph.outputs
    np.testing.assert_allclose(graph.nodes[end].value, function(*arguments), rtol=1e-6)
    leaves, structure = jax.tree.flatten(arguments)
    floating = [
        place
        for place, leaf in enumerate(leaves)
        if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
    ]

    def of_leaves(*moved):
        updated = dict(enumerate(leaves)) | dict(zip(floating, moved, strict=True))
        return function(*structure.unflatten(updated.values()))

    gradients = jax.grad(of_leaves, range(len(floating)))(
        *(leaves[place] for place in floating)
    )
    adjoints = [node.adjoint for node in graph.nodes[: len(leaves)]]
    assert [place for place, a in enumerate(adjoints) if a is not None] == floating
    for place, gradient in zip(floating, gradients, strict=True):
        assert adjoints[place].dtype == gradient.dtype
        np.testing.assert_allclose(adjoints[place], gradient, rtol=1e-5, atol=1e-6)


def _sorted_with_places(x):
    _, places = jax.lax.sort([-x, jnp.arange(3)], num_keys=1)
    return jnp.sum(x[places] * jnp.arange(3.0))


def _two_uses(x):
    values, places = jax.lax.top_k(x, 2)
    return values[0] * jnp.sum(x[places])


def _counted(x):
    count, _ = jax.lax.fori_loop(0, 3, lambda i, s: (s[0] + i, s[1] * x[0]), (0, x[1]))
    return count * x[2]


def _counted_while(x):
    count, _ = jax.lax.while_loop(
        lambda s: s[1] < 50, lambda s: (s[0] + 1, s[1] * 2), (0, x[0])
    )
    return count * jnp.sum(x)


def _in_a_branch(x):
    return jax.lax.cond(x[0] > 0, lambda v: (jnp.argmax(v), v), lambda v: (0, -v), x)[
        0
    ] * jnp.sum(x)


X = jnp.array([3.0, 1.0, 2.0])

# By hand: the largest is the first, the middle one the last.
integers_used = {
    "argsort": (lambda x: jnp.sum(x[jnp.argsort(x)] * jnp.arange(3.0)), [2, 0, 1]),
    "smallest": (lambda x: x[jnp.argsort(x)[0]], [0, 1, 0]),
    "top_k": (lambda x: jnp.sum(x[jax.lax.top_k(x, 2)[1]]), [1, 0, 1]),
    "sort of several": (_sorted_with_places, [0, 2, 1]),
    "argmax and max": (lambda x: jnp.max(x) * x[jnp.argmax(x)], [6, 0, 0]),
    "values and places": (_two_uses, [3 + 5, 0, 3]),
    "counter of a fori_loop": (_counted, [0, 0, 3]),
    # 3 · 2⁵ is the first power above 50.
    "counter of a while_loop": (_counted_while, [5, 5, 5]),
    "branch": (_in_a_branch, [0, 0, 0]),
    "exponent of frexp": (lambda x: jnp.sum(jnp.frexp(x)[1] * x), [2, 1, 2]),
    "unique": (lambda x: jnp.sum(x[jnp.unique(x, True, size=2)[1]]), [0, 1, 1]),
    "searchsorted": (lambda x: x[jnp.searchsorted(jnp.sort(x), 2.5)], [0, 0, 1]),
    "median": (jnp.median, [0, 0, 1]),
    "rank": (lambda x: jnp.sum(jax.scipy.stats.rankdata(x) * x), [3, 1, 2]),
    "cast": (lambda x: x.astype(int)[0] * x[1], [0, 3, 0]),
}


@pytest.mark.parametrize("name", integers_used)
@pytest.mark.slow
def test_operations_of_which_only_an_integer_is_used(name):
    function, gradient = integers_used[name]
    graph = graphs.trace(function, X)
    np.testing.assert_allclose(graph.nodes[0].adjoint, gradient, rtol=1e-6)
    for write in graphs.to_text, graphs.to_svg, graphs.to_dot:
        assert write(graph)
    for edge in graph.edges:
        adjoints = graph.nodes[edge.source].adjoint, graph.nodes[edge.target].adjoint
        assert edge.derivative is None or not any(one is None for one in adjoints)


def test_an_edge_of_integers_between_nodes_with_adjoints_has_no_derivative():
    graph = graphs.trace(_two_uses, X)
    (top,) = (node.name for node in graph.nodes if node.operation == "top_k")
    derivatives = {
        target.operation: edge.derivative
        for edge in graph.edges
        for target in [graph.nodes[edge.target]]
        if graph.nodes[edge.source].name == top
    }
    assert derivatives["slice"] and not all(derivatives.values())


def test_what_gradients_do_not_pass_is_not_differentiated():
    def function(x):
        constant = jax.lax.stop_gradient(jnp.sin(x))
        # JAX cannot differentiate a callback, and need not.
        kind = jax.ShapeDtypeStruct((), x.dtype)
        return x * jax.pure_callback(lambda v: np.cos(v), kind, constant)

    graph = graphs.trace(function, 0.5)
    assert graph.nodes[0].adjoint == jax.grad(function)(0.5)
    stopped = [node for node in graph.nodes if node.operation == "stop_gradient"]
    assert [node.adjoint for node in stopped] == [None]


def test_the_sources_graph(maps):
    graph = graphs.trace(sources_function, 1.0, 2.0, 3.0)
    assert [(node.name, node.formula) for node in graph.nodes] == [
        ("x", ""),
        ("y", ""),
        ("z", ""),
        ("a", "2·x"),
        ("b", "sin(y)"),
        ("c", "a / b"),
        ("d", "z·c"),
        ("e", "ln(1 + d)"),
        ("f", "tanh(e)"),
    ]
    assert maps(graph).keys() == {*"xa yb ac bc zd cd de ef".split()}
    derivatives = {pair: float(local.jacobian()) for pair, local in maps(graph).items()}
    b, d, e = (float(graph.node(name).value) for name in "bde")
    assert derivatives == pytest.approx(
        {
            "xa": 2,
            "yb": math.cos(2),
            "ac": 1 / b,
            "bc": -2 / b**2,
            "zd": 2 / b,
            "cd": 3,
            "de": 1 / (1 + d),
            "ef": 1 - math.tanh(e) ** 2,
        },
        rel=1e-5,
    )


def test_leaves_are_named_as_the_caller_reaches_them(names):
    def objective(params, batch, *others):
        return params["layer"][0].weight * batch["x"] + others[1]

    params = {"layer": [Params(jnp.ones(()), jnp.zeros(()))]}
    graph = graphs.trace(objective, params, {"x": 2.0}, 3, 4.0)
    assert names(graph) == [
        "params['layer'][0].weight",
        "params['layer'][0].bias",
        "batch['x']",
        "others[0]",
        "others[1]",
        "v1",
        "v2",
    ]
    assert graph.node("v1").formula == "weight·x"
    assert graph.node("v2").formula == "v1 + others[1]"


def test_calls_are_opened():
    graph = graphs.trace(_dense, _dense_params(), _normal(3, 2))
    operations = {node.operation for node in graph.nodes}
    assert "jit" not in operations
    assert {"dot_general", "custom_jvp_call", "reduce_sum"} <= operations
    formulas = {node.formula for node in graph.nodes}
    assert {"inputs @ kernel", "relu(v3)"} <= formulas


@pytest.mark.usefixtures("float64")
def test_an_array_output_with_a_cotangent():
    cotangent = jnp.array([1.0, 10.0, 100.0])
    x = jnp.array([0.1, 0.2, 0.3])
    graph = graphs.trace(jnp.sin, x, cotangent=cotangent)
    assert_close(graph.nodes[0].adjoint, cotangent * np.cos(x))
    assert_close(graph.nodes[-1].adjoint, cotangent)


def _inside_jit(function):
    return jax.jit(lambda x: graphs.trace(function, x).nodes[0].value)(1.0)


def _with_a_closure(x):
    @jax.custom_jvp
    def scaled(y):
        return x * y

    scaled.defjvp(lambda primals, tangents: (scaled(*primals), x * tangents[0]))
    return scaled(jnp.sin(x))


call_error_says = {
    "closure": (
        lambda: graphs.trace(_with_a_closure, 1.0),
        ValueError,
        "must not close over.* that of scaled does",
    ),
    "pytree": (
        lambda: graphs.trace(lambda x: (x, {"loss": x}), 1.0),
        ValueError,
        "must return one array; got the pytree",
    ),
    "array": (
        lambda: graphs.trace(jnp.sin, jnp.ones(3)),
        ValueError,
        r"`cotangent` be given.* it returns shape \(3,\)",
    ),
    "cotangent": (
        lambda: graphs.trace(jnp.sin, jnp.ones(3), cotangent=jnp.ones(2)),
        ValueError,
        r"output's shape, \(3,\); got \(2,\)",
    ),
    "integer output": (
        lambda: graphs.trace(jnp.argmax, jnp.ones(3)),
        TypeError,
        "floating-point array.*int32",
    ),
    "text": (
        lambda: graphs.trace(lambda x, how: x, 1.0, "fast"),
        TypeError,
        "how must be an array or a number; got str.*partial",
    ),
    "tracer": (
        lambda: _inside_jit(jnp.sin),
        TypeError,
        "x must have a value.*outside of jit",
    ),
    "too few arguments": (
        lambda: graphs.trace(lambda x, y: x * y, 1.0),
        TypeError,
        "missing 1 required positional argument",
    ),
}


@pytest.mark.parametrize("case", call_error_says)
def test_refusals(case):
    call, error, says = call_error_says[case]
    with pytest.raises(error, match=says):
        call()
