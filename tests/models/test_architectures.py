"""Four models of kinds that people train, step for step as in a loop by hand.

A convolutional network on images, one with batch norm, a recurrent classifier of texts
and a small transformer with dropout; the data are drawn.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen

import funclearn as fl
from funclearn.models import Noted

KEY = jax.random.key(0)
ROWS, BATCH, EPOCHS, CLASSES, WORDS = 8, 4, 2, 3, 20
OPTIMIZER = optax.adam(1e-2, eps=1e-3)


class Convolutional(linen.Module):
    @linen.compact
    def __call__(self, images):
        hidden = linen.relu(linen.Conv(4, (3, 3))(images[..., None] / 255.0))
        hidden = linen.avg_pool(hidden, (2, 2), (2, 2)).reshape(len(images), -1)
        return linen.Dense(CLASSES)(linen.relu(linen.Dense(8)(hidden)))


class Normalised(linen.Module):
    @linen.compact
    def __call__(self, images, train):
        hidden = linen.Conv(4, (3, 3), use_bias=False)(images[..., None] / 255.0)
        hidden = linen.BatchNorm(use_running_average=not train, momentum=0.8)(hidden)
        return linen.Dense(CLASSES)(linen.relu(hidden).mean(axis=(1, 2)))


class Recurrent(linen.Module):
    @linen.compact
    def __call__(self, tokens, deterministic=True):
        embedded = linen.Embed(WORDS, 6)(tokens)
        embedded = linen.Dropout(0.2, deterministic=deterministic)(embedded)
        hidden: Any = linen.RNN(linen.LSTMCell(5))(embedded)
        return linen.Dense(CLASSES)(hidden[:, -1])


class Transformer(linen.Module):
    @linen.compact
    def __call__(self, tokens, train):
        places = self.param("places", linen.initializers.normal(), (tokens.shape[1], 8))
        hidden = linen.Embed(WORDS, 8)(tokens) + places[None]
        attend = linen.MultiHeadDotProductAttention(
            2, dropout_rate=0.1, deterministic=not train
        )
        hidden = hidden + attend(linen.LayerNorm()(hidden))
        inner = linen.gelu(linen.Dense(16)(linen.LayerNorm()(hidden)))
        inner = linen.Dropout(0.1, deterministic=not train)(linen.Dense(8)(inner))
        return linen.Dense(CLASSES)((hidden + inner).mean(axis=1))


RANDOM = np.random.default_rng(0)
IMAGES = jnp.asarray(RANDOM.integers(0, 255, (ROWS, 6, 6)), jnp.uint8)
TEXTS = jnp.asarray(RANDOM.integers(0, WORDS, (ROWS, 5)))
LABELS = jnp.asarray(RANDOM.integers(0, CLASSES, ROWS))

# A module, its inputs, and what its call is given while it trains and predicts.
MODELS: dict[str, tuple[Any, jax.Array, dict, dict]] = {
    "convolutional": (Convolutional(), IMAGES, {}, {}),
    "batch norm": (Normalised(), IMAGES, {"train": True}, {"train": False}),
    "recurrent": (
        Recurrent(),
        TEXTS,
        {"deterministic": False},
        {"deterministic": True},
    ),
    "transformer": (Transformer(), TEXTS, {"train": True}, {"train": False}),
}


def loop_by_hand(module, inputs, on, off):
    """The last variables, by flax and optax alone."""
    variables = dict(module.init(KEY, inputs[:1], **off))
    params = variables.pop("params")
    opt_state, step = OPTIMIZER.init(params), 0

    @jax.jit
    def update(params, notes, opt_state, rows, key):
        def loss(params):
            logits, new = module.apply(
                {"params": params, **notes},
                inputs[rows],
                mutable=list(notes),
                rngs={"dropout": key},
                **on,
            )
            losses = optax.softmax_cross_entropy_with_integer_labels(
                logits, LABELS[rows]
            )
            return losses.mean(), new

        grads, new = jax.grad(loss, has_aux=True)(params)
        updates, opt_state = OPTIMIZER.update(grads, opt_state, params)
        return optax.apply_updates(params, updates), new, opt_state

    for epoch in range(EPOCHS):
        order = jax.random.fold_in(jax.random.fold_in(KEY, 1), epoch)
        rows = jax.random.permutation(order, ROWS)
        for start in range(0, ROWS, BATCH):
            key = jax.random.fold_in(jax.random.fold_in(KEY, 0), step)
            batch = rows[start : start + BATCH]
            params, new, opt_state = update(params, variables, opt_state, batch, key)
            variables |= new
            step += 1
    return params, variables


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.slow
def test_it_trains_as_in_a_loop_by_hand_and_goes_on_to_the_same_bits(name):
    module, inputs, on, off = MODELS[name]
    model = fl.models.from_linen(module, inputs[:1])
    step = fl.make_train_step(
        fl.make_objective(model, fl.losses.cross_entropy), OPTIMIZER
    )
    start = fl.init_state(KEY, model.init(KEY), OPTIMIZER)
    rows = fl.Dataset(inputs, LABELS)

    def run(state, epochs):
        return fl.fit(step, state, rows, epochs=epochs, batch_size=BATCH).state

    state = run(start, EPOCHS)
    params, notes = loop_by_hand(module, inputs, on, off)
    expected = Noted(params, notes) if notes else params
    jax.tree.map(
        lambda one, other: np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5),
        state.params,
        expected,
    )
    logits = module.apply({"params": params, **notes}, inputs, **off)
    np.testing.assert_allclose(
        model.apply(state.params, inputs), logits, rtol=1e-3, atol=1e-4
    )
    resumed = run(run(start, 1), EPOCHS - 1)
    jax.tree.map(np.testing.assert_array_equal, resumed[:2], state[:2])
