"""What modules are trained on, and some that draw and take notes."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen, nnx

import funclearn as fl

KEY = jax.random.key(0)

ROWS = jax.random.normal(jax.random.key(1), (12, 3))
DATA = fl.Dataset(ROWS, jnp.sin(ROWS).sum(axis=1, keepdims=True))
SGD = optax.sgd(0.05, momentum=0.5)
EPOCHS, BATCH = 4, 5


class Noting(linen.Module):
    """Draws and takes notes while it trains."""

    @linen.compact
    def forward(self, inputs, trains):
        # A bias would be taken off again by the norm, and hold roundings alone.
        hidden = linen.Dense(4, use_bias=False)(inputs)
        hidden = linen.BatchNorm(use_running_average=not trains, momentum=0.5)(hidden)
        hidden = linen.Dropout(0.3, deterministic=not trains)(linen.tanh(hidden))
        return linen.Dense(1)(hidden)


class WithTrain(Noting):
    def __call__(self, inputs, train=False):
        return self.forward(inputs, train)


class WithDeterministic(Noting):
    def __call__(self, inputs, *, deterministic=True):
        return self.forward(inputs, not deterministic)


class WithRunningAverage(Noting):
    def __call__(self, inputs, use_running_average):
        return self.forward(inputs, not use_running_average)


class NnxNoting(nnx.Module):
    def __init__(self, rngs):
        self.first = nnx.Linear(3, 4, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(4, momentum=0.5, rngs=rngs)
        self.drop = nnx.Dropout(0.3, rngs=rngs)
        self.last = nnx.Linear(4, 1, rngs=rngs)

    def __call__(self, inputs):
        return self.last(self.drop(nnx.tanh(self.norm(self.first(inputs)))))


def train_of(model) -> Any:
    assert model.train is not None
    return model.train


def batches():
    """Epoch by epoch the rows of every batch, as documented, and the step's key."""
    step = 0
    for epoch in range(EPOCHS):
        order = jax.random.fold_in(jax.random.fold_in(KEY, 1), epoch)
        rows = jax.random.permutation(order, len(ROWS))
        for start in range(0, len(ROWS), BATCH):
            key = jax.random.fold_in(jax.random.fold_in(KEY, 0), step)
            yield rows[start : start + BATCH], key
            step += 1


@functools.cache
def step_of(model):
    return fl.make_train_step(fl.make_objective(model, fl.losses.mse), SGD)


def trained(model, params=None, epochs=EPOCHS):
    step = step_of(model)
    if params is None:
        state = fl.init_state(KEY, model.init(KEY), SGD)
    else:
        state = params
    return fl.fit(step, state, DATA, epochs=epochs, batch_size=BATCH).state


def close(tree, other, rtol=1e-5):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6), tree, other
    )
