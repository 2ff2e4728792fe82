"""What rules carry and tell."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.stopping import _memory


def test_a_reason_has_a_name():
    names = ("epochs", "target", "diverged")
    assert str(_memory.Reason(jnp.int32(2), names)) == "diverged"
    lanes = _memory.Reason(jnp.array([0, 1]), names)
    assert lanes.name.tolist() == ["epochs", "target"]
    assert jax.tree.map(lambda code: code[1], lanes).name == "target"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_nothing_is_higher_than_the_highest(dtype):
    assert _memory.highest(dtype) == np.inf
    with jax.debug_infs(True):
        assert _memory.highest(dtype) == jnp.finfo(dtype).max
