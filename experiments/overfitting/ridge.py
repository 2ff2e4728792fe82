"""Polynomials of every degree, under penalties, fitted to few points and to many.

A model that is linear in its coefficients c, with the basis B at n points, has

    mean((B c - y)²) + penalty · Σ c²

at its least where the gradient is zero, which is a system of linear equations:

    (Bᵀ B / n + penalty · I) c = Bᵀ y / n

So there is nothing to train, and the whole grid is one mapped call.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import funclearn as fl
from experiments.overfitting.chapter import UNSEEN_ROWS, Config
from experiments.overfitting.families import design

__all__ = ["DEGREES", "PENALTIES", "ROWS", "Fits", "fit_all"]

DEGREES = tuple(range(13))
PENALTIES = (0.0, 1e-4, 1e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
# Fewer rows are every second of all, every third and so on: from end to end, as these
# numbers divide one less than all. The fewest are as many as the most coefficients.
ALL_ROWS = 61
STRIDES = (5, 4, 3, 2, 1)
ROWS = tuple((ALL_ROWS - 1) // stride + 1 for stride in STRIDES)


class Fits(NamedTuple):
    """Every fit of the grid, and what it was fitted to.

    Attributes:
        seen: all training rows; the first `ROWS` are every fifth of them.
        unseen: the validation rows.
        coefficients: `(rows, degrees, penalties, largest degree + 1)`, of Legendre
            polynomials of mean square 1.
        training: `(rows, degrees, penalties)`, mean squared errors without the penalty.
        validation: likewise, on the validation rows.
    """

    seen: fl.Dataset
    unseen: fl.Dataset
    coefficients: np.ndarray
    training: np.ndarray
    validation: np.ndarray


def fit_all(config: Config) -> Fits:
    """Fits every degree under every penalty to every number of rows."""
    seen_key, unseen_key = jax.random.split(jax.random.key(config.seed))
    seen = jax.device_get(fl.data.noisy_sine(seen_key, ALL_ROWS, config.noise))
    unseen = jax.device_get(fl.data.noisy_sine(unseen_key, UNSEEN_ROWS, config.noise))
    weights = np.zeros((len(ROWS), ALL_ROWS))
    for row, stride in zip(weights, STRIDES, strict=True):
        row[::stride] = 1 / len(row[::stride])
    # Without a penalty the equations are ill-conditioned, in single precision too much.
    with jax.enable_x64(True):
        data = (*_columns(seen), *_columns(unseen))
        grid = weights, np.asarray(DEGREES), np.asarray(PENALTIES)
        return Fits(seen, unseen, *jax.device_get(_on_grid(*grid, *data)))


def _columns(rows: fl.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """The basis `(rows, coefficients)` in double precision, and the targets."""
    inputs, targets = (np.asarray(column, float)[:, 0] for column in rows[:2])
    return design(inputs, max(DEGREES)), targets


@jax.jit
def _on_grid(
    weights: jax.Array, degrees: jax.Array, penalties: jax.Array, *data: jax.Array
) -> tuple[jax.Array, ...]:
    """The fits and their losses, with one axis for each of the first arguments."""

    def fit(weights: jax.Array, degree: jax.Array, penalty: jax.Array) -> tuple:
        basis, targets, unseen_basis, unseen_targets = data
        used = jnp.arange(basis.shape[1]) <= degree
        columns = jnp.where(used[None, :], basis, 0)
        # A coefficient that is not used has the equation c = 0.
        restraint = jnp.diag(jnp.where(used, penalty, 1))
        products = columns.T * weights[None, :]
        coefficients = jnp.linalg.solve(
            products @ columns + restraint, products @ targets
        )
        training = weights @ (basis @ coefficients - targets) ** 2
        unseen = jnp.mean((unseen_basis @ coefficients - unseen_targets) ** 2)
        return coefficients, training, unseen

    mapped = fit
    for axes in ((None, None, 0), (None, 0, None), (0, None, None)):
        mapped = jax.vmap(mapped, axes)
    return mapped(weights, degrees, penalties)
