"""What linen modules inside a module are told, and what they ask, when they are called.

The layers of a module are known to flax only while it is called, so that its way to
intercept calls is the one that reaches them.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from funclearn.models._modes import MODES, left_open, modes

__all__ = ["Heard", "attributes", "intercepted", "open_modes"]


class Heard(NamedTuple):
    """What was heard in calls.

    Attributes:
        told: the names of the modes that modules were told.
        asked: the streams of random numbers for which they asked `has_rng`.
    """

    told: set[str]
    asked: set[str]


@contextlib.contextmanager
def intercepted(trains: bool, heard: Heard) -> Iterator[None]:
    """Lets linen modules be called within, told whether they train.

    A call that leaves a mode at its default is told it, but for calls inside of a
    module that has a mode itself: how its parts behave is for that one to say. What
    modules sow is dropped.

    Args:
        trains: whether they train.
        heard: what to add to.
    """
    from flax import linen

    decided = False

    def call(
        method: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: linen.module.InterceptorContext,
    ) -> Any:
        nonlocal decided
        module = context.module
        _attend(module, heard)
        if decided:
            return method(*args, **kwargs)
        takes = modes(context.orig_method, trains)
        told = (
            left_open(context.orig_method, args, kwargs)
            & open_modes(takes, module).keys()
        )
        heard.told.update(told)
        decided = bool(takes or attributes(module))
        try:
            return method(*args, **kwargs, **{name: takes[name] for name in told})
        finally:
            decided = False

    with linen.intercept_methods(call):
        yield


def attributes(module: Any) -> dict[str, Any]:
    """The attributes of a module that say whether it trains."""
    names = {field.name for field in dataclasses.fields(module)} & MODES.keys()
    values = {name: getattr(module, name, None) for name in MODES if name in names}
    return {name: value for name, value in values.items() if value is not None}


def open_modes(takes: dict[str, bool], module: Any) -> dict[str, bool]:
    """The modes that a module's attributes do not decide; flax refuses the others."""
    said = attributes(module)
    return {name: value for name, value in takes.items() if name not in said}


def _attend(module: Any, heard: Heard) -> None:
    """Hears what a bound module asks, and lets it sow in vain."""

    def has_rng(name: str) -> bool:
        heard.asked.add(name)
        return type(module).has_rng(module, name)

    # Flax intercepts no methods of its base class, and lets no attribute be set; this
    # module is a copy that flax made for the one call.
    object.__setattr__(module, "has_rng", has_rng)
    object.__setattr__(module, "sow", _sow)


def _sow(*_: object, **__: object) -> bool:
    """As `sow` does where the collection may not be changed."""
    return False
