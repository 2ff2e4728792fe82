"""The loop of many tutorials: a dictionary, pickled straight into its file.

After every epoch parameters, momentum and the number of the epoch are saved under one
name; the losses go to a text file. The order of the rows comes from a generator that is
seeded at the start of the script.
"""

import pickle
import sys
from pathlib import Path

import numpy as np

from benchmarks.crash._data import CLASSES, FEATURES, images

EPOCHS, BATCH, RATE, MOMENTUM = 6, 32, 0.1, 0.9


def gradient(weights: np.ndarray, rows: np.ndarray, labels: np.ndarray):
    """Of the mean cross-entropy; the loss besides."""
    scores = rows @ weights
    scores -= scores.max(axis=1, keepdims=True)
    shares = np.exp(scores)
    shares /= shares.sum(axis=1, keepdims=True)
    each = np.arange(len(labels))
    loss = -np.log(shares[each, labels]).mean()
    shares[each, labels] -= 1
    return loss, rows.T @ shares / len(labels)


def main(folder: Path) -> None:
    """Trains, from the checkpoint on where there is one."""
    rows, labels = images()
    rng = np.random.default_rng(1)
    weights = np.zeros((FEATURES, CLASSES), np.float32)
    velocity = np.zeros_like(weights)
    start = 0
    checkpoint = folder / "checkpoint.pkl"
    if checkpoint.exists():
        with open(checkpoint, "rb") as file:
            saved = pickle.load(file)
        weights, velocity = saved["weights"], saved["velocity"]
        start = saved["epoch"] + 1
    for epoch in range(start, EPOCHS):
        order = rng.permutation(len(rows))
        losses = []
        for begin in range(0, len(rows), BATCH):
            batch = order[begin : begin + BATCH]
            loss, slope = gradient(weights, rows[batch], labels[batch])
            velocity = MOMENTUM * velocity - RATE * slope
            weights = weights + velocity
            losses.append(loss)
        with open(folder / "losses.txt", "a") as log:
            log.write(f"{epoch} {np.mean(losses)}\n")
        with open(checkpoint, "wb") as file:
            state = {"epoch": epoch, "weights": weights, "velocity": velocity}
            pickle.dump(state, file)


def result(folder: Path) -> dict:
    """What the file holds: pickles of equal values need not have equal bytes."""
    with open(folder / "checkpoint.pkl", "rb") as file:
        return pickle.load(file)


RESULT = result

if __name__ == "__main__":
    main(Path(sys.argv[1]))
