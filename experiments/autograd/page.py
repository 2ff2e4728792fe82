"""Three gradients in tables and figures, and a translation of PyTorch's words."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes

from experiments._data import label, power, quantity
from experiments._thermometer import (
    Epoch,
    initial_params,
    relative_difference,
    rows_at,
)
from experiments.autograd.chapter import PRINTED_EPOCHS, Config, Result, study
from experiments.autograd.slips import Slip, slips
from experiments.autograd.vocabulary import grad_fns, scaled_program, vocabulary
from experiments.harness import Outcome, Plot, Table, number
from funclearn import plots

# Where one operation is differentiated: c = a + b and others.
A, B = 2.0, 3.0


def run(config: Config) -> Outcome:
    """Trains with three gradients and with one that piles up; translates PyTorch."""
    result = study(config)
    unit = power(result.readings.unit, 2)
    runs: dict[str, Epoch] = {name: run.history for name, run in result.runs.items()}
    autodiff = runs["autodiff"]
    start = initial_params()
    t_u, t_c = map(jnp.asarray, result.readings.data)
    printed = slips(
        config.epochs,
        config.learning_rate,
        jnp.stack(start),
        t_u / config.input_scale,
        t_c,
    )
    return Outcome(
        computed={
            "initial-gradient-raw": list(result.gradient),
            "autograd-5000-params": list(result.runs["autodiff"].state.params),
        }
        | {
            f"autograd-5000-epoch-{epoch}": value
            for epoch, (value, *_) in rows_at(autodiff, PRINTED_EPOCHS).items()
        },
        tables=(
            _methods_table(runs),
            _differences_table(runs, unit),
            _loop_table(result.loop, autodiff, unit),
            Table(
                "What stands for PyTorch's words, on the raw readings at w = 1, b = 0",
                ("PyTorch", "JAX", "Computed here"),
                vocabulary(start, t_u, t_c),
            ),
            Table(
                f"grad_fn of one operation, at a = {A:g} and b = {B:g}",
                ("Operation", "c.grad_fn", "In the jaxpr", "pull_back(1.0): by a, b"),
                tuple(grad_fns(A, B)),
            ),
            Table(
                "grad_fn of the loss of scaled readings: its jaxpr, operation by "
                "operation",
                ("Operation", "Depends on w or b"),
                tuple(scaled_program(start, t_u, t_c, config.input_scale)),
            ),
            _piled_up_table(autodiff, result.piled_up, unit),
            Table(
                f"Loops of {config.epochs} epochs as two texts print them",
                ("As printed", "Updates", "w", "b", label("Loss then", unit)),
                tuple((f.loop, f.updates, *f.params, f.loss) for f in printed),
            ),
        ),
        plots={
            "methods": Plot(
                "Above, the gradient of w in one run, found in three ways. Below, how "
                "far each is from autodiff.",
                partial(_draw_methods, runs),
                size=(5.2, 4.8),
                panels=(2, 1),
                layout={"sharex": True},
            ),
            "zero_grad": Plot(
                "The loss of two runs: each step follows the epoch's own gradient, or "
                "the sum of all gradients so far.",
                partial(_draw_piled_up, autodiff.loss, result.piled_up[0], unit),
            ),
        },
        history={
            f"{name} {column}": values
            for name, history in runs.items()
            for column, values in history._asdict().items()
        },
        findings=(*_findings(result, unit), _of_loops(config.epochs, printed)),
    )


def _findings(result: Result, unit: str) -> tuple[str, ...]:
    gradient, autodiff = result.gradient, result.runs["autodiff"]
    end = autodiff.final
    difference = relative_difference(result.loop[:3], autodiff.history[:3])
    return (
        f"On raw readings autodiff gives ({gradient.weight:.4f}, "
        f"{gradient.bias:.4f}) for the gradient at w = 1, b = 0.",
        f"On scaled readings its run ends at w = {end.weight:.4f}, "
        f"b = {end.bias:.4f} after {autodiff.epochs} epochs, with a loss of "
        f"{quantity(f'{end.loss:.4g}', unit)}.",
        "The same loop written out by hand gives the losses and parameters of "
        "funclearn.fit, "
        f"with a largest relative difference of {number(difference, 1)}.",
        "If every step follows the sum of all gradients so far, the loss ends at "
        f"{quantity(f'{result.piled_up[0][-1]:.3g}', unit)}: "
        "the sum acts as momentum without friction.",
    )


def _of_loops(epochs: int, printed: Sequence[Slip]) -> str:
    counts = "; ".join(f"{one.loop}: {one.updates}" for one in printed)
    return f"Loops as printed, and how often they update in {epochs} epochs: {counts}."


def _methods_table(runs: Mapping[str, Epoch]) -> Table:
    slopes = [history.weight_gradient for history in runs.values()]
    spread = np.ptp(slopes, axis=0)
    rows = rows_at((*slopes, spread), {1, 2, 3, *PRINTED_EPOCHS, len(spread)})
    return Table(
        "dL/dw by three methods, epoch by epoch",
        ("Epoch", *runs, "Spread"),
        tuple((epoch, *row) for epoch, row in rows.items()),
    )


def _differences_table(runs: Mapping[str, Epoch], unit: str) -> Table:
    reference, *others = runs
    rows = []
    for name in others:
        pairs = zip(runs[name], runs[reference], strict=True)
        rows.append((name, *(float(np.max(np.abs(x - y))) for x, y in pairs)))
    return Table(
        f"The largest difference from {reference} at any epoch",
        ("Gradient", label("Loss", unit), "w", "b", "dL/dw", "dL/db"),
        tuple(rows),
    )


def _loop_table(loop: Epoch, fit: Epoch, unit: str) -> Table:
    smallest = np.finfo(fit.loss.dtype).tiny
    differences = np.abs(loop.loss - fit.loss) / np.maximum(fit.loss, smallest)
    columns = (loop.loss, fit.loss, differences)
    rows = rows_at(columns, {*PRINTED_EPOCHS, len(fit.loss)})
    return Table(
        f"{label('The loss', unit)} of the loop written out by hand, and of "
        "funclearn.fit",
        ("Epoch", "By hand", "By funclearn.fit", "Relative difference"),
        tuple((epoch, *row) for epoch, row in rows.items()),
    )


def _piled_up_table(
    zeroed: Epoch, piled_up: tuple[np.ndarray, ...], unit: str
) -> Table:
    columns = (zeroed.loss, zeroed.weight_gradient, zeroed.bias_gradient, *piled_up)
    rows = rows_at(columns, {*range(1, 6), len(zeroed.loss)})
    return Table(
        "Gradients that nobody zeroes pile up",
        (
            "Epoch",
            *(label("Loss", unit), "dL/dw", "dL/db"),
            *("Loss, piled up", "dL/dw, piled up", "dL/db, piled up"),
        ),
        tuple((epoch, *row) for epoch, row in rows.items()),
    )


def _draw_methods(runs: Mapping[str, Epoch], above: Axes, below: Axes) -> None:
    reference = runs["autodiff"].weight_gradient
    epochs = np.unique(np.geomspace(1, len(reference), 200).astype(int))
    for (name, history), marker in zip(runs.items(), ("", "o", "x"), strict=True):
        slope, exact = history.weight_gradient[epochs - 1], reference[epochs - 1]
        look = {"marker": marker, "fillstyle": "none", "markevery": 12, "label": name}
        above.plot(epochs, np.abs(slope), **look)
        below.plot(epochs, slope - exact, **look)
    above.legend()
    apart = max(
        relative_difference(history.weight_gradient[:1], reference[:1])
        for history in runs.values()
    )
    above.set(title="One run, three gradients", ylabel="|dL/dw|", yscale="log")
    below.set(
        title=f"At the first epoch they are {number(apart, 1)} of dL/dw apart",
        xlabel="Epoch",
        ylabel="Difference in dL/dw",
        xscale="log",
    )


def _draw_piled_up(
    zeroed: np.ndarray, piled_up: np.ndarray, unit: str, axes: Axes
) -> None:
    plots.learning_curves(
        axes, {"gradients zeroed": zeroed, "gradients piling up": piled_up}
    )
    # A loss that comes to rest rises only by rounding; count what is more than that.
    rises = np.sum(np.diff(piled_up) > 0.01 * piled_up[:-1])
    axes.set(
        title=f"Without zeroing, the loss swings for ever:\nit rises at {rises} of "
        f"{len(piled_up)} epochs"
        if rises > len(piled_up) / 4
        else "With zeroing, and without",
        xlim=(0, min(150, len(zeroed))),
        ylabel=label("Loss", unit),
    )
