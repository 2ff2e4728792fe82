"""How well the model fits: errors, parameters, predictions and losses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from experiments._thermometer import LOSSES
from experiments.fit_csv.chapter import Config, study
from experiments.fit_csv.figures import LOSS_NAMES, confusion, plots_of
from experiments.fit_csv.findings import findings
from experiments.fit_csv.found import Fit, Result, Side
from experiments.fit_csv.model_file import Predictions, dump, written
from experiments.harness import Outcome, Table

__all__ = ["run"]

# The table shows so many; the file has all.
SHOWN = 20

# A parameter is converged if what it is off by changes predictions by less than this
# part of the target's standard deviation, where its column is off by one of its own.
FAR = 0.01


def run(config: Config) -> Outcome:
    """Reads, fits, and says how well; or predicts with a model fitted before."""
    result = study(config)
    predicted = result.predictions
    tables = [_predictions_table(predicted, result.target)] if predicted else []
    files = {"predictions.csv": written(predicted, result.target)} if predicted else {}
    if not result.fits:
        return Outcome(
            tables=tuple(tables), files=files, findings=findings(config, result)
        )
    first = result.fits[0]
    loss = "cross-entropy" if config.task != "regression" else LOSS_NAMES[config.loss]
    sides = first.sides
    return Outcome(
        tables=(*_tables(config, result, loss), *tables),
        plots=plots_of(result, loss.capitalize()),
        history={
            f"{name} loss": side.losses
            for name, side in sides.items()
            if len(side.losses)
        },
        findings=findings(config, result),
        files={"model.json": dump(first.fitted, config), **files},
    )


def _tables(config: Config, result: Result, loss: str) -> list[Table]:
    first, target = result.fits[0], result.target
    if first.fitted.classes:
        found = [_accuracy_table(first), *_confusion_tables(first)]
        return [*found, *_interval_table(result, {"Accuracy": Side.accuracy})]
    # The table of errors has the mean squared error in any case.
    others = {} if config.loss == "mse" else {loss.capitalize(): config.loss}
    measures = {"Square root of the error": lambda side: side.error() ** 0.5}
    return [
        _errors_table(first, target, others),
        *_line_tables(result, config.loss == "mse"),
        *_interval_table(result, measures | {"R²": Side.r_squared}),
    ]


def _errors_table(fit: Fit, target: str, others: dict[str, str]) -> Table:
    scale = float(np.asarray(fit.fitted.scaler.target_scale))
    return Table(
        f"Errors in {target}",
        ("Part", "Rows", "Mean squared error", "Its square root", "R²", *others),
        tuple(
            (
                name,
                len(side.targets),
                side.error(),
                side.error() ** 0.5,
                side.r_squared(),
                *(loss_of(side, one, scale) for one in others.values()),
            )
            for name, side in fit.sides.items()
        ),
    )


def loss_of(side: Side, name: str, scale: float) -> float:
    """What a part has of a loss of regression, in the units of the file."""
    loss = {known: one for known, one in LOSSES.items() if known == name}[name]
    scaled = loss.function(side.predictions / scale, side.targets / scale)
    return float(scaled) * scale**loss.power


def _line_tables(result: Result, least_squares: bool) -> list[Table]:
    fit, names, target = result.fits[0], result.inputs, result.target
    known, line = fit.determined, fit.line
    if known is None or line is None:
        return []
    deviation = float(np.std(fit.sides["training"].targets)) or 1.0
    rows = []
    for at, name in enumerate(names):
        found, least = float(line.weight[at]), float(known.weight[at])
        unit = f"{target} per {name}"
        if at in known.why_not:
            rows.append((name, unit, "not determined", "-", known.why_not[at]))
        else:
            off = abs(found - least) * known.reach[at] / deviation
            rows.append((name, unit, found, least, _remark(off, least_squares)))
    if known.bias:
        off = abs(float(line.bias) - known.constant) / deviation
        rows.append(
            (
                "bias",
                target,
                float(line.bias),
                known.constant,
                _remark(off, least_squares),
            )
        )
    else:
        why = "it and the weights above can replace each other"
        rows.append(("bias", target, "not determined", "-", why))
    return [
        Table(
            "Parameters in the units of the file",
            ("Of", "Unit", "Value", "Least squares", "Remark"),
            tuple(rows),
        )
    ]


def _remark(off: float, least_squares: bool) -> str:
    """Other losses have a minimum of their own."""
    return "not converged" if least_squares and off > FAR else ""


def _accuracy_table(fit: Fit) -> Table:
    commonest = np.bincount(fit.sides["training"].targets).argmax()
    return Table(
        "Accuracy",
        ("Part", "Rows", "Accuracy", f"Always {fit.fitted.classes[commonest]!r}"),
        tuple(
            (
                name,
                len(side.targets),
                side.accuracy(),
                float(np.mean(side.targets == commonest)),
            )
            for name, side in fit.sides.items()
        ),
    )


def _confusion_tables(fit: Fit) -> list[Table]:
    classes = fit.fitted.classes
    if len(classes) > SHOWN:
        return []
    part = "test" if "test" in fit.sides else "validation"
    counts = confusion(fit.sides[part], len(classes))
    return [
        Table(
            f"Confusion matrix of the {part} rows: classes down, predictions across",
            ("Class", *classes),
            tuple(
                (name, *map(int, row))
                for name, row in zip(classes, counts, strict=True)
            ),
        )
    ]


def _interval_table(
    result: Result, measures: dict[str, Callable[[Side], float]]
) -> list[Table]:
    again = result.fits[1:]
    if not again:
        return []
    rows = []
    for name, measure in measures.items():
        for part in again[0].sides:
            rows.append(
                (f"{name}, {part}", *_interval([measure(f.sides[part]) for f in again]))
            )
    known = result.fits[0].determined
    for at, name in enumerate(result.fits[0].fitted.encoder.input_names):
        if known is not None and at not in known.why_not:
            values = [_weight(fit, name) for fit in again]
            found = [value for value in values if value is not None]
            rows += [(f"Parameter of {result.inputs[at]}", *_interval(found))]
    return [
        Table(
            f"Over {len(again)} other random splits",
            ("Of", "5 %", "Median", "95 %"),
            tuple(rows),
        )
    ]


def _weight(fit: Fit, name: str) -> float | None:
    """A weight, if the training rows of that split have the column."""
    names = fit.fitted.encoder.input_names
    if fit.line is None or name not in names:
        return None
    return float(fit.line.weight[names.index(name)])


def _interval(values: list[float]) -> tuple[float, ...]:
    return tuple(
        float(one) for one in np.quantile(values or [np.nan], [0.05, 0.5, 0.95])
    )


def _predictions_table(predictions: Predictions, target: str) -> Table:
    n = len(predictions.values)
    shown = f"the first {SHOWN} of {n:,}" if n > SHOWN else f"{n:,}"
    values = predictions.values[:SHOWN].tolist()
    return Table(
        f"Predictions for {Path(predictions.source).name}: {shown}",
        ("Line", target),
        tuple(zip(predictions.lines[:SHOWN].tolist(), values, strict=True)),
    )
