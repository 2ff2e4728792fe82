"""A state that every device holds."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.typing import ArrayLike
from jaxtyping import PyTree

from funclearn._checks import path_name
from funclearn._jaxprs import is_key
from funclearn._words import described
from funclearn.devices._mesh import check_mesh
from funclearn.devices._placing import can_move, made_of_parts

__all__ = ["replicate"]

_KEYS = "threefry2x32"


def replicate(state: PyTree, mesh: Mesh) -> PyTree:
    """A pytree of arrays, each as a whole on every device of a mesh.

    Args:
        state: a `TrainState`, typed keys and all, or any other pytree of arrays and
            numbers; of several processes each must give the same.
        mesh: the devices, as `mesh` makes it.

    Returns:
        The same pytree, of arrays of JAX's.

    Raises:
        TypeError: if a leaf is no array, key or number, or `mesh` no mesh.
        ValueError: if keys are of another kind than `threefry2x32`, whose numbers
            depend on how many devices draw them; or the mesh has more axes than one,
            or one that is not of type Auto.

    Example:
        >>> optimizer = optax.sgd(0.1)
        >>> key = jax.random.key(0)
        >>> state = fl.init_state(key, fl.models.linear.init(key), optimizer)
        >>> state = fl.devices.replicate(state, fl.devices.mesh())
        >>> state.key.is_fully_replicated
        True
    """
    check_mesh(mesh)
    everywhere = NamedSharding(mesh, PartitionSpec())
    for path, leaf in jax.tree_util.tree_leaves_with_path(state):
        _check_leaf(path_name("state", path), leaf)
    return jax.tree.map(lambda leaf: _on_all(leaf, everywhere), state)


def _on_all(leaf: ArrayLike, everywhere: NamedSharding) -> jax.Array:
    array = jnp.asarray(leaf)
    if can_move(array, everywhere):
        return jax.device_put(array, everywhere)
    if is_key(array.dtype):
        data = _on_all(jax.random.key_data(array), everywhere)
        return jax.random.wrap_key_data(data, impl=_KEYS)
    numbers = np.asarray(array)
    return made_of_parts(numbers.shape, everywhere, lambda index: numbers[index])


def _check_leaf(name: str, leaf: object) -> None:
    if isinstance(leaf, jax.Array) and is_key(leaf.dtype):
        kind = str(jax.random.key_impl(leaf))
        if kind != _KEYS:
            raise ValueError(
                f"{name} must be a key of {_KEYS}, as jax.random.key(0, "
                f"impl={_KEYS!r}); got one of {kind}, whose numbers depend on how many "
                "devices draw them."
            )
    elif not isinstance(leaf, jax.Array | np.ndarray | np.generic | int | float):
        raise TypeError(
            f"{name} must be an array, a key or a number; got {described(leaf)}."
        )
