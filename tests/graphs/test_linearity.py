"""Rules of their own, linear and not, in graphs that say which they are."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportOptionalMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn import graphs
from funclearn.graphs._assembly import build
from funclearn.graphs._linearity import has_own_rule, is_linear


def identity_with(rule):
    """The identity with a derivative rule of its own."""

    @jax.custom_vjp
    def own(x):
        return x

    own.defvjp(lambda x: (x, x), lambda x, u: (rule(x, u),))
    return own


LINEAR = {
    "identity": lambda x, u: u,
    "straight through": lambda x, u: u * (jnp.abs(x) <= 1),
    "scaled": lambda x, u: -1e-3 * u,
    "reversed": lambda x, u: jnp.flip(u),
    "of its value": lambda x, u: u * jnp.exp(x),
    "zero": lambda x, u: jnp.zeros_like(u),
    "rounded": lambda x, u: u.astype(jnp.bfloat16).astype(u.dtype),
}

NOT_LINEAR = {
    "clipped": lambda x, u: jnp.clip(u, -0.75, 0.75),
    "clipped far away": lambda x, u: jnp.clip(u, -100, 100),
    "clipped by norm": lambda x, u: u / jnp.maximum(1.0, jnp.linalg.norm(u)),
    "normalised": lambda x, u: u / (jnp.linalg.norm(u) + 1e-6),
    "sign": lambda x, u: jnp.sign(u),
    "squared": lambda x, u: u * jnp.abs(u),
    "shifted": lambda x, u: u + 0.1,
    "positive part": lambda x, u: jnp.maximum(u, 0),
    "guided": lambda x, u: jnp.where((u > 0) & (x > 0), u, 0),
    "without NaN and outliers": lambda x, u: jnp.where(jnp.abs(u) < 10, u, 0),
}

SPACE = jax.ShapeDtypeStruct((3,), jnp.float32)
X = jnp.array([0.5, -0.2, 2.0])


@pytest.mark.parametrize("adjoint", [None, jnp.array([1.0, -20.0, 2.0])], ids=str)
@pytest.mark.slow
def test_linear_rules_are_told_from_others(adjoint):
    for rules, expected in (LINEAR, True), (NOT_LINEAR, False):
        for name, rule in rules.items():
            got = is_linear(lambda u, rule=rule: rule(X, u), SPACE, adjoint)
            assert got is expected, name


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
@pytest.mark.slow
def test_in_half_precision_rounding_counts_as_linear(dtype):
    space, x = jax.ShapeDtypeStruct((3,), dtype), X.astype(dtype)
    for name in "identity", "scaled", "of its value", "clipped", "sign":
        rule = (LINEAR | NOT_LINEAR)[name]
        assert is_linear(lambda u, rule=rule: rule(x, u), space, x) is (name in LINEAR)


@pytest.mark.parametrize("name", {**LINEAR, **NOT_LINEAR})
def test_a_graph_has_the_gradient_of_jax_and_says_where_products_mean_nothing(name):
    own = identity_with({**LINEAR, **NOT_LINEAR}[name])

    def function(x):
        return jnp.sum(3.0 * own(jnp.sin(x)))

    graph = graphs.trace(function, X)
    np.testing.assert_allclose(graph.nodes[0].adjoint, jax.grad(function)(X), rtol=1e-5)
    (edge,) = (one for one in graph.edges if graph.nodes[one.target].inner)
    assert (edge.rule is None) == (edge.derivative is not None) == (name in LINEAR)
    for write in graphs.to_text, graphs.to_svg, graphs.to_dot:
        marked = "rule of its own, not linear" in write(graph)
        assert marked == (name in NOT_LINEAR)


def test_the_clipped_gradient_of_jaxs_documentation():
    @jax.custom_vjp
    def clip_gradient(lo, hi, x):
        return x

    clip_gradient.defvjp(
        lambda lo, hi, x: (x, (lo, hi)),
        lambda bounds, u: (None, None, jnp.clip(u, *bounds)),
    )

    def function(x):
        return 3.0 * clip_gradient(-0.75, 0.75, jnp.sin(x))

    graph = graphs.trace(function, 1.0)
    # The adjoint of the clipped value is 3, and clipped 0.75.
    assert graph.node("v2").adjoint == 3
    np.testing.assert_allclose(graph.nodes[0].adjoint, 0.75 * np.cos(1.0), rtol=1e-6)
    text = graphs.to_text(graph)
    assert "v1: 3 ↦ 0.75, rule of its own, not linear" in text
    svg = graphs.to_svg(graph)
    assert "3 ↦ 0.75, rule of its own, not linear" in svg
    # It is drawn as what differentiates, not as what has no derivative.
    assert "stroke-dasharray" not in svg and "style=dashed" not in graphs.to_dot(graph)


HOLDERS = {
    "scan": lambda f: lambda x: jax.lax.scan(lambda c, _: (f(c), None), x, None, 2)[0],
    "while": lambda f: (
        lambda x: jax.lax.while_loop(
            lambda s: s[0] < 2, lambda s: (s[0] + 1, f(s[1])), (0, x)
        )[1]
    ),
    "cond": lambda f: lambda x: jax.lax.cond(x[0] > 0, f, lambda v: v, x),
    "vmap": jax.vmap,
    "jit": jax.jit,
    "checkpoint": jax.checkpoint,
}


@pytest.mark.parametrize("name", HOLDERS)
@pytest.mark.parametrize("linear", [True, False])
def test_a_rule_is_found_at_any_depth(name, linear):
    bound = jnp.inf if linear else 0.5
    own = identity_with(lambda x, u: jnp.clip(u, -bound, bound))
    function = HOLDERS[name](own)
    graph = graphs.trace(lambda x: jnp.sum(3 * function(x)), X)
    expected = 3.0 if linear else 0.5
    np.testing.assert_allclose(graph.nodes[0].adjoint, [expected] * 3)
    assert ("not linear" in graphs.to_text(graph)) == (not linear)


def test_custom_gradient_is_a_rule_of_its_own():
    own = jax.custom_gradient(lambda x: (x, lambda u: jnp.clip(u, -0.5, 0.5)))
    graph = graphs.trace(lambda x: 3 * own(x), 1.0)
    assert graph.nodes[0].adjoint == 0.5
    assert "3 ↦ 0.5, rule of its own, not linear" in graphs.to_text(graph)


def test_a_rule_of_several_operands_is_judged_for_each():
    @jax.custom_vjp
    def product(x, w):
        return x * w

    product.defvjp(
        lambda x, w: (x * w, (x, w)),
        lambda kept, u: (u * kept[1], jnp.clip(u * kept[0], -0.1, 0.1)),
    )
    graph = graphs.trace(lambda x, w: 5 * product(x, w), 2.0, 3.0)
    plain, own = (edge for edge in graph.edges if graph.nodes[edge.target].name == "v1")
    assert plain.derivative.jacobian() == 3 and plain.rule is None
    assert own.derivative is None
    np.testing.assert_allclose(own.rule.share(own.rule.adjoint), 0.1)
    np.testing.assert_allclose([node.adjoint for node in graph.nodes[:2]], [15, 0.1])


@pytest.mark.slow
def test_a_solver_that_is_linear_to_its_tolerance_is_linear():
    """How often it iterates backwards depends on what it is given."""
    matrix = jnp.array([[3.0, 1.0], [0.5, 2.0]])

    @jax.custom_vjp
    def solve(b):
        return jnp.linalg.solve(matrix, b)

    def backwards(_, u):
        def left(x):
            return u - matrix.T @ x

        def iterated(x):
            return x + left(x) / jnp.diagonal(matrix)

        def far(x):
            return jnp.max(jnp.abs(left(x))) > 1e-5 * jnp.max(jnp.abs(u))

        return (jax.lax.while_loop(far, iterated, jnp.zeros_like(u)),)

    solve.defvjp(lambda b: (solve(b), None), backwards)
    graph = graphs.trace(lambda b: jnp.sum(solve(b) ** 2), jnp.array([1.0, 2.0]))
    inverse = np.linalg.inv(matrix)
    expected = 2 * inverse.T @ inverse @ np.array([1.0, 2.0])
    np.testing.assert_allclose(graph.nodes[0].adjoint, expected, rtol=1e-4)
    assert "not linear" not in graphs.to_text(graph)


def test_rules_of_jax_are_not_tried():
    for function in jax.nn.relu, jnp.sin, jax.nn.logsumexp, jax.nn.softplus:
        equations = jax.make_jaxpr(function)(X).eqns
        assert not any(map(has_own_rule, equations))


def test_a_graph_without_adjoints_tells_as_well():
    own = identity_with(NOT_LINEAR["sign"])
    jaxpr = jax.make_jaxpr(own)(2.0)
    graph = build(jaxpr, ["x"], [jnp.float32(2)], None)
    (edge,) = graph.edges
    assert edge.rule.adjoint is None and edge.rule.share(jnp.float32(3)) == 1
    assert "x: rule of its own, not linear" in graphs.to_text(graph)
