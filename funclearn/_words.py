"""Naming what was given, for the messages of refusals."""

import inspect
import reprlib
from numbers import Real

import jax
import numpy as np

__all__ = ["described"]


def described(value: object) -> str:
    """Names a value in a few words, however large or long it is."""
    if isinstance(value, jax.Array | np.ndarray):
        return f"{value.dtype}[{','.join(map(str, value.shape))}]"
    if value is None or isinstance(value, str | bytes | Real):
        return reprlib.repr(value)
    if inspect.isclass(value) or inspect.isroutine(value):
        kind = "class" if inspect.isclass(value) else "function"
        return f"the {kind} {value.__name__}"
    return f"a {type(value).__name__}"
