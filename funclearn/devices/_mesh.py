"""The devices of a run."""

import jax
from jax.sharding import AxisType, Mesh

from funclearn._checks import integer_at_least
from funclearn._words import described

__all__ = ["check_mesh", "mesh"]


def mesh(n: int | None = None) -> Mesh:
    """A mesh of devices along one axis, `"data"`, whose layout XLA chooses.

    Args:
        n: how many of `jax.devices()`, from the first; None takes all.

    Returns:
        The mesh, of an axis of type `jax.sharding.AxisType.Auto`.

    Raises:
        TypeError: if `n` is no integer.
        ValueError: if it is less than 1 or more than there are.

    Example:
        >>> fl.devices.mesh(1).shape
        OrderedDict({'data': 1})
    """
    devices = jax.devices()
    n = len(devices) if n is None else integer_at_least("n", n, 1)
    if n > len(devices):
        raise ValueError(
            f"n must be at most the number of devices, {len(devices)}; got {n}. A CPU "
            f'is made {n} devices by jax.config.update("jax_num_cpu_devices", {n}) '
            "before the first operation of JAX."
        )
    return jax.make_mesh(
        (n,), ("data",), axis_types=(AxisType.Auto,), devices=devices[:n]
    )


def check_mesh(mesh: object) -> None:
    """Refuses everything but a mesh of one axis whose layout XLA chooses.

    Raises:
        TypeError: if it is no mesh.
        ValueError: if it has more axes, or an explicit one.
    """
    needed = "mesh must be one of one axis of type Auto, as funclearn.devices.mesh()"
    if not isinstance(mesh, Mesh):
        raise TypeError(f"{needed}; got {described(mesh)}.")
    if mesh.axis_types != (AxisType.Auto,):
        axes = zip(mesh.axis_names, mesh.axis_types, strict=True)
        got = ", ".join(f"{name!r} {kind.name}" for name, kind in axes)
        raise ValueError(f"{needed}; got {got or 'none'}.")
