"""A server on loopback, whose requests are those of a single test."""

import pytest

from tests.data.server import running


@pytest.fixture(scope="module")
def loopback():
    with running() as server:
        yield server


@pytest.fixture
def server(loopback):
    loopback.requests.clear()
    return loopback
