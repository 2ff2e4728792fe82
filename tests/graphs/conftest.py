"""Fixtures of the tests of graphs: look-ups in a graph, rectangles, an example.

funclearn is imported inside fixtures only, as in the session's own settings.
"""

import itertools
from typing import NamedTuple

import jax.numpy as jnp
import pytest
from jax.ad_checkpoint import checkpoint_name


@pytest.fixture
def maps():
    """Looks up local derivatives, by the names of source and target."""

    def lookup(graph):
        return {
            graph.nodes[edge.source].name
            + graph.nodes[edge.target].name: edge.derivative
            for edge in graph.edges
        }

    return lookup


@pytest.fixture
def names():
    """Lists the names of nodes."""
    return lambda graph: [node.name for node in graph.nodes]


@pytest.fixture
def parts():
    """Looks up the nodes within a node, by name."""

    def lookup(node):
        assert node.inner
        return {part.name: part for part in node.inner.nodes}

    return lookup


@pytest.fixture
def recorded():
    """Records the tape of a function."""
    import jax

    from funclearn.graphs._tape import record

    def record_function(function, *args):
        names = [f"in{place}" for place in range(len(args))]
        jaxpr = jax.make_jaxpr(function)(*args)
        return record(jaxpr, names, [*map(jnp.asarray, args)])

    return record_function


def neuron(weight, x, target):
    output = checkpoint_name(jnp.tanh(weight * x), "output")
    return checkpoint_name((output - target) ** 2, "loss")


@pytest.fixture
def neuron_graph():
    """The graph of a neuron's squared error."""
    from funclearn import graphs

    return graphs.trace(neuron, 0.0, 1.0, 7.0)


class Rectangle(NamedTuple):
    """Left, top, right and bottom, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other):
        return (
            min(self.right, other.right) - max(self.left, other.left) > 0.1
            and min(self.bottom, other.bottom) - max(self.top, other.top) > 0.1
        )

    def contains(self, other):
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )


@pytest.fixture(scope="session")
def rectangle():
    """The class of rectangles."""
    return Rectangle


@pytest.fixture(scope="session")
def pairs_that_overlap():
    """Lists the pairs of rectangles that overlap."""

    def pairs(rectangles):
        combinations = itertools.combinations(rectangles, 2)
        return [pair for pair in combinations if pair[0].overlaps(pair[1])]

    return pairs
