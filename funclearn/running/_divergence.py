"""Where a run goes wrong: the first loss, or the first parameters, that are no numbers.

Nothing is asked within the compiled loop, whose bits that could change. A chunk that
went wrong is made again in part.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._processes import is_spread, local
from funclearn.running._chunk import Advancing, Bad, Chunk
from funclearn.training import History

__all__ = ["all_finite", "first_bad", "found", "last_good", "rows_through", "told"]

_FEW = 2**18  # numbers that NumPy looks at sooner than XLA compiles


def found(program: Advancing, chunk: Chunk, left: int) -> Bad | None:
    """Where a chunk went wrong; None if it did not.

    Args:
        program: what makes epochs.
        chunk: the chunk.
        left: how many epochs there may be yet, its own among them.
    """
    bad = first_bad(program, chunk)
    if bad is None:
        return None
    good = last_good(program, chunk, bad)
    rows, end = rows_through(program, chunk, bad, left)
    return Bad(bad, good, program.advance(chunk.start, chunk.stop, good), rows, end)


def told(before: int, bad: Bad) -> str:
    """What went wrong, in words.

    Args:
        before: number of epochs before those of the chunk.
        bad: where it went wrong.
    """
    return (
        f"the run diverged: in epoch {before + bad.number + 1} its loss or its "
        "parameters are not finite. It ends there, with the state after epoch "
        f"{before + bad.good}, the last whose parameters are finite; "
        "fl.diagnosis.explain_divergence finds out why."
    )


def first_bad(program: Advancing, chunk: Chunk) -> int | None:
    """The first epoch of a chunk with a loss that is not finite, or such parameters.

    Counted from 0; as many as there are where it would be the next. One that a rule
    ended by itself is left to the rule.
    """
    last = chunk.number - 1 if chunk.run.reason.code else chunk.number
    rows = chunk.run.history
    if isinstance(rows, History):
        losses = np.asarray(rows.loss)[: chunk.number]
        for bad in np.flatnonzero(~np.isfinite(losses))[:1]:
            return int(bad) if bad < last else None
    if all_finite(chunk.run.state.params):
        return None
    if isinstance(rows, History):
        return chunk.number if chunk.number <= last else None
    good, bad = 0, chunk.number
    while bad - good > 1:
        middle = (good + bad) // 2
        again = program.advance(chunk.start, chunk.stop, middle)
        good, bad = (middle, bad) if all_finite(again.state.params) else (good, middle)
    return bad if bad <= last else None


def last_good(program: Advancing, chunk: Chunk, bad: int) -> int:
    """How many epochs of a chunk lead to the last parameters that are finite.

    They are asked for and not the loss: where a chunk begins the loss is not known yet,
    and a run must end alike however it is cut.
    """
    again = program.advance(chunk.start, chunk.stop, bad)
    return bad if all_finite(again.state.params) else max(bad - 1, 0)


def rows_through(
    program: Advancing, chunk: Chunk, bad: int, left: int
) -> tuple[PyTree, int]:
    """Rows of a chunk up to the bad epoch, which may be one beyond it.

    Returns:
        The rows, and how many of them count.
    """
    rows = chunk.run.history
    if bad < chunk.number:
        return rows, bad + 1
    if bad >= left:
        return rows, bad
    beyond = program.advance(chunk.run.state, chunk.run.stop, 1).history
    pairs = jax.tree.map(
        lambda leaf, more: np.concatenate([np.asarray(leaf)[:bad], more[:1]]),
        rows,
        beyond,
    )
    return pairs, bad + 1


@jax.jit
def _all_finite(params: PyTree) -> jax.Array:
    leaves = [jnp.all(jnp.isfinite(leaf)) for leaf in jax.tree.leaves(params)]
    return jnp.all(jnp.array(leaves))


def all_finite(params: PyTree) -> bool:
    """Whether all numbers in a pytree are finite."""
    floating = [
        leaf
        for leaf in jax.tree.leaves(params)
        if jnp.issubdtype(leaf.dtype, jnp.inexact)
    ]
    if any(map(is_spread, floating)):
        return bool(_all_finite(floating))
    if sum(leaf.size for leaf in floating) <= _FEW:
        return all(np.isfinite(leaf).all() for leaf in floating)
    # What each process has whole it can ask by itself.
    return bool(_all_finite(local(floating)))
