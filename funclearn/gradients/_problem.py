"""Where gradients are compared: the point, the coordinates and the functions."""

import enum
import functools
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.tree_util import Partial
from jaxtyping import Array, PRNGKeyArray, PyTree

from funclearn._checks import path_name
from funclearn._signatures import with_key
from funclearn._types import Batch, Params
from funclearn.gradients._findings import Coordinates
from funclearn.gradients._stencil import sizes_of

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

    arguments: tuple[Params, Batch, PRNGKeyArray]
    point: np.ndarray
    sizes: np.ndarray
    direction: Params
    coordinates: Coordinates
    chosen: np.ndarray
    settings: Settings


def pose(
    params: Params,
    batch: Batch,
    key: PRNGKeyArray | None,
    *,
    order: int,
    limit: int,
    seed: int,
) -> Problem:
    """Sets up a comparison in at most `limit` coordinates, drawn with the seed."""
    params, batch = jax.tree.map(jnp.asarray, (params, batch))
    generator = np.random.default_rng(seed)
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(params)]
    point = np.concatenate([leaf.ravel() for leaf in leaves])
    typical = [np.sqrt(np.mean(leaf**2)) if leaf.size else 0.0 for leaf in leaves]
    typical = np.repeat(typical, [leaf.size for leaf in leaves])
    sizes = sizes_of(point, typical)
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
    """A callable, taken apart.

    The arrays of a callable that is a pytree, such as a `jax.tree_util.Partial` or an
    Equinox module, are data: other arrays need no other compilation.

    Attributes:
        arrays: those that it holds.
        functions: what it calls; programs are found by them, and live with them.
        rest: what is left, to put it together again.
    """

    arrays: list[Array]
    functions: tuple[Callable[..., object], ...]
    rest: "Rest"


class _Place(enum.Enum):
    """What stands where a leaf was taken out."""

    ARRAY = enum.auto()
    FUNCTION = enum.auto()


class Rest(NamedTuple):
    """What is left of a callable without its arrays and functions.

    Attributes:
        leaves: its leaves, and what stands where one was taken out.
        types: theirs, since 2 and 2.0 are equal but do not compute the same.
        structure: that of the function that is called, its arguments and keywords.
    """

    leaves: tuple[Hashable, ...]
    types: tuple[type, ...]
    structure: Hashable

    def fill(
        self, arrays: Iterable[Array], functions: Iterable[Callable[..., object]]
    ) -> Callable[[Params, Batch, PRNGKeyArray], PyTree]:
        """Puts the function together again, to be called with params, batch, key."""
        given = {_Place.ARRAY: iter(arrays), _Place.FUNCTION: iter(functions)}
        leaves = [
            next(given[leaf]) if isinstance(leaf, _Place) else leaf
            for leaf in self.leaves
        ]
        function, args, keywords = jax.tree.unflatten(self.structure, leaves)
        if args or keywords:
            function = functools.partial(function, *args, **keywords)
        return with_key(function)


def take_apart(function: Callable[..., object]) -> Function:
    """Separates the arrays and the functions of a callable from the rest of it."""
    parts = (function, (), {})
    if isinstance(function, Partial):
        # Its structure holds what it calls, and so would whatever holds that.
        parts = (function.func, function.args, function.keywords)
    leaves, structure = jax.tree.flatten(parts)
    arrays, functions, rest = [], [], []
    for leaf in leaves:
        if isinstance(leaf, jax.Array | np.ndarray | np.generic):
            arrays.append(jnp.asarray(leaf))
            rest.append(_Place.ARRAY)
        elif callable(leaf):
            functions.append(leaf)
            rest.append(_Place.FUNCTION)
        else:
            rest.append(leaf)
    left = Rest(tuple(rest), tuple(map(type, rest)), structure)
    return Function(arrays, tuple(functions), left)
