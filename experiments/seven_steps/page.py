"""The seven steps in numbers, the price of a gradient, and how each run stops."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from experiments.harness import Outcome, Plot, Table, style
from experiments.seven_steps.chapter import ROUND_RATE, Config, Descent, Result, study
from experiments.seven_steps.prices import Price, price


def run(config: Config) -> Outcome:
    """Takes the seven steps, prices the gradient, compares learning rates."""
    result = study(config)
    descents, prices = result.descents, tuple(map(price, config.weight_counts))
    return Outcome(
        computed={
            "square-value": [result.value, result.slope],
            "square-sum-gradient": result.gradient,
            "integer-inputs": result.refusals["funclearn.gradients.autodiff"],
        },
        tables=(
            _round_table(result.round, config.epochs),
            Table(
                "The price of a gradient, in evaluations of the loss",
                ("Weights", "Gradient", "Nudging", "Relative difference"),
                prices,
            ),
            Table(
                f"Learning rates on x² from {config.start:g}",
                (
                    "Rate",
                    "What x does",
                    "Last epoch",
                    "Why it stops",
                    "Last x",
                    "Last loss",
                ),
                tuple((*d[:4], d.positions[-1], d.losses[-1]) for d in descents),
            ),
            Table(
                "The gradient of a function of integers",
                ("Function", "Its message"),
                tuple(result.refusals.items()),
            ),
        ),
        plots={
            "paths": Plot(
                "Every dot is an epoch of a run on x², the square its start.",
                partial(_draw_paths, descents),
                size=(5.2, 4.6),
                panels=(-(-len(descents) // 2), 2),
            ),
            "stopping": Plot(
                "The losses of these runs, each marked where it could first stop.",
                partial(_draw_stops, descents, config.good_enough),
                size=(5.2, 4.2),
            ),
            "price": Plot(
                "Nudging evaluates the loss twice for every weight. The gradient takes "
                "at most the floating-point operations of evaluating it twice in all.",
                partial(_draw_prices, prices),
            ),
        },
        history={f"loss at rate {d.learning_rate:g}": d.losses for d in descents},
        findings=_findings(result, prices[-1]),
    )


def _findings(result: Result, price: Price) -> tuple[str, ...]:
    return (
        f"At x = 3 the loss is {result.value:g} and its slope {result.slope:g}; at "
        f"(3, 5, 12) the gradient is {result.gradient}.",
        *(
            f"A learning rate of {d.learning_rate:g} {d.verdict}: x goes "
            f"{', '.join(f'{x:.4g}' for x in d.positions[:4])} …"
            for d in result.descents
        ),
        f"The gradient of {price.weights} weights costs "
        f"{price.gradient:.2g} losses, nudging them {price.nudging}.",
    )


def _round_table(values: Sequence[np.ndarray], epochs: int) -> Table:
    names = (
        "1. Draw the weights",
        "2. Predict, the square of each",
        "3. Measure the loss, their sum",
        "4. Take its gradient",
        f"5. Step, learning rate {ROUND_RATE:g}",
        "6. Repeat: the losses so far",
        f"7. Stop after {epochs} epochs: the loss",
    )
    rows = zip(names, (value.tolist() for value in values), strict=True)
    return Table("One round of the seven steps", ("Step", "Value"), tuple(rows))


def _draw_paths(descents: tuple[Descent, ...], *panels: Axes) -> None:
    # An odd number of runs leaves the last panel empty.
    for axes, descent in zip(panels, descents, strict=False):
        x = descent.positions[:8]
        reach = 1.1 * np.max(np.abs(x))
        parabola = np.linspace(-reach, reach, 101)
        axes.plot(parabola, parabola**2, color=style.GREY, linestyle="-", linewidth=1)
        axes.plot(x, x**2, "o-", color=style.BLUE, markersize=4, linewidth=1)
        axes.plot(x[0], x[0] ** 2, "s", color=style.VERMILLION)
        axes.set(xlabel="x", ylabel="Loss x²")
        axes.set_title(f"Rate {descent.learning_rate:g} {descent.verdict}")


def _draw_stops(descents: tuple[Descent, ...], good_enough: float, axes: Axes) -> None:
    markers = {"good enough": "o", "getting worse": "X", "out of time": "s"}
    for descent in descents:
        axes.semilogy(
            np.arange(1, len(descent.losses) + 1),
            descent.losses,
            marker=markers[descent.reason],
            markersize=9,
            markevery=[descent.stop - 1],
            label=f"Rate {descent.learning_rate:g} {descent.verdict}: "
            f"{descent.reason} at epoch {descent.stop}",
        )
    axes.axhline(good_enough, color=style.GREY, linestyle=":")
    axes.set(xlabel="Epoch", ylabel="Loss x²")
    axes.set_title(
        "Good enough, getting worse or out of time:\nwhere each run could stop"
    )
    axes.figure.legend(loc="outside lower center")


def _draw_prices(prices: tuple[Price, ...], axes: Axes) -> None:
    weights = [price.weights for price in prices]
    axes.loglog(weights, [price.nudging for price in prices], "o-", label="Nudging")
    axes.loglog(weights, [price.gradient for price in prices], "s--", label="Gradient")
    axes.set_xticks(weights, map(str, weights))
    axes.set_xticks([], minor=True)
    axes.set(xlabel="Number of weights", ylabel="Cost (evaluations of the loss)")
    last = prices[-1]
    axes.set_title(
        "Nudging pays for every weight,\nthe gradient once for all of them"
        if last.nudging > 2 * last.gradient
        else "The price of nudging and of the gradient"
    )
    axes.legend()
