"""Values, adjoints and local derivatives of traced graphs, against JAX's own."""

import math
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
    sums = {graph.outputs[0]: jnp.ones(())}
    for edge in reversed(graph.edges):
        if edge.derivative and edge.target in sums:
            jacobian = edge.derivative.jacobian()
            assert jacobian.shape == edge.derivative.shape
            ndim = graph.nodes[edge.target].value.ndim
            product = jnp.tensordot(sums[edge.target], jacobian, axes=ndim)
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
@pytest.mark.parametrize("seed", range(40))
def test_sum_over_paths_is_autodiff_for_scalars(seed):
    function, arguments = random_scalar_function(np.random.default_rng(seed))
    check_chain_rule(function, arguments, sum_over_paths)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("seed", range(8))
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
    return jax.random.normal(jax.random.key(sum(shape)), shape)


DENSE = flax.linen.Sequential([flax.linen.Dense(2), flax.linen.relu])
DENSE_PARAMS = DENSE.init(jax.random.key(0), jnp.ones((3, 2)))
NNX_GRAPH, NNX_STATE = nnx.split(nnx.Linear(2, 2, rngs=nnx.Rngs(0)))
NOISY = fl.make_objective(fl.models.linear, fl.losses.mse, input_noise=0.1)
LINE = fl.models.LinearParams(jnp.float32(1.0), jnp.float32(2.0))


def _dense(params, inputs):
    outputs: Any = DENSE.apply(params, inputs)
    return jnp.mean(outputs**2)


def _nnx(state, inputs):
    return jnp.mean(nnx.merge(NNX_GRAPH, state)(inputs) ** 2)


def _no_step(x):
    return jax.lax.scan(lambda carry, row: (carry * row, row), x[0], x[:0])[0]


function_arguments = {
    "fan-out": (lambda x: x * x + jnp.sin(x), [0.5]),
    "input returned": (lambda x, y: x, [0.5, 2.0]),
    "constant returned": (lambda x: 3.0, [0.5]),
    "unused input": (lambda x, y: 3 * x, [0.5, 2.0]),
    "integer input": (lambda x, n: x**n, [0.5, 3]),
    "index": (lambda x, i: x[i] * x[0], [_normal(4), 2]),
    "pytree": (lambda p: p["a"] * p["b"][0], [{"a": 2.0, "b": [3.0]}]),
    "nested jit": (jax.jit(lambda x: jax.jit(jnp.sum)(jnp.tanh(x))), [_normal(3)]),
    "sort": (lambda x: jnp.sort(-x)[1], [_normal(5)]),
    "complex": (lambda x: jnp.abs(jnp.fft.fft(x)).sum(), [_normal(4)]),
    "vmap": (lambda x: jax.vmap(lambda t: t * jnp.sin(t))(x).sum(), [_normal(3)]),
    "gradient": (jax.grad(lambda x: jnp.tanh(x) ** 2), [0.3]),
    "switch": (lambda x, i: jax.lax.switch(i, [jnp.sin, jnp.cos], x), [0.5, 1]),
    "no step": (_no_step, [_normal(3)]),
    "half precision": (lambda x: (x * x).sum(), [_normal(3).astype(jnp.bfloat16)]),
    "linen": (_dense, [DENSE_PARAMS, _normal(3, 2)]),
    "nnx": (_nnx, [NNX_STATE, _normal(3, 2)]),
    "objective": (NOISY, [LINE, fl.data.thermometer(), jax.random.key(1)]),
}


@pytest.mark.parametrize("name", function_arguments)
def test_values_and_adjoints_are_those_of_jax(name):
    function, arguments = function_arguments[name]
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


def test_the_sources_graph():
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


def maps(graph) -> dict[str, Any]:
    """The local derivatives, by the names of source and target."""
    return {
        graph.nodes[edge.source].name + graph.nodes[edge.target].name: edge.derivative
        for edge in graph.edges
    }


def names(graph):
    return [node.name for node in graph.nodes]


def parts(node):
    """The nodes within a node, by name."""
    assert node.inner
    return {part.name: part for part in node.inner.nodes}


def test_leaves_are_named_as_the_caller_reaches_them():
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


def test_given_names_are_kept_and_made_unique():
    def function(x):
        named = checkpoint_name(x, "a")
        twice = checkpoint_name(checkpoint_name(named + 1, "a"), "b")
        constant = checkpoint_name(jnp.asarray(5.0), "five")
        return checkpoint_name(twice * constant, "x") * 2

    graph = graphs.trace(function, 1.0)
    assert [(node.name, node.formula) for node in graph.nodes] == [
        ("x", ""),
        ("a", "x"),
        ("a_2", "a + 1"),
        ("b", "a_2"),
        ("five", ""),
        ("x_2", "b·five"),
        ("v1", "x_2·2"),
    ]
    assert [graph.node(name).adjoint for name in ("x", "a", "b")] == [10, 10, 10]
    with pytest.raises(KeyError, match="'y'; there are x, a, a_2"):
        graph.node("y")


def test_numbers_are_in_formulas_and_arrays_of_them_are_nodes():
    weights = jnp.array([1.0, 2.0, 3.0])

    def function(x):
        scale = 2 * jnp.float32(1.5)
        return jnp.sum(jnp.maximum(x * weights, jnp.zeros(3)) / jnp.full(3, scale))

    graph = graphs.trace(function, jnp.array([1.0, -1.0, 1.0]))
    assert [node.formula for node in graph.nodes] == [
        "",
        "",
        "x·c1",
        "max(v1, 0)",
        "v2 / 3",
        "sum(v3)",
    ]
    constant = graph.node("c1")
    assert (constant.operation, constant.adjoint) == ("constant", None)
    assert maps(graph)["c1v1"] is None


def test_what_does_not_reach_the_output_is_left_out():
    def function(x, unused):
        jnp.exp(unused)
        return jnp.sin(x)

    graph = graphs.trace(function, 1.0, 2.0)
    assert names(graph) == ["x", "unused", "v1"]
    assert graph.node("unused").adjoint == 0
    assert len(graph.edges) == 1


def test_an_output_that_is_an_input():
    graph = graphs.trace(lambda x, y: y, 1.0, 2.0)
    assert graph.outputs == (1,)
    assert [node.adjoint for node in graph.nodes] == [0, 1]


def test_integers_booleans_and_keys_have_no_adjoint():
    def function(key, n, x):
        return jnp.where(n > 2, x, jax.random.normal(key))

    graph = graphs.trace(function, jax.random.key(0), 3, 1.0)
    assert [graph.node(name).adjoint for name in ("key", "n", "x")] == [None, None, 1]
    assert graph.node("v1").formula == "n > 2"
    assert graph.node("v1").adjoint is None
    assert maps(graph)["nv1"] is None


def test_what_depends_on_integers_alone_has_no_adjoint():
    graph = graphs.trace(lambda n, x: jnp.sqrt(n) * x, 4, 2.0)
    root = graph.node("v2")
    assert (root.formula, root.value, root.adjoint) == ("√v1", 2, None)
    assert maps(graph)["v2v3"] is None
    assert graph.node("x").adjoint == 2


def test_two_uses_in_one_operation_are_one_edge():
    graph = graphs.trace(lambda x: x * x, 3.0)
    assert len(graph.edges) == 1
    assert maps(graph)["xv1"].jacobian() == 6


@jax.custom_vjp
def lying(x):
    """Triples, and says that its derivative is 7."""
    return 3 * x


lying.defvjp(lambda x: (3 * x, None), lambda _, adjoint: (7 * adjoint,))


@jax.custom_jvp
def square(x):
    """Squares, and says that its derivative is 5."""
    return x * x


square.defjvp(lambda primals, tangents: (square(*primals), 5 * tangents[0]))


@pytest.mark.parametrize(
    ("function", "operation", "slope", "inner"),
    [
        (lying, "custom_vjp_call", 7, "3·x"),
        (square, "custom_jvp_call", 5, "x·x"),
    ],
)
def test_custom_rules_are_followed(function, operation, slope, inner):
    graph = graphs.trace(lambda x: function(x) * 2, 1.5)
    node = graph.node("v1")
    assert node.operation == operation
    assert node.formula == f"{function.__name__}(x)"
    assert maps(graph)["xv1"].jacobian() == slope
    assert maps(graph)["xv1"](1.0) == slope
    assert graph.node("x").adjoint == 2 * slope
    assert [part.formula for part in parts(node).values()] == ["", inner]
    assert {part.adjoint for part in parts(node).values()} == {None}


def test_a_scan_is_one_node_with_its_last_step_inside():
    def function(x, rows):
        def step(carry, row):
            carry = checkpoint_name(carry * x + row, "next")
            return carry, carry**2

        carry, squares = jax.lax.scan(step, 1.0, rows)
        return carry + jnp.sum(squares)

    rows = jnp.array([1.0, 2.0, 3.0])
    graph = graphs.trace(function, 0.5, rows)
    (scan,) = (node for node in graph.nodes if node.operation == "scan")
    assert scan.formula == "scan[3](x, 1, rows)"
    carries = [1.5, 2.75, 4.375]
    assert scan.value[0] == carries[-1]
    np.testing.assert_array_equal(scan.value[1], np.square(carries))
    np.testing.assert_array_equal(scan.adjoint[1], np.ones(3))
    inner = parts(scan)
    assert [inner[name].value for name in ("carry", "row")] == [carries[1], 3.0]
    assert inner["next"].value == carries[-1]
    # The last carry is returned, and its square is added: 1 + 2 · carry.
    assert inner["next"].adjoint == 1 + 2 * carries[-1]
    assert inner["carry"].adjoint == 0.5 * inner["next"].adjoint
    assert inner["x"].adjoint == carries[1] * inner["next"].adjoint
    gradient = jax.grad(function, (0, 1))(0.5, rows)
    np.testing.assert_allclose(graph.nodes[0].adjoint, gradient[0], rtol=1e-6)
    np.testing.assert_allclose(graph.nodes[1].adjoint, gradient[1], rtol=1e-6)
    np.testing.assert_allclose(sum_over_paths_of_tuples(graph), gradient[0], rtol=1e-6)


def sum_over_paths_of_tuples(graph):
    """The same sum for the first input, by the maps rather than their matrices."""
    tangents = {0: jnp.ones(())}
    for edge in graph.edges:
        if edge.source in tangents and edge.derivative:
            change = edge.derivative(tangents[edge.source])
            before = tangents.get(edge.target)
            tangents[edge.target] = (
                change if before is None else jax.tree.map(jnp.add, before, change)
            )
    return tangents[graph.outputs[0]]


def test_a_reversed_scan_ends_with_its_first_row():
    def function(rows):
        return jax.lax.scan(lambda c, r: (c * r, None), 1.0, rows, reverse=True)[0]

    graph = graphs.trace(function, jnp.array([2.0, 3.0, 4.0]))
    inner = parts(graph.node("v1"))
    assert (inner["c"].value, inner["r"].value) == (12, 2)


def test_a_while_loop_is_one_node_with_a_derivative():
    def function(x):
        def more(state):
            return state[1] < 10

        def step(state):
            count, value = state
            return count + 1, value * x

        return jax.lax.while_loop(more, step, (0, x))[1]

    graph = graphs.trace(function, 2.0)
    loop = graph.node("v1")
    assert (loop.operation, loop.value) == ("while", 16)
    assert graph.node("x").adjoint == jax.jacfwd(function)(2.0) == 32
    count, value = parts(loop)["state[0]"], parts(loop)["state[1]"]
    assert (count.value, value.value) == (2, 8)
    assert (count.adjoint, value.adjoint) == (None, 2)


def test_a_while_loop_of_many_lanes():
    def function(x):
        def lane(start):
            return jax.lax.while_loop(lambda v: v < 10, lambda v: v * start, start)

        return jnp.sum(jax.vmap(lane)(x))

    x = jnp.array([2.0, 5.0, 11.0])
    graph = graphs.trace(function, x)
    np.testing.assert_array_equal(graph.node("v1").value, [16, 25, 11])
    np.testing.assert_array_equal(graph.node("x").adjoint, jax.jacfwd(function)(x))


def test_a_loop_without_steps_has_nothing_inside():
    def function(x):
        return jax.lax.while_loop(lambda v: v < 0, lambda v: v + 1, x)

    loop = graphs.trace(function, 2.0).node("v1")
    assert (loop.value, loop.adjoint, loop.inner) == (2, 1, None)


@pytest.mark.parametrize(("x", "formula"), [(2.0, "y·3"), (-2.0, "sin(y)")])
def test_a_branch_is_one_node_with_the_taken_one_inside(x, formula):
    def function(x):
        return jax.lax.cond(x > 0, lambda y: y * 3, lambda y: jnp.sin(y), x)

    graph = graphs.trace(function, x)
    (cond,) = (node for node in graph.nodes if node.operation == "cond")
    assert [part.formula for part in parts(cond).values()] == ["", formula]
    np.testing.assert_allclose(graph.node("x").adjoint, jax.grad(function)(x))
    np.testing.assert_allclose(parts(cond)["y"].adjoint, jax.grad(function)(x))


def test_calls_are_opened():
    graph = graphs.trace(_dense, DENSE_PARAMS, _normal(3, 2))
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


def test_a_local_map_and_its_transpose_belong_together():
    matrix, vector, along, back = _normal(2, 3), _normal(3), _normal(4)[:3], _normal(2)
    graph = graphs.trace(lambda m, v: jnp.sum(m @ v), matrix, vector)
    derivative = maps(graph)["vv1"]
    assert derivative.shape == (2, 3)
    np.testing.assert_allclose(derivative.jacobian(), matrix, rtol=1e-6)
    np.testing.assert_allclose(derivative(along), matrix @ along, rtol=1e-5)
    np.testing.assert_allclose(derivative.transpose(back), back @ matrix, rtol=1e-5)


def test_complex_nodes_have_adjoints_but_no_jacobian():
    graph = graphs.trace(lambda x: jnp.abs(jnp.fft.fft(x)).sum(), _normal(4))
    into_complex = maps(graph)["xv1"]
    assert not into_complex.is_real
    with pytest.raises(TypeError, match="complex"):
        into_complex.jacobian()


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
