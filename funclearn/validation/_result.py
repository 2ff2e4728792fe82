"""What many splits say, each and together."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from funclearn import _tables
from funclearn._types import Scalar
from funclearn._words import printed

__all__ = ["CrossValidation", "Losses", "Summary", "Weights"]


class Losses(NamedTuple):
    """One value each of the training loss, the validation loss and their gap.

    Attributes:
        training: the loss on the rows that were trained on.
        validation: the loss on the rows that were held out.
        gap: validation - training.
    """

    training: Float[Array, "..."]
    validation: Float[Array, "..."]
    gap: Float[Array, "..."]


class Weights(NamedTuple):
    """How much the rows of each part count together, `(splits,)` each.

    Attributes:
        training: of those that were trained on.
        validation: of those that were held out.
    """

    training: Float[Array, " splits"]
    validation: Float[Array, " splits"]


class Summary(NamedTuple):
    """What many splits say together; not a number where a loss is not.

    Attributes:
        mean: over the rows, so that a split counts by what its rows count together.
        quantiles: over the splits whose rows count, `(levels,)` each.
        validation_below_training: the fraction of those splits where the validation
            loss is lower than the training loss.
    """

    mean: Losses
    quantiles: Losses
    validation_below_training: Scalar


class CrossValidation(NamedTuple):
    """What `cross_validate` returns, with one entry a split in every array.

    Attributes:
        losses: `(splits,)` each.
        held_out: how many rows a split held out.
        trained: how many rows it trained on.
        fitted: what `run` returned.
        metrics: by name all that `evaluate` returned, the loss under `"loss"`.
        weights: how much the rows count together; None: each row counts 1.
    """

    losses: Losses
    held_out: Int[Array, " splits"]
    trained: Int[Array, " splits"]
    fitted: PyTree
    metrics: dict[str, Losses] = {}  # noqa: RUF012
    weights: Weights | None = None

    def summary(
        self,
        levels: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95),
        *,
        on: str = "loss",
    ) -> Summary:
        """Means, quantiles at `levels`, and how often validation is below training.

        Args:
            levels: of the quantiles, from 0 to 1.
            on: the entry of the evaluation to sum up, one number a split.

        Raises:
            ValueError: if a level is not between 0 and 1, or there is no such entry.
        """
        known = np.asarray(levels, float)
        if known.ndim != 1 or not np.all((known >= 0) & (known <= 1)):
            raise ValueError(
                f"levels must be a sequence of numbers from 0 to 1; got {levels}."
            )
        scalars = self._scalars()
        if on not in scalars:
            raise ValueError(f"on must be one of {', '.join(scalars)}; got {on!r}.")
        losses = Losses(*(jnp.asarray(part, float) for part in scalars[on]))
        weights = self.weights or Weights(self.trained, self.held_out)
        return _summarise(losses, weights, jnp.asarray(known))

    def _scalars(self) -> dict[str, Losses]:
        """What is one number a split, by name."""
        metrics = {"loss": self.losses, **self.metrics}
        return {
            name: parts
            for name, parts in metrics.items()
            if isinstance(parts.training, jax.Array | np.ndarray)
            and parts.training.ndim == 1
        }

    def _columns(self) -> dict[str, np.ndarray]:
        columns = {"trained": self.trained, "held out": self.held_out}
        for name, parts in self._scalars().items():
            for part, values in parts._asdict().items():
                columns[f"{name} {part}"] = values
        return {name: np.asarray(values) for name, values in columns.items()}

    def __str__(self) -> str:
        """A table: a row for every split."""
        return _tables.plain(self._columns())

    def __rich__(self) -> object:
        """The same for `rich.print`."""
        return _tables.rich(self._columns())

    def _repr_html_(self) -> str:
        """The same for notebooks."""
        return _tables.html(self._columns())

    _repr_pretty_ = printed


@jax.jit
def _summarise(
    losses: Losses, weights: PyTree, levels: Float[Array, " levels"]
) -> Summary:
    counts = (weights.training > 0) & (weights.validation > 0)
    training, validation, gap = (jnp.where(counts, part, 0) for part in losses)
    mean_training = jnp.average(training, weights=counts * weights.training)
    mean_validation = jnp.average(validation, weights=counts * weights.validation)
    unknown = jnp.isnan(validation - training)

    def quantiles(part: Array) -> Array:
        of_those = jnp.nanquantile(jnp.where(counts, part, jnp.nan), levels)
        return jnp.where(jnp.any(jnp.isnan(part)), jnp.nan, of_those)

    below = jnp.where(unknown, jnp.nan, validation < training)
    return Summary(
        Losses(mean_training, mean_validation, mean_validation - mean_training),
        Losses(*map(quantiles, (training, validation, gap))),
        jnp.sum(counts * below) / jnp.sum(counts),
    )
