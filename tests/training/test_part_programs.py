"""The programs of an epoch in parts are compiled once."""

import gc
import weakref

import jax
import jax.numpy as jnp
import optax

import funclearn as fl
from funclearn.training import Parts


def test_they_are_made_once_for_a_step_and_go_with_it():
    def objective(weight, batch, key):
        return jnp.mean((weight - batch) ** 2)

    def parts():
        return Parts(step, None, None, batch_size=2, weighed=False, looks=False)

    step = fl.make_train_step(objective, optax.sgd(0.1))
    state = fl.init_state(jax.random.key(0), jnp.float32(2), optax.sgd(0.1))
    rows = jnp.array([[0, 1], [1, 2]])
    made = parts()
    for _ in range(2):
        made.advance(made.begin(state, None), jnp.arange(3.0), rows, 2)
    assert made._programs is parts()._programs
    assert made._programs.loop._cache_size() == 1
    gone = weakref.ref(step)
    del step, made, parts
    gc.collect()
    assert gone() is None
