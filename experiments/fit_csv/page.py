"""How well the model fits: errors, parameters, predictions and losses."""

import textwrap
from functools import partial

from matplotlib.axes import Axes

import funclearn as fl
from experiments.fit_csv.chapter import Config, Fit, Side, study
from experiments.harness import Outcome, Plot, Table, style
from funclearn import plots

NAMES = {
    "mse": "mean squared error",
    "mae": "mean absolute error",
    "huber": "Huber loss",
}


def run(config: Config) -> Outcome:
    """Reads, fits, and says how well."""
    fit, target, names = study(config)
    training, validation = fit.sides["training"], fit.sides["validation"]
    loss, ends = NAMES[config.loss], fit.losses(config.loss)
    # The table of errors has the mean squared error in any case.
    others = {} if config.loss == "mse" else {loss.capitalize(): ends}
    return Outcome(
        tables=(
            _errors_table(fit.sides, target, others),
            *([_line_table(fit.line, names, target)] if fit.line else []),
        ),
        plots={
            "fit": Plot(
                "Training and validation rows, and what the model makes of them.",
                partial(_draw_fit, fit, names, target),
                size=(5.2, 4),
            ),
            "residuals": Plot(
                "What the model leaves unexplained, row by row; a good one leaves no "
                "pattern.",
                partial(_draw_residuals, fit.sides, target),
            ),
            "losses": Plot(
                "Both losses before every epoch; the validation rows train nothing.",
                partial(_draw_losses, fit.sides, ends, loss.capitalize()),
            ),
        },
        history={f"{name} loss": s.losses for name, s in fit.sides.items()},
        findings=(
            f"R² is {training.r_squared():.4f} on {len(training.targets)} rows that "
            f"trained the model, {validation.r_squared():.4f} on "
            f"{len(validation.targets)} that did not.",
            *(
                f"What was minimised, the {loss}, ends at {found['training']:.4g} in "
                f"training and at {found['validation']:.4g} in validation."
                for found in others.values()
            ),
        ),
    )


def _errors_table(
    sides: dict[str, Side], target: str, others: dict[str, dict[str, float]]
) -> Table:
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
                *(found[name] for found in others.values()),
            )
            for name, side in sides.items()
        ),
    )


def _line_table(
    line: fl.models.LinearParams, names: tuple[str, ...], target: str
) -> Table:
    rows = (
        *(
            (name, f"{target} per {name}", w)
            for name, w in zip(names, line.weight, strict=True)
        ),
        ("bias", target, line.bias),
    )
    return Table("Parameters in the units of the file", ("Of", "Unit", "Value"), rows)


def _draw_fit(fit: Fit, names: tuple[str, ...], target: str, axes: Axes) -> None:
    for (name, side), marker in zip(fit.sides.items(), "os", strict=True):
        x, y = side.inputs[:, 0], side.targets
        if not fit.curve:
            x, y = side.targets, side.predictions
        axes.plot(x, y, marker, label=name)
    if fit.curve:
        axes.plot(*fit.curve, label="model")
        _label(axes, names[0], target)
    else:
        mean = fit.sides["training"].targets.mean()
        axes.axline((mean, mean), slope=1, color=style.GREY, label="exact")
        _label(axes, f"Measured {target}", f"Predicted {target}")
    axes.set_title(
        f"R² = {fit.sides['validation'].r_squared():.3f} on rows never trained on"
    )
    axes.legend()


def _draw_residuals(sides: dict[str, Side], target: str, axes: Axes) -> None:
    for (name, side), marker in zip(sides.items(), "os", strict=True):
        points, _ = plots.residuals(axes, side.predictions, side.targets)
        points.set(label=name, marker=marker)
    _label(axes, f"Predicted {target}", f"Measured - predicted {target}")
    error = sides["validation"].error() ** 0.5
    axes.set_title(f"Predictions for new rows are off by about {error:.3g}")
    axes.legend()


def _draw_losses(
    sides: dict[str, Side], ends: dict[str, float], loss: str, axes: Axes
) -> None:
    plots.learning_curves(axes, {name: side.losses for name, side in sides.items()})
    said = (f"{end:.3g} in {name}" for name, end in ends.items())
    axes.set(title="The loss ends at " + ",\nat ".join(said), ylabel=loss)


def _label(axes: Axes, x: str, y: str) -> None:
    # A file's own names are no formulas, whatever dollar signs they hold.
    axes.set_xlabel(textwrap.fill(x, 60), parse_math=False)
    axes.set_ylabel(textwrap.fill(y, 40), parse_math=False)
