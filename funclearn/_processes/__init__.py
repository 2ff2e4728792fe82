"""Several processes that work on the same arrays, and what they tell each other.

All of them call the same functions in the same order; where arrays lie in one process
alone nothing is exchanged, and nothing is waited for.
"""

from funclearn._processes._exchange import (
    Elsewhere,
    from_all,
    one_of_each,
    wait_for,
)
from funclearn._processes._parts import is_spread, local, whole
from funclearn._processes._together import Together

__all__ = [
    "Elsewhere",
    "Together",
    "from_all",
    "is_spread",
    "local",
    "one_of_each",
    "wait_for",
    "whole",
]
