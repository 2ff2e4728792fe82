"""Data sets that are longer than what they hold, so that devices divide their rows."""

from typing import Any, cast

import jax
from jaxtyping import PyTree

from funclearn._checks import leading_length
from funclearn._types import Batch
from funclearn.data._dataset import Dataset

__all__ = ["Padded", "existing", "for_batches", "row_count"]


@jax.tree_util.register_pytree_with_keys_class
class Padded(Dataset):
    """A data set whose last rows do not exist: they have weight 0.

    `funclearn.devices.shard` makes it. A mean by the weights is that of the rows that
    exist; what draws rows, or counts them, passes over the others.

    Attributes:
        n_rows: how many rows exist, which is known while tracing.
        unweighted: whether the data set had no weights before it was padded.
    """

    n_rows: int
    unweighted: bool

    def __new__(
        cls,
        inputs: PyTree,
        targets: PyTree,
        weights: PyTree,
        n_rows: int,
        unweighted: bool = False,
    ) -> "Padded":
        """A data set of these fields, of which the first `n_rows` rows exist."""
        padded = cast(Padded, super().__new__(cls, inputs, targets, weights))
        padded.n_rows, padded.unweighted = n_rows, unweighted
        return padded

    def _replace(self, **fields: PyTree) -> "Padded":
        unweighted = self.unweighted and "weights" not in fields
        return Padded(**{**self._asdict(), **fields}, **self._static(unweighted))

    __replace__ = _replace

    def _static(self, unweighted: bool) -> dict[str, Any]:
        return {"n_rows": self.n_rows, "unweighted": unweighted}

    def __getnewargs__(self) -> tuple[Any, ...]:
        return *Dataset.tree_flatten(self)[0], self.n_rows, self.unweighted

    def tree_flatten(self) -> tuple[tuple[Any, ...], Any]:
        """The three fields, and what is known of the rows."""
        return super().tree_flatten()[0], (self.n_rows, self.unweighted)

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], Any]:
        """The same with their names."""
        fields, _ = super().tree_flatten_with_keys()
        return fields, (self.n_rows, self.unweighted)

    @classmethod
    def tree_unflatten(cls, auxiliary: Any, fields: Any) -> "Padded":
        """The data set of three fields, whatever they are."""
        return cls(*fields, *auxiliary)


def row_count(name: str, data: Batch) -> int:
    """How many rows of a data set exist.

    Raises:
        ValueError: as `leading_length` does.
    """
    length = leading_length(name, data)
    return data.n_rows if isinstance(data, Padded) else length


def for_batches(data: Batch) -> Batch:
    """The same rows and what else there is, without weights that padding brought.

    For what takes none but rows that exist.
    """
    if not isinstance(data, Padded):
        return data
    weights = None if data.unweighted else data.weights
    return Dataset(data.inputs, data.targets, weights)


def existing(data: Batch) -> Batch:
    """The rows that exist, as data that are not padded."""
    if not isinstance(data, Padded):
        return data
    return jax.tree.map(lambda leaf: leaf[: data.n_rows], for_batches(data))
