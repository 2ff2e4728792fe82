"""Settings of the whole test session.

funclearn is imported inside fixtures and tests only: the hook that turns its
annotations into checks has to come first.
"""

import gc

import jax
import jaxtyping
import pytest

import tests.checked  # noqa: F401 - the hook finds it in its package
from tests.browser import chromium  # noqa: F401 - a fixture for all tests

jax.config.update("jax_numpy_rank_promotion", "raise")
# Whatever does not ask for more is on the first one.
jax.config.update("jax_num_cpu_devices", 8)


def pytest_collection_finish():
    """Takes the modules and the tests out of what is searched for garbage.

    They are most of the objects there are, and live as long as the process.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def equal_programs(tmp_path_factory):
    """Lets XLA compile programs of equal text once in every process.

    The smallest take longer to be kept than to be compiled.
    """
    from funclearn import _jaxprs

    folder = tmp_path_factory.mktemp("programs")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_compilation_cache_dir", str(folder))
    _jaxprs.reset_cache()


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


@pytest.fixture
def compilation_cache():
    """Lets a test switch JAX's compilation cache on; afterwards it is as before."""
    from funclearn import _jaxprs

    names = (
        "jax_compilation_cache_dir",
        "jax_persistent_cache_min_compile_time_secs",
        "jax_persistent_cache_min_entry_size_bytes",
    )
    before = {name: getattr(jax.config, name) for name in names}
    jax.config.update("jax_compilation_cache_dir", None)
    _jaxprs.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    _jaxprs.reset_cache()
