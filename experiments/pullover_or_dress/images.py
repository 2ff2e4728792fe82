"""The images: Fashion-MNIST's photographs where they are at hand, else drawn ones."""

from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import jax
import numpy as np

import funclearn as fl

__all__ = ["Images", "Which", "images", "pair"]

Which: TypeAlias = Literal["auto", "drawn", "fashion"]
PULLOVER, DRESS = 2, 3


class Images(NamedTuple):
    """Images of ten classes, and where they are from.

    Attributes:
        train: inputs uint8 `(n, 28, 28)` and labels `(n,)`, to learn from.
        test: others, to judge by.
        real: whether they are Fashion-MNIST's.
    """

    train: fl.Dataset
    test: fl.Dataset
    real: bool


def images(which: Which, folder: Path | None, n: int, seed: int) -> Images:
    """Reads the photographs, or draws garments.

    Args:
        which: "fashion" takes the photographs, and downloads them where they lack;
            "drawn" draws; "auto" takes the photographs if they are at hand.
        folder: holds the photographs; None is the library's folder for data sets.
        n: number of training images to draw; half as many are drawn to judge by.
        seed: of what is drawn.

    Raises:
        OSError: if the photographs are asked for and cannot be had.
        ValueError: if a file is not what was published.
    """
    if which != "drawn":
        try:
            train, test = (
                fl.data.fashion_mnist(folder, part, download=which == "fashion")
                for part in ("train", "test")
            )
            return Images(train, test, real=True)
        except FileNotFoundError:
            if which == "fashion" or folder is not None:
                raise
    # All at once, so that drawing compiles once.
    drawn = jax.device_get(fl.data.garments(jax.random.key(seed), n + n // 2))
    train, test = (fl.data.take(drawn, rows) for rows in (slice(n), slice(n, None)))
    return Images(train, test, real=False)


def scaled(data: fl.Dataset) -> fl.Dataset:
    """Images as rows of 784 numbers from 0 to 1."""
    inputs = np.asarray(data.inputs, np.float32).reshape(len(data.inputs), -1) / 255
    return fl.Dataset(inputs, np.asarray(data.targets))


def pair(data: fl.Dataset) -> fl.Dataset:
    """The pullovers, target 0, and the dresses, target 1, scaled."""
    inputs, labels = data
    chosen = np.isin(labels, (PULLOVER, DRESS))
    inputs, labels = scaled(fl.Dataset(inputs[chosen], labels[chosen]))
    return fl.Dataset(inputs, (labels == DRESS).astype(np.float32))
