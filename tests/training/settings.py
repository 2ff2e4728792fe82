"""A run as a function of all that it depends on."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from funclearn.models import LinearParams


class Settings(NamedTuple):
    """All that a run depends on and that varies continuously, and its key."""

    learning_rate: Any
    params: LinearParams
    data: fl.Dataset
    strength: Any
    noise: Any
    key: Any


def some_settings():
    rng = np.random.default_rng(8)
    return Settings(
        learning_rate=jnp.asarray(0.05),
        params=LinearParams(jnp.asarray(0.3), jnp.asarray(-0.2)),
        data=fl.Dataset(*map(jnp.asarray, rng.normal(size=(2, 7)))),
        strength=jnp.asarray(0.1),
        noise=None,
        key=jax.random.key(0),
    )


def run(settings, make_optimizer=optax.sgd, epochs=5, batch_size=None):
    optimizer = make_optimizer(settings.learning_rate)
    objective = fl.make_objective(
        fl.models.linear,
        fl.losses.mse,
        penalty=fl.losses.l2(settings.strength),
        input_noise=0.0 if settings.noise is None else settings.noise,
    )
    return fl.fit(
        fl.make_train_step(objective, optimizer),
        fl.init_state(settings.key, settings.params, optimizer),
        settings.data,
        settings.data,
        epochs=epochs,
        batch_size=batch_size,
        evaluate=fl.make_evaluation(fl.models.linear, fl.losses.mse),
    )


def results(settings, **options):
    outcome = run(settings, **options)
    return outcome.state.params, outcome.history


@functools.cache
def compiled(batch_size):
    return jax.jit(functools.partial(results, batch_size=batch_size))


def assert_close(tree, other, **tolerance):
    for one, two in zip(*map(jax.tree.leaves, (tree, other)), strict=True):
        np.testing.assert_allclose(one, two, **tolerance)
