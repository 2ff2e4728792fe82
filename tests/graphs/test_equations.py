"""Equations with something inside: loops, branches and functions with own rules."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name
from jax.extend.core import Literal

from funclearn import graphs
from funclearn.graphs._equations import evaluate, inside, is_inexact, pullback


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
def test_custom_rules_are_followed(function, operation, slope, inner, maps, parts):
    graph = graphs.trace(lambda x: function(x) * 2, 1.5)
    node = graph.node("v1")
    assert node.operation == operation
    assert node.formula == f"{function.__name__}(x)"
    assert maps(graph)["xv1"].jacobian() == slope
    assert maps(graph)["xv1"](1.0) == slope
    assert graph.node("x").adjoint == 2 * slope
    assert [part.formula for part in parts(node).values()] == ["", inner]
    assert {part.adjoint for part in parts(node).values()} == {None}


def test_a_scan_is_one_node_with_its_last_step_inside(parts):
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


def test_a_reversed_scan_ends_with_its_first_row(parts):
    def function(rows):
        return jax.lax.scan(lambda c, r: (c * r, None), 1.0, rows, reverse=True)[0]

    graph = graphs.trace(function, jnp.array([2.0, 3.0, 4.0]))
    inner = parts(graph.node("v1"))
    assert (inner["c"].value, inner["r"].value) == (12, 2)


def test_a_while_loop_is_one_node_with_a_derivative(parts):
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
def test_a_branch_is_one_node_with_the_taken_one_inside(x, formula, parts):
    def function(x):
        return jax.lax.cond(x > 0, lambda y: y * 3, lambda y: jnp.sin(y), x)

    graph = graphs.trace(function, x)
    (cond,) = (node for node in graph.nodes if node.operation == "cond")
    assert [part.formula for part in parts(cond).values()] == ["", formula]
    np.testing.assert_allclose(graph.node("x").adjoint, jax.grad(function)(x))
    np.testing.assert_allclose(parts(cond)["y"].adjoint, jax.grad(function)(x))


def equation_of(function, *args):
    """The one equation of a function, and the values of its operands."""
    jaxpr = jax.make_jaxpr(function)(*args)
    (equation,) = jaxpr.eqns
    leaves = map(jnp.asarray, jax.tree.leaves(args))
    given = dict(zip(jaxpr.jaxpr.invars, leaves, strict=True))
    # In the order of the equation, each once, as a tape gives them.
    atoms = [atom for atom in equation.invars if not isinstance(atom, Literal)]
    return equation, {atom: given[atom] for atom in atoms}


VECTOR, OTHER = jnp.array([0.5, -1.5, 2.0]), jnp.array([3.0, 1.0, -2.0])
SINGLE = {
    "unary": (jnp.sin, [VECTOR]),
    "binary": (jnp.multiply, [VECTOR, OTHER]),
    "literal": (lambda x: x * 2.0, [VECTOR]),
    "one operand twice": (lambda x: x * x, [VECTOR]),
    "sum": (
        lambda x: jax.lax.reduce_sum_p.bind(x, axes=(0,), out_sharding=None),
        [VECTOR],
    ),
    "two results": (lambda x: jax.lax.top_k(x, 2), [VECTOR]),
    "integers": (jnp.add, [jnp.arange(3), jnp.arange(3)]),
}


@pytest.mark.parametrize("name", SINGLE)
def test_an_equation_has_the_value_of_its_function(name):
    function, arguments = SINGLE[name]
    equation, values = equation_of(function, *arguments)
    results = evaluate(equation, values)
    expected = jax.tree.leaves(function(*arguments))
    for got, wanted in zip(results, expected, strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == wanted.dtype


@pytest.mark.parametrize("name", ["unary", "binary", "literal", "one operand twice"])
def test_a_pullback_is_that_of_jax(name):
    function, arguments = SINGLE[name]
    equation, values = equation_of(function, *arguments)
    pulled = pullback(equation, values, [*values])([OTHER])
    expected = jax.vjp(function, *arguments)[1](OTHER)
    for got, wanted in zip(pulled, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_a_pullback_is_of_the_active_operands_and_floating_point_results():
    equation, values = equation_of(jnp.multiply, VECTOR, OTHER)
    (got,) = pullback(equation, values, [*values][1:])([jnp.ones(3)])
    np.testing.assert_array_equal(got, VECTOR)
    equation, values = equation_of(lambda x: jax.lax.top_k(x, 2), VECTOR)
    (got,) = pullback(equation, values, [*values])([jnp.array([1.0, 10.0])])
    np.testing.assert_array_equal(got, [10, 0, 1])


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, True), (1j, True), (1, False), (True, False), (jnp.bfloat16(1), True)],
)
def test_floating_point_and_complex_arrays_have_gradients(value, expected):
    assert is_inexact(jnp.asarray(value)) == expected


def test_keys_have_no_gradient():
    assert not is_inexact(jax.random.key(0))


def test_nothing_is_inside_an_operation():
    assert inside(*equation_of(jnp.sin, VECTOR), [VECTOR]) is None


@pytest.mark.parametrize(
    ("index", "name"), [(-5, "sin"), (0, "sin"), (1, "cos"), (9, "exp")]
)
def test_the_branch_inside_is_the_one_that_jax_takes(index, name):
    def switch(index, x):
        return jax.lax.switch(index, [jnp.sin, jnp.cos, jnp.exp], x)

    jaxpr = jax.make_jaxpr(switch)(index, 0.5)
    equation = jaxpr.eqns[-1]
    clamp = min(max(index, 0), 2)
    values = dict(
        zip(equation.invars, [jnp.int32(clamp), jnp.float32(0.5)], strict=True)
    )
    call = inside(equation, values, [jnp.float32(2)])
    assert call
    assert [one.primitive.name for one in call.jaxpr.eqns] == [name]
    assert call.operands == equation.invars[1:]
    assert (call.arguments, call.cotangents) == ([0.5], [2])


def test_the_call_inside_a_scan_is_its_last_step():
    def function(scale, start, rows):
        def step(carry, row):
            return carry * scale + row, carry

        return jax.lax.scan(step, start, rows)

    arguments = (jnp.float32(2), jnp.float32(1), jnp.array([1.0, 2.0, 3.0]))
    equation, values = equation_of(function, *arguments)
    cotangents = [jnp.float32(5), jnp.array([7.0, 8.0, 9.0])]
    call = inside(equation, values, cotangents)
    assert call
    # 1 -> 3 -> 8, then the last step with row 3.
    assert call.arguments == [2, 8, 3]
    assert call.cotangents == [5, 9]
    assert [*call.names][1:] == ["carry", "row"]
    without = inside(equation, values, [None, None])
    assert without and without.cotangents == [None, None]


def test_a_function_with_a_rule_has_no_cotangents_inside():
    equation, values = equation_of(square, jnp.float32(3))
    call = inside(equation, values, [jnp.float32(1)])
    assert call and call.cotangents is None
    assert (call.arguments, [*call.names]) == ([3], ["x"])
