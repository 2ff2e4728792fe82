"""Sentences about a fit, each with this run's own numbers."""

import numpy as np

from experiments.fit_csv.chapter import Config
from experiments.fit_csv.figures import LOSS_NAMES
from experiments.fit_csv.found import Fit, Result
from experiments.fit_csv.model_file import Predictions
from experiments.harness import number

__all__ = ["findings"]

# Fewer epochs do not show whether the loss still falls.
FEW_EPOCHS = 20

# A change of the loss by less is none, as far as a reader of the page is concerned.
SETTLED = 1e-3


def findings(config: Config, result: Result) -> tuple[str, ...]:
    """What there is to say."""
    told: list[str] = []
    if result.fits:
        first = result.fits[0]
        told += _of_classes(first) if first.fitted.classes else _of_numbers(first)
        if config.task == "regression" and config.loss != "mse":
            ends = [first.sides[one].losses[-1] for one in ("training", "validation")]
            told.append(
                f"What was minimised, the {LOSS_NAMES[config.loss]}, is "
                f"{number(ends[0])} in training and {number(ends[1])} in "
                "validation before the last epoch."
            )
        told += [_convergence(first), *_rank(first)]
    if result.predictions:
        told.append(_of_predictions(result.predictions))
    return tuple(told)


def _of_numbers(fit: Fit) -> list[str]:
    told = []
    for name, side in fit.sides.items():
        r_squared = side.r_squared()
        what = (
            f"{r_squared:{'.4f' if abs(r_squared) < 100 else '.3g'}}"
            if np.isfinite(r_squared)
            else "without a value (equal targets)"
        )
        rows = "that trained the model" if name == "training" else "that did not"
        told.append(f"{what} on {len(side.targets)} {name} rows {rows}")
    sentences = [f"R² is {', '.join(told)}."]
    if fit.sides["validation"].r_squared() < 0:
        sentences.append(
            "Below 0, it says that the mean of the validation targets would predict "
            "them better than the model does."
        )
    return sentences


def _of_classes(fit: Fit) -> list[str]:
    commonest = np.bincount(fit.sides["training"].targets).argmax()
    side = fit.sides["validation"]
    always = float(np.mean(side.targets == commonest))
    judged = (
        "better than"
        if side.accuracy() > always
        else "no better than"
        if side.accuracy() == always
        else "worse than"
    )
    parts = ", ".join(
        f"{part.accuracy():.1%} of {len(part.targets)} {name} rows"
        for name, part in fit.sides.items()
    )
    return [
        f"The class is right for {parts}.",
        f"On the validation rows that is {judged} always answering "
        f"{fit.fitted.classes[commonest]!r}, {always:.1%}.",
    ]


def _convergence(fit: Fit) -> str:
    losses = fit.sides["training"].losses
    n_epochs = len(losses)
    if n_epochs > 1 and losses[-1] > losses[0]:
        return (
            f"The training loss rose from {number(losses[0], 3)} to "
            f"{number(losses[-1], 3)}: its steps are too large."
        )
    if n_epochs < FEW_EPOCHS:
        few = "1 epoch is" if n_epochs == 1 else f"{n_epochs} epochs are"
        return f"{few} too few to tell whether the training loss still falls."
    last = max(FEW_EPOCHS // 2, n_epochs // 10)
    before, after = losses[-last - 1], losses[-1]
    if not before > 0:
        return "The training loss is 0: there is nothing left to learn."
    change = 1 - after / before
    if change > SETTLED:
        return (
            f"Over the last {last} epochs the training loss fell by another "
            f"{change:.2g} of itself: training had not ended."
        )
    if change < -SETTLED:
        return (
            f"Over the last {last} epochs the training loss rose by {-change:.2g} of "
            "itself: its steps are too large to settle."
        )
    return (
        f"Over the last {last} epochs the training loss changed by less than "
        f"{SETTLED:.1%} of itself."
    )


def _rank(fit: Fit) -> list[str]:
    known = fit.determined
    if known is None:
        return []
    columns = len(known.weight)
    if known.why_not:
        open_ = len(known.why_not)
        return [
            f"The training rows do not determine {open_} of {columns} weights; their "
            "table says why. Whichever they are, predictions for these rows are the "
            "same."
        ]
    return [
        f"The training rows determine the weights of all {columns} columns; the "
        f"condition number of the standardised columns is {number(known.condition, 3)}."
    ]


def _of_predictions(predictions: Predictions) -> str:
    gaps = (
        f"; {predictions.left_out} with missing cells are left out"
        if predictions.left_out
        else ""
    )
    return (
        f"predictions.csv has predictions for {len(predictions.values):,} rows of "
        f"{predictions.source}{gaps}."
    )
