"""What a checkpoint says of what is given with a state; `test_saving` has more."""

import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.checkpoints._describing import head_of_state, step_of
from tests.checkpoints.settings import network

NOTHING = {"notes": None, "config": None, "data": None, "value": None}


def test_all_that_is_given_is_said():
    said = {"notes": {"a": (1, 2)}, "config": {"b": np.float32(0.5)}, "data": "abc"}
    head = head_of_state(
        network(4), step=4, direction="max", value=jnp.array(2), **said
    )
    assert head[:7] == (4, 0, 2.0, "max", {"a": [1, 2]}, {"b": 0.5}, "abc")
    assert head.trees == {} and head.folder is None and head.format == 1


def test_what_is_not_given_is_not_said():
    head = head_of_state({"w": 1.0}, step=1, direction="min", **NOTHING)
    assert head[:7] == (1, None, None, "min", None, None, None)


def test_a_step_is_that_of_the_state():
    assert step_of(network(7)) == 7
    with pytest.raises(TypeError, match="step must be given, since state has none"):
        step_of({"w": 1.0})
