"""How modules are told whether they train, and what they may be called with."""

import inspect
import subprocess
import sys

import jax
import pytest

from funclearn.models import _modes

MADE = """
import equinox, numpy as np
from flax import linen, nnx
import funclearn as fl
from funclearn._jaxprs import backends_exist
models = (
    fl.models.mlp((1, 4, 1)),
    fl.models.from_linen(linen.Dense(1), np.zeros((1, 1), np.float32)),
    fl.models.from_nnx(lambda rngs: nnx.Linear(1, 1, rngs=rngs)),
    fl.models.from_equinox(lambda key: equinox.nn.Linear(1, 1, key=key)),
)
assert not backends_exist()
"""


def call(row, train, *, deterministic=True, inference=None, **rest):
    return row, train, deterministic, inference, rest


def test_modes_are_the_parameters_of_the_call():
    on = {"train": True, "deterministic": False, "inference": False}
    assert _modes.modes(call, True) == on
    assert _modes.modes(call, False) == {name: not on[name] for name in on}
    assert _modes.modes(lambda row: row, True) == {}


def test_what_is_given_by_place_or_name_is_not_left_open():
    assert _modes.left_open(call, (1, True), {}) == {
        *("deterministic", "inference", "rest")
    }
    assert "inference" not in _modes.left_open(call, (1,), {"inference": None})
    assert _modes.left_open(call, (1, 2, 3, 4), {}) == set()


def test_parameters_without_a_default_are_needed():
    needed = [name for name in inspect.signature(call).parameters if name != "rest"]
    assert [_modes.needs(call, name) for name in needed] == [True, True, False, False]
    assert not _modes.needs(call, "absent")


def test_draws_looks_at_what_is_returned():
    key = jax.random.key(0)
    assert _modes.draws(lambda x, key: x + jax.random.normal(key), 1.0, key)
    assert not _modes.draws(lambda x, key: (jax.random.normal(key), x)[1], 1.0, key)


def test_parts_of_a_package_do_not_count():
    class Part:
        def __call__(self, row, key=None):
            return row

    parts = [3, jax.nn.relu, Part()]
    assert _modes.takes_inside(parts, "key", "equinox")
    assert not _modes.takes_inside(parts, "rngs", "equinox")
    assert not _modes.takes_inside(parts[:2], "key", "equinox")
    assert not _modes.takes_inside(parts, "key", Part.__module__.split(".")[0])


class Two:
    def __call__(self, one, other):
        return one, other


def test_a_call_that_needs_more_is_refused():
    _modes.check_call(Two(), 1, given={})
    message = r"one pytree of inputs .* Two takes \(one, other\) .*'other'"
    with pytest.raises(TypeError, match=message):
        _modes.check_call(Two(), given={})


def test_models_are_made_before_jax_begins():
    """Processes have to meet before it does, and a script may make its model first."""
    command = sys.executable, "-W", "ignore", "-c", MADE
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
