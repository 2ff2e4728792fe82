"""Trains a wide network on a noisy sine, step for step as PyTorch does.

The network has one hidden layer of 512 tanh units between one input and one output:

    y = tanh(x W₁ + b₁) W₂ + b₂

Its data are 32 points of sin(πx) with noise. The generator of a seed is rebuilt here,
so that data and initial weights are those of the published PyTorch program, without
PyTorch. The 1847 epochs of gradient descent with momentum are one call of `fit`, one
compiled loop, and its losses are held against those that PyTorch recorded.
"""

import dataclasses
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure

import funclearn as fl
from experiments import _style
from experiments._experiment import Outcome, Plot, Table
from experiments._launch import launch
from experiments._torch_random import neuromatch_data, neuromatch_network
from funclearn import plots
from funclearn.models import WideNetParams, wide_net

SOURCES = ("Neuromatch, Gradient Descent and AutoGrad",)

TORCH_RUN = Path(__file__).with_name("wide_net_torch.npz")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the experiment."""

    epochs: int = 1847
    """Number of epochs; PyTorch's run, recorded with these settings, has 1847."""
    learning_rate: float = 0.003
    """Learning rate."""
    momentum: float = 0.9
    """Momentum."""


def initial_params() -> WideNetParams:
    """PyTorch's initial network, whose weights are the transposes of these."""
    return WideNetParams(*(jnp.asarray(array.T) for array in neuromatch_network()))


def torch_run() -> tuple[np.ndarray, WideNetParams]:
    """What PyTorch recorded: the losses of 1847 epochs, and the parameters then."""
    with np.load(TORCH_RUN) as run:
        last = (jnp.asarray(run[f"final_{name}"].T) for name in WideNetParams._fields)
        return run["losses"], WideNetParams(*last)


@partial(jax.jit, static_argnames="config")
def train(params: WideNetParams, data: fl.Dataset, config: Config) -> fl.Run:
    """Minimises the mean squared error by gradient descent with momentum."""
    optimizer = optax.sgd(config.learning_rate, config.momentum)
    objective = fl.make_objective(wide_net, fl.losses.mse)
    step = fl.make_train_step(objective, optimizer)
    state = fl.init_state(jax.random.key(0), params, optimizer)
    return fl.fit(step, state, data, epochs=config.epochs)


def run(config: Config) -> Outcome:
    """Trains the network, and holds its losses and parameters against PyTorch's."""
    if config.epochs < 1:
        raise ValueError(f"epochs must be at least 1; got {config.epochs}.")
    start, data = initial_params(), fl.Dataset(*map(jnp.asarray, neuromatch_data()))
    trained = train(start, data, config)
    losses, params = jax.device_get((trained.history.loss, trained.state.params))
    torch_losses, torch_params = torch_run()
    shared = min(len(losses), len(torch_losses))
    differences = np.abs(losses[:shared] / torch_losses[:shared] - 1)
    return Outcome(
        computed={"wide-net-first-loss": losses[0]},
        tables=(_parameter_table(start, params, torch_params),),
        plots={
            "fit": Plot(
                "The 32 points, the sine without its noise, and the network before and "
                "after training.",
                partial(_draw_fit, data, start, params),
            ),
            "loss": Plot(
                "Above, the loss before every epoch's update; below, the largest "
                "relative difference between the two runs so far.",
                partial(_draw_losses, losses, torch_losses, differences),
            ),
        },
        history={"loss": losses},
        findings=(
            f"The first loss is {losses[0]:.9f}, that of epoch {len(losses)} "
            f"{losses[-1]:.9f}.",
            f"The losses of {shared} epochs differ from PyTorch's by at most "
            f"{differences.max():.1e} of their size, at epoch "
            f"{differences.argmax() + 1}.",
        ),
    )


def _parameter_table(*params: WideNetParams) -> Table:
    """Describes parameters at the start, trained here, and trained in PyTorch."""
    params = jax.device_get(params)
    layers = dict(zip(WideNetParams._fields, zip(*params, strict=True), strict=True))
    layers["all"] = tuple(np.concatenate([*map(np.ravel, leaves)]) for leaves in params)
    return Table(
        "Parameters",
        (
            *("Layer", "Shape", "Number", "Distance moved"),
            "Relative distance from PyTorch's after 1847 epochs",
        ),
        tuple(_row(name, *arrays) for name, arrays in layers.items()),
    )


def _row(
    name: str, start: np.ndarray, trained: np.ndarray, torch: np.ndarray
) -> tuple[str, str, int, float, float]:
    moved = np.linalg.norm(trained - start)
    apart = np.linalg.norm(trained - torch) / np.linalg.norm(torch)
    return name, str(start.shape), start.size, float(moved), float(apart)


def _draw_fit(data: fl.Dataset, start: WideNetParams, params: WideNetParams) -> Figure:
    figure = Figure()
    axes = figure.subplots()
    plots.fit(
        axes,
        data,
        {
            "sin(πx)": lambda inputs: np.sin(np.pi * inputs),
            "before training": partial(wide_net.apply, start),
            "after training": partial(wide_net.apply, params),
        },
    )
    axes.set(
        title="The trained network follows the sine,\nhardly the noise",
        xlabel="Input x",
        ylabel="Target and prediction y",
    )
    return figure


def _draw_losses(
    losses: np.ndarray, torch_losses: np.ndarray, differences: np.ndarray
) -> Figure:
    figure = Figure(figsize=(5.2, 4.4))
    above, below = figure.subplots(2, sharex=True, height_ratios=(2, 1))
    plots.learning_curves(above, {"here": losses, "PyTorch": torch_losses})
    above.set(title="Epoch for epoch the losses of PyTorch", xlabel="", xscale="log")
    epochs = np.arange(1, len(differences) + 1)
    below.semilogy(epochs, np.maximum.accumulate(differences), color=_style.GREY)
    below.set(xlabel="Epoch", ylabel="Difference")
    return figure


if __name__ == "__main__":
    launch(run, Config)
