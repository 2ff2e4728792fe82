"""The losses of one split and of many, in tables and figures."""

from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from experiments._data import label, power, quantity
from experiments._thermometer import LOSSES, rows_at
from experiments.harness import Outcome, Plot, Table
from experiments.validation.chapter import PRINTED_EPOCHS, Config, Result, study
from funclearn import plots


def run(config: Config) -> Outcome:
    """Splits by keys, trains on the published split, and lets the validation leak."""
    result = study(config)
    unit = power(result.readings.unit, LOSSES[config.loss].power)
    split = "the published split" if config.csv is None else "the split of one key"
    curves = {
        "training": result.honest.history.loss,
        "validation": result.honest.history.evaluation,
        "validation (trained on)": result.leaky.history.evaluation,
    }
    return Outcome(
        computed=_published(result, curves),
        tables=_tables(config, result, curves, split, unit),
        plots={
            "curves": Plot(
                f"Losses on {split}. The third curve belongs to a run that "
                "differentiates the validation loss too.",
                partial(_draw_curves, curves, label("Loss", unit)),
            ),
            "leak": Plot(
                f"Mean losses after training on {config.splits} random splits, on the "
                "validation rows and on rows that neither training saw.",
                partial(_draw_leak, result.means, label("Mean loss", unit)),
            ),
        },
        history=curves,
        findings=_findings(config, result, split, unit),
    )


def _findings(config: Config, result: Result, split: str, unit: str) -> tuple[str, ...]:
    honest, leaky = result.honest.final, result.leaky.final
    sizes = [len(part) for part in result.splits["one key"]]

    def loss(value: float, digits: int) -> str:
        return quantity(f"{value:.{digits}f}", unit)

    (judged, unseen), (flattered, unseen_too) = result.means
    return (
        f"Of {sum(sizes)} rows, {sizes[1]} are held back.",
        f"On {split} the training loss ends at {loss(honest.loss, 4)} and "
        f"the validation loss at {loss(honest.evaluation, 4)}.",
        f"Trained on, the validation loss ends at {loss(leaky.evaluation, 4)}.",
        f"Over {config.splits} random splits the honest validation loss is "
        f"{loss(judged, 2)} on average, and that of unseen rows {loss(unseen, 2)}.",
        f"Trained on, it is {loss(flattered, 2)}, and that of unseen rows "
        f"{loss(unseen_too, 2)}.",
    )


def _published(result: Result, curves: Mapping[str, np.ndarray]) -> dict[str, object]:
    computed: dict[str, object] = {
        "split-sizes": [len(part) for part in result.splits["one key"]],
        "validation-params": list(result.honest.state.params),
    }
    rows = rows_at(tuple(curves.values()), PRINTED_EPOCHS)
    return computed | {
        f"validation-epoch-{epoch}": {"training": row[0], "validation": row[1]}
        for epoch, row in rows.items()
    }


def _tables(
    config: Config,
    result: Result,
    curves: Mapping[str, np.ndarray],
    split: str,
    unit: str,
) -> tuple[Table, ...]:
    rows = rows_at(tuple(curves.values()), PRINTED_EPOCHS)
    return (
        Table(
            "The key decides the split",
            ("Key", "Training rows", "Validation rows"),
            tuple(
                (name, *(part.tolist() for part in parts))
                for name, parts in result.splits.items()
            ),
        ),
        Table(
            f"{label('The losses', unit)} on {split}",
            ("Epoch", *curves),
            tuple((epoch, *row) for epoch, row in rows.items()),
        ),
        Table(
            f"{label('Mean loss', unit)} over {config.splits} random splits",
            ("Differentiated", "On validation rows", "On unseen rows"),
            (
                ("the training loss", *result.means[0].tolist()),
                ("the sum of both losses", *result.means[1].tolist()),
            ),
        ),
    )


def _draw_curves(curves: Mapping[str, np.ndarray], ylabel: str, axes: Axes) -> None:
    plots.learning_curves(axes, curves)
    training, validation, trained_on = curves.values()
    fall = training[-1] < training[0] and validation[-1] < validation[0]
    axes.set(
        title="Both losses fall together; trained on,\nthe validation loss flatters"
        if fall and trained_on[-1] < validation[-1]
        else "The losses of one split,\nand of a run that trained on both parts",
        xscale="log",
        ylabel=ylabel,
    )


def _draw_leak(means: np.ndarray, ylabel: str, axes: Axes) -> None:
    groups = np.arange(2)
    honest_gap, leaky_gap = means[:, 1] - means[:, 0]
    for offset, judges, losses in zip(
        (-0.2, 0.2), ("validation rows", "unseen rows"), means.T, strict=True
    ):
        bars = axes.bar(groups + offset, losses, width=0.36, label=f"on {judges}")
        axes.bar_label(bars, fmt="%.1f")
    axes.legend(loc="upper center", ncols=2)
    axes.margins(y=0.25)
    axes.set(
        title="Trained on, the validation loss no longer\ntells how unseen rows fare"
        if leaky_gap > 2 * abs(honest_gap)
        else "How the judged rows fare,\nand rows that no training saw",
        xlabel="What is differentiated",
        ylabel=ylabel,
    )
    axes.set_xticks(groups, ("the training loss", "the sum of both losses"))
