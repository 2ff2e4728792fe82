"""Settings of the whole test session.

funclearn is imported inside fixtures and tests only: the hook that turns its
annotations into checks has to come first.
"""

import jax
import jaxtyping
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def plain_annotations():
    """Runs a test without annotation checks, to reach the library's own refusals."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def float64():
    """Runs a test with 64-bit types enabled."""
    with jax.enable_x64(True):
        yield
