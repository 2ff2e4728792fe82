"""Local derivatives as linear maps, and looking nodes up."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportOptionalMemberAccess=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import rich.console

from funclearn import graphs
from funclearn.graphs import Edge, Graph, LinearMap, Node


def _normal(*shape):
    return jax.random.normal(jax.random.key(sum(shape)), shape)


def test_a_local_map_and_its_transpose_belong_together(maps):
    matrix, vector, along, back = _normal(2, 3), _normal(3), _normal(4)[:3], _normal(2)
    graph = graphs.trace(lambda m, v: jnp.sum(m @ v), matrix, vector)
    derivative = maps(graph)["vv1"]
    assert derivative.shape == (2, 3)
    np.testing.assert_allclose(derivative.jacobian(), matrix, rtol=1e-6)
    np.testing.assert_allclose(derivative(along), matrix @ along, rtol=1e-5)
    np.testing.assert_allclose(derivative.transpose(back), back @ matrix, rtol=1e-5)


def test_complex_nodes_have_adjoints_but_no_jacobian(maps):
    graph = graphs.trace(lambda x: jnp.abs(jnp.fft.fft(x)).sum(), _normal(4))
    into_complex = maps(graph)["xv1"]
    assert not into_complex.is_real
    with pytest.raises(TypeError, match="complex"):
        into_complex.jacobian()


def like(*shape):
    return jax.ShapeDtypeStruct(shape, jnp.float32)


def linear_map(function, *example):
    """The derivative of a function of arrays at a point, as an edge holds it."""
    first, *others = example
    source = example if others else first
    target, pull = jax.vjp(function, source)
    return LinearMap(
        lambda adjoint: pull(adjoint)[0], *jax.eval_shape(lambda: (target, source))
    )


@pytest.mark.slow
def test_a_map_of_arrays_has_the_jacobian_of_jax():
    def function(x):
        return jnp.outer(x, x**2)

    point = jnp.array([1.0, 2.0])
    derivative = linear_map(function, point)
    assert derivative.shape == (2, 2, 2)
    expected = jax.jacrev(function)(point)
    np.testing.assert_allclose(derivative.jacobian(), expected, rtol=1e-6)
    along = jnp.array([1.0, -1.0])
    np.testing.assert_allclose(derivative(along), expected @ along, rtol=1e-6)


def test_a_tangent_may_be_of_numbers_of_another_type():
    derivative = linear_map(lambda x: 3 * x, jnp.float32(1))
    assert derivative(2) == 6
    assert derivative(np.float64(2)).dtype == jnp.float32


def test_nodes_of_several_results_count_as_one_vector():
    def function(values):
        scalar, vector = values
        return scalar * vector, jnp.sum(vector)

    example = (jnp.float32(2), jnp.array([1.0, 10.0]))
    derivative = linear_map(function, *example)
    assert derivative.shape == (3, 3)
    expected = [[1, 2, 0], [10, 0, 2], [0, 1, 1]]
    np.testing.assert_allclose(derivative.jacobian(), expected)
    change, total = derivative((1.0, np.array([1.0, 0.0])))
    np.testing.assert_allclose([*change, total], np.array(expected) @ [1, 1, 0])


def test_results_without_adjoint_do_not_count():
    derivative = LinearMap(
        lambda adjoint: adjoint[0] * jnp.ones(3), (like(), None), like(3)
    )
    assert derivative.shape == (1, 3)
    np.testing.assert_array_equal(derivative.jacobian(), np.ones((1, 3)))


def test_nodes_are_found_by_name():
    node = Node("a", "input", "", jnp.float32(1), None)
    other = node._replace(name="b")
    graph = Graph((node, other), (Edge(0, 1, None),), (1,))
    assert graph.node("b") is other
    with pytest.raises(KeyError, match="no node is called 'c'; there are a, b"):
        graph.node("c")


def test_a_notebook_shows_the_picture():
    graph = graphs.trace(lambda x: x * jnp.sin(x), 2.0)
    assert graph._repr_svg_() == graphs.to_svg(graph)
    assert graphs.to_svg(graph) in graph._repr_html_()
    inner = graphs.trace(lambda x: jax.lax.fori_loop(0, 2, lambda _, y: y * x, x), 2.0)
    assert inner.nodes[-1].inner._repr_svg_().startswith("<svg")


def test_a_terminal_shows_the_table():
    graph = graphs.trace(lambda x: x * jnp.sin(x), 2.0)
    assert str(graph) == graphs.to_text(graph)
    console = rich.console.Console(width=200)
    with console.capture() as captured:
        console.print(graph)
    assert captured.get().split() == graphs.to_text(graph).split()
