"""The parts of a computational graph: nodes, edges and local derivatives."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike
from jaxtyping import Array, Inexact, PyTree

from funclearn._words import printed

__all__ = ["Edge", "Graph", "LinearMap", "Node", "OwnRule", "Space", "Value"]

Value: TypeAlias = PyTree[Array]
"""An array; a tuple where a node has several results, with None for no adjoint."""

Space: TypeAlias = PyTree[jax.ShapeDtypeStruct]
"""The shapes and dtypes of a value."""


class LinearMap(NamedTuple):
    """The derivative of one node with respect to another: a Jacobian, J, as a map.

    Attributes:
        transpose: from an adjoint u of the target to its share in the source's, Jᵀu.
        target: shapes and dtypes of the target's adjoint.
        source: shapes and dtypes of the source's adjoint.
    """

    transpose: Callable[[Value], Value]
    target: Space
    source: Space

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the Jacobian: the target's shape, then the source's.

        A node with several results counts as the vector of all their entries.
        """
        return _shape(self.target) + _shape(self.source)

    @property
    def is_real(self) -> bool:
        """Whether neither source nor target is complex."""
        leaves = jax.tree.leaves((self.target, self.source))
        return all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves)

    def __call__(self, tangent: PyTree[ArrayLike]) -> Value:
        """Applies the map: from a change v of the source to the target's, Jv.

        Args:
            tangent: v, of the structure of `source`.
        """
        tangent = jax.tree.map(
            lambda like, leaf: jnp.asarray(leaf, like.dtype), self.source, tangent
        )
        # Jv is the transpose of u -> Jᵀu: functions with a custom VJP have no JVP.
        return jax.vjp(self.transpose, _zeros(self.target))[1](tangent)[0]

    def jacobian(self) -> Inexact[Array, "..."]:
        """Materialises the Jacobian, an array of shape `shape`.

        Raises:
            TypeError: if source or target is complex, where J need not be linear.
        """
        if not self.is_real:
            raise TypeError("there is no Jacobian between complex nodes.")
        zeros, unravel = ravel_pytree(_zeros(self.target))

        def row(unit: Array) -> Array:
            return ravel_pytree(self.transpose(unravel(unit)))[0]

        if zeros.size == 1:  # the most frequent case; vmap takes longer
            return row(jnp.ones_like(zeros)).reshape(self.shape)
        # A row of J is Jᵀ applied to a unit vector of the target.
        units = jnp.eye(zeros.size, dtype=zeros.dtype)
        return jax.vmap(row)(units).reshape(self.shape)


def _shape(space: Space) -> tuple[int, ...]:
    if isinstance(space, tuple):
        return (sum(leaf.size for leaf in space if leaf is not None),)
    return space.shape


def _zeros(space: Space) -> Value:
    return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), space)


class Node(NamedTuple):
    """One operation and its result.

    Attributes:
        name: an input's is its argument's, with the path to the leaf; an
            intermediate's the one that `jax.ad_checkpoint.checkpoint_name` gave it,
            or else `v1`, `v2`, ...; a constant's `c1`, `c2`, ... Names are unique.
        operation: the name of the JAX primitive, or `"input"` or `"constant"`.
        formula: the operation in mathematical notation, as `2·x`; empty for inputs
            and constants.
        value: the result, an array; a tuple where several results are used.
        adjoint: the gradient of the output with respect to the value, of the same
            structure; None for integers, booleans and keys, and for what does not
            depend on a floating-point input, or by way of `stop_gradient` alone.
        inner: what the operation does inside, where it is a loop, a branch or a
            function with a derivative rule of its own; otherwise None.
    """

    name: str
    operation: str
    formula: str
    value: Value
    adjoint: Value
    inner: "Graph | None" = None


class OwnRule(NamedTuple):
    """A derivative rule of its own that is not linear, as that of clipped gradients.

    There is no Jacobian, so that a product along a path says nothing.

    Attributes:
        share: from the target's adjoint to its share in the source's.
        adjoint: the target's; None in a graph without adjoints.
    """

    share: Callable[[Value], Value]
    adjoint: Value


class Edge(NamedTuple):
    """A node that another one is computed from.

    Attributes:
        source: the position of the node that is used, among the graph's nodes.
        target: the position of the node that uses it.
        derivative: the local derivative of target with respect to source; None where
            either has no adjoint, and where there is a rule that is not linear.
        rule: that rule; None where the derivative says all.
    """

    source: int
    target: int
    derivative: LinearMap | None
    rule: OwnRule | None = None


class Graph(NamedTuple):
    """A function, evaluated at a point, as the graph of its operations.

    Attributes:
        nodes: every node after those that it is computed from.
        edges: at most one for each pair of nodes.
        outputs: the positions of the nodes that the function returns.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    outputs: tuple[int, ...]

    # What writes and draws graphs is made of what is defined here.

    def __str__(self) -> str:
        """A table: a line for every node."""
        from funclearn.graphs import to_text

        return to_text(self)

    def __rich__(self) -> object:
        """The same for `rich.print`; lines that are too long go on below."""
        from rich.text import Text

        return Text(str(self))

    def _repr_svg_(self) -> str:
        """The picture, by itself."""
        from funclearn.graphs import to_svg

        return to_svg(self)

    def _repr_html_(self) -> str:
        """The picture in the ink of the notebook around it; a wide one scrolls."""
        return f'<div style="overflow-x:auto">{self._repr_svg_()}</div>'

    _repr_pretty_ = printed

    def node(self, name: str) -> Node:
        """Finds a node by its name.

        Raises:
            KeyError: if no node has this name.
        """
        for node in self.nodes:
            if node.name == name:
                return node
        known = ", ".join(node.name for node in self.nodes)
        raise KeyError(f"no node is called {name!r}; there are {known}")
