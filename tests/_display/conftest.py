"""What the tests of displays share."""

import pytest


class Clock:
    """A clock that the test winds."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def seen():
    """Makes what is seen after so many epochs."""
    from funclearn._display import Seen

    def make(epoch=10, **changes):
        known = dict(epochs=100, loss=0.5, validation=None, rate=2.0)
        known |= dict(closest=None, saving=None)
        return Seen(epoch=epoch, **{**known, **changes})

    return make
