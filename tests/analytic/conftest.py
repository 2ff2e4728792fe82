"""How the tests of closed forms compare gradients."""

import jax
import numpy as np
import pytest


@pytest.fixture
def assert_close():
    """The comparison of two gradients."""
    return _assert_close


def _assert_close(got, expected, tolerance):
    """Compares every entry, to a fraction of the leaf's largest.

    Sums over rows may cancel, and leave an entry nothing but their rounding.
    """
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for mine, other in zip(
        jax.tree.leaves(got), jax.tree.leaves(expected), strict=True
    ):
        scale = np.max(np.abs(other))
        np.testing.assert_allclose(mine, other, rtol=0, atol=tolerance * scale)
