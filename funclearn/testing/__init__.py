"""Assertions for users' own tests.

They run under plain pytest, on functions and scripts that need not use funclearn.
"""

from funclearn.gradients import GradientsNearlyAgree, GradientsUndecided
from funclearn.testing._compilation import assert_compiles_once
from funclearn.testing._crashes import CrashReport, assert_resumes
from funclearn.testing._gradients import assert_gradients_agree
from funclearn.testing._properties import (
    assert_deterministic,
    assert_no_key_reuse,
    assert_no_silent_broadcast,
    assert_same_under_jit,
    assert_vmap_equals_loop,
)

__all__ = [
    "CrashReport",
    "GradientsNearlyAgree",
    "GradientsUndecided",
    "assert_compiles_once",
    "assert_deterministic",
    "assert_gradients_agree",
    "assert_no_key_reuse",
    "assert_no_silent_broadcast",
    "assert_resumes",
    "assert_same_under_jit",
    "assert_vmap_equals_loop",
]
