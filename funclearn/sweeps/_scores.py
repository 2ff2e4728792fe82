"""Scores of a sweep's runs; those that read rows that never ran are refused.

A run that a rule ended has blank rows behind its last one: NaN, or zeros where they are
of integers. A score that reads them is not the run's: the last row skips the very runs
that reached their target, or has them make no mistakes. What tells is that a score
changes when the blank rows are cut off; that of `nanmin`, say, does not.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._jaxprs import is_key
from funclearn._words import described, named_leaves
from funclearn.stopping import Reason, Rule
from funclearn.sweeps._columns import column_named
from funclearn.training import Run

__all__ = ["score_for", "scores_of"]

_Index: TypeAlias = tuple[int, ...]

_LOOKED_AT = 4  # runs; each is scored by itself, one operation after the other
_ROUNDING = 1e-3  # by which scores differ that are computed in another order


def scores_of(
    result: PyTree,
    shape: _Index,
    by: Callable[[PyTree], PyTree],
    place: Callable[[_Index], str],
) -> np.ndarray:
    """Scores every run.

    Args:
        result: what the runs returned, with the axes of the sweep in front.
        shape: these axes.
        by: makes of what one run returned its score, a real scalar.
        place: names a run, for messages.

    Raises:
        TypeError: if `by` is no function.
        ValueError: if a score is no real scalar, or reads rows that never ran.
    """
    if not callable(by):
        raise TypeError(
            f"by must be a function of a run's result, or a name; got {by!r}."
        )

    mapped = functools.partial(_score, by)
    for _ in shape:
        mapped = jax.vmap(mapped)
    try:
        scores = np.asarray(mapped(result))
    except _NotAScore as error:
        raise ValueError(
            f"by must return a real scalar; got {error.args[0]}."
        ) from None
    lanes = [tuple(lane) for lane in np.argwhere(_ended_well(result, shape)).tolist()]
    # First those that would be skipped.
    lanes.sort(key=lambda lane: not np.isnan(scores[lane]))
    for index in lanes[:_LOOKED_AT]:
        lane = jax.tree.map(lambda leaf, index=index: leaf[index], result)
        _check_rows(by, lane, scores[index], place(index))
    return scores


def score_for(
    by: Callable[[PyTree], PyTree] | str | None, lane: PyTree
) -> Callable[[PyTree], PyTree] | None:
    """How to score the runs of a sweep while it goes on.

    Args:
        by: as for `scores_of`, or the name of a part that is a number; None takes what
            a run returns if that is its score, and otherwise no score.
        lane: the shapes and dtypes that one run returns.

    Raises:
        TypeError: if `by` is none of these.
        ValueError: if a score is no real scalar, or no part has the name.
    """
    if by is None:
        return (lambda result: result) if _is_score(lane) else None
    if isinstance(by, str):
        column_named(by, _numbers(lane), "best_by")
        return lambda result: column_named(by, _numbers(result), "best_by")
    if not callable(by):
        raise TypeError(
            "best_by must be a function of a run's result, or a name; got "
            f"{described(by)}."
        )
    try:
        jax.eval_shape(functools.partial(_score, by), lane)
    except _NotAScore as error:
        raise ValueError(
            f"best_by must return a real scalar; got {error.args[0]}."
        ) from None
    return by


def _numbers(lane: PyTree) -> dict[str, Any]:
    """By name, what may be a score of all that a run returns."""
    parts = named_leaves(lane, lambda node: isinstance(node, Reason | Rule))
    return {path or "result": part for path, part in parts.items() if _is_score(part)}


def _is_score(part: PyTree) -> bool:
    dtype = getattr(part, "dtype", None)
    if dtype is None or is_key(dtype) or part.shape:
        return False
    return _is_real(dtype)


class _NotAScore(Exception):
    """Says what was got instead; to errors from within `jax.vmap` JAX adds a note."""


def _score(by: Callable[[PyTree], PyTree], lane: PyTree) -> Any:
    score = by(lane)
    if not isinstance(score, jax.Array | np.ndarray | np.generic | float | int):
        raise _NotAScore(described(score))
    dtype = jnp.result_type(score)
    if not _is_real(dtype) or jnp.ndim(score):
        raise _NotAScore(f"{dtype}[{','.join(map(str, jnp.shape(score)))}]")
    return score


def _is_real(dtype: Any) -> bool:
    kinds = (jnp.floating, jnp.integer, jnp.bool_)
    return any(jnp.issubdtype(dtype, kind) for kind in kinds)


def _ended_well(result: PyTree, shape: _Index) -> np.ndarray:
    """Which runs were ended by a rule and had not diverged."""
    well = np.zeros(shape, bool)
    for run in _runs(result):
        stopped = np.asarray(run.epochs) < _n_rows(run, len(shape))
        diverged = np.char.find(np.asarray(run.reason.name, str), "diverged") >= 0
        well |= stopped & ~diverged & _is_finite(run.final, shape)
    return well


def _is_finite(row: PyTree, shape: _Index) -> np.ndarray:
    finite = np.ones(shape, bool)
    for leaf in jax.tree.leaves(row):
        if jnp.issubdtype(leaf.dtype, jnp.inexact):
            finite &= np.asarray(jnp.isfinite(leaf)).reshape(*shape, -1).all(axis=-1)
    return finite


def _check_rows(
    by: Callable[[PyTree], PyTree], lane: PyTree, got: Any, place: str
) -> None:
    cut = jax.tree.map(lambda x: _cut(x) if _is_run(x) else x, lane, is_leaf=_is_run)
    try:
        needed = np.asarray(by(cut))
        same = np.isclose(got, needed, _ROUNDING, _ROUNDING, equal_nan=True)
    except Exception:  # such as an index beyond the rows that ran
        needed, same = None, False
    if not same:
        run = next(x for x in _runs(lane) if int(x.epochs) < _n_rows(x))
        instead = "" if needed is None else f", not {needed:.4g}"
        raise ValueError(
            "by must read no rows that never ran: score run.final, the last row that "
            f"ran, or run.best; at {place} {run.reason} ended the run after "
            f"{int(run.epochs)} of {_n_rows(run)} epochs, and by returns {got:.4g}"
            f"{instead}."
        )


def _is_run(node: object) -> bool:
    return isinstance(node, Run)


def _runs(result: PyTree) -> list[Run]:
    return [x for x in jax.tree.leaves(result, is_leaf=_is_run) if isinstance(x, Run)]


def _n_rows(run: Run, axis: int = 0) -> int:
    """The length of the history; 0 where none is kept."""
    return min((leaf.shape[axis] for leaf in jax.tree.leaves(run.history)), default=0)


def _cut(run: Run) -> Run:
    """The same run without the rows that never ran."""
    rows = slice(int(run.epochs))
    return run._replace(history=jax.tree.map(lambda leaf: leaf[rows], run.history))
