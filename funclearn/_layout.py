"""Where arrays lie, if several devices hold a part each and XLA chooses the layout.

It chooses what it is not told, operation by operation. Nothing here moves anything
that lies on one device, or over a mesh of explicit axes.
"""

import jax
from jax.sharding import AbstractMesh, AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array

from funclearn._jaxprs import Tracer

__all__ = ["everywhere", "is_divided", "spread"]


def is_divided(array: Array) -> bool:
    """Whether several devices may hold a part each, as XLA chooses."""
    return _mesh_of(array) is not None


def everywhere(array: Array) -> Array:
    """An array that every device holds as a whole, so that what is made of it does."""
    mesh = _mesh_of(array)
    return array if mesh is None else _laid(array, mesh, PartitionSpec())


def spread(array: Array) -> Array:
    """An array whose rows are dealt out to the devices, if these divide them.

    Over a mesh of several axes it is left as it is.
    """
    mesh = _mesh_of(array)
    if mesh is None or not array.shape or len(mesh.axis_names) > 1:
        return array
    # Brought together first: XLA would deal out the numbers of the rows otherwise,
    # and gather these again for every leaf.
    whole = _laid(array, mesh, PartitionSpec())
    if len(array) % mesh.size:
        return whole
    return _laid(whole, mesh, PartitionSpec(*mesh.axis_names))


def _mesh_of(array: Array) -> AbstractMesh | None:
    # An array that is there, and not traced, has been laid out by somebody.
    if not isinstance(array, Tracer):
        return None
    mesh = jax.typeof(array).sharding.mesh
    return mesh if set(mesh.axis_types) == {AxisType.Auto} and mesh.size > 1 else None


def _laid(array: Array, mesh: AbstractMesh, spec: PartitionSpec) -> Array:
    return jax.lax.with_sharding_constraint(array, NamedSharding(mesh, spec))
