"""Fixtures of the tests of the assertions.

funclearn is imported inside fixtures only, as in the session's own settings.
"""

import tempfile

import pytest


@pytest.fixture
def fails():
    """Requires an assertion to fail, and returns its message."""

    def message(assertion, *args, **options):
        with pytest.raises(AssertionError) as caught:
            assertion(*args, **options)
        return str(caught.value)

    return message


@pytest.fixture
def message_of(fails):
    """Requires a function to have an unintended broadcast; returns the message."""
    from funclearn.testing import assert_no_silent_broadcast

    return lambda *args: fails(assert_no_silent_broadcast, *args)


@pytest.fixture
def aside(tmp_path, monkeypatch):
    """Where temporary folders are made, so that those kept after a failure go, too."""
    folder = tmp_path / "aside"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder
