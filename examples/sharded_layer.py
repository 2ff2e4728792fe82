"""Trains a network whose hidden layer lies over four devices, a quarter on each.

`funclearn.devices` deals out rows, and every device holds all parameters. Where one
cannot hold them they are dealt out instead, by explicit axes of JAX: the type of an
array says which of its dimensions lies over the devices, every product says how its
result does, and the optimizer's state follows the parameters. `fit` runs such a step as
any other.

    python examples/sharded_layer.py
"""

from typing import Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

import funclearn as fl

DEVICES, HIDDEN, EPOCHS = 4, 64, 300

optimizer = optax.adam(1e-2)


_T = TypeVar("_T")


class Params(NamedTuple, Generic[_T]):
    """Parameters of a network of one hidden layer, or what is said of each of them."""

    inward: _T
    bias: _T
    outward: _T


UNITS = PartitionSpec(None, "units")
LAYOUT = Params(UNITS, UNITS, PartitionSpec("units", None))


def init(key: jax.Array) -> Params[jax.Array]:
    """Draws the parameters."""
    inward_key, outward_key = jax.random.split(key)
    return Params(
        inward=2 * jax.random.normal(inward_key, (1, HIDDEN)),
        bias=jnp.zeros((1, HIDDEN)),
        outward=jax.random.normal(outward_key, (HIDDEN, 1)) / HIDDEN**0.5,
    )


def loss_of(params: Params[jax.Array], batch: fl.Dataset) -> jax.Array:
    """The mean squared error; the second product adds up what the devices hold."""
    inward = jnp.dot(batch.inputs, params.inward, out_sharding=UNITS)
    hidden = jnp.tanh(inward + params.bias)
    outputs = jnp.dot(hidden, params.outward, out_sharding=PartitionSpec(None, None))
    return jnp.mean((outputs - batch.targets) ** 2)


def step(state: fl.TrainState, batch: fl.Dataset) -> tuple[fl.TrainState, fl.StepInfo]:
    """One update."""
    loss, grads = jax.value_and_grad(loss_of)(state.params, batch)
    updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
    state = state._replace(
        params=optax.apply_updates(state.params, updates),
        opt_state=opt_state,
        step=state.step + 1,
    )
    return state, fl.StepInfo(loss, grads)


def train(devices: int, epochs: int = EPOCHS, batch_size: int | None = 16) -> fl.Run:
    """Trains on the first of this machine's devices, each with its part of the units.

    Args:
        devices: how many; they divide the units.
        epochs: how many.
        batch_size: rows a step.
    """
    mesh: Mesh = jax.make_mesh(
        (devices,),
        ("units",),
        axis_types=(AxisType.Explicit,),
        devices=jax.devices()[:devices],
    )
    data_key, init_key, run_key = jax.random.split(jax.random.key(0), 3)
    data = fl.data.noisy_sine(data_key)
    layout = jax.tree.map(lambda spec: NamedSharding(mesh, spec), LAYOUT)
    with jax.set_mesh(mesh):
        # Compiled with its layout, so that no device ever holds all of them.
        params = jax.jit(init, out_shardings=layout)(init_key)
        state = fl.init_state(run_key, params, optimizer)
        return fl.fit(step, state, data, epochs=epochs, batch_size=batch_size)


def main() -> None:
    """Trains on four devices and on one."""
    # Of a CPU; accelerators are as many as they are.
    jax.config.update("jax_num_cpu_devices", DEVICES)
    devices = min(DEVICES, jax.device_count())
    run, alone = train(devices), train(1)
    part = run.state.params.inward.addressable_shards[0].data
    losses, expected = np.asarray(run.history.loss), np.asarray(alone.history.loss)
    apart = np.max(np.abs(losses / expected - 1))
    print(f"{devices} devices hold {part.size} of {HIDDEN} units each.")
    print(
        f"The loss falls from {losses[0]:.3f} to {losses[-1]:.3f} in {EPOCHS} epochs."
    )
    print(f"On one device the losses differ by at most {apart:.1e} of their size.")


if __name__ == "__main__":
    main()
