"""How fast training is beside PyTorch: `python -m benchmarks.pytorch`.

PyTorch runs in a child process, in turn with ours, by the interpreter that
`FUNCLEARN_TORCH` names, or else this one.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from benchmarks import images
from benchmarks._measure import Figure, median_ratio, show

TURNS = 5


class Torch:
    """PyTorch's programs, in a child that lives until the block ends."""

    def __enter__(self) -> "Torch":
        """Starts the child."""
        python = os.environ.get("FUNCLEARN_TORCH", sys.executable)
        self._child = subprocess.Popen(
            [python, "-m", "benchmarks._torch_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Ends it."""
        self._child.communicate()

    def seconds(self, program: str) -> float:
        """What a program takes, warm.

        Raises:
            RuntimeError: if the child ended, as without PyTorch.
        """
        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin is not None and stdout is not None
        try:
            print(program, file=stdin, flush=True)
            return float(stdout.readline())
        except (BrokenPipeError, ValueError):
            raise RuntimeError("the child with PyTorch ended; see above.") from None


def in_turn(
    torch: Torch, ours: Callable[[], Any], theirs: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """Times our function and PyTorch's programs, each right after a call of itself."""
    taken = {name: np.empty(TURNS) for name in ("ours", *theirs)}
    for turn in range(TURNS):
        jax.block_until_ready(ours())
        started = time.perf_counter()
        jax.block_until_ready(ours())
        taken["ours"][turn] = time.perf_counter() - started
        for name in theirs:
            taken[name][turn] = torch.seconds(name)
    return taken


def of_images(torch: Torch) -> Iterator[Figure]:
    """An epoch of minibatches."""
    model = images.network(images.PIXELS, images.HIDDEN, images.CLASSES)
    ours = images.fitting(model, images.OPTIMIZERS["sgd"], images.images())
    theirs = ("images by indexing", "images by DataLoader")
    taken = in_turn(torch, ours, theirs)
    for name, target in zip(theirs, (1.3, None), strict=True):
        faster = median_ratio(taken, name, "ours")
        spread = float(np.ptp(taken[name] / taken["ours"]))
        beside = f"PyTorch, {name} (spread {spread:.2f})"
        yield Figure("an epoch of 60,000 x 784", faster, "x", target, True, beside)


def main() -> None:
    """Prints the figures."""
    with Torch() as torch:
        show("Beside PyTorch", list(of_images(torch)))


if __name__ == "__main__":
    main()
