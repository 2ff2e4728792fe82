"""What many splits say, each and together."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PyTree

from funclearn._types import Scalar

__all__ = ["CrossValidation", "Losses", "Summary"]


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


class Summary(NamedTuple):
    """What many splits say together; not a number where a loss is not.

    Attributes:
        mean: over the rows, so that a split counts by the number of its rows.
        quantiles: over the splits, `(levels,)` each.
        validation_below_training: the fraction of splits where the validation loss
            is lower than the training loss.
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
    """

    losses: Losses
    held_out: Int[Array, " splits"]
    trained: Int[Array, " splits"]
    fitted: PyTree

    def summary(
        self, levels: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)
    ) -> Summary:
        """Means, quantiles at `levels`, and how often validation looks the better.

        Raises:
            ValueError: if a level is not between 0 and 1.
        """
        known = np.asarray(levels, float)
        if known.ndim != 1 or not np.all((known >= 0) & (known <= 1)):
            raise ValueError(
                f"levels must be a sequence of numbers from 0 to 1; got {levels}."
            )
        return _summarise(self, jnp.asarray(known))


@jax.jit
def _summarise(result: CrossValidation, levels: Float[Array, " levels"]) -> Summary:
    training, validation, _ = result.losses
    mean_training = jnp.average(training, weights=result.trained)
    mean_validation = jnp.average(validation, weights=result.held_out)
    unknown = jnp.isnan(validation - training)
    return Summary(
        Losses(mean_training, mean_validation, mean_validation - mean_training),
        Losses(*(jnp.quantile(losses, levels) for losses in result.losses)),
        jnp.mean(jnp.where(unknown, jnp.nan, validation < training)),
    )
