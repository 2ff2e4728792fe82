"""How long a step takes on n devices, by a model of few constants.

    step = turns (overhead + rows of a device * operations of a row / rate)
           + Σ turns (hops latency + 2 (n - 1) / n bytes / bandwidth)

where the sum goes over what the devices tell each other. An all-reduce goes over a ring
in 2 (n - 1) hops, over a tree in 2 log2 n; either way a device sends and hears 2 (n -
1) / n of the bytes. Devices that share cores take turns, n / cores of them, when they
compute as when they copy.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.scaling._traffic import Collective

__all__ = ["HOPS", "Compute", "Network", "fit_compute", "fit_network", "step_seconds"]

HOPS = {
    "ring": lambda devices: 2 * (devices - 1),
    "tree": lambda devices: 2 * math.ceil(math.log2(devices)),
}
"""How many messages after each other an all-reduce takes."""


class Compute(NamedTuple):
    """What a device computes.

    Attributes:
        overhead: seconds of a step without rows.
        rate: operations on floats a second.
    """

    overhead: float
    rate: float


class Network(NamedTuple):
    """What lies between devices.

    Attributes:
        latency: seconds of a hop.
        bandwidth: bytes a second.
        hops: the algorithm, one of `HOPS`.
    """

    latency: float
    bandwidth: float
    hops: str


def step_seconds(
    compute: Compute,
    network: Network,
    words: Sequence[Collective],
    *,
    devices: int,
    rows: int,
    flops: float,
    cores: float = math.inf,
) -> float:
    """The model.

    Args:
        compute: of a device.
        network: between them.
        words: what they tell each other; all-reduces.
        devices: how many there are.
        rows: of the whole batch.
        flops: operations of a row.
        cores: how many devices compute at a time; by default all.
    """
    own = math.ceil(rows / devices)  # others are made up
    seconds = compute.overhead + own * flops / compute.rate
    for word in words:
        hops, sent = _of_a_word(network.hops, devices, word.n_bytes)
        seconds += hops * network.latency + sent / network.bandwidth
    return seconds * max(1.0, devices / cores)


def _of_a_word(hops: str, devices: int, n_bytes: int) -> tuple[float, float]:
    return HOPS[hops](devices), 2 * (devices - 1) / devices * n_bytes


def fit_compute(taken: Mapping[int, float], flops: float) -> Compute:
    """The constants of a device, from the seconds of a step by its rows."""
    terms = np.array([[1.0, rows * flops] for rows in taken])
    (overhead, of_one), _ = _least_squares(terms, np.array([*taken.values()]))
    return Compute(overhead, _inverse(of_one))


def fit_network(
    taken: Mapping[tuple[int, int], float], cores: float, hops: str | None = None
) -> Network:
    """The constants between devices.

    Args:
        taken: the seconds of an all-reduce, by the number of devices and of bytes.
        cores: how many devices compute at a time.
        hops: the algorithm; None takes the one that fits better.
    """
    seconds = np.array([*taken.values()])
    turns = np.array([max(1.0, devices / cores) for devices, _ in taken])
    found = []
    for name in HOPS if hops is None else [hops]:
        terms = np.array([_of_a_word(name, *which) for which in taken])
        (latency, of_one), error = _least_squares(terms * turns[:, None], seconds)
        found.append((error, Network(latency, _inverse(of_one), name)))
    return min(found)[1]


def _least_squares(
    terms: np.ndarray, seconds: np.ndarray
) -> tuple[tuple[float, float], float]:
    """Two constants of no less than 0, with the least sum of squared relative errors.

    Returns:
        The constants and the sum.
    """
    relative, ones = terms / seconds[:, None], np.ones(len(seconds))
    found = []
    for chosen in ([0, 1], [0], [1]):
        constants = np.zeros(2)
        constants[chosen] = np.linalg.lstsq(relative[:, chosen], ones)[0]
        if (constants >= 0).all():
            error = float(np.sum((relative @ constants - 1) ** 2))
            found.append((error, float(constants[0]), float(constants[1])))
    error, first, second = min(found)
    return (first, second), error


def _inverse(seconds: float) -> float:
    return 1 / seconds if seconds > 0 else math.inf
