"""The training that is killed, damaged and gone on with: a small net, minibatches."""

import functools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl

__all__ = ["EPOCHS", "MODEL", "OPTIMIZER", "RESULT", "bits", "train"]

EPOCHS = 300
RESULT = "result.bin"
"""The file that a run to its end leaves: all that it returns, as bytes."""


def _init(key: jax.Array) -> Any:
    # By hand, since tracing is most of what a start takes.
    one, two = jax.random.split(key)
    return {
        "hidden": jax.random.normal(one, (2, 16)),
        "outputs": jax.random.normal(two, (17, 1)) / 4,
    }


def _apply(params: Any, inputs: jax.Array) -> jax.Array:
    """A hidden layer; the last row of each matrix is what is added."""
    hidden, outputs = params["hidden"], params["outputs"]
    return jnp.tanh(inputs @ hidden[:-1] + hidden[-1:]) @ outputs[:-1] + outputs[-1:]


MODEL = fl.models.Model(_init, _apply)
OPTIMIZER = optax.adam(3e-3)


@functools.cache
def _setting() -> tuple[Any, ...]:
    """Step, state, data and evaluation; made once a process."""
    inputs = np.linspace(-1, 1, 48, dtype=np.float32)[:, None]
    train = fl.Dataset(inputs, np.sin(3 * inputs))
    held_out = fl.Dataset(inputs[::5] * 0.97, np.sin(2.91 * inputs[::5]))
    objective = fl.make_objective(MODEL, fl.losses.mse, input_noise=0.01)
    step = fl.make_train_step(objective, OPTIMIZER)

    @jax.jit
    def begin() -> fl.TrainState:
        key = jax.random.key(7)
        return fl.init_state(key, MODEL.init(key), OPTIMIZER)

    return step, begin(), train, held_out, fl.make_evaluation(MODEL, fl.losses.mse)


@functools.cache
def _mapped() -> fl.Dataset:
    """The same rows in files, which the kills leave alone."""

    def one(rows: np.ndarray) -> np.memmap:
        file = tempfile.TemporaryFile()
        mapped = np.memmap(file, rows.dtype, "w+", shape=rows.shape)
        mapped[:] = rows
        return mapped

    return fl.Dataset(*map(one, _setting()[2]))


def bits(tree: Any) -> bytes:
    """The bytes of all leaves."""

    def of(leaf: Any) -> bytes:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        return np.asarray(leaf).tobytes()

    return b"".join(map(of, jax.tree.leaves(tree)))


def train(
    folder: Path,
    *,
    epochs: int = EPOCHS,
    save_every: float = 0.0,
    callbacks: Sequence[Callable[[Any], None]] = (),
    mapped: bool = False,
    watched: bool = True,
) -> fl.Run:
    """Trains, or goes on, and writes what it got to.

    Args:
        folder: of the run.
        epochs: how many.
        save_every: seconds between two saves.
        callbacks: as for `run`.
        mapped: whether the rows are in files.
        watched: whether there is a rule that does not fire, but has to remember.
    """
    step, state, data, held_out, evaluate = _setting()
    run = fl.running.run(
        step,
        state,
        _mapped() if mapped else data,
        held_out,
        epochs=epochs,
        folder=folder,
        resume=True,
        save_every=save_every,
        progress=False,
        callbacks=callbacks,
        batch_size=16,
        evaluate=evaluate,
        stop=fl.stopping.patience(10 * EPOCHS) if watched else None,
    )
    (folder / RESULT).write_bytes(bits((run.state, run.history, run.final, run.best)))
    return run
