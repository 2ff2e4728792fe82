"""Devices that threads are told to use."""

import contextlib
from typing import Any, TypeAlias

import jax

__all__ = ["Device", "default_device"]

Device: TypeAlias = Any
"""A `jax.Device`, or None for the one that JAX takes by itself."""


def default_device(device: Device) -> contextlib.AbstractContextManager[Any]:
    """Has this thread use a device, if one is given."""
    return contextlib.nullcontext() if device is None else jax.default_device(device)
