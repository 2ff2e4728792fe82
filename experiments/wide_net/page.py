"""The network's curve, its losses beside PyTorch's, and its parameters."""

import hashlib
from functools import partial

import jax
import numpy as np
from matplotlib.axes import Axes

import funclearn as fl
from experiments.harness import Outcome, Plot, Table, number, style
from experiments.wide_net.chapter import Config, study
from funclearn import plots
from funclearn.models import WideNetParams, wide_net


def run(config: Config) -> Outcome:
    """Trains the network, and compares its losses and parameters with PyTorch's."""
    result = study(config)
    data, start, trained, torch_losses, torch_params, differences, alone = result
    losses, params = trained.history.loss, trained.state.params
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
                size=(5.2, 4.4),
                panels=(2, 1),
                layout={"sharex": True, "height_ratios": (2, 1)},
            ),
        },
        history={"loss": losses},
        findings=(
            f"The first loss is {losses[0]:.9f}, that of epoch {len(losses)} "
            f"{trained.final.loss:.9f}.",
            _beside_torch(differences),
            *_bits(trained, alone, config),
        ),
    )


def _bits(run: fl.Run, alone: fl.Run | None, config: Config) -> tuple[str, ...]:
    """What differs from one device; of one itself the bits that others must have."""
    if alone is not None:
        return (_beside_one_device(run, alone, _where(config)),)
    if config.blocks is None:
        return ()
    return (
        f"In {config.blocks} blocks, on any number of devices: SHA-256 {_hash(run)}.",
    )


def _where(config: Config) -> str:
    processes = jax.process_count()
    if processes == 1:
        return f"On {config.devices} devices"
    return f"On {jax.device_count()} devices of {processes} processes"


def _beside_one_device(run: fl.Run, alone: fl.Run, where: str) -> str:
    hashes = [_hash(one) for one in (run, alone)]
    if hashes[0] == hashes[1]:
        return f"{where} the run has the bits that it has on one: SHA-256 {hashes[0]}."
    apart = np.max(np.abs(run.history.loss / alone.history.loss - 1))
    return (
        f"{where} the losses differ from those on one by at most "
        f"{number(apart, 2)} of their size. SHA-256 of losses and parameters: "
        f"{hashes[0]}, on one {hashes[1]}."
    )


def _hash(run: fl.Run) -> str:
    """The first digits of the SHA-256 of a run's losses and parameters."""
    leaves = jax.tree.leaves((run.history.loss, run.state.params))
    numbers = b"".join(np.asarray(leaf).tobytes() for leaf in leaves)
    return hashlib.sha256(numbers).hexdigest()[:16]


def _beside_torch(differences: np.ndarray) -> str:
    finite = np.isfinite(differences)
    if not finite.all():
        return f"From epoch {np.argmin(finite) + 1} on the loss is no number."
    return (
        f"The losses of {len(differences)} epochs differ from PyTorch's by at most "
        f"{number(differences.max(), 2)} of their size, at epoch "
        f"{differences.argmax() + 1}."
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


def _draw_fit(
    data: fl.Dataset, start: WideNetParams, params: WideNetParams, axes: Axes
) -> None:
    sine = np.sin(np.pi * data.inputs)
    from_sine, noise = (
        np.mean((values - sine) ** 2)
        for values in (wide_net.apply(params, data.inputs), data.targets)
    )
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
        title="The trained network follows the sine,\nhardly the noise"
        if from_sine < noise / 2
        else "The network before and after training,\nand the sine",
        xlabel="Input x",
        ylabel="Target and prediction y",
    )


def _draw_losses(
    losses: np.ndarray,
    torch_losses: np.ndarray,
    differences: np.ndarray,
    above: Axes,
    below: Axes,
) -> None:
    plots.learning_curves(above, {"here": losses, "PyTorch": torch_losses})
    title = "Epoch for epoch the losses of PyTorch"
    # Rounding stays below this; another learning rate does not.
    if not np.all(differences < 1e-3):
        title = "The losses of another run than PyTorch's"
    above.set(title=title, xlabel="", xscale="log")
    epochs = np.arange(1, len(differences) + 1)
    below.semilogy(epochs, np.maximum.accumulate(differences), color=style.GREY)
    below.set(xlabel="Epoch", ylabel="Difference")
