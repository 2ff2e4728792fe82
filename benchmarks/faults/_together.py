"""A training that several processes make together, with the bits that one gets to."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import funclearn as fl
from benchmarks.faults._landing import kill_at
from benchmarks.faults._training import MODEL, OPTIMIZER, RESULT, bits

__all__ = ["EPOCHS", "Job", "address", "train_together"]

EPOCHS = 60
_BLOCKS = 4  # whose sums do not depend on the number of devices


class Job(NamedTuple):
    """What some processes do together.

    Attributes:
        folder: of the run.
        processes: how many there are.
        devices: how many each has.
        address: where they meet.
        timeout: for how many seconds they wait for each other.
        heartbeat: after how many seconds without a sign one is lost.
    """

    folder: Path
    processes: int = 1
    devices: int = 1
    address: str = ""
    timeout: float = 60.0
    heartbeat: int = 10

    @property
    def marker(self) -> Path:
        """A file that is there once the processes train."""
        return Path(f"{self.folder}.trains")


def address() -> str:
    """One of this machine whose port is free."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def train_together(
    job: Job,
    process: int,
    *,
    place: str | None = None,
    number: int = 1,
) -> None:
    """Trains, or goes on, as one of the processes; the first writes what it got to.

    Args:
        job: what they do.
        process: the number of this one.
        place: where in a save it kills itself, one of `PLACES`; None does not.
        number: the how manieth time that it gets there.
    """
    jax.config.update("jax_num_cpu_devices", job.devices)
    if place is not None:
        kill_at(place, number, job.folder)
    inputs = np.linspace(-1, 1, 48, dtype=np.float32)[:, None]
    data = fl.Dataset(inputs, np.sin(3 * inputs))

    def main() -> None:
        fl.devices.initialise(
            job.address or None,
            job.processes,
            process,
            timeout=job.timeout,
            heartbeat=job.heartbeat,
            same={"data": fl.checkpoints.fingerprint(data)},
        )
        _train(job, process, data, lambda report: job.marker.touch())

    fl.devices.worker(main)


def _train(
    job: Job, process: int, data: fl.Dataset, told: Callable[[Any], None]
) -> None:
    mesh = fl.devices.mesh()
    objective = fl.make_objective(MODEL, fl.losses.mse)
    step = fl.make_train_step(objective, OPTIMIZER, blocks=_BLOCKS)

    @jax.jit
    def begin() -> fl.TrainState:
        key = jax.random.key(7)
        return fl.init_state(key, MODEL.init(key), OPTIMIZER)

    run = fl.running.run(
        step,
        fl.devices.replicate(begin(), mesh),
        fl.devices.shard(data, mesh),
        # Sums of an evaluation are in no blocks.
        fl.devices.replicate(data, mesh),
        epochs=EPOCHS,
        folder=job.folder,
        resume=True,
        save_every=0.0,
        progress=False,
        callbacks=[told],
        batch_size=16,
        evaluate=fl.make_evaluation(MODEL, fl.losses.mse),
    )
    made = bits((run.state, run.history, run.final))
    if process == 0:
        (job.folder / RESULT).write_bytes(made)
