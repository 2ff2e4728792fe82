"""How much of a result is the split's? Many splits of the same rows, all at once.

    cross_validate : (key, run, dataset, held_out) -> CrossValidation
    run            : (train, validation, key)      -> fitted
    evaluate       : (fitted, rows)                -> loss

Splits are masks over the rows, true for those that are held out: `data.folds`,
`leave_one_out` and `hold_out` make them, and so may anybody. Every split is a lane. Its
rows are gathered into ordinary data sets, not weighted by zeros and ones: so any model,
loss, optimizer, batch size and stopping rule will do, a scaler can be fitted to the
training rows, and no run gets hold of a row that was held out from its training.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from funclearn import data
from funclearn._checks import (
    check_key,
    check_same_structure,
    integer_at_least,
    leading_length,
)
from funclearn._sweeps.blocks import map_blocks
from funclearn._types import Batch, Scalar

__all__ = [
    "CrossValidation",
    "Losses",
    "Summary",
    "cross_validate",
    "hold_out",
    "leave_one_out",
]

_COPIES = 2**28  # bytes


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
    fitted: Any

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


def leave_one_out(dataset: Batch) -> Bool[Array, "n n"]:
    """One split a row, which it alone is held out from.

    Args:
        dataset: a pytree of arrays with one leading length n.
    """
    return jnp.eye(leading_length("dataset", dataset), dtype=bool)


def hold_out(
    key: PRNGKeyArray, dataset: Batch, n_splits: int, validation_fraction: float = 0.2
) -> Bool[Array, "splits n"]:
    """Random splits, each that of `data.split` with a key of its own.

    Args:
        key: split into one key a split.
        dataset: a pytree of arrays with one leading length n.
        n_splits: number of splits.
        validation_fraction: the part that is held out, `int(fraction * n)` rows.

    Raises:
        TypeError: if a number is not known at trace time.
        ValueError: if `n_splits` is less than 1, or a part would be empty.
    """
    check_key("key", key)
    n_rows = leading_length("dataset", dataset)
    n_splits = integer_at_least("n_splits", n_splits, 1)

    def mask(key: PRNGKeyArray) -> Bool[Array, " n"]:
        _, rows = data.split(key, jnp.arange(n_rows), validation_fraction)
        return jnp.zeros(n_rows, bool).at[rows].set(True)

    return jax.vmap(mask)(jax.random.split(key, n_splits))


def cross_validate(
    key: PRNGKeyArray,
    run: Callable[[Any, Any, PRNGKeyArray], Any],
    dataset: Batch,
    held_out: Bool[Array, "splits n"] | np.ndarray,
    *,
    evaluate: Callable[[Any, Any], Scalar],
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
    """
    check_key("key", key)
    masks = _known_masks(held_out, leading_length("dataset", dataset))
    keys = jax.random.split(key, len(masks))
    dataset = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], dataset)
    # Training rows come first, both parts in the order of the data set.
    order = np.argsort(masks, axis=1, kind="stable")
    counts = masks.sum(axis=1)
    functions = {"run": run, "evaluate": evaluate}
    _check_alike(counts, dataset, key, functions)

    def train_and_judge(splits: np.ndarray) -> tuple[Losses, Any]:
        training, validation = np.split(order[splits], [-counts[splits[0]]], axis=1)
        lanes = np.arange(len(splits))
        return map_blocks(
            _train_and_judge,
            {
                "dataset": dataset,
                "training": training,
                "validation": validation,
                "key": keys[splits],
            },
            {
                "dataset": np.zeros_like(lanes),
                "training": lanes,
                "validation": lanes,
                "key": lanes,
            },
            static=functions,
        )

    groups = list(_groups(counts, dataset))
    parts = map(train_and_judge, groups)
    back = np.argsort(np.concatenate(groups))
    losses, fitted = jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[back], *parts)
    return CrossValidation(
        losses, jnp.asarray(counts), jnp.asarray(masks.shape[1] - counts), fitted
    )


def _groups(counts: np.ndarray, dataset: Any) -> Iterator[np.ndarray]:
    """The numbers of splits that hold out equally many rows, in parts."""
    # Every lane has a copy of the data set to take its rows from.
    n_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(dataset))
    at_once = max(1, _COPIES // max(1, n_bytes))
    for count in np.unique(counts):
        group = np.flatnonzero(counts == count)
        for start in range(0, len(group), at_once):
            yield group[start : start + at_once]


def _check_alike(
    counts: np.ndarray, dataset: Any, key: PRNGKeyArray, functions: dict[str, Any]
) -> None:
    """Refuses, before any training, results that no array of all splits can hold."""
    first, *others = np.unique(counts).tolist()
    one = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), dataset)
    n_rows = leading_length("dataset", one)
    # Its traces are those that `map_blocks` asks for.
    judge = jax.jit(_train_and_judge, static_argnames=tuple(functions))

    def fitted(count: int) -> Any:
        training, validation = (
            jax.ShapeDtypeStruct((rows,), jnp.result_type(int))
            for rows in (n_rows - count, count)
        )
        return judge.eval_shape(
            dataset=one, training=training, validation=validation, key=key, **functions
        )[1]

    for count in others:
        meaning = f"the splits that hold out {first} rows"
        check_same_structure("run(...)", fitted(count), fitted(first), meaning)


def _train_and_judge(
    *, run: Any, evaluate: Any, dataset: Any, training: Any, validation: Any, key: Any
) -> tuple[Losses, Any]:
    train, held_out = data.take(dataset, training), data.take(dataset, validation)
    fitted = run(train, held_out, key)
    losses = _loss(evaluate(fitted, train)), _loss(evaluate(fitted, held_out))
    return Losses(*losses, losses[1] - losses[0]), fitted


def _loss(evaluation: Any) -> Scalar:
    seen = jax.eval_shape(lambda: evaluation)
    loss: Any = seen.get("loss") if isinstance(seen, dict) else seen
    if getattr(loss, "shape", None) != () or not any(
        jnp.issubdtype(loss.dtype, kind) for kind in (jnp.floating, jnp.integer)
    ):
        got = jax.tree.map(lambda leaf: f"{leaf.dtype}{leaf.shape}", seen)
        raise TypeError(
            "evaluate must return a loss, a real scalar, or a dictionary with one "
            f"under 'loss'; got {got}."
        )
    loss = evaluation["loss"] if isinstance(evaluation, dict) else evaluation
    return jnp.asarray(loss, jnp.result_type(loss, float))


def _known_masks(held_out: Any, n_rows: int) -> np.ndarray:
    masks: Any = np.empty(0)
    try:
        masks = np.asarray(held_out)
        got = f"{masks.dtype}{masks.shape}"
    except (TypeError, ValueError):  # it is traced, or a list of unequal lists
        got = f"a {type(held_out).__name__} that is no such array"
    if masks.dtype != bool:
        raise TypeError(
            f"held_out must be an array of booleans, known at trace time; got {got}."
        )
    if masks.ndim != 2 or masks.shape[1] != n_rows or not len(masks):
        raise ValueError(
            f"held_out must be (splits, {n_rows}), one row a split and one column a "
            f"row of the data set; got {masks.shape}."
        )
    if not (masks.any(axis=1) & ~masks.all(axis=1)).all():
        raise ValueError("held_out must leave rows on both sides of every split.")
    return masks
