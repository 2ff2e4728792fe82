"""Any JAX function as its computational graph, with values and gradients on it.

    graph = graphs.trace(function, *args)
    print(graphs.to_text(graph))

A node is an operation with its value, from the forward pass, and its adjoint, from the
backward pass: the gradient of the output with respect to the node. An edge holds the
local derivative of the node that it leads to. They obey the chain rule: an adjoint is
the sum over all paths to the output of the products of the local derivatives.

    adjoint(node) = Σ over paths Π over edges of ∂target/∂source

A derivative rule of its own (`jax.custom_vjp`) need not be linear: one that clips the
gradient is not. Such an edge has no local derivative but an `OwnRule`, and is marked in
every picture; adjoints are what the rule makes of them, and equal `jax.grad` all the
same, but products along paths through it mean nothing.

`trace` makes the graph; `to_text`, `to_svg` and `to_dot` render it.
"""

from funclearn.graphs._graph import Edge, Graph, LinearMap, Node, OwnRule
from funclearn.graphs._svg import to_svg
from funclearn.graphs._text import to_dot, to_text
from funclearn.graphs._trace import trace

__all__ = [
    "Edge",
    "Graph",
    "LinearMap",
    "Node",
    "OwnRule",
    "to_dot",
    "to_svg",
    "to_text",
    "trace",
]
