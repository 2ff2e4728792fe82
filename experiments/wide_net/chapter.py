"""Trains a wide network on a noisy sine, step for step as PyTorch does.

The network has one hidden layer of 512 tanh units between one input and one output:

    y = tanh(x W₁ + b₁) W₂ + b₂

Its data are 32 points of sin(πx) with noise. The generator of a seed is rebuilt here,
so that data and initial weights are those of the published PyTorch program, without
PyTorch. The 1847 epochs of gradient descent with momentum are one call of `fit`, one
compiled loop, and its losses are compared with those that PyTorch recorded.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl
from experiments._torch_random import neuromatch_data, neuromatch_network
from experiments.harness import Count, Devices, Momentum, Positive, Resumable
from funclearn.models import WideNetParams, wide_net

SOURCES = ("Neuromatch, Gradient Descent and AutoGrad",)

TORCH_RUN = Path(__file__).with_name("wide_net_torch.npz")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(Resumable):
    """Settings of the experiment."""

    epochs: Count = 1847
    """Number of epochs; PyTorch's run, recorded with these settings, has 1847."""
    learning_rate: Positive = 0.003
    """Learning rate."""
    momentum: Momentum = 0.9
    """Momentum."""
    # They make no other run, but for roundings.
    devices: Devices = dataclasses.field(default=1, compare=False)
    """Number of devices to train on; a CPU is divided into as many. Several processes
    train on all that they have."""
    blocks: Count | None = dataclasses.field(default=None, compare=False)
    """Blocks of rows that the gradient is made of, so that the bits of the run are the
    same on any number of devices; by default it is made at once."""

    def prepare(self) -> None:
        """Divides the CPU, and meets the other processes if there are any."""
        if self.devices > 1:
            jax.config.update("jax_num_cpu_devices", self.devices)
        fl.devices.initialise(
            same={name: str(value) for name, value in vars(self).items()}
        )


class Result(NamedTuple):
    """A run made here, and the one that PyTorch recorded.

    Attributes:
        data: the 32 points.
        start: the parameters that both runs start from.
        run: the run made here.
        torch_losses: `(1847,)`, the losses of PyTorch's run.
        torch_params: the parameters at its end.
        differences: the relative differences between the losses, of the epochs that
            both runs have.
        alone: the run on one device, where the one made here was on several.
    """

    data: fl.Dataset
    start: WideNetParams
    run: fl.Run
    torch_losses: np.ndarray
    torch_params: WideNetParams
    differences: np.ndarray
    alone: fl.Run | None


def initial_params() -> WideNetParams:
    """PyTorch's initial network, whose weights are the transposes of these."""
    return WideNetParams(*(jnp.asarray(array.T) for array in neuromatch_network()))


def torch_run() -> tuple[np.ndarray, WideNetParams]:
    """What PyTorch recorded: the losses of 1847 epochs, and the parameters then."""
    with np.load(TORCH_RUN) as run:
        last = (jnp.asarray(run[f"final_{name}"].T) for name in WideNetParams._fields)
        return run["losses"], WideNetParams(*last)


def train(
    params: WideNetParams, data: fl.Dataset, config: Config, blocks: int | None
) -> fl.Run:
    """Minimises the mean squared error by gradient descent with momentum."""
    optimizer = optax.sgd(config.learning_rate, config.momentum)
    objective = fl.make_objective(wide_net, fl.losses.mse)
    step = fl.make_train_step(objective, optimizer, blocks=blocks)
    state = fl.init_state(jax.random.key(0), params, optimizer)
    return config.fit("wide_net", step, state, data, epochs=config.epochs)


def _trained(params: WideNetParams, data: fl.Dataset, config: Config) -> fl.Run:
    static = "config", "blocks"
    return config.compiled(train, *static)(params, data, config, config.blocks)


def study(config: Config) -> Result:
    """Trains the network, and compares its losses with PyTorch's."""
    start, data = initial_params(), fl.Dataset(*map(jnp.asarray, neuromatch_data()))
    alone, given = None, (start, data)
    processes = jax.process_count()
    if config.devices > 1 or processes > 1:
        mesh = fl.devices.mesh(config.devices if processes == 1 else None)
        once = dataclasses.replace(config, checkpoint_dir=None, resume=False)
        alone = jax.device_get(_trained(start, data, once))
        given = fl.devices.replicate(start, mesh), fl.devices.shard(data, mesh)
    run = jax.device_get(_trained(*given, config))
    torch_losses, torch_params = torch_run()
    losses = run.history.loss
    shared = min(len(losses), len(torch_losses))
    differences = np.abs(losses[:shared] / torch_losses[:shared] - 1)
    return Result(data, start, run, torch_losses, torch_params, differences, alone)
