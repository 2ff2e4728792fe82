"""PyTorch's side of the paired measurements; it needs PyTorch alone.

A child process, so that neither library's threads and memory are the other's. For each
line with a program's name on standard input it runs that program once to warm up and
once on the clock, and prints the seconds; or, if the program cannot run here, `nan`.
With a program's name as its argument it runs that one once, and prints the MiB that it
takes beyond the imports.
"""

import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch  # pyright: ignore[reportMissingImports]
from torch.utils.data import (  # pyright: ignore[reportMissingImports]
    DataLoader,
    TensorDataset,
)

from benchmarks._processes import tell_peak

ROWS, PIXELS, HIDDEN, CLASSES, BATCH = 60_000, 784, 256, 10, 256
UNKNOWN = [35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4]
CELSIUS = [0.5, 14.0, 15.0, 28.0, 11.0, 8.0, 3.0, -4.0, 6.0, 13.0, 21.0]


def readings() -> tuple[torch.Tensor, torch.Tensor]:
    """The thermometer's readings, scaled."""
    unknown = torch.tensor(UNKNOWN)
    scaled = (unknown - unknown.mean()) / unknown.std(correction=0)
    return scaled, torch.tensor(CELSIUS)


def line(unknown: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> Any:
    """The sources' model."""
    return weight * unknown + bias


def squared(predictions: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Their loss."""
    return ((predictions - targets) ** 2).mean()


def thermometer(rate: float = 1e-2, epochs: int = 5000, compiled: bool = False) -> None:
    """The sources' loop."""
    unknown, celsius = readings()
    params = torch.tensor([1.0, 0.0], requires_grad=True)
    optimizer = torch.optim.SGD([params], lr=rate)

    def loss_of(params: torch.Tensor) -> torch.Tensor:
        return squared(line(unknown, params[0], params[1]), celsius)

    if compiled:
        loss_of = torch.compile(loss_of)
    losses = torch.empty(epochs)
    for epoch in range(epochs):
        loss = loss_of(params)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[epoch] = loss.detach()


def wide_net(epochs: int = 1847, compiled: bool = False) -> None:
    """The same loop of a 1-512-1 network, on 32 points."""
    inputs = torch.linspace(-1, 1, 32)[:, None]
    targets = torch.sin(3 * inputs)
    model = torch.nn.Sequential(
        torch.nn.Linear(1, 512), torch.nn.Tanh(), torch.nn.Linear(512, 1)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    forward = torch.compile(model) if compiled else model
    losses = torch.empty(epochs)
    for epoch in range(epochs):
        loss = squared(forward(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[epoch] = loss.detach()


def new_rates() -> None:
    """A hundred runs of 100 epochs, each with a learning rate of its own."""
    for number in range(100):
        thermometer(1e-3 + 1e-5 * number, epochs=100)


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
    images: list[Images] = []

    def epoch(batches: Callable[[Images], Any]) -> None:
        if not images:
            images.append(Images())
        images[0].train(batches(images[0]))

    return {
        "thermometer": thermometer,
        "thermometer compiled": lambda: thermometer(compiled=True),
        "wide net": wide_net,
        "wide net compiled": lambda: wide_net(compiled=True),
        "new rates": new_rates,
        "images by indexing": lambda: epoch(Images.by_indexing),
        "images by DataLoader": lambda: epoch(Images.by_loader),
    }


def main() -> None:
    """Answers until standard input ends."""
    known = programs()
    if sys.argv[1:]:
        (name,) = sys.argv[1:]
        tell_peak(lambda: known[name])
        return
    for asked in sys.stdin:
        program = known[asked.strip()]
        try:
            program()
            started = time.perf_counter()
            program()
            print(time.perf_counter() - started, flush=True)
        except Exception as error:
            print(f"{asked.strip()}: {error}", file=sys.stderr, flush=True)
            print("nan", flush=True)


if __name__ == "__main__":
    main()
