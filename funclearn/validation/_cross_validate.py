"""Training once a split, all splits as lanes."""

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Array, Bool, PRNGKeyArray, PyTree

from funclearn import _programs, data
from funclearn._checks import check_key, check_same_structure, leading_length
from funclearn._lanes import map_blocks, spread_of, watching
from funclearn._types import Batch
from funclearn._weights import total_of
from funclearn.objectives import loss_of
from funclearn.validation._reading import Split, read_splits
from funclearn.validation._result import CrossValidation, Losses, Weights

__all__ = ["cross_validate"]

_COPIES = 2**28  # bytes


def cross_validate(
    key: PRNGKeyArray,
    run: Callable[[PyTree, PyTree, PRNGKeyArray], PyTree],
    dataset: Batch,
    held_out: Any,
    *,
    train: Bool[Array, "splits n"] | np.ndarray | None = None,
    evaluate: Callable[[PyTree, PyTree], PyTree],
    progress: object = False,
    mesh: Mesh | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> CrossValidation:
    """Trains once a split and evaluates on both of its parts, all in one call.

    Splits whose parts are equally large are lanes of one compiled program; so k folds
    need two at most, and splits of a time series, which train on more and more rows, as
    many as there are.

    Args:
        key: split into one key a split.
        run: `(train, validation, key) -> fitted`, pure: trains on one part of the data
            set; the other is for stopping rules. All that it returns is kept, so let
            it be the parameters rather than a history; its shapes must be those of
            every split. It compiles once for a function `run`, so define that outside
            of a loop.
        dataset: a pytree of arrays with one leading length n.
        held_out: the splits, known at trace time, since they decide on shapes. Masks,
            true for the rows that are held out; or a list of pairs, of the numbers of
            the rows to train on and of those that are held out; or a splitter of
            scikit-learn, whose `split` makes such pairs and is given the targets.
        train: masks, true for the rows to train on, where held_out is masks. None
            trains on all that are not held out. Rows in neither go unused.
        evaluate: `(fitted, rows) -> loss`, for the training and the validation part, or
            a dictionary with the loss under `"loss"`; `make_evaluation` makes one.
        progress: True shows how many splits are done and the lowest validation loss so
            far, as `sweep` does; results have the same bits.
        mesh: devices over which the splits are dealt out, as for `sweep`.
        folder: where splits that are done are kept, likewise.

    Returns:
        The losses of every split, in the order of `held_out`, and all other entries of
        the evaluation; `summary()` sums up.

    Raises:
        TypeError: if `held_out` is no splits or traced, `evaluate` returns no real
            scalar, or `progress` is nothing of the above.
        ValueError: if the shape of masks is not `(splits, n)`, a part of a split is
            empty, it trains on a row that it holds out, or what `run` returns differs
            in shape between splits.
        KeyboardInterrupt: at once on Ctrl-C, as in `sweep`; RuntimeError,
            CheckpointError and OSError likewise.

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
    dataset = data.existing(dataset)
    spread = spread_of(mesh, folder)
    n_rows = leading_length("dataset", dataset)
    splits = read_splits(held_out, train, dataset, n_rows)
    dataset = data.as_dataset("dataset", dataset)
    rows = _Rows(
        jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], dataset),
        splits,
        jax.random.split(key, len(splits)),
    )
    # The same lane for the same functions, so that JAX traces it once.
    lane = _programs.kept(_lane, (run, evaluate))
    _check_alike(lane, rows)
    groups = list(rows.groups())
    places = [spread and spread.within(f"splits-{n}") for n in range(len(groups))]
    shown = progress, len(splits), lambda _: _validation_loss, "min", spread
    with watching(*shown) as watch:
        parts = [
            map_blocks(lane, *rows.lanes(group), watch=watch, spread=place)
            for group, place in zip(groups, places, strict=True)
        ]
    back = np.argsort(np.concatenate(groups))
    metrics, fitted, weights = jax.tree.map(
        lambda *leaves: jnp.concatenate(leaves)[back], *parts
    )
    held, trained = (jnp.asarray(sizes) for sizes in rows.sizes.T)
    return CrossValidation(metrics["loss"], held, trained, fitted, metrics, weights)


class _Rows(NamedTuple):
    """What the lanes are made of.

    Attributes:
        dataset: the data set, with a leading axis of one.
        splits: its rows, by their numbers.
        keys: `(splits,)`.
    """

    dataset: PyTree
    splits: list[Split]
    keys: PRNGKeyArray

    @property
    def sizes(self) -> np.ndarray:
        """How many rows each split holds out, and trains on: `(splits, 2)`."""
        return np.array([[len(x.validation), len(x.training)] for x in self.splits])

    def groups(self) -> Iterator[np.ndarray]:
        """The numbers of splits whose parts are equally large, some at a time."""
        # Every lane has a copy of the data set to take its rows from.
        n_bytes = sum(leaf.nbytes for leaf in jax.tree.leaves(self.dataset))
        at_once = max(1, _COPIES // max(1, n_bytes))
        _, kinds = np.unique(self.sizes, axis=0, return_inverse=True)
        for kind in range(kinds.max() + 1):
            group = np.flatnonzero(kinds.reshape(-1) == kind)
            for start in range(0, len(group), at_once):
                yield group[start : start + at_once]

    def lanes(
        self, group: np.ndarray
    ) -> tuple[dict[str, PyTree], dict[str, np.ndarray]]:
        """The arguments of the splits of a group, and which of them each lane takes."""
        training, validation = zip(*(self.splits[one] for one in group), strict=True)
        own = np.arange(len(group))
        values = {
            "dataset": self.dataset,
            "training": np.stack(training),
            "validation": np.stack(validation),
            "key": self.keys[group],
        }
        return values, {name: own * (name != "dataset") for name in values}


def _check_alike(lane: Callable[..., PyTree], rows: _Rows) -> None:
    """Refuses, before any training, results that no array of all splits can hold."""
    first, *others = np.unique(rows.sizes, axis=0).tolist()
    one = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape[1:], x.dtype), rows.dataset
    )
    # Its traces are those that `map_blocks` asks for.
    traced = jax.jit(lane)

    def results(held_out: int, trained: int) -> tuple[PyTree, ...]:
        training, validation = (
            jax.ShapeDtypeStruct((size,), jnp.result_type(int))
            for size in (trained, held_out)
        )
        return traced.eval_shape(
            dataset=one, training=training, validation=validation, key=rows.keys[0]
        )

    needed = results(*first)
    meaning = "the splits that hold out {} rows and train on {}".format(*first)
    for sizes in others:
        judged, fitted, _ = results(*sizes)
        check_same_structure("run(...)", fitted, needed[1], meaning)
        check_same_structure("evaluate(...)", judged, needed[0], meaning)


def _lane(
    take: Callable[[], tuple[Callable[..., PyTree], Callable[..., PyTree]]],
) -> Callable[..., tuple[dict[str, Losses], PyTree, Weights]]:
    def train_and_judge(
        *, dataset: Batch, training: Array, validation: Array, key: PRNGKeyArray
    ) -> tuple[dict[str, Losses], PyTree, Weights]:
        run, evaluate = take()
        train, held_out = data.take(dataset, training), data.take(dataset, validation)
        fitted = run(train, held_out, key)
        trained, held = (_metrics(evaluate(fitted, x)) for x in (train, held_out))
        meaning = "evaluate(fitted, train)"
        check_same_structure("evaluate(fitted, held_out)", held, trained, meaning)
        gaps = jax.tree.map(_gap, trained, held)
        metrics = {
            name: Losses(trained[name], held[name], gaps[name]) for name in trained
        }
        return metrics, fitted, Weights(_weight(train), _weight(held_out))

    return train_and_judge


def _validation_loss(result: tuple[dict[str, Losses], PyTree, Weights]) -> Array:
    metrics, _, _ = result
    return metrics["loss"].validation


def _weight(rows: Batch) -> Array:
    """How much all rows count together."""
    return jnp.asarray(total_of(rows, leading_length("dataset", rows)), float)


def _gap(training: Array, validation: Array) -> Array:
    """The difference; of truth values and counts without a sign as of integers."""
    dtype = jnp.promote_types(jnp.result_type(training), jnp.int32)
    return jnp.asarray(validation, dtype) - jnp.asarray(training, dtype)


def _metrics(evaluation: PyTree) -> dict[str, PyTree]:
    """What was evaluated, by name."""
    loss = loss_of(evaluation)
    if loss is None:
        seen = jax.eval_shape(lambda: evaluation)
        got = jax.tree.map(lambda leaf: f"{leaf.dtype}{leaf.shape}", seen)
        raise TypeError(
            "evaluate must return a loss, a real scalar, or a dictionary with one "
            f"under 'loss'; got {got}."
        )
    return {**(evaluation if isinstance(evaluation, dict) else {}), "loss": loss}
