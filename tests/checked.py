"""beartype, asked once for functions of one text and the same annotations.

A function that is defined within another one is decorated at every call of that one.
What jaxtyping has checked then is no such function but one without a body that it
writes from the name, the parameters and the annotations.
"""

from collections.abc import Callable
from typing import Any

import beartype

_checks: dict[tuple[Any, ...], Callable[..., Any]] = {}


def checks(function: Callable[..., Any]) -> Callable[..., Any]:
    """What checks the arguments and the result of a function that jaxtyping wrote."""
    code: Any = getattr(function, "__code__", None)
    # A default value would be checked, and kept alive.
    if code is None or function.__defaults__ or function.__kwdefaults__:
        return beartype.beartype(function)
    if code.co_filename != "<string>" or function.__closure__:
        return beartype.beartype(function)
    annotations = tuple(function.__annotations__.items())
    key = (code, function.__module__, function.__qualname__, annotations)
    try:
        return _checks[key]
    except TypeError:  # annotations that cannot be hashed
        return beartype.beartype(function)
    except KeyError:
        _checks[key] = beartype.beartype(function)
        return _checks[key]
