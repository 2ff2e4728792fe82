"""What a checkpoint says of itself, of what is given with a state."""

import functools
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import jax
from jaxtyping import PyTree

from funclearn._checks import integer_at_least
from funclearn._words import described
from funclearn.checkpoints._fingerprint import fingerprint_of
from funclearn.checkpoints._head import Head
from funclearn.checkpoints._json import as_json

__all__ = ["head_of_state", "step_of"]


def head_of_state(
    state: PyTree,
    *,
    step: int,
    direction: str,
    notes: Mapping[str, Any] | None,
    config: Mapping[str, Any] | None,
    data: PyTree,
    value: Any,
) -> Head:
    """The head of a checkpoint, without its pytrees; of the arguments of `save`.

    Raises:
        TypeError: if one cannot be held.
    """
    return Head(
        step=step,
        epoch=_epoch(state),
        value=_value(value),
        direction=direction,
        notes=as_json("notes", notes),
        config=as_json("config", config),
        data=fingerprint_of(data),
        time=time.time(),
        library=_version(),
        trees={},
    )


@functools.cache
def _version() -> str:
    return version("funclearn")


def step_of(state: PyTree) -> int:
    """The step that a state counts.

    Raises:
        TypeError: if it counts none.
    """
    step = getattr(state, "step", None)
    if step is None:
        raise TypeError(
            f"step must be given, since state has none; got {described(state)}."
        )
    return integer_at_least("state.step", step, 0)


def _epoch(state: PyTree) -> int | None:
    try:
        return integer_at_least("state.epoch", getattr(state, "epoch", None), 0)
    except (TypeError, ValueError):  # of a state that is another library's, or batched
        return None


def _value(value: Any) -> float | None:
    """The value as a number of Python's, which JSON holds to the bit."""
    if value is None:
        return None
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError, jax.errors.JAXTypeError):
        raise TypeError(
            f"value must be a number or None; got {described(value)}."
        ) from None
