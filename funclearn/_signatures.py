"""Calling objectives and closed forms with a key, whether they take one or not."""

import inspect
from collections.abc import Callable
from typing import Any

from funclearn._types import Batch, Params

__all__ = ["with_key"]


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
