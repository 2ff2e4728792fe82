"""Linen modules inside a module are told whether they train where nobody else does."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.models import _linen_calls
from tests.models.settings import KEY, ROWS


class Tells(nn.Module):
    """Adds 1 while it trains, and sows."""

    @nn.compact
    def __call__(self, x, train=False):
        self.sow("losses", "mean", x.mean())
        return x + 1 if train else x


class Asks(nn.Module):
    """Hands its own mode on to nobody."""

    def setup(self):
        self.inner = Tells()

    def __call__(self, x, deterministic=True):
        return self.inner(x)


class Says(nn.Module):
    """As `Asks`, with an attribute."""

    training: bool = False

    @nn.compact
    def __call__(self, x):
        return Tells()(x)


class Explicit(nn.Module):
    @nn.compact
    def __call__(self, x):
        return Tells()(Tells()(x, train=False), False)


class Scanned(nn.Module):
    @nn.compact
    def __call__(self, carry, _, train=False):
        return Tells()(carry, train), None


class Scans(nn.Module):
    @nn.compact
    def __call__(self, x):
        scan = nn.scan(Scanned, variable_axes={"losses": 0}, length=2)
        return scan()(x, None)[0]


ADDED: dict[str, tuple[Any, int]] = {
    "told": (Tells(), 1),
    "inside": (nn.Sequential([Tells(), Tells(), nn.relu]), 2),
    "under a module with a mode": (nn.Sequential([Asks(), Tells()]), 1),
    "under one with an attribute": (Says(), 0),
    "explicit": (Explicit(), 0),
    "remat": (nn.Sequential([nn.remat(Tells)()]), 1),
    "remat, outermost": (nn.remat(Tells)(), 1),
    "scan": (Scans(), 2),
    "vmap": (nn.Sequential([nn.vmap(Tells, variable_axes={"losses": 0})()]), 1),
}


@pytest.mark.parametrize("module, added", ADDED.values(), ids=ADDED)
def test_calls_that_leave_the_mode_open_are_told_it(module, added):
    rows = jnp.abs(ROWS)
    for trains in (True, False):
        heard = _linen_calls.Heard(set(), set())
        with _linen_calls.intercepted(trains, heard):
            out, sown = module.apply({}, rows, mutable=True)
        np.testing.assert_allclose(out, rows + added * trains, rtol=1e-6)
        assert not jax.tree.leaves(sown)
    out, sown = module.apply({}, rows, mutable=True)
    np.testing.assert_array_equal(out, rows)
    assert jax.tree.leaves(sown)  # flax is as it was before


def test_what_a_module_asks_is_heard_and_answered():
    class Noise(nn.Module):
        def __call__(self, x):
            return x + self.has_rng("noise") + 2 * self.has_rng("other")

    heard = _linen_calls.Heard(set(), set())
    with _linen_calls.intercepted(True, heard):
        out: Any = Noise().apply({}, 0, rngs={"noise": KEY})
    assert out == 1
    assert heard == (set(), {"noise", "other"})


def test_attributes_that_are_none_decide_nothing():
    assert _linen_calls.attributes(Says(training=True)) == {"training": True}
    assert _linen_calls.attributes(nn.Dropout(0.5)) == {}
    takes = {"deterministic": True}
    assert _linen_calls.open_modes(takes, nn.Dropout(0.5)) == takes
    assert _linen_calls.open_modes(takes, nn.Dropout(0.5, deterministic=True)) == {}
