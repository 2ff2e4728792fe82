"""Training once a split, all splits as lanes."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, PRNGKeyArray, PyTree

from funclearn import _programs, data
from funclearn._checks import check_key, check_same_structure, leading_length
from funclearn._lanes import map_blocks
from funclearn._types import Batch, Scalar
from funclearn.objectives import loss_of
from funclearn.validation._result import CrossValidation, Losses
from funclearn.validation._splits import known_masks

__all__ = ["cross_validate"]

_COPIES = 2**28  # bytes


def cross_validate(
    key: PRNGKeyArray,
    run: Callable[[PyTree, PyTree, PRNGKeyArray], PyTree],
    dataset: Batch,
    held_out: Bool[Array, "splits n"] | np.ndarray,
    *,
    evaluate: Callable[[PyTree, PyTree], Scalar],
) -> CrossValidation:
    """Trains once a split and evaluates on both of its parts, all in one call.

    Splits that hold out equally many rows are lanes of one compiled program; so k
    folds need two at most.

    Args:
        key: split into one key a split.
        run: `(train, validation, key) -> fitted`, pure: trains on one part of the data
            set; the other is for stopping rules. All that it returns is kept, so let
            it be the parameters rather than a history; its shapes must be those of
            every split. It compiles once for a function `run`, so define that outside
            of a loop.
        dataset: a pytree of arrays with one leading length n.
        held_out: the splits; known at trace time, since they decide on shapes.
        evaluate: `(fitted, rows) -> loss`, for the training and the validation part, or
            a dictionary with the loss under `"loss"`; `make_evaluation` makes one.

    Returns:
        The losses of every split, in the order of `held_out`; `summary()` sums up.

    Raises:
        TypeError: if `held_out` is not an array of booleans, or traced, or `evaluate`
            returns no real scalar.
        ValueError: if the shape of `held_out` is not `(splits, n)`, a part of a split
            is empty, or what `run` returns differs in shape between splits.

    Example:
        >>> def run(train, held_out, key):
        ...     return jnp.mean(train.targets)  # a model that knows no inputs
        >>> def evaluate(mean, rows):
        ...     return fl.losses.mse(jnp.full_like(rows.targets, mean), rows.targets)
        >>> rows = fl.data.thermometer()
        >>> splits = fl.validation.leave_one_out(rows)
        >>> result = fl.validation.cross_validate(
        ...     jax.random.key(0), run, rows, splits, evaluate=evaluate
        ... )
        >>> mean = result.summary().mean.validation
        >>> print(result.losses.validation.shape, f"{mean:.2f}")
        (11,) 93.34
    """
    check_key("key", key)
    masks = known_masks(held_out, leading_length("dataset", dataset))
    # The same lane for the same functions, so that JAX traces it once.
    lane = _programs.kept(_lane, (run, evaluate))
    splits = _Splits(
        jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], dataset),
        # Training rows come first, both parts in the order of the data set.
        np.argsort(masks, axis=1, kind="stable"),
        masks.sum(axis=1),
        jax.random.split(key, len(masks)),
    )
    _check_alike(lane, splits)
    groups = list(splits.groups())
    parts = [map_blocks(lane, *splits.lanes(group)) for group in groups]
    back = np.argsort(np.concatenate(groups))
    losses, fitted = jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[back], *parts)
    counts = splits.counts
    return CrossValidation(
        losses, jnp.asarray(counts), jnp.asarray(masks.shape[1] - counts), fitted
    )


class _Splits(NamedTuple):
    """What the lanes are made of.

    Attributes:
        dataset: the data set, with a leading axis of one.
        order: `(splits, n)`, its rows, those that are held out last.
        counts: `(splits,)`, how many these are.
        keys: `(splits,)`.
    """

    dataset: PyTree
    order: np.ndarray
    counts: np.ndarray
    keys: PRNGKeyArray

    def groups(self) -> Iterator[np.ndarray]:
        """The numbers of splits that hold out equally many rows, in parts."""
        # Every lane has a copy of the data set to take its rows from.
        n_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(self.dataset))
        at_once = max(1, _COPIES // max(1, n_bytes))
        for count in np.unique(self.counts):
            group = np.flatnonzero(self.counts == count)
            for start in range(0, len(group), at_once):
                yield group[start : start + at_once]

    def lanes(
        self, group: np.ndarray
    ) -> tuple[dict[str, PyTree], dict[str, np.ndarray]]:
        """The arguments of the splits of a group, and which of them each lane takes."""
        n_held_out = self.counts[group[0]]
        training, validation = np.split(self.order[group], [-n_held_out], axis=1)
        own = np.arange(len(group))
        values = {
            "dataset": self.dataset,
            "training": training,
            "validation": validation,
            "key": self.keys[group],
        }
        return values, {name: own * (name != "dataset") for name in values}


def _check_alike(lane: Callable[..., PyTree], splits: _Splits) -> None:
    """Refuses, before any training, results that no array of all splits can hold."""
    n_rows = splits.order.shape[1]
    first, *others = np.unique(splits.counts).tolist()
    one = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), splits.dataset
    )
    # Its traces are those that `map_blocks` asks for.
    traced = jax.jit(lane)

    def fitted(count: int) -> PyTree:
        training, validation = (
            jax.ShapeDtypeStruct((rows,), jnp.result_type(int))
            for rows in (n_rows - count, count)
        )
        return traced.eval_shape(
            dataset=one, training=training, validation=validation, key=splits.keys[0]
        )[1]

    for count in others:
        meaning = f"the splits that hold out {first} rows"
        check_same_structure("run(...)", fitted(count), fitted(first), meaning)


def _lane(
    take: Callable[[], tuple[Callable[..., PyTree], Callable[..., PyTree]]],
) -> Callable[..., tuple[Losses, PyTree]]:
    def train_and_judge(
        *, dataset: Batch, training: Array, validation: Array, key: PRNGKeyArray
    ) -> tuple[Losses, PyTree]:
        run, evaluate = take()
        train, held_out = data.take(dataset, training), data.take(dataset, validation)
        fitted = run(train, held_out, key)
        losses = _loss(evaluate(fitted, train)), _loss(evaluate(fitted, held_out))
        return Losses(*losses, losses[1] - losses[0]), fitted

    return train_and_judge


def _loss(evaluation: PyTree) -> Scalar:
    loss = loss_of(evaluation)
    if loss is None:
        seen = jax.eval_shape(lambda: evaluation)
        got = jax.tree.map(lambda leaf: f"{leaf.dtype}{leaf.shape}", seen)
        raise TypeError(
            "evaluate must return a loss, a real scalar, or a dictionary with one "
            f"under 'loss'; got {got}."
        )
    return loss
