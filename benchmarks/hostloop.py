"""What it costs to watch and save a run: `python -m benchmarks.hostloop`.

`running.run` with a display, both logs and a checkpoint every second beside `fit`.
"""

import io
import shutil
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr
from typing import Any

import jax
import numpy as np
import optax

import funclearn as fl
from benchmarks import sweeps
from benchmarks._measure import Figure, median_ratio, seconds, show
from benchmarks._options import Options, count

KEY, RATE = jax.random.key(0), 1e-3
NET, SINE = fl.models.wide_net, fl.data.noisy_sine(jax.random.key(1))
LONG = 1_500_000  # epochs of the wide net; about a minute


def both(
    model: fl.Model, params: Any, data: Any, epochs: int
) -> dict[str, Callable[[], Any]]:
    """A run by `fit`, and one that is watched and saved."""
    optimizer = optax.sgd(RATE)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(KEY, params, optimizer)

    def plain() -> Any:
        return fl.fit(step, state, data, epochs=epochs)[:3]

    def kept() -> Any:
        folder = tempfile.mkdtemp()
        try:
            with redirect_stderr(io.StringIO()):
                made = fl.running.run(step, state, data, epochs=epochs, folder=folder)
        finally:
            shutil.rmtree(folder)
        return made[:3]

    return {"fit": plain, "run": kept}


def check_bits(ways: dict[str, Callable[[], Any]]) -> None:
    """Both must have the same losses."""
    one, other = (np.asarray(way()[1].loss) for way in ways.values())
    if not np.array_equal(one, other):
        raise SystemExit("the run in chunks has other losses than fit.")


def main() -> None:
    """Measures, and prints a table."""
    parser = Options(prog="python -m benchmarks.hostloop", description=__doc__)
    parser.add_argument(
        "epochs", type=count, nargs="?", default=LONG, help="of the wide net"
    )
    long = parser.parse_args().epochs
    line = both(fl.models.linear, sweeps.LINE, sweeps.READINGS, 5000)
    net = both(NET, NET.init(KEY), SINE, long)
    check_bits(line)
    short = seconds(line, turns=15)
    beyond = float(np.median(short["run"] - short["fit"])) * 1e3
    taken = seconds(net, turns=3)
    spent = float(np.median(taken["fit"]))
    show(
        "The host loop",
        [
            Figure("thermometer, 5000 epochs: run beyond fit", beyond, "ms", 30),
            Figure(
                f"wide net, {long:,} epochs ({spent:.0f} s): run",
                median_ratio(taken, "run", "fit"),
                target=1.05,
                beside="fit",
            ),
        ],
        "A checkpoint every second, history.csv and history.jsonl.",
    )


if __name__ == "__main__":
    main()
