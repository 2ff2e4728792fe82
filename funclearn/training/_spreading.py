"""How a step is divided among devices over which the rows of the data are laid.

The rows of a full batch stay where they are. Those of a minibatch come from everywhere;
each device is handed as many of them as the next, and all know what each row counts.
"""

import jax

from funclearn._layout import everywhere, spread
from funclearn._types import Batch
from funclearn._weights import weights_of

__all__ = ["dealt_out", "with_weights_everywhere"]


def dealt_out(batch: Batch) -> Batch:
    """A minibatch, its rows dealt out to the devices, if these divide them."""
    dealt = jax.tree.map(spread, batch)
    if not _one_a_row(batch):
        return dealt
    return dealt._replace(weights=everywhere(batch.weights))


def with_weights_everywhere(data: Batch) -> Batch:
    """Data of which every device has the weights of all rows, if they are one a row.

    Every step divides by their sum, which then needs no word from other devices.
    """
    if not _one_a_row(data):
        return data
    return data._replace(weights=everywhere(data.weights))


def _one_a_row(data: Batch) -> bool:
    weights = weights_of(data)
    return hasattr(data, "_replace") and getattr(weights, "ndim", 0) == 1
