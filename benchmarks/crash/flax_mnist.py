"""A loop in the style of flax's MNIST example, with `flax.training.checkpoints`.

A TrainState is saved after every epoch and restored at the start; the key of the
shuffling is split in every epoch, as the example does, and is not saved.
"""

import sys
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import optax
from flax.training import checkpoints
from flax.training.train_state import TrainState

from benchmarks.crash._data import CLASSES, images

EPOCHS, BATCH = 5, 32


class Net(nn.Module):
    """One hidden layer, where the example has convolutions."""

    @nn.compact
    def __call__(self, rows):
        """The scores of the classes."""
        return nn.Dense(CLASSES)(nn.relu(nn.Dense(32)(rows)))


@jax.jit
def train_step(state: TrainState, rows, labels) -> TrainState:
    """One step of gradient descent."""

    def loss(params):
        scores = state.apply_fn({"params": params}, rows)
        return optax.softmax_cross_entropy_with_integer_labels(scores, labels).mean()

    return state.apply_gradients(grads=jax.grad(loss)(state.params))


def train_epoch(state: TrainState, rows, labels, key) -> TrainState:
    """One pass over the rows in the order that the key gives."""
    order = np.asarray(jax.random.permutation(key, len(rows)))
    for chosen in order.reshape(-1, BATCH):
        state = train_step(state, rows[chosen], labels[chosen])
    return state


def main(folder: Path) -> None:
    """Trains, from the newest checkpoint on where there is one."""
    rows, labels = images()
    key, init_key = jax.random.split(jax.random.key(0))
    net = Net()
    params = net.init(init_key, rows[:1])["params"]
    optimizer = optax.sgd(0.1, momentum=0.9)
    state = TrainState.create(apply_fn=net.apply, params=params, tx=optimizer)
    state = checkpoints.restore_checkpoint(folder, state)
    start = int(state.step) // (len(rows) // BATCH)
    for epoch in range(start + 1, EPOCHS + 1):
        key, shuffle_key = jax.random.split(key)
        state = train_epoch(state, rows, labels, shuffle_key)
        checkpoints.save_checkpoint(folder, state, epoch, keep=2)


def result(folder: Path) -> dict:
    """The newest checkpoint, as flax reads it."""
    return checkpoints.restore_checkpoint(folder, None)


RESULT = result

if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
