"""What the two ways get right, in tables, figures and findings."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import funclearn as fl
from experiments.harness import Outcome, Plot, Table
from experiments.pullover_or_dress import figures
from experiments.pullover_or_dress.chapter import Config, Learnt, Result, study
from experiments.pullover_or_dress.classes import reliability
from experiments.pullover_or_dress.images import Images

PUBLISHED = {"linear": 0.9645, "library's linear": 0.9697, "784-30-1": 0.9675}
FIGURES = ("linear-accuracy", "library-linear-accuracy", "hidden-layer-accuracy")
FIRST_EPOCH = 0.2173
MEASURES = ("mean absolute difference", "root mean squared difference")
# The images whose distances the texts print: found by comparing all of them.
DRESS, PULLOVER = 0, 10


def run(config: Config, given: Images | None = None) -> Outcome:
    """Compares the naive way with the learned way, and trains ten classes.

    Args:
        config: settings.
        given: images in place of those that the settings name.
    """
    result = study(config, given)
    runs = result.learnt["linear"]
    return Outcome(
        computed=_published(result) if result.real else {},
        data_sets=("Fashion-MNIST",) if result.real else (),
        tables=tuple(_tables(config, result)),
        plots=_plots(config, result),
        history={
            "loss of the linear model": runs.losses[runs.middle],
            "accuracy of the linear model": runs.accuracies[runs.middle, 1:],
        },
        findings=tuple(_findings(config, result)),
    )


def _naive(result: Result, measure: str) -> tuple[float, float, float]:
    """The accuracy in all, of dresses, and of pullovers."""
    right = result.naive.dresses(measure) == result.test.targets
    dresses, pullovers = (
        float(right[result.test.targets == one].mean()) for one in (1, 0)
    )
    return float(right.mean()), dresses, pullovers


def _distances(result: Result) -> dict[str, np.ndarray]:
    """By the measure, those of the printed dress and pullover `(2, 2)` to the means."""
    rows = [
        places[min(place, len(places) - 1)]
        for one, place in ((1, DRESS), (0, PULLOVER))
        for places in [np.flatnonzero(result.test.targets == one)]
    ]
    return {name: apart[rows] for name, apart in result.naive.distances.items()}


def _published(result: Result) -> dict[str, object]:
    apart = _distances(result)
    (dress, pullover), (dress_rms, pullover_rms) = (apart[name] for name in MEASURES)
    in_all, of_dresses, of_pullovers = _naive(result, MEASURES[0])
    spans = {
        name: [float(last.min()), float(last.max())]
        for name, learnt in zip(FIGURES, result.learnt.values(), strict=True)
        for last in [learnt.accuracies[:, -1]]
    }
    return {
        "pixel-similarity": {
            "all": in_all,
            "dresses": of_dresses,
            "pullovers": of_pullovers,
        },
        "dress-mean-absolute": {
            "to the mean dress": dress[1],
            "to the mean pullover": dress[0],
        },
        "pullover-mean-absolute": pullover[0],
        "dress-root-mean-square": dress_rms[1],
        "pullover-root-mean-square": pullover_rms[0],
        **spans,
    }


def _tables(config: Config, result: Result) -> Iterator[Table]:
    yield Table(
        "The naive way: accuracy by the distance to the mean images",
        ("Distance", "In all", "Of dresses", "Of pullovers"),
        tuple((name, *_naive(result, name)) for name in MEASURES),
    )
    yield Table(
        f"Distances of dress {DRESS + 1} and pullover {PULLOVER + 1} of the test "
        "images to the mean images",
        ("Image", "Distance", "To the mean pullover", "To the mean dress"),
        tuple(
            (image, name, *map(float, row))
            for name, rows in _distances(result).items()
            for image, row in zip(("dress", "pullover"), rows, strict=True)
        ),
    )
    yield _steps_table(config, result)
    yield _seeds_table(config, result)
    classes = result.classes
    yield Table(
        f"Ten classes after {config.class_epochs} epochs on {classes.trained_on} "
        f"images: accuracy over {config.class_seeds} seeds, and calibration",
        ("Model", "Mean", "Least", "Greatest", "Calibration error"),
        tuple(
            (
                *(name, float(found.mean()), float(found.min()), float(found.max())),
                reliability(probabilities, classes.labels).error,
            )
            for name, probabilities in classes.probabilities.items()
            for found in [classes.accuracies(name)]
        ),
    )


def _steps_table(config: Config, result: Result) -> Table:
    steps, runs = result.steps, result.learnt["linear"]
    accuracies = runs.accuracies[runs.middle]
    size = np.linalg.norm(steps.gradient.weight)
    return Table(
        "The seven steps of the linear model, in the run of median accuracy",
        ("Step", "What it gives"),
        (
            ("1. Draw the weights", f"784 weights, {_some(steps.params.weight)} …"),
            ("2. Predict", f"weighted sums {_some(steps.outputs)} …"),
            (
                "3. Measure the loss",
                f"{steps.loss:.4f} of the first batch, where the accuracy is "
                f"{steps.accuracy:.4f}",
            ),
            (
                "4. Take the gradient",
                f"of length {size:.3g}; that of the accuracy is "
                f"{steps.accuracy_slope:g} in every weight",
            ),
            (
                f"5. Step, rate {config.learning_rate:g}",
                f"the loss of the batch is {steps.loss_after:.4f}",
            ),
            (
                "6. Repeat",
                f"accuracy {_some(accuracies[1:4], 4)} … by epoch",
            ),
            (
                "7. Stop",
                f"after {config.epochs} epochs: accuracy {accuracies[-1]:.4f}",
            ),
        ),
    )


def _some(values: Any, digits: int = 3) -> str:
    return ", ".join(f"{value:.{digits}f}" for value in values[:3])


def _seeds_table(config: Config, result: Result) -> Table:
    columns = ("Model", "Least", "5 %", "Median", "95 %", "Greatest")
    rows = [
        (name, *np.quantile(learnt.accuracies[:, -1], (0, 0.05, 0.5, 0.95, 1)).tolist())
        for name, learnt in result.learnt.items()
    ]
    if result.real:
        columns += ("Published", "Seeds below it")
        printed = zip(rows, result.learnt.values(), PUBLISHED.values(), strict=True)
        rows = [
            (*row, value, f"{_below(learnt, value):.0%}")
            for row, learnt, value in printed
        ]
    return Table(
        f"The learned way: accuracy after {config.epochs} epochs, over "
        f"{config.seeds} seeds",
        columns,
        tuple(rows),
    )


def _below(learnt: Learnt, value: float) -> float:
    """The quantile of a printed accuracy among the seeds'; half of the equal ones."""
    last = learnt.accuracies[:, -1]
    # Accuracies are printed with four digits.
    equal = np.abs(last - value) < 5e-5
    return float(np.mean((last < value) & ~equal) + np.mean(equal) / 2)


def _findings(config: Config, result: Result) -> Iterator[str]:
    number, judged = len(result.train.inputs), len(result.test.inputs)
    if result.real:
        yield (
            f"It ran on Fashion-MNIST's photographs: {number} pullovers and dresses to "
            f"learn from, {judged} to judge by."
        )
    else:
        yield (
            f"It ran on drawn garments (`fl.data.garments`): {number} pullovers and "
            f"dresses to learn from, {judged} to judge by. Fashion-MNIST's photographs "
            "are taken where they are in the library's folder for data sets or in "
            "`--folder`; `--data fashion` downloads them (31 MB)."
        )
    absolute = _naive(result, MEASURES[0])
    yield (
        f"By the mean absolute difference to the mean images {absolute[0]:.1%} are "
        f"right: {absolute[1]:.1%} of the dresses, {absolute[2]:.1%} of the pullovers."
    )
    yield from _darkness(result)
    best = max(result.learnt, key=lambda name: _median(result.learnt[name]))
    yield (
        f"What is learnt is right more often: over {config.seeds} seeds the median "
        f"accuracy of the {best} model is {_median(result.learnt[best]):.1%}."
        if _median(result.learnt[best]) > absolute[0]
        else f"No model learns more than that in {config.epochs} epochs: the best "
        f"median accuracy is {_median(result.learnt[best]):.1%}."
    )
    yield (
        f"The loss of the first batch has a gradient of length "
        f"{np.linalg.norm(result.steps.gradient.weight):.3g}; the gradient of its "
        f"accuracy is {result.steps.accuracy_slope:g}, by `jax.grad`."
    )
    yield from _stuck(config, result)
    if result.real:
        first = result.learnt["linear"].accuracies
        yield (
            f"After its first epoch the published linear run has {FIRST_EPOCH:g}. Here "
            f"the seeds have {first[:, 1].min():.4f} to {first[:, 1].max():.4f} then, "
            f"and {first[:, 0].min():.4f} to {first[:, 0].max():.4f} before it."
        )
    yield _ten(result)


def _median(learnt: Learnt) -> float:
    return float(np.median(learnt.accuracies[:, -1]))


def _darkness(result: Result) -> Iterator[str]:
    """Says what the pullovers have in common that are taken for dresses."""
    pullovers = result.test.targets == 0
    called = result.naive.dresses(MEASURES[0])
    brightness = result.test.inputs.mean(axis=1)
    missed, right = (brightness[pullovers & part] for part in (called, ~called))
    if len(missed) and len(right):
        darker = " darker" if missed.mean() < right.mean() else ""
        yield (
            f"The {len(missed)} pullovers that it takes for dresses are{darker}: their "
            f"mean brightness is {missed.mean():.2f}, that of the others "
            f"{right.mean():.2f} (from 0 to 1). The mean dress has "
            f"{result.naive.means[1].mean():.2f}, the mean pullover "
            f"{result.naive.means[0].mean():.2f}."
        )


def _stuck(config: Config, result: Result) -> Iterator[str]:
    last = result.learnt["linear"].accuracies[:, -1]
    stuck = int(np.sum(last < 0.6))
    if stuck:
        yield (
            f"From {stuck} of {config.seeds} seeds the linear model still guesses "
            f"after {config.epochs} epochs: with weights drawn so large nearly every "
            "probability is 0 or 1, and there the loss is flat."
        )


def _ten(result: Result) -> str:
    classes = result.classes
    means = {name: classes.accuracies(name).mean() for name in classes.probabilities}
    best = max(means, key=lambda name: means[name])
    wrong = classes.confusion(best)
    np.fill_diagonal(wrong, 0)
    truth, answer = np.unravel_index(wrong.argmax(), wrong.shape)
    names = fl.data.FASHION_MNIST_CLASSES
    listed = ", ".join(f"{mean:.1%} ({name})" for name, mean in means.items())
    return (
        f"Of ten classes {listed} are right. The {best} model's most frequent mistake "
        f"is {names[answer]} for {names[truth]}: {wrong.max():.0%} of those."
    )


def _plots(config: Config, result: Result) -> dict[str, Plot]:
    classes = result.classes
    best = max(classes.probabilities, key=lambda name: classes.accuracies(name).mean())
    judged, measure = result.test, MEASURES[0]
    wide = {"layout": {"sharey": True}}
    return {
        "pixels": Plot(
            "Above, the two images that the naive way keeps, and pullovers that it "
            "alone takes for dresses: they are nearer to the mean dress. "
            "Below, the weights that are learnt instead, of the library's linear "
            "layer: orange speaks for a dress, purple for a pullover. At the right "
            "what both get right.",
            partial(figures.draw_pixels, result, _naive(result, measure)),
            size=(7.4, 5.0),
            panels=(2, 4),
        ),
        "accuracy": Plot(
            "The accuracy on the test images by epoch: every seed a thin line, their "
            "median a thick one. Dotted, the naive way.",
            partial(figures.draw_accuracy, result.learnt, _naive(result, measure)[0]),
            size=(7.4, 3.2),
            panels=(1, len(result.learnt)),
            **wide,
        ),
        "seeds": Plot(
            f"The accuracy after {config.epochs} epochs; a dot is a seed. Dotted, the "
            "naive way."
            + (" Diamonds are the published accuracies." if result.real else ""),
            partial(
                figures.draw_seeds,
                result.learnt,
                _naive(result, measure)[0],
                PUBLISHED if result.real else {},
            ),
        ),
        "weights": Plot(
            "The weights of the two linear models, as images: as drawn, and after "
            f"{config.epochs} epochs, of the run of median accuracy.",
            partial(figures.draw_weights, result),
            size=(7.4, 3.5),
            panels=(1, 3),
        ),
        "gradient": Plot(
            "Above, four test images with the probability of a dress that the weights "
            "of step 1 give; below, the gradient of the loss of this image alone, all "
            "on one scale. It is the image itself, times p (1 - p), and has the sign "
            "of what is missing.",
            partial(figures.draw_gradients, result),
            size=(7.4, 5.2),
            panels=(2, 4),
        ),
        "confidence": Plot(
            "How many test images get which probability of a dress from the linear "
            "model's run of median accuracy, by what they are.",
            partial(figures.draw_confidence, result.outputs, judged.targets),
        ),
        "mistakes": Plot(
            "The test images on which this model is wrong and most sure, with its "
            "probability of a dress.",
            partial(figures.draw_mistakes, result.outputs, judged),
            size=(7.4, 3.8),
            panels=(2, 5),
        ),
        "confusion": Plot(
            f"What the {best} model calls the images of every class, in percent of "
            "the row, over its seeds.",
            partial(figures.draw_confusion, classes.confusion(best)),
            size=(6.2, 5.4),
        ),
        "calibration": Plot(
            "How sure the models of ten classes are, and how often they are right "
            "then; on the grey line both are equal.",
            partial(figures.draw_calibration, classes),
        ),
    }
