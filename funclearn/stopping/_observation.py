"""What a stopping rule sees of an epoch."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PyTree

from funclearn._types import Params, Scalar
from funclearn._words import named_leaves
from funclearn.objectives import loss_of

__all__ = ["EVERYTHING", "Observation", "sum_of_squares"]

EVERYTHING = frozenset({"loss", "validation", "grads", "parameters", "evaluation"})

# Of a dictionary of very many metrics the first ones show what it is.
_WORDS = 200


class Observation(NamedTuple):
    """What a rule sees of one epoch.

    Attributes:
        loss: the epoch's training loss, before its update.
        validation: the validation loss at the parameters before the update, or None.
        grads: the gradient of the epoch's last step.
        before: the parameters before the epoch.
        after: the parameters after it.
        epoch: number of epochs so far, this one included.
        evaluation: all that `evaluate` returned, or None.
    """

    loss: Scalar
    validation: Scalar | None
    grads: Params
    before: Params
    after: Params
    epoch: Int[Array, ""] | int = 0
    evaluation: PyTree = None

    @property
    def squared_gradient_norm(self) -> Scalar:
        """The square of the gradient's Euclidean norm."""
        return sum_of_squares(jax.tree.leaves(self.grads))

    def seen_by(self, looks_at: frozenset[str | None]) -> "Observation":
        """The same with None for the loss, the gradient and the evaluation if unseen.

        What is not returned from an epoch need not be computed there.

        Args:
            looks_at: as in `Rule`.
        """
        default = "loss" if self.validation is None else "validation"
        seen = {quantity or default for quantity in looks_at}
        return self._replace(**dict.fromkeys({"loss", "grads", "evaluation"} - seen))

    def watched(self, on: str | None, who: str = "stop watches") -> Scalar:
        """The quantity of a name, as in `Goal`.

        Args:
            on: the name.
            who: asks for it, for messages.

        Raises:
            ValueError: if it is not there, or if it is left to what there is, and
                there is an evaluation without a loss.
        """
        # The training loss in place of what was evaluated would be a surprise.
        default = on is None and self.evaluation is None and self.validation is None
        if on == "loss" or default:
            return self.loss
        name = "loss" if on in ("validation", None) else on.removeprefix("evaluation.")
        found = self.validation
        if name != "loss":
            found = loss_of(named_leaves(self.evaluation).get(name))
        if found is None:
            raise ValueError(self._missing(name, who))
        return found

    def _missing(self, name: str, who: str) -> str:
        what = "the validation loss" if name == "loss" else f"the entry {name!r}"
        if self.evaluation is None:
            return (
                f"{who} {what} (on='validation' or the name of an entry), so fit needs "
                "validation and evaluate; got neither."
            )
        types = str(jax.tree.map(_Type, self.evaluation))
        got = types if len(types) <= _WORDS else types[:_WORDS] + " ..."
        form = "a real scalar"
        if name == "loss":
            form += " or a dictionary with one under 'loss'"
        return (
            f"evaluate must return {what} that {who}, {form}; with on='loss' it is the "
            f"training loss; got {got}."
        )


class _Type:
    """The type of a leaf, to be written within its pytree."""

    def __init__(self, leaf: PyTree):
        self.leaf = leaf

    def __repr__(self) -> str:
        shape = ",".join(map(str, jnp.shape(self.leaf)))
        return f"{jnp.result_type(self.leaf)}[{shape}]"


def sum_of_squares(leaves: list[Array]) -> Scalar:
    """The sum of the squares of all numbers, in single precision or better."""

    def square(leaf: Array) -> Array:
        # Squares of half precision would underflow.
        return jnp.square(leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32)))

    total = jnp.zeros((), jnp.float32)
    for leaf in leaves:
        total = total + jnp.sum(square(leaf))
    return total
