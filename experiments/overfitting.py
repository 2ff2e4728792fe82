"""Makes a model larger until it fits, and smaller until it stops overfitting.

The sources' recipe for the size of a model has two steps: increase the size until it
fits, then scale it down until it stops overfitting. Here both are one sweep, over the
degree of a polynomial and over the width of a network with one hidden layer: all sizes,
on many noisy data sets, in one call each. The training loss only falls with the size;
the loss on unseen rows falls, and then rises.

Four remedies help a model that is too large: more data, a simpler model, a penalty on
large parameters, and noise on the inputs. Each is tried on the largest network, on the
same data sets. With all of them the training loss rises, and the one that counts falls.
"""

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

import funclearn as fl
from experiments import _style
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch
from funclearn.sweeps import sweep

SOURCES = (
    "Chapter notes: the mechanics of learning",
    "Reading notes on the book",
    "Neuromatch, Gradient Descent and AutoGrad",
)
UNSEEN_ROWS = 200
QUARTILES = (0.25, 0.5, 0.75)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    degrees: tuple[int, ...] = tuple(range(15))
    """Degrees of the polynomial."""
    widths: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 16, 32, 64)
    """Numbers of hidden units of the network."""
    data_sets: int = 20
    """Number of noisy data sets, each with an initialisation of its own."""
    rows: int = 16
    """Number of training rows."""
    more_rows: int = 64
    """Number of training rows where there is more data."""
    noise: float = 0.25
    """Standard deviation of the noise on the targets."""
    fit: float = 0.01
    """Training loss at which a model fits its rows."""
    penalty: float = 1e-3
    """Strength of the penalty on the squares of the parameters."""
    input_noise: float = 0.1
    """Standard deviation of the noise on the inputs."""
    epochs: int = 3000
    """Number of epochs of every run."""
    learning_rate: float = 0.02
    """Learning rate of Adam."""
    seed: int = 0
    """Seed of the data sets and of the initialisations."""


class Losses(NamedTuple):
    """Losses on training rows and on unseen ones, `(..., data_sets)`."""

    training: Any
    unseen: Any


class Trial(NamedTuple):
    """What a run starts from: training rows, unseen rows, and a key for the rest."""

    seen: fl.Dataset
    unseen: fl.Dataset
    key: jax.Array


class Hidden(NamedTuple):
    """Parameters of a network with one input, hidden tanh units, and one output."""

    weight: Any
    bias: Any
    output_weight: Any
    output_bias: Any


def polynomial(largest: int, degree: jax.Array) -> fl.Model:
    """A polynomial of traced degree, in Legendre polynomials of mean square 1.

    They span what the powers span, and descent finds its way among them.
    """
    orders = jnp.arange(largest + 1)[:, None]
    scales = jnp.where(orders <= degree, jnp.sqrt(2 * orders + 1), 0)

    def apply(coefficients: jax.Array, inputs: jax.Array) -> jax.Array:
        columns = [jnp.ones_like(inputs), inputs]
        for k in range(1, largest):
            multiple = (2 * k + 1) * inputs * columns[k] - k * columns[k - 1]
            columns.append(multiple / (k + 1))
        basis = jnp.concatenate(columns[: largest + 1], axis=1)
        return basis @ (scales * coefficients)

    return fl.Model(lambda key: jnp.zeros((largest + 1, 1)), apply)


def network(largest: int, width: jax.Array) -> fl.Model:
    """A network with one hidden layer of traced width; the other units stay silent."""

    def init(key: jax.Array) -> Hidden:
        weight_key, bias_key = jax.random.split(key)
        return Hidden(
            weight=jax.random.uniform(weight_key, (1, largest), minval=-3, maxval=3),
            bias=jax.random.uniform(bias_key, (1, largest), minval=-2, maxval=2),
            output_weight=jnp.zeros((largest, 1)),
            output_bias=jnp.zeros((1, 1)),
        )

    def apply(params: Hidden, inputs: jax.Array) -> jax.Array:
        hidden = jnp.tanh(inputs @ params.weight + params.bias)
        hidden = jnp.where(jnp.arange(largest)[None, :] < width, hidden, 0)
        return hidden @ params.output_weight + params.output_bias

    return fl.Model(init, apply)


@partial(jax.jit, static_argnames="config")
def draw(keys: jax.Array, config: Config) -> tuple[Trial, Trial]:
    """One trial a key, with few training rows and with more."""

    def trials(key: jax.Array) -> tuple[Trial, Trial]:
        seen_key, unseen_key, key = jax.random.split(key, 3)
        unseen = fl.data.noisy_sine(unseen_key, UNSEEN_ROWS, config.noise)
        few, many = (
            fl.data.noisy_sine(seen_key, rows, config.noise)
            for rows in (config.rows, config.more_rows)
        )
        return Trial(few, unseen, key), Trial(many, unseen, key)

    return jax.vmap(trials)(keys)


def train(
    model: fl.Model,
    trial: Trial,
    config: Config,
    *,
    penalty: float = 0.0,
    input_noise: float = 0.0,
) -> Losses:
    """Trains a model, and judges it by rows that it has not seen."""
    objective = fl.make_objective(
        model,
        fl.losses.mse,
        penalty=fl.losses.l2(penalty),
        input_noise=input_noise,
    )
    optimizer = optax.adam(config.learning_rate)
    init_key, run_key = jax.random.split(trial.key)
    state = fl.init_state(run_key, model.init(init_key), optimizer)
    step = fl.make_train_step(objective, optimizer)
    params = fl.fit(step, state, trial.seen, epochs=config.epochs).state.params
    evaluate = fl.make_evaluation(model, fl.losses.mse)
    return Losses(evaluate(params, trial.seen), evaluate(params, trial.unseen))


def over_sizes(
    family: Callable[[int, jax.Array], fl.Model],
    sizes: tuple[int, ...],
    trials: Trial,
    config: Config,
) -> Losses:
    """The losses `(sizes, data_sets)` of models of every size, in one sweep."""

    def run(size: jax.Array, trial: Trial) -> Losses:
        return train(family(max(sizes), size), trial, config)

    return jax.device_get(sweep(run, {"size": list(sizes), "trial": trials}).result)


def of_largest(trials: Trial, config: Config, **restraints: float) -> Losses:
    """The losses `(data_sets,)` of the largest network, restrained in some way."""
    largest = max(config.widths)
    model = network(largest, jnp.asarray(largest))

    def run(trial: Trial) -> Losses:
        return train(model, trial, config, **restraints)

    return jax.device_get(sweep(run, {"trial": trials}).result)


def choose(losses: Losses, fit: float) -> tuple[int, int]:
    """The recipe: positions of the first size that fits, or the last, and to keep."""
    training, unseen = (np.median(loss, axis=1) for loss in losses)
    (fitting,) = np.nonzero(training <= fit)
    kept = fits = int(fitting[0]) if fitting.size else len(training) - 1
    while kept > 0 and unseen[kept - 1] < unseen[kept]:
        kept -= 1
    return fits, kept


def run(config: Config) -> Outcome:
    """Follows the recipe with polynomials and networks, and tries the remedies.

    Raises:
        ValueError: if sizes are none or do not increase, or training diverged.
    """
    _check_sizes("degrees", config.degrees, 0)
    _check_sizes("widths", config.widths, 1)
    keys = jax.random.split(jax.random.key(config.seed), config.data_sets)
    trials, larger_trials = draw(keys, config)
    families = {
        "degree": (polynomial, config.degrees, "Degree of the polynomial"),
        "width": (network, config.widths, "Hidden units of the network"),
    }
    losses, chosen = {}, {}
    for name, (family, sizes, _) in families.items():
        losses[name] = over_sizes(family, sizes, trials, config)
        chosen[name] = choose(losses[name], config.fit)
    networks = [Losses(*width) for width in zip(*losses["width"], strict=True)]
    remedies = {
        "nothing": networks[np.argmax(config.widths)],
        "more data": of_largest(larger_trials, config),
        "simpler model": networks[chosen["width"][1]],
        "penalty": of_largest(trials, config, penalty=config.penalty),
        "input noise": of_largest(trials, config, input_noise=config.input_noise),
    }
    if not all(np.isfinite(loss).all() for loss in jax.tree.leaves((losses, remedies))):
        raise ValueError(
            f"training diverged; learning_rate must be below {config.learning_rate}."
        )
    unseen = {name: float(np.median(loss.unseen)) for name, loss in remedies.items()}
    return Outcome(
        tables=(
            *(
                _sizes_table(label, sizes, losses[name])
                for name, (_, sizes, label) in families.items()
            ),
            _remedies_table(remedies),
        ),
        plots={
            name: Plot(
                f"Median loss over {config.data_sets} data sets of {config.rows} rows, "
                "and the quartiles. The training loss reaches "
                f"{config.fit:g} at the first mark; to its left the loss on unseen "
                "rows falls as far as to the second.",
                partial(
                    _draw_sizes, label, sizes, losses[name], chosen[name], config.fit
                ),
            )
            for name, (_, sizes, label) in families.items()
        }
        | {
            "remedies": Plot(
                f"Median losses of a network of {max(config.widths)} hidden units over "
                f"{config.data_sets} data sets, and the quartiles. The line is the "
                "variance of the noise, below which no model gets on unseen rows. "
                "The simpler model is the one that the recipe keeps.",
                partial(_draw_remedies, remedies, config.noise**2),
            )
        },
        findings=(
            *(
                f"The first {name} that fits, or the largest, is "
                f"{sizes[chosen[name][0]]}; the recipe keeps {sizes[chosen[name][1]]}."
                for name, (_, sizes, _) in families.items()
            ),
            f"On unseen rows the largest network has a median loss of "
            f"{unseen.pop('nothing'):.3f}; "
            + ", ".join(f"{loss:.3f} with {name}" for name, loss in unseen.items())
            + ".",
        ),
    )


def _check_sizes(name: str, sizes: tuple[int, ...], least: int) -> None:
    if not sizes or sizes[0] < least or sizes != tuple(sorted(set(sizes))):
        raise ValueError(
            f"{name} must be increasing integers, of {least} or more; got {sizes}."
        )


def _quartiles(loss: np.ndarray) -> np.ndarray:
    return np.quantile(loss, QUARTILES, axis=-1)


def _sizes_table(label: str, sizes: tuple[int, ...], losses: Losses) -> Table:
    medians = (np.median(loss, axis=1).tolist() for loss in losses)
    return Table(
        "Median losses by size",
        (label, "Training", "Unseen rows"),
        tuple(zip(sizes, *medians, strict=True)),
    )


def _remedies_table(remedies: Mapping[str, Losses]) -> Table:
    return Table(
        "The largest network, and four remedies: median losses, and quartiles",
        ("Remedy", "Training", "Unseen rows", "Lower quartile", "Upper quartile"),
        tuple(
            (name, float(np.median(loss.training)), middle, low, high)
            for name, loss in remedies.items()
            for low, middle, high in [_quartiles(loss.unseen).tolist()]
        ),
    )


def _draw_sizes(
    label: str,
    sizes: tuple[int, ...],
    losses: Losses,
    chosen: tuple[int, int],
    fit: float,
) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    for name, loss in zip(("training rows", "unseen rows"), losses, strict=True):
        low, middle, high = _quartiles(loss)
        (line,) = axes.plot(sizes, middle, marker="o", markersize=4, label=name)
        axes.fill_between(sizes, low, high, color=line.get_color(), alpha=0.15)
    axes.axhline(fit, color=_style.GREY, linestyle=":", linewidth=1.2, label="it fits")
    unseen = np.median(losses.unseen, axis=1)
    for number, position in enumerate(chosen, start=1):
        axes.annotate(
            str(number),
            (sizes[position], unseen[position]),
            (0, 18),
            textcoords="offset points",
            ha="center",
            fontweight="bold",
            arrowprops={"arrowstyle": "->", "color": _style.INK},
        )
    axes.set(
        title="Larger until it fits (1), then smaller\nuntil it stops overfitting (2)",
        xlabel=label,
        ylabel="Loss",
        ylim=(0, 1.2 * np.quantile(losses.training[0], QUARTILES[-1])),
    )
    if max(sizes) > 2 * len(sizes):
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, map(str, sizes))
        axes.minorticks_off()
    axes.legend()
    return figure


def _draw_remedies(remedies: Mapping[str, Losses], floor: float) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    positions = np.arange(len(remedies))
    sides = {"training rows": -0.12, "unseen rows": 0.12}
    for (name, offset), losses in zip(
        sides.items(), zip(*remedies.values(), strict=True), strict=True
    ):
        low, middle, high = _quartiles(np.stack(losses))
        axes.errorbar(
            positions + offset,
            middle,
            (middle - low, high - middle),
            fmt="o",
            capsize=3,
            label=name,
        )
    axes.axhline(floor, color=_style.GREY, linestyle=":", label="noise alone")
    axes.set_xticks(positions, [name.replace(" ", "\n") for name in remedies])
    axes.set(
        title="Every remedy gives up training loss\nand wins on unseen rows",
        xlabel="What is done about overfitting",
        ylabel="Loss",
        ylim=(0, 1.3 * axes.get_ylim()[1]),
    )
    axes.legend()
    return figure


if __name__ == "__main__":
    launch(run, Config)
