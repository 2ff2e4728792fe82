"""What it costs to read data part by part: `python -m benchmarks.streams`.

An epoch of 60,000 x 784 rows from a mapped file beside the same from memory, and the
memory that either takes.
"""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

import funclearn as fl
from benchmarks._measure import Figure, median_ratio, seconds, show
from benchmarks._options import Options

N_ROWS, WIDTHS, BATCH = 60_000, (784, 256, 10), 256
KEY = jax.random.key(0)


def written(folder: Path, n_rows: int = N_ROWS) -> fl.Dataset:
    """A data set of noise, mapped from files."""
    draw = np.random.default_rng(0)
    inputs = draw.standard_normal((n_rows, WIDTHS[0]), np.float32)
    targets = draw.integers(0, WIDTHS[-1], n_rows, np.int32)
    np.save(folder / "inputs.npy", inputs)
    np.save(folder / "targets.npy", targets)
    names = (folder / f"{name}.npy" for name in ("inputs", "targets"))
    return fl.Dataset(*(np.load(name, mmap_mode="r") for name in names))


def ways(data: fl.Dataset, epochs: int = 1) -> dict[str, Callable[[], Any]]:
    """A run on mapped data, on the same in memory, and one of `fit`."""
    model, optimizer = fl.models.mlp(WIDTHS), optax.sgd(0.1)
    objective = fl.make_objective(model, fl.losses.cross_entropy)
    step = fl.make_train_step(objective, optimizer)
    state = fl.init_state(KEY, model.init(KEY), optimizer)
    kept = jax.device_put(fl.Dataset(*map(np.array, data)))
    settings: dict[str, Any] = {"epochs": epochs, "batch_size": BATCH}

    def run(data: fl.Dataset) -> Any:
        return fl.running.run(step, state, data, progress=False, **settings)

    return {
        "mapped": lambda: run(data).history,
        "in memory": lambda: run(kept).history,
        "fit": lambda: fl.fit(step, state, kept, **settings).history,
    }


def main() -> None:
    """Measures, and prints a table."""
    Options(prog="python -m benchmarks.streams", description=__doc__).parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        made = ways(written(folder))
        if made["mapped"]().loss != made["fit"]().loss:
            raise SystemExit("the run part by part has another loss than fit.")
        taken = seconds(made, turns=7)
    finally:
        shutil.rmtree(folder)
    show(
        "Data that come part by part",
        [
            Figure(
                f"epoch of {N_ROWS:,} x {WIDTHS[0]}, batch {BATCH}: mapped",
                median_ratio(taken, "mapped", beside),
                target=1.3,
                beside=beside,
            )
            for beside in ("fit", "in memory")
        ],
        f"fit takes {np.median(taken['fit']):.2f} s.",
    )


if __name__ == "__main__":
    main()
