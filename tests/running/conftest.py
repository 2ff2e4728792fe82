"""Data that come part by part although they are few."""

import pytest


@pytest.fixture
def in_parts(monkeypatch):
    """No data are so few that they are read at once."""
    from funclearn.running import _sources

    monkeypatch.setattr(_sources, "BLOCK", 0)


@pytest.fixture
def looked_at(monkeypatch, in_parts):
    """A look at the run after every batch."""
    from funclearn.running import _streamed

    monkeypatch.setattr(_streamed, "_SECONDS", 0.0)
