"""Graphs as a table and in the DOT language."""

import re

import jax
import jax.numpy as jnp

from funclearn import graphs


def test_text(neuron_graph):
    assert graphs.to_text(neuron_graph).splitlines() == [
        "node                  value  adjoint  local derivatives",
        "weight                0      -14",
        "x                     1      0",
        "target                7      14",
        "v1 = weight·x         0      -14      weight: 1, x: 0",
        "output = tanh(v1)     0      -14      v1: 1",
        "v2 = output - target  -7     -14      output: 1, target: -1",
        "loss = v2²            49     1        v2: -14",
    ]


def test_text_shows_what_is_inside():
    def function(x):
        return jax.lax.scan(lambda c, r: (c * r, None), x, jnp.array([1.0, 2.0]))[0]

    assert graphs.to_text(graphs.trace(function, 3.0)).splitlines() == [
        "node                 value   adjoint  local derivatives",
        "x                    3       2",
        "c1                   [1, 2]  -",
        "v1 = scan[2](x, c1)  6       1        x: 2",
        "  | c                3       2",
        "  | r                2       -",
        "  | v1 = c·r         6       1        c: 2",
    ]


def test_text_gives_the_shape_of_a_jacobian_of_arrays():
    matrix, vector = jnp.ones((4, 4)), jnp.array([1.0, 2.0, 3.0, 4.0])
    text = graphs.to_text(graphs.trace(lambda m, v: jnp.sum(m @ v), matrix, vector))
    assert "m: (4, 4, 4), v: (4, 4)" in text


def test_dot():
    graph = graphs.trace(lambda p: p['a"b'] * jnp.float32(2), {'a"b': 3.0})
    assert graphs.to_dot(graph) == (
        "digraph {\n"
        '  node [shape=box, fontname="monospace"];\n'
        '  n0 [label="p[\'a\\"b\']\\n3 | 2"];\n'
        '  n1 [label="v1 = b·2\\n6 | 1"];\n'
        '  n0 -> n1 [label="2"];\n'
        "}\n"
    )


def test_dot_marks_inner_graphs_and_missing_derivatives():
    def function(x, n):
        return jax.nn.relu(x) * n

    text = graphs.to_dot(graphs.trace(function, 1.0, 2))
    assert re.search(r'label="v1 = relu\(x\)\\n1 \| 2", peripheries=2', text)
    assert re.search(r'n1 -> n3 \[label="", style=dashed\]', text)


def test_text_has_several_results_and_no_derivative_where_there_is_none():
    def function(x):
        values, indices = jax.lax.top_k(x, 2)
        return values[0] * indices[1]

    lines = graphs.to_text(graphs.trace(function, jnp.arange(4.0))).splitlines()
    (line,) = (line for line in lines if "top_k(x, 2)" in line)
    assert "[3, 2]; [3, 2]" in line and "[2, 0]; -" in line and "x: (2, 4)" in line


def test_dot_escapes_backslashes():
    graph = graphs.trace(lambda p: p["a\\b"] * 2, {"a\\b": 3.0})
    (label,) = re.findall(r"n0 \[label=\"(.*?)\\n", graphs.to_dot(graph))
    assert label.replace(r"\\", "\\") == graph.nodes[0].name
