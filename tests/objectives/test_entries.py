"""The loss within what was evaluated."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl

EVALUATIONS = {
    "scalar": (jnp.float32(2.5), 2.5),
    "number": (2.5, 2.5),
    "NumPy's": (np.float64(2.5), 2.5),
    "mistakes": (jnp.int32(3), 3.0),
    "dictionary": ({"loss": jnp.float32(2.5), "mae": jnp.ones(3)}, 2.5),
    "dictionary without": ({"mae": jnp.float32(2.5)}, None),
    "array": (jnp.ones(3), None),
    "complex": (jnp.complex64(1), None),
    "truth": (jnp.bool_(True), None),
    "tuple": ((jnp.float32(2.5),), None),
    "nothing": (None, None),
}


@pytest.mark.parametrize("evaluation, wanted", EVALUATIONS.values(), ids=EVALUATIONS)
def test_the_loss_of_an_evaluation(evaluation, wanted):
    loss = fl.objectives.loss_of(evaluation)
    if wanted is None:
        assert loss is None
    else:
        assert loss is not None and loss.shape == ()
        assert jnp.issubdtype(loss.dtype, jnp.floating)
        assert float(loss) == wanted
        if isinstance(evaluation, jax.Array):
            np.testing.assert_array_equal(
                jax.jit(fl.objectives.loss_of)(evaluation), loss
            )


def test_what_stands_for_the_loss():
    stacked = {"loss": jnp.ones(3), "mae": jnp.zeros(3)}
    assert fl.objectives.loss_entry(stacked) is stacked["loss"]
    assert fl.objectives.loss_entry({"mae": 1.0}) is None
    assert fl.objectives.loss_entry(None) is None
    assert fl.objectives.loss_entry("anything") == "anything"
