"""The seven steps of learning, on functions small enough to follow by hand.

A machine (1) draws weights, (2) predicts with them, (3) measures the loss, (4) takes
its gradient, (5) steps against it, (6) repeats from 2 and (7) stops at some point. Here
the prediction is the square of every weight and the loss is their sum, so the bottom
lies at zero and nothing is hidden.

The gradient could be had without calculus, by nudging one weight at a time and watching
the loss. The answer is the same; the price grows with the number of weights, while that
of the gradient stays within two losses.

How far to step is the learning rate. On x² a step multiplies x by 1 - 2 · rate: a tiny
rate crawls, a rate of 1 jumps between two points for ever, a larger one blows up. The
runs end when time is out; where each could have stopped is read off afterwards.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

import funclearn as fl
from experiments import _style
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch

SOURCES = ("Foundations for machine learning",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    seed: int = 0
    """Seed of the weights that step 1 draws."""
    start: float = 3.0
    """Where the runs on x² start."""
    learning_rates: tuple[float, ...] = (0.001, 0.1, 1.0, 1.1)
    """Learning rates to compare on x²."""
    epochs: int = 25
    """Number of epochs until time is out."""
    good_enough: float = 0.01
    """Loss at which a run is good enough."""
    weight_counts: tuple[int, ...] = (1, 4, 16, 64)
    """Numbers of weights for which to count what a gradient costs."""


def predict(weights: jax.Array) -> jax.Array:
    """The model: the square of every weight."""
    return weights**2


def loss(weights: jax.Array) -> jax.Array:
    """The sum of the predictions; the smaller the better."""
    return jnp.sum(predict(weights))


def learn(weights: jax.Array, learning_rate: Any, epochs: int) -> tuple[Any, Any]:
    """Takes steps 2 to 7; returns the last weights, and weights and loss by epoch."""

    def epoch(weights: jax.Array, _: None) -> tuple[jax.Array, Any]:
        value, gradient = jax.value_and_grad(loss)(weights)  # steps 2, 3 and 4
        return weights - learning_rate * gradient, (weights, value)  # step 5

    return jax.lax.scan(epoch, weights, length=epochs)  # steps 6 and 7


class Descent(NamedTuple):
    """A run on x²: what it does, when and why it could stop, and every x and loss."""

    learning_rate: float
    verdict: str
    stop: int
    reason: str
    positions: np.ndarray
    losses: np.ndarray


class Price(NamedTuple):
    """What two ways to the gradient cost, in losses, and how far they are apart."""

    weights: int
    gradient: float
    nudging: int
    difference: float


def run(config: Config) -> Outcome:
    """Takes the seven steps, prices the gradient, compares learning rates."""
    if config.epochs < 1:
        raise ValueError(f"epochs must be at least 1; got {config.epochs}.")
    descents = _descend(config)
    prices = tuple(map(_price, config.weight_counts))
    refusals = _refusals(np.array([3, 5, 12]))
    value, slope = map(float, jax.jit(jax.value_and_grad(loss))(3.0))
    gradient = jax.jit(jax.grad(loss))(np.array([3.0, 5.0, 12.0])).tolist()
    return Outcome(
        computed={
            "square-value": [value, slope],
            "square-sum-gradient": gradient,
            "integer-inputs": refusals["funclearn.gradients.autodiff"],
        },
        tables=(
            Table("One round of the seven steps", ("Step", "Value"), _round(config)),
            Table(
                "The price of a gradient, in evaluations of the loss",
                ("Weights", "Gradient", "Nudging", "Relative difference"),
                prices,
            ),
            Table(
                f"Learning rates on x² from {config.start:g}",
                ("Rate", "It", "Stops at epoch", "Being", "Last x", "Last loss"),
                tuple((*d[:4], d.positions[-1], d.losses[-1]) for d in descents),
            ),
            Table("What integers get", ("From", "Refusal"), tuple(refusals.items())),
        ),
        plots={
            "paths": Plot(
                "Every dot is an epoch of a run on x², the square its start.",
                lambda: _draw_paths(descents),
            ),
            "stopping": Plot(
                "The losses of these runs, each marked where it could first stop.",
                lambda: _draw_stops(descents, config.good_enough),
            ),
            "price": Plot(
                "Nudging evaluates the loss twice for every weight; the gradient's "
                "floating-point operations are those of less than two losses.",
                lambda: _draw_prices(prices),
            ),
        },
        history={f"loss at rate {d.learning_rate:g}": d.losses for d in descents},
        findings=(
            f"At x = 3 the loss is {value:g} and its slope {slope:g}; at (3, 5, 12) "
            f"the gradient is {gradient}.",
            *(
                f"A learning rate of {d.learning_rate:g} {d.verdict}: x goes "
                f"{', '.join(f'{x:.4g}' for x in d.positions[:4])} …"
                for d in descents
            ),
            f"The gradient of {prices[-1].weights} weights costs "
            f"{prices[-1].gradient:.2g} losses, nudging them {prices[-1].nudging}.",
        ),
    )


def _round(config: Config) -> tuple[tuple[str, Any], ...]:
    rate = 0.1

    @jax.jit
    def steps(key: jax.Array) -> tuple[Any, ...]:
        weights = jax.random.normal(key, (3,))
        value, gradient = jax.value_and_grad(loss)(weights)
        last, (_, losses) = learn(weights, rate, config.epochs)
        return (
            *(weights, predict(weights), value, gradient),
            *(weights - rate * gradient, losses[:2], loss(last)),
        )

    names = (
        "1. Draw the weights",
        "2. Predict, the square of each",
        "3. Measure the loss, their sum",
        "4. Take its gradient",
        f"5. Step, learning rate {rate:g}",
        "6. Repeat: the losses so far",
        f"7. Stop after {config.epochs} epochs: the loss",
    )
    values = (value.tolist() for value in steps(jax.random.key(config.seed)))
    return tuple(zip(names, values, strict=True))


def _descend(config: Config) -> tuple[Descent, ...]:
    start = jnp.float32(config.start)
    runs = jax.jit(jax.vmap(lambda rate: learn(start, rate, config.epochs)[1]))
    positions, losses = map(np.asarray, runs(np.array(config.learning_rates)))
    return tuple(
        Descent(rate, *_judge(curve, config.good_enough), x, curve)
        for rate, x, curve in zip(config.learning_rates, positions, losses, strict=True)
    )


def _judge(losses: np.ndarray, good_enough: float) -> tuple[str, int, str]:
    """Says what a run does, and at which epoch it could first have stopped, and why."""
    reasons = {
        "good enough": np.flatnonzero(losses <= good_enough),
        "getting worse": np.flatnonzero(np.diff(losses) > 0) + 1,
        "out of time": np.array([len(losses) - 1]),
    }
    first = {reason: where[0] + 1 for reason, where in reasons.items() if len(where)}
    reason, stop = min(first.items(), key=lambda item: item[1])
    stuck = "bounces for ever" if losses[-1] == losses[0] else "crawls"
    verdicts = {"good enough": "works", "getting worse": "blows up"}
    return verdicts.get(reason, stuck), int(stop), reason


def _price(count: int) -> Price:
    calls = []

    def counted(weights: jax.Array, batch: Any, key: Any) -> jax.Array:
        jax.debug.callback(calls.append, weights[0])
        return loss(weights)

    @jax.jit
    def difference() -> jax.Array:
        weights = jnp.linspace(1.0, 2.0, count)
        gradient = jax.grad(loss)(weights)
        nudging = fl.gradients.finite_difference(step=0.1)(counted)
        _, nudged = nudging(weights, None, None)
        return jnp.linalg.norm(nudged - gradient) / jnp.linalg.norm(gradient)

    error = difference().item()
    jax.effects_barrier()
    gradient = _operations(jax.value_and_grad(loss), count) / _operations(loss, count)
    return Price(count, gradient, len(calls), error)


def _operations(function: Any, count: int) -> float:
    weights = jax.ShapeDtypeStruct((count,), jnp.float32)
    analysis: Any = jax.jit(function).lower(weights).cost_analysis()
    return analysis["flops"]


def _refusals(integers: np.ndarray) -> dict[str, str]:
    library = fl.gradients.autodiff(lambda weights, batch, key: loss(weights))
    askers = {
        "jax.grad": lambda: jax.grad(loss)(integers),
        "funclearn.gradients.autodiff": lambda: library(integers, None, None),
    }
    return {name: _message(ask) for name, ask in askers.items()}


def _message(ask: Any) -> str:
    try:
        return f"no refusal: {ask()}"
    except TypeError as error:
        return str(error)


def _draw_paths(descents: tuple[Descent, ...]) -> Figure:
    figure = Figure(figsize=(5.2, 4.6))
    panels = figure.subplots(-(-len(descents) // 2), 2, squeeze=False).ravel()
    for axes, descent in zip(panels, descents, strict=False):
        x = descent.positions[:8]
        reach = 1.1 * np.max(np.abs(x))
        parabola = np.linspace(-reach, reach, 101)
        axes.plot(parabola, parabola**2, color=_style.GREY, linestyle="-", linewidth=1)
        axes.plot(x, x**2, "o-", color=_style.BLUE, markersize=4, linewidth=1)
        axes.plot(x[0], x[0] ** 2, "s", color=_style.VERMILLION)
        axes.set(xlabel="x", ylabel="Loss x²")
        axes.set_title(f"Rate {descent.learning_rate:g} {descent.verdict}")
    return figure


def _draw_stops(descents: tuple[Descent, ...], good_enough: float) -> Figure:
    markers = {"good enough": "o", "getting worse": "X", "out of time": "s"}
    figure = Figure(figsize=(5.2, 4.2))
    axes = figure.subplots()
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
    axes.axhline(good_enough, color=_style.GREY, linestyle=":")
    axes.set(xlabel="Epoch", ylabel="Loss x²")
    axes.set_title(
        "Good enough, getting worse or out of time:\nwhere each run could stop"
    )
    figure.legend(loc="outside lower center")
    return figure


def _draw_prices(prices: tuple[Price, ...]) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    weights = [price.weights for price in prices]
    axes.loglog(weights, [price.nudging for price in prices], "o-", label="Nudging")
    axes.loglog(weights, [price.gradient for price in prices], "s--", label="Gradient")
    axes.set_xticks(weights, map(str, weights))
    axes.set_xticks([], minor=True)
    axes.set(xlabel="Number of weights", ylabel="Cost (evaluations of the loss)")
    axes.set_title("Nudging pays for every weight,\nthe gradient once for all of them")
    axes.legend()
    return figure


if __name__ == "__main__":
    launch(run, Config)
