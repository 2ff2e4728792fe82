"""Which records of a tape become nodes, and how nodes and edges are made of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

from funclearn import graphs
from funclearn.graphs._assembly import build


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


def test_numbers_are_in_formulas_and_arrays_of_them_are_nodes(maps):
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


def test_what_does_not_reach_the_output_is_left_out(names):
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


def test_integers_booleans_and_keys_have_no_adjoint(maps):
    def function(key, n, x):
        return jnp.where(n > 2, x, jax.random.normal(key))

    graph = graphs.trace(function, jax.random.key(0), 3, 1.0)
    assert [graph.node(name).adjoint for name in ("key", "n", "x")] == [None, None, 1]
    assert graph.node("v1").formula == "n > 2"
    assert graph.node("v1").adjoint is None
    assert maps(graph)["nv1"] is None


def test_what_depends_on_integers_alone_has_no_adjoint(maps):
    graph = graphs.trace(lambda n, x: jnp.sqrt(n) * x, 4, 2.0)
    root = graph.node("v2")
    assert (root.formula, root.value, root.adjoint) == ("√v1", 2, None)
    assert maps(graph)["v2v3"] is None
    assert graph.node("x").adjoint == 2


def test_two_uses_in_one_operation_are_one_edge(maps):
    graph = graphs.trace(lambda x: x * x, 3.0)
    assert len(graph.edges) == 1
    assert maps(graph)["xv1"].jacobian() == 6


def beta(a, x):
    """Has a derivative with respect to `x` alone, by JAX and by its closed form."""
    return jax.scipy.special.betainc(a, 2.0, x)


def beta_slope(a, x):
    """The density of the beta distribution for b = 2, where 1 / B = a (a + 1)."""
    return x ** (a - 1) * (1 - x) * a * (a + 1)


A, X = np.float32(1.5), 0.3


@jax.custom_vjp
def beta_by_rule(a, x):
    return beta(a, x)


beta_by_rule.defvjp(
    lambda a, x: (beta(a, x), (a, x)),
    lambda given, u: (None, u * beta_slope(*given)),
)


def scanned(carry, rows=None):
    """A step of a loop: of a carry of data and of what is differentiated."""

    def step(carry, row):
        a, x = carry
        return (a, beta(a if row is None else row, x)), None

    return jax.lax.scan(step, carry, rows, length=1)[0][1]


WITHIN = {
    "rows": lambda x: scanned((jnp.float32(1), x), jnp.array([A])),
    "carry": lambda x: scanned((jnp.asarray(A), x)),
    "literal": lambda x: scanned((1.5, x)),
    "constants": lambda x: jax.lax.scan(
        lambda x, _: (beta(A * jnp.ones(()), x), None), x, length=1
    )[0],
    "while": lambda x: jax.lax.while_loop(
        lambda state: state[0] < 1,
        lambda state: (state[0] + 1, state[1], beta(*state[1:])),
        (0, jnp.asarray(A), x),
    )[2],
    "branch": lambda x: jax.lax.cond(x > 0, beta, lambda a, x: a * x, A, x),
    "checkpoint": lambda x: jax.checkpoint(beta)(jnp.asarray(A), x),
    "rule": lambda x: beta_by_rule(jnp.asarray(A), x),
    "loop in loop": lambda x: jax.lax.scan(
        lambda x, a: (scanned((a, x)), None), x, jnp.array([A])
    )[0],
}


@pytest.mark.parametrize("function", WITHIN.values(), ids=WITHIN)
@pytest.mark.slow
def test_nothing_is_differentiated_with_respect_to_data(function):
    graph = graphs.trace(function, X)
    np.testing.assert_allclose(graph.node("x").adjoint, beta_slope(1.5, X), rtol=1e-4)
    assert graphs.to_text(graph)


def test_what_a_loop_makes_of_data_and_inputs_is_differentiated():
    """The first carry is data before the loop alone."""

    def function(x):
        start = (jnp.asarray(A), x)

        def step(carry, _):
            return (carry[0] * carry[1], carry[1] + 1), None

        return jax.lax.scan(step, start, length=2)[0][0]

    graph = graphs.trace(function, 2.0)
    # 1.5 x (x + 1) at 2
    assert graph.node("x").adjoint == 1.5 * (2 * 2 + 1)
    loop = graph.node("v1")
    assert loop.inner is not None
    given = [node.adjoint for node in loop.inner.nodes if node.operation == "input"]
    assert given == [3.0, 3.0]


def built(function, arguments, cotangents):
    jaxpr = jax.make_jaxpr(function)(*arguments)
    names = [*"xyz"][: len(arguments)]
    return build(jaxpr, names, [*map(jnp.asarray, arguments)], cotangents)


def two_outputs(x, y):
    return x * y, jnp.sin(x)


def test_without_cotangents_there_are_derivatives_but_no_adjoints(maps):
    graph = built(two_outputs, [2.0, 3.0], None)
    assert {node.adjoint for node in graph.nodes} == {None}
    assert maps(graph)["xv1"].jacobian() == 3


def test_every_output_has_its_own_cotangent(names):
    graph = built(two_outputs, [2.0, 3.0], [jnp.float32(1), jnp.float32(10)])
    assert [names(graph)[place] for place in graph.outputs] == ["v1", "v2"]
    adjoints = [float(node.adjoint) for node in graph.nodes]
    assert adjoints == pytest.approx([3 + 10 * np.cos(2.0), 2, 1, 10])
    graph = built(two_outputs, [2.0, 3.0], [jnp.float32(1), None])
    assert [node.adjoint for node in graph.nodes] == [3, 2, 1, 0]


def test_a_node_of_several_results_has_those_that_are_used():
    def function(x):
        values, indices = jax.lax.top_k(x, 2)
        return values[0] * indices[1]

    graph = built(function, [jnp.array([5.0, 1.0, 3.0])], [jnp.float32(1)])
    (node,) = (node for node in graph.nodes if node.operation == "top_k")
    values, indices = node.value
    assert (values.tolist(), indices.tolist()) == ([5, 3], [0, 2])
    adjoint, none = node.adjoint
    assert (adjoint.tolist(), none) == ([2, 0], None)
    formulas = [one.formula for one in graph.nodes]
    assert f"{node.name}[0][0:1]" in formulas and f"{node.name}[1][1:2]" in formulas


def test_edges_lead_from_earlier_to_later_nodes_once():
    graph = built(lambda x, y: (x * y + x) * y, [2.0, 3.0], [jnp.float32(1)])
    pairs = [(edge.source, edge.target) for edge in graph.edges]
    assert all(source < target for source, target in pairs)
    assert len({*pairs}) == len(pairs) == 6
