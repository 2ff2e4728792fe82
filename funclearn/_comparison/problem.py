"""Where gradients are compared: the point, the coordinates and the functions."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from funclearn._checks import path_name
from funclearn._comparison import differences
from funclearn._comparison.report import Coordinates
from funclearn._signatures import with_key
from funclearn._types import Batch, Params

__all__ = ["Function", "Problem", "Rest", "Settings", "pose", "take_apart"]


class Settings(NamedTuple):
    """What programs depend on besides the arguments.

    Attributes:
        order: 1 for gradients, 2 for Hessian-vector products.
        x64: whether 64-bit types are enabled outside of the comparison.
        has_key: whether a key was given.
    """

    order: int
    x64: bool
    has_key: bool


class Problem(NamedTuple):
    """Where gradients are compared, and which.

    Attributes:
        arguments: params, batch and key, in their own precision; some key stands in
            for one that was not given.
        point: `(parameters,)`, the flattened parameters.
        sizes: `(parameters,)`, the size of each.
        direction: like the parameters, what the Hessian is multiplied with.
        coordinates: which parameters are compared.
        chosen: `(coordinates,)`, their positions among the flattened ones.
        settings: which derivatives, and under which circumstances.
    """

    arguments: tuple[Params, Batch, Any]
    point: np.ndarray
    sizes: np.ndarray
    direction: Params
    coordinates: Coordinates
    chosen: np.ndarray
    settings: Settings


def pose(
    params: Params, batch: Batch, key: Any, *, order: int, limit: int, seed: int
) -> Problem:
    """Sets up a comparison in at most `limit` coordinates, drawn with the seed."""
    params, batch = jax.tree.map(jnp.asarray, (params, batch))
    generator = np.random.default_rng(seed)
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(params)]
    point = np.concatenate([leaf.ravel() for leaf in leaves])
    typical = [np.sqrt(np.mean(leaf**2)) if leaf.size else 0.0 for leaf in leaves]
    typical = np.repeat(typical, [leaf.size for leaf in leaves])
    sizes = differences.sizes(point, typical)
    coordinates, chosen = _choose(params, limit, generator)
    return Problem(
        arguments=(params, batch, jax.random.key(0) if key is None else key),
        point=point,
        sizes=sizes,
        direction=_like(params, sizes * generator.choice([-1.0, 1.0], sizes.shape)),
        coordinates=coordinates,
        chosen=chosen,
        settings=Settings(
            order, jnp.result_type(float) == jnp.float64, key is not None
        ),
    )


def _choose(
    params: Params, limit: int, generator: np.random.Generator
) -> tuple[Coordinates, np.ndarray]:
    paths, leaves = zip(*jax.tree_util.tree_leaves_with_path(params), strict=True)
    sizes = [leaf.size for leaf in leaves]
    shares = _shares(sizes, limit)
    drawn = map(
        lambda size, share: np.sort(generator.choice(size, share, replace=False)),
        sizes,
        shares,
    )
    leaf, index = np.repeat(np.arange(len(sizes)), shares), np.concatenate([*drawn])
    names = tuple(path_name("params", path) for path in paths)
    coordinates = Coordinates(names, tuple(x.shape for x in leaves), leaf, index)
    return coordinates, np.cumsum([0, *sizes])[leaf] + index


def _shares(sizes: Sequence[int], limit: int) -> np.ndarray:
    """Small arrays are taken whole, and what is left is shared by the larger ones."""
    shares = np.zeros(len(sizes), int)
    for rank, leaf in enumerate(np.argsort(sizes)):
        left = limit - shares.sum()
        shares[leaf] = min(sizes[leaf], left // (len(sizes) - rank))
    return shares


def _like(params: Params, flat: np.ndarray) -> Params:
    leaves, structure = jax.tree.flatten(params)
    parts = np.split(flat, np.cumsum([leaf.size for leaf in leaves])[:-1])
    return structure.unflatten(
        part.reshape(leaf.shape).astype(leaf.dtype)
        for part, leaf in zip(parts, leaves, strict=True)
    )


class Function(NamedTuple):
    """A callable, taken apart into the arrays that it holds and the rest.

    The arrays of a callable that is a pytree, such as a `jax.tree_util.Partial` or an
    Equinox module, are data: other arrays need no other compilation.
    """

    arrays: list[Array]
    rest: "Rest"


class Rest(NamedTuple):
    """What is left of a callable without its arrays: None stands in their places."""

    leaves: tuple[Any, ...]
    structure: Any

    def fill(self, arrays: list[Array]) -> Callable[..., Any]:
        """Puts the function together again, to be called with params, batch, key."""
        given = iter(arrays)
        leaves = [next(given) if leaf is None else leaf for leaf in self.leaves]
        return with_key(self.structure.unflatten(leaves))


def take_apart(function: Callable[..., Any]) -> Function:
    """Separates the arrays that a callable holds from the rest of it."""
    leaves, structure = jax.tree.flatten(function)
    arrays, rest = [], []
    for leaf in leaves:
        is_held = isinstance(leaf, jax.Array | np.ndarray | np.generic)
        rest.append(None if is_held else leaf)
        arrays += [jnp.asarray(leaf)] if is_held else []
    return Function(arrays, Rest(tuple(rest), structure))
