"""A function of rows that may come in batches."""

import dataclasses
import operator
from collections.abc import Callable

import jax
from jaxtyping import PyTree

__all__ = ["Metric"]


def _add(one: PyTree, other: PyTree) -> PyTree:
    return jax.tree.map(operator.add, one, other)


@dataclasses.dataclass(frozen=True)
class Metric:
    """A function of predictions and targets that is computed of sums over rows.

    Attributes:
        gather: `(predictions, targets, weights) -> sums`, a pytree of arrays; weights
            may be None.
        value: `sums -> value`.
        merge: `(sums, sums) -> sums` of the rows of both; addition by default.
    """

    gather: Callable[[PyTree, PyTree, PyTree], PyTree]
    value: Callable[[PyTree], PyTree]
    merge: Callable[[PyTree, PyTree], PyTree] = _add

    def __call__(
        self, predictions: PyTree, targets: PyTree, weights: PyTree = None
    ) -> PyTree:
        """The value of all these rows."""
        return self.value(self.gather(predictions, targets, weights))
