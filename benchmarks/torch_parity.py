"""How far optax's optimizers are from PyTorch's: `python -m benchmarks.torch_parity`.

Prints the table that the docstring of `funclearn.optimizers` holds, and how far ours
are. Runs of PyTorch are data; the same runs are made with optax's own functions, given
the same numbers.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks._options import Options
from benchmarks.torch_runs import Entry, Make, Run, apart, ours, recorded, train

EQUAL = 1e-12
# PyTorch started from parameters that differ by a rounding is elsewhere later on.
SAME_UNTIL = {"lbfgs": 20}


class Row(NamedTuple):
    """A row of the table.

    Attributes:
        torch: PyTorch's class.
        having: the settings that its run has beside the learning rate.
        optax: the name of optax's own function.
        make: what makes its optimizer, with the same numbers.
        because: why it is another optimizer.
        decay: of the learning rate.
        after: how many steps.
    """

    torch: str
    having: str
    optax: str
    make: Make | None
    because: str
    decay: float = 0.0
    after: int = 100

    @property
    def here(self) -> str:
        """The name of our function."""
        return self.run.name if self.make else self.torch.lower().split("(")[0]

    @property
    def run(self) -> Run:
        """The first recorded one that has the settings."""
        return next(
            run
            for run in recorded().runs
            if run.torch == self.torch and set(self.having.split()) <= set(run.settings)
        )


def _adams(make: Callable[..., optax.GradientTransformation]) -> Make:
    """With the betas in optax's names."""

    def renamed(lr: Any, settings: dict[str, Any]) -> optax.GradientTransformation:
        given = {
            key: settings[key] for key in settings if key in ("eps", "weight_decay")
        }
        if "betas" in settings:
            given["b1"], given["b2"] = settings["betas"]
        return make(lr, **given)

    return renamed


def _rmsprop(in_root: bool) -> Make:
    return lambda lr, settings: optax.rmsprop(
        lr, decay=0.99, eps_in_sqrt=in_root, **settings
    )


ROWS = (
    Row("SGD", "", "sgd", lambda lr, settings: optax.sgd(lr), ""),
    Row(
        "SGD",
        "dampening",
        "sgd",
        lambda lr, settings: optax.sgd(lr, settings["momentum"]),
        "knows no dampening",
    ),
    Row("Adam", "", "adam", _adams(optax.adam), ""),
    Row(
        "Adam",
        "weight_decay",
        "adamw",
        _adams(optax.adamw),
        "decays by another rule",
    ),
    Row(
        "Adam",
        "amsgrad",
        "amsgrad",
        _adams(optax.amsgrad),
        "takes the maximum too late",
    ),
    Row("AdamW", "weight_decay", "adamw", _adams(optax.adamw), ""),
    Row("Adamax", "", "adamax", _adams(optax.adamax), ""),
    Row("NAdam", "", "nadam", _adams(optax.nadam), "has a constant momentum"),
    Row("RAdam", "", "radam", _adams(optax.radam), "adds eps after correcting"),
    Row(
        "Adadelta",
        "",
        "adadelta",
        lambda lr, settings: optax.adadelta(lr, **settings),
        "",
    ),
    Row(
        "Adagrad",
        "",
        "adagrad",
        lambda lr, settings: optax.adagrad(lr, 0.0, 1e-10),
        "adds eps inside of the root",
    ),
    Row(
        "Adafactor",
        "",
        "adafactor",
        lambda lr, settings: optax.adafactor(lr),
        "factors large matrices alone",
    ),
    Row("RMSprop", "", "rmsprop", _rmsprop(True), "adds eps inside of the root"),
    Row(
        "RMSprop",
        "centered",
        "rmsprop",
        _rmsprop(False),
        "has the rate in the momentum",
        0.02,
    ),
    Row(
        "Rprop",
        "",
        "rprop",
        lambda lr, settings: optax.rprop(lr(0)),
        "moves one step too late",
    ),
    Row("ASGD", "", "none", None, "has no such average"),
    Row("SparseAdam", "", "adam", _adams(optax.adam), "moves every row"),
    Row(
        "Muon",
        "",
        "contrib.muon",
        lambda lr, settings: optax.contrib.muon(lr, weight_decay=0.1, eps=1e-7),
        "scales as if transposed",
    ),
    Row(
        "LBFGS",
        "",
        "lbfgs",
        lambda lr, settings: optax.lbfgs(lr, memory_size=5, linesearch=None),
        "scales step 1 by norm 2",
        after=20,
    ),
    Row("LBFGS(strong_wolfe)", "", "lbfgs", None, "searches by another method"),
)


def optax_entries() -> list[Entry]:
    """The runs of the rows, by optax's own functions."""

    def climbing(make: Make, run: Run) -> Make:
        if not run.maximize:
            return make
        return lambda lr, settings: optax.chain(optax.scale(-1), make(lr, settings))

    return [Entry(row.run, climbing(row.make, row.run)) for row in ROWS if row.make]


def table(courses: Sequence[np.ndarray]) -> str:
    """The table.

    Args:
        courses: what `train` returns for `optax_entries`.
    """
    remaining = iter(courses)
    lines = [_line("PyTorch", "here", "optax's own", "apart", "because it"), ""]
    lines[1] = _line(*("-" * width for width in WIDTHS), "-" * 28)
    for row in ROWS:
        name = f"{row.torch}({row.having}=)" if row.having else row.torch
        cells = name, row.here, row.optax
        if row.make is None:
            lines.append(_line(*cells, "", row.because))
            continue
        course, run, kept = next(remaining), row.run, recorded().kept
        wanted = recorded().arrays[f"{run.number}/{row.decay}"]
        distance = apart(
            run,
            course[list(kept).index(row.decay)][[row.after - 1]],
            wanted[[kept[row.decay].index(row.after)]],
        )
        shown = "equal" if distance < EQUAL else f"{distance:.0e}"
        lines.append(_line(*cells, shown, row.because))
    return "\n".join(lines)


WIDTHS = (20, 11, 12, 5)


def _line(*cells: str) -> str:
    padded = [f"{cell:{width}}" for cell, width in zip(cells, WIDTHS, strict=False)]
    return "  ".join([*padded, *cells[len(WIDTHS) :]]).rstrip()


def distances(
    entries: Sequence[Entry], courses: Sequence[np.ndarray]
) -> dict[int, float]:
    """How far runs are from PyTorch's, at the worst step kept, by their number.

    Args:
        entries: runs of ours; those of float32 are compared with PyTorch's in float32,
            after the last step.
        courses: what `train` returns for them.
    """
    file, found = recorded(), {}
    for entry, course in zip(entries, courses, strict=True):
        number, worst = entry.run.number, []
        for index, (decay, steps) in enumerate(file.kept.items()):
            last = SAME_UNTIL.get(entry.run.name, steps[-1])
            rows = [at for at, step in enumerate(steps) if step <= last]
            wanted = file.arrays[f"{number}/{decay}"][rows]
            got = course[index][[steps[at] - 1 for at in rows]]
            if entry.dtype == jnp.float32:
                wanted = file.arrays[f"{number}/{decay}/float32"][None]
                got = course[index][-1:]
            if len(got):
                worst.append(apart(entry.run, got, wanted))
        found[number] = max(worst)
    return found


def main() -> None:
    """Prints the table and the distances."""
    Options(prog="python -m benchmarks.torch_parity", description=__doc__).parse_args()
    jax.config.update("jax_enable_x64", True)
    file = recorded()
    double = [Entry(run, ours(run)) for run in file.runs]
    single = [entry._replace(dtype=jnp.float32) for entry in double]
    entries = [*optax_entries(), *double, *single]
    courses, _ = train(entries, list(file.kept))
    print(table(courses), "\n\nOurs: float64, float32")
    doubles = distances(double, courses[-2 * len(double) : -len(double)])
    singles = distances(single, courses[-len(double) :])
    for run in file.runs:
        print(f"{doubles[run.number]:.0e}  {singles[run.number]:.0e}", *run[1:4])


if __name__ == "__main__":
    main()
