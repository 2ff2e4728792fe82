"""Running blocks on devices."""

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from funclearn._jaxprs import ClosedJaxpr
from funclearn._lanes._compilation import compile_block
from funclearn._lanes._device import Device, default_device
from funclearn._lanes._host import Clock, run_all
from funclearn._lanes._memory import restorer

__all__ = ["runner"]


def runner(
    closed: ClosedJaxpr,
    dtypes: list[Any],
    size: int,
    devices: Sequence[Device],
) -> Callable[[Sequence[Array | np.ndarray]], list[Any]]:
    """Makes what runs a block, on the device that runs the fewest.

    Args:
        closed: a single lane.
        dtypes: those of its inputs.
        size: lanes of a block.
        devices: all there are.

    Returns:
        `inputs -> outputs`, which threads may call; inputs are as `to_host` shows them,
        outputs are ready.
    """
    restorers = list(map(restorer, dtypes))
    blocks: dict[Device, Callable[..., list[Any]]] = {}

    def compile_for(device: Device) -> None:
        compiled = compile_block(closed, size, True, device)
        consts = (
            closed.consts if device is None else jax.device_put(closed.consts, device)
        )
        blocks[device] = functools.partial(compiled, consts)

    if len(devices) == 1:  # a thread for it would take as long as a small block
        compile_for(devices[0])
    else:
        run_all(compile_for, devices, Clock())
    busy, lock = dict.fromkeys(devices, 0), threading.Lock()

    def run(inputs: Sequence[Array | np.ndarray]) -> list[Any]:
        with lock:
            device = min(busy, key=busy.__getitem__)
            busy[device] += 1
        try:
            with default_device(device):
                pairs = zip(restorers, inputs, strict=True)
                # What XLA need not take over from NumPy itself it begins at once.
                arrays = [jnp.asarray(restore(data)) for restore, data in pairs]
                return jax.block_until_ready(blocks[device](arrays))
        finally:
            with lock:
                busy[device] -= 1

    return run
