"""Settings of the tests of the experiments."""

import pytest

from tests.browser import opened

pytest.register_assert_rewrite("tests.experiments.every")


@pytest.fixture(scope="module")
def page(chromium, path):
    """The page that a module's own `path` leads to, opened once for all its tests."""
    with opened(chromium, path) as page:
        yield page
