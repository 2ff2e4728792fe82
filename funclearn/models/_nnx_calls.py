"""What nnx modules are told before they are called: whether they train."""

import functools
from collections.abc import Callable
from typing import Any

from funclearn.models._modes import MODES, left_open, modes

__all__ = ["has_open_modes", "switch", "tell"]


def switch(module: Any, trains: bool) -> None:
    """Sets the attributes of a module and its parts that say whether they train.

    Those that `train` and `eval` of nnx set, and the others that are booleans.
    """
    from flax import nnx

    # An attribute `train` hides the method from the instance.
    kind = type(module)
    (kind.train if trains else kind.eval)(module)
    for _, part in nnx.iter_modules(module):
        for name, value in MODES.items():
            if isinstance(vars(part).get(name), bool):
                setattr(part, name, value is trains)


def has_open_modes(module: Any) -> bool:
    """Whether a module, or a part of it that nobody tells, can be told in calls."""
    return bool(modes(module.__call__, True) or _untold(module))


def tell(module: Any, trains: bool) -> None:
    """Lets parts that nobody tells whether they train be told in every call.

    Args:
        module: the module, whose parts change their classes.
        trains: what to tell.
    """
    for part in _untold(module):
        # A call looks for `__call__` in the class, not in the instance.
        object.__setattr__(part, "__class__", _telling(type(part), trains))


def _untold(module: Any) -> list[Any]:
    """The parts with a mode in their call, where no module around them has one.

    Parts of flax go by their attributes, and a module that has a mode itself says what
    its parts do.
    """
    from flax import nnx

    decided: list[tuple[Any, ...]] = []
    found = []
    for path, part in sorted(nnx.iter_modules(module), key=lambda one: len(one[0])):
        inside = any(path[: len(around)] == around for around in decided)
        if inside or not (callable(part) and modes(part.__call__, True)):
            continue
        decided.append(path)
        if path and type(part).__module__.split(".")[0] != "flax":
            found.append(part)
    return found


@functools.cache
def _telling(kind: type, trains: bool) -> type:
    """A class whose calls are told what they leave at its default."""
    own: Callable[..., Any] = kind.__call__

    @functools.wraps(own)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        bound = functools.partial(own, self)
        left = left_open(bound, args, kwargs)
        told = {name: v for name, v in modes(bound, trains).items() if name in left}
        return bound(*args, **kwargs, **told)

    return type(kind)(kind.__name__, (kind,), {"__call__": call})
