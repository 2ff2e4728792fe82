"""PyTorch's side of the paired measurements; it needs PyTorch alone.

A child process, so that neither library's threads and memory are the other's. For each
line with a program's name on standard input it runs that program once to warm up and
once on the clock, and prints the seconds.
"""

import sys
import time
from collections.abc import Callable, Iterator

import torch  # pyright: ignore[reportMissingImports]
from torch.utils.data import (  # pyright: ignore[reportMissingImports]
    DataLoader,
    TensorDataset,
)

ROWS, PIXELS, HIDDEN, CLASSES, BATCH = 60_000, 784, 256, 10, 256


class Images:
    """784-256-10 with relu on random images, and SGD."""

    def __init__(self) -> None:
        """Draws the images and the weights."""
        self.images = torch.rand(ROWS, PIXELS)
        self.labels = torch.randint(0, CLASSES, (ROWS,))
        self.model = torch.nn.Sequential(
            torch.nn.Linear(PIXELS, HIDDEN),
            torch.nn.ReLU(),
            torch.nn.Linear(HIDDEN, CLASSES),
        )
        self.loss = torch.nn.CrossEntropyLoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)

    def by_indexing(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Minibatches by a permutation of the rows."""
        for rows in torch.randperm(ROWS).split(BATCH):
            yield self.images[rows], self.labels[rows]

    def by_loader(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Minibatches by PyTorch's loader."""
        rows = TensorDataset(self.images, self.labels)
        yield from DataLoader(rows, batch_size=BATCH, shuffle=True)

    def train(self, batches: Iterator[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """One epoch."""
        for inputs, labels in batches:
            self.optimizer.zero_grad()
            self.loss(self.model(inputs), labels).backward()
            self.optimizer.step()


def programs() -> dict[str, Callable[[], None]]:
    """What can be asked for."""
    images = Images()
    return {
        "images by indexing": lambda: images.train(images.by_indexing()),
        "images by DataLoader": lambda: images.train(images.by_loader()),
    }


def main() -> None:
    """Answers until standard input ends."""
    known = programs()
    for line in sys.stdin:
        program = known[line.strip()]
        program()
        started = time.perf_counter()
        program()
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
