"""Calling functions with what they take: a key, or a keyword, or neither."""

import inspect
from collections.abc import Callable
from typing import Any

from funclearn._types import Batch, Params

__all__ = ["takes_keyword", "with_key"]


def with_key(function: Callable[..., Any]) -> Callable[[Params, Batch, Any], Any]:
    """Lets a function of `(params, batch)` be called with a key as well.

    Args:
        function: `(params, batch)` or `(params, batch, key)`; a function that takes
            three positional arguments is given the key.
    """
    try:
        inspect.signature(function).bind(None, None, None)
    except TypeError:
        return lambda params, batch, key: function(params, batch)
    return function


def takes_keyword(function: Callable[..., Any], name: str) -> bool:
    """Whether a function has a parameter of a name that can be given by it."""
    try:
        parameter = inspect.signature(function).parameters.get(name)
    except (TypeError, ValueError):  # some of C have no signature
        return False
    if parameter is None:
        return False
    return parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
