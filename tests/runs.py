"""Runs that sweeps and blocks of lanes are tested on."""

import functools
import threading

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from funclearn import stopping

KEY = jax.random.key(0)

START = fl.models.LinearParams(jnp.ones(()), jnp.zeros(()))

RATES = np.logspace(-4, -2.2, 12).astype(np.float32)


@functools.cache
def readings():
    return fl.data.standardise(fl.data.thermometer())[0]


def descend(learning_rate, start=1.0, steps=20):
    """Gradient descent on x² / 2, which multiplies x by 1 - rate at every step."""
    return jax.lax.fori_loop(0, steps, lambda _, x: x - learning_rate * x, start)


def train(model, params, data, optimizer=optax.sgd, **how):
    """Makes a run that returns parameters, losses, epochs and the reason."""
    objective = fl.make_objective(model, fl.losses.mse)

    def run(learning_rate):
        update = optimizer(learning_rate)
        step = fl.make_train_step(objective, update)
        ran = fl.fit(step, fl.init_state(KEY, params, update), data, **how)
        return ran.state.params, ran.history, ran.epochs, ran.reason

    return run


def with_line(*optimizer, **how):
    return train(fl.models.linear, START, readings(), *optimizer, **how)


def with_network(model, **how):
    return train(model, model.init(KEY), fl.data.noisy_sine(KEY, 8), **how)


RULE = stopping.target(30.0) | stopping.diverged(10.0)

RUNS = {
    "line": lambda: with_line(epochs=200),
    "line that stops": lambda: with_line(epochs=200, stop=RULE),
    "line by Adam": lambda: with_line(optax.adam, epochs=100),
    "minibatches": lambda: with_line(epochs=10, batch_size=4, stop=RULE),
    "small network": lambda: with_network(fl.models.mlp((1, 4, 1)), epochs=30),
    "wide network": lambda: with_network(fl.models.wide_net, epochs=10),
    "deep network": lambda: with_network(fl.models.mlp((1, 48, 48, 1)), epochs=10),
}


@functools.cache
def run_of(name):
    """The run of that name, the same at every call."""
    return RUNS[name]()


def equal(one, other):
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def rows(tree, index):
    return jax.tree.map(lambda leaf: leaf[index], tree)


class Display:
    """Keeps what it is shown, and the threads that did so."""

    def __init__(self):
        self.seen, self.threads, self.closed = [], set(), 0

    def show(self, seen):
        self.seen.append(seen)
        self.threads.add(threading.current_thread())

    def note(self, text):
        raise AssertionError(text)

    def close(self, text=None):
        assert text is None
        self.closed += 1


def bits(tree):
    """The bytes of every leaf, in the tree's structure."""

    def of(leaf):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        return np.asarray(leaf).tobytes()

    return jax.tree.map(of, tree)
