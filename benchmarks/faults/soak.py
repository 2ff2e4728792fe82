"""Ten million steps with logs and checkpoints: memory and files."""

import os
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import funclearn as fl
from benchmarks._children import in_children, tell
from benchmarks.faults._line import Line
from funclearn.running import _chunks

__all__ = ["child", "lines"]

EPOCHS, STEPS = 1000, 10**7
_MIB = 2**20
_GROWTH = 16.0  # MiB, of buffers that JAX and the allocator keep
_FILES = 10  # four checkpoints, three of the history, the lock, and two to spare


def lines(scale: float) -> list[Line]:
    """Trains in a process of its own, with fewer steps an epoch at a smaller scale."""
    began = time.monotonic()
    steps = max(1, round(scale * STEPS / EPOCHS))
    (told,) = in_children("benchmarks.faults.soak", steps, steps + 1)
    told.pop("case")
    wrong = (
        "died" in told
        or told["MiB after 10 %"] + _GROWTH < told["MiB at the end"]
        or told["files at most"] > _FILES
    )
    return [Line("soak", steps * EPOCHS, told, int(wrong), time.monotonic() - began)]


def child(start: int, stop: int) -> None:
    """Trains with so many steps an epoch."""
    tell(_soaked, start, stop)


def _soaked(steps: int) -> dict[str, Any]:
    _chunks._SECONDS = 0.05
    x = np.linspace(-1, 1, steps, dtype=np.float32)
    data, model = fl.Dataset(x, 2 * x + 1), fl.models.linear
    optimizer = optax.sgd(1e-3)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(jax.random.key(0), model.init(jax.random.key(1)), optimizer)
    memory: list[tuple[int, float]] = []
    files: list[int] = []
    with tempfile.TemporaryDirectory() as folder:

        def look(report: fl.running.Report) -> None:
            memory.append((report.epoch, _resident()))
            files.append(len(os.listdir(folder)))

        run = fl.running.run(
            step,
            state,
            data,
            epochs=EPOCHS,
            batch_size=1,
            folder=folder,
            save_every=0.0,
            progress=False,
            callbacks=[look],
        )
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    early = next(mib for epoch, mib in memory if epoch >= EPOCHS // 10)
    return {
        "steps": int(run.state.step),
        "MiB after 10 %": round(early, 1),
        "MiB at the end": round(memory[-1][1], 1),
        "chunks": len(memory),
        "files at most": max(files),
        "KiB in the end": size // 1024,
    }


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MIB
