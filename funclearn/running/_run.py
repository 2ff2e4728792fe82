"""A run that can be watched, stopped, killed and gone on with."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from funclearn._checks import integer_at_least
from funclearn._processes import Together
from funclearn._types import Batch
from funclearn.running._callbacks import Callback
from funclearn.running._chunks import Program, with_defaults
from funclearn.running._given import Batches
from funclearn.running._session import Session
from funclearn.running._sources import as_source
from funclearn.running._streamed import Streamed
from funclearn.training import Run, TrainState, TrainStep, prepare_state

__all__ = ["run"]


def run(
    train_step: TrainStep,
    state: TrainState,
    train: Batch | Batches | str | Path,
    validation: Batch | None = None,
    *,
    epochs: int,
    folder: str | Path | None = None,
    resume: bool = False,
    save_every: float = 1.0,
    keep: int = 3,
    logs: Sequence[str] = ("csv", "jsonl"),
    progress: object = True,
    within: float | None = None,
    callbacks: Iterable[Callback] = (),
    config: Mapping[str, Any] | None = None,
    **options: Any,
) -> Run:
    """Trains as `fit` does, to the same bits, in chunks that can be watched and saved.

    Between the chunks, which take about a quarter of a second, the display moves, the
    logs grow, a checkpoint is begun, and signals are heard. SIGINT (Ctrl-C) and SIGTERM
    let the chunk end, save, and raise `Interrupted` or `Terminated`, which carry the
    run; a second signal acts as usual. A run that was killed in any other way goes on
    from its last checkpoint; the result has the same bits.

    A loss or parameters that are not finite end the run there, with the last state of
    finite parameters, the reason `"diverged"` and a RuntimeWarning; that state is
    saved, and no later one.

    Training data may be larger than memory. They are read in blocks of batches, the
    next one while the device makes the steps of the last, so that two blocks of 32 MiB
    (or of one batch, if that is larger) are in memory, and the run can be left and gone
    on with in the middle of an epoch. Their order is drawn by key and epoch, `k` being
    `fold_in(fold_in(state.key, 1), epoch)`:

    - Mapped arrays (`numpy.memmap`) of more than a block: that of `fit`, whose bits the
      run has. It takes four bytes a row.
    - A folder of shards: `permutation(k, number of shards)`, and in shard `s`, counted
      in the order of the names, `permutation(fold_in(k, s), number of rows)`. A batch
      may hold rows of two shards.
    - A function: `train(k, epoch)` gives the batches of an epoch, and the same ones
      whenever it is called, since a run that goes on passes over those it has made. A
      batch may come in the memory of the one before.

    Several processes make one run together, if each calls this with the same arguments,
    with a state of `funclearn.devices.replicate`, data of `funclearn.devices.shard`,
    and a folder that all of them share:

    - The first one holds the folder, writes all there is in it, and shows progress.
      The others read it when they go on, on as many processes and devices as there are.
    - Chunks are as long as the first one's clock makes them, and `within` goes by it; a
      signal to any ends all, after the same epoch. Each returns the same run, or raises
      the same exception.
    - Each calls the callbacks. What one computes of the state, each has to compute.
    - What fails in one, as a callback or the disk, fails in all with the next chunk:
      in the others `Failed` says which one it was, and why. So it does if one is lost.
    - Data that come part by part are read by each as a whole, and each of its devices
      makes the steps of all rows: they are not dealt out.

    Nothing is promised of a process that hangs without an end: the others wait for it.

    Not to be called under `jax.jit` or another transformation.

    Args:
        train_step: as for `fit`, like all that is not named here.
        state: where to start; with `resume` too, where it was started.
        train: the training data, as for `fit`, in memory or mapped; or the path of a
            folder with files `inputs-NAME.npy` and `targets-NAME.npy` for every shard,
            and `weights-NAME.npy` if rows have weights; or a function that returns
            batches, one after the other, of any sizes.
        validation: the validation data, which are held in memory.
        epochs: the largest number of epochs, those of earlier starts included.
        folder: where to save checkpoints, the history to the bit and the logs; it is
            made if need be. None saves nothing.
        resume: goes on with the run that the folder holds, and begins one if it holds
            none, so that a script started again and again gets to its end.
        save_every: seconds between two checkpoints; the last state is always saved.
        keep: how many checkpoints to keep, beside the best by validation loss.
        logs: what to write the history to, in the folder: `"csv"` (`history.csv`),
            `"jsonl"` (`history.jsonl`, one object a line), `"tensorboard"` (event
            files, with the extra of that name).
        progress: whether to show how far it is, on standard error; or an object of
            your own with the methods of `Progress`.
        within: seconds after which no other chunk is begun; compiling counts.
        callbacks: each is called between chunks with a `Report`.
        config: what the run was made with, to be written into the checkpoints; values
            as JSON has them. To resume with another one is refused.
        **options: further arguments of `fit`. The numbers of a stopping rule may be
            others when a run goes on. A function as `train` takes no `batch_size`.

    Returns:
        The run of all epochs, those of earlier starts included, as `fit` returns it. It
        may end for three reasons more: `"deadline"`, `"diverged"`, `"signal"`.

    Raises:
        TypeError, ValueError: as `fit`; and if `folder` holds a run and `resume` is not
            set, is in use by another run, or an argument is out of its range.
        CheckpointError: if the folder holds a run with another model, optimizer, data,
            dtype, precision, key or configuration; the message names what differs. Or
            if processes see different checkpoints in it.
        Interrupted: on SIGINT.
        Terminated: on SIGTERM.
        Failed: if a callback, the disk, or `train` raised an exception; it carries the
            run.
        OSError: if the folder cannot be made or read.

    Example:
        >>> train, scaler = fl.data.standardise(fl.data.thermometer())
        >>> model, optimizer = fl.models.linear, optax.sgd(0.1)
        >>> objective = fl.make_objective(model, fl.losses.mse)
        >>> step = fl.make_train_step(objective, optimizer)
        >>> key = jax.random.key(0)
        >>> state = fl.init_state(key, model.init(key), optimizer)
        >>> run = fl.running.run(step, state, train, epochs=100, progress=False)
        >>> print(f"{run.final.loss:.3f}", run.epochs, run.reason)
        2.928 100 epochs
    """
    began = time.monotonic()
    epochs = integer_at_least("epochs", epochs, 0)
    together = Together((state, train))
    with together.alike():
        kept = folder, resume, save_every, keep, logs
        session = Session(*kept, progress, within, callbacks, config, together)
        options, state = with_defaults(options), prepare_state(train_step, state)
        source = as_source(train, options["batch_size"])
        if source is None:
            program = Program(train_step, state, train, validation, epochs, options)
        else:
            program = Streamed(train_step, state, source, validation, options)
    return session.carry_out(program, state, epochs, began)
