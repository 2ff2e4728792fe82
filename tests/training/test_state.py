"""What a run starts from."""

import jax
import jax.numpy as jnp
import optax
import pytest

import funclearn as fl

KEY = jax.random.key(0)

SGD = optax.sgd(0.1)

STATES = {
    "integer": ((KEY, {"w": jnp.arange(3)}), TypeError, r"params\['w'\] .*got int"),
    "Python integer": ((KEY, {"w": 1}), TypeError, r"params\['w'\] .*got int"),
    "complex": ((KEY, jnp.array(1j)), TypeError, "params must .*got complex64"),
    "nothing": ((KEY, {}), ValueError, r"params must have at least one leaf; got {}"),
    "legacy key": ((jax.random.PRNGKey(0), 1.0), TypeError, r"key must be a typed key"),
    "seed": ((0, 1.0), TypeError, "key must be a typed key, .*; got 0"),
    "keys": ((jax.random.split(KEY), 1.0), ValueError, "key must be a single key"),
}


@pytest.mark.parametrize("arguments, error, message", STATES.values(), ids=STATES)
@pytest.mark.usefixtures("plain_annotations")
def test_init_state_refuses_by_name(arguments, error, message):
    key, params = arguments
    with pytest.raises(error, match=message):
        fl.init_state(key, params, SGD)


def test_init_state_counts_from_zero_and_takes_python_numbers():
    state = fl.init_state(KEY, {"w": 1.5}, optax.adam(0.1))
    assert (state.step, state.epoch) == (0, 0)
    assert state.step.dtype == jnp.asarray(state.epoch).dtype == jnp.int32
    assert state.params["w"].dtype == jnp.float32
    assert not state.params["w"].weak_type


def test_a_state_of_four_fields_is_at_epoch_0():
    assert fl.TrainState({}, (), KEY, jnp.int32(3)).epoch == 0
