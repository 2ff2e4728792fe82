"""Assertions for users' own tests.

They run under plain pytest, on functions that have never heard of funclearn.
"""

from funclearn._assertions.gradients import assert_gradients_agree
from funclearn._assertions.properties import (
    assert_compiles_once,
    assert_deterministic,
    assert_no_key_reuse,
    assert_no_silent_broadcast,
    assert_same_under_jit,
    assert_vmap_equals_loop,
)
from funclearn._comparison.compare import GradientsUndecided

__all__ = [
    "GradientsUndecided",
    "assert_compiles_once",
    "assert_deterministic",
    "assert_gradients_agree",
    "assert_no_key_reuse",
    "assert_no_silent_broadcast",
    "assert_same_under_jit",
    "assert_vmap_equals_loop",
]
