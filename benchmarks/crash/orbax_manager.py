"""A loop with Orbax's CheckpointManager: flax, optax, and a seeded order of the rows.

Every few steps the manager saves parameters, optimizer state and step, as its guide
shows. The order of an epoch comes from the seed and the number of the epoch.
"""

import sys
from pathlib import Path

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp

from benchmarks.crash._data import CLASSES, images

EPOCHS, BATCH, EVERY = 3, 32, 4


class Net(nn.Module):
    """One hidden layer."""

    @nn.compact
    def __call__(self, rows):
        """The scores of the classes."""
        return nn.Dense(CLASSES)(nn.relu(nn.Dense(32)(rows)))


def main(folder: Path) -> None:
    """Trains, from the newest checkpoint on where there is one."""
    rows, labels = images()
    net, optimizer = Net(), optax.adam(1e-2)
    params = net.init(jax.random.key(0), rows[:1])
    state = {"params": params, "opt_state": optimizer.init(params)}

    @jax.jit
    def train(state, rows, labels):
        def loss(params):
            scores = jnp.asarray(net.apply(params, rows))
            return optax.softmax_cross_entropy_with_integer_labels(
                scores, labels
            ).mean()

        slope = jax.grad(loss)(state["params"])
        updates, opt_state = optimizer.update(slope, state["opt_state"])
        params = optax.apply_updates(state["params"], updates)
        return {"params": params, "opt_state": opt_state}

    options = ocp.CheckpointManagerOptions(max_to_keep=2, save_interval_steps=EVERY)
    with ocp.CheckpointManager(folder / "checkpoints", options=options) as manager:
        latest = manager.latest_step()
        start = 0
        if latest is not None:
            state = manager.restore(latest, args=ocp.args.StandardRestore(state))
            start = latest + 1
        per_epoch = len(rows) // BATCH
        for step in range(start, EPOCHS * per_epoch):
            epoch, batch = divmod(step, per_epoch)
            order = np.random.default_rng(epoch).permutation(len(rows))
            chosen = order[batch * BATCH : (batch + 1) * BATCH]
            state = train(state, rows[chosen], labels[chosen])
            manager.save(step, args=ocp.args.StandardSave(state))
        manager.wait_until_finished()
    leaves = {str(n): leaf for n, leaf in enumerate(jax.tree.leaves(state))}
    np.savez(folder / "final.npz", **jax.tree.map(jnp.asarray, leaves))


def result(folder: Path) -> dict[str, np.ndarray]:
    """The final parameters and optimizer state."""
    with np.load(folder / "final.npz") as final:
        return dict(final)


RESULT = result

if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
