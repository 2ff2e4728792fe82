"""What there is to say of a run: how far it came, why it ended, and its curves.

What cannot be read is named instead, so that a run can be shown wherever it is: in code
that JAX traces, and after its arrays were given away.
"""

import collections
from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from funclearn._arrays import is_known
from funclearn._jaxprs import Tracer
from funclearn._words import described, named_leaves
from funclearn.stopping import Best, Reason
from funclearn.training._shown import Shown

__all__ = ["summary"]

_LOSSES = {
    "loss": "training loss",
    "evaluation": "validation loss",
    "evaluation.loss": "validation loss",
}

# With the head they fit on a terminal of 24 lines.
_MOST_ROWS = 20
# More lines in a picture cannot be told from each other.
_MOST_LANES = 12

_OF_ONE = ("", "first", "last", "lowest", "highest", "not finite")
_OF_LANES = ("", "lowest", "median", "highest", "not finite")


def summary(
    history: PyTree, epochs: PyTree, reason: Reason, best: Best | None, final: PyTree
) -> Shown:
    """Sums up a run from its fields.

    Args:
        history: a `History`, or what `record` returned, stacked.
        epochs: how many epochs ran; of a mapped run an array, as every other field.
        reason: why it ended.
        best: the best parameters and their value, or None.
        final: the last row of the history.
    """
    lanes = np.shape(epochs)
    parts = _parts(history, len(lanes) + 1)
    rows = max((np.shape(leaf)[-1] for leaf in parts.values()), default=0)
    ends = _parts(final, len(lanes)) if lanes else {}
    if best is not None:
        ends |= {"best": best.value, "best epoch": best.epoch}
    counts, unknown = _read({"epochs": epochs, "reason": reason.code})
    curves, unread = _read(parts)
    values, lost = _read(ends)
    notes = _listed(unknown | unread | lost)
    if unknown:
        title = f"Run{'s' if lanes else ''} of {rows:,} epochs at most"
        return _shown(title, _OF_ONE, [], notes)
    made = counts["epochs"]
    if lanes:
        title = f"{_ran(made)} of {rows:,} epochs; reasons: {_reasons(reason)}"
        table = _over_lanes({"epochs": made, **values})
        return _shown(title, _OF_LANES, table, notes, pictures=_some(curves, made))
    lines = {name: curve[: int(made)].astype(float) for name, curve in curves.items()}
    title = f"Run: {made:,} of {rows:,} epochs; reason: {reason}{_best(values)}"
    pictures = {name: [lines[name]] for name in _drawn(lines)}
    return _shown(title, _OF_ONE, _over_epochs(lines), notes, lines, pictures)


def _shown(
    title: str,
    heads: Sequence[str],
    rows: Sequence[Sequence[object]],
    notes: str,
    lines: Mapping[str, np.ndarray] | None = None,
    pictures: Mapping[str, Sequence[np.ndarray]] | None = None,
) -> Shown:
    """With the first rows, and a column for what is not finite where something is."""
    if len(rows) > _MOST_ROWS:
        more = f"{len(rows) - _MOST_ROWS:,} more are not shown."
        notes, rows = " ".join(filter(None, (more, notes))), rows[:_MOST_ROWS]
    if not any(row[-1] for row in rows):
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    cells = np.array([*rows], object).reshape(len(rows), len(heads))
    return Shown(
        title=title,
        columns=dict(zip(heads, cells.T, strict=True)),
        lines=lines or {},
        pictures=pictures or {},
        notes=notes,
    )


def _parts(tree: PyTree, ndim: int) -> dict[str, PyTree]:
    """The real numbers of so many axes, by their names in a table."""
    return {
        _LOSSES.get(name, name): leaf
        for name, leaf in named_leaves(tree).items()
        if np.ndim(leaf) == ndim and _is_real(leaf)
    }


def _is_real(leaf: object) -> bool:
    dtype = getattr(leaf, "dtype", np.dtype(object))
    kinds = (jnp.floating, jnp.integer, jnp.bool_)
    return any(jnp.issubdtype(dtype, kind) for kind in kinds)


def _read(parts: Mapping[str, PyTree]) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The values of what can be read, and of what cannot the reason."""
    obstacles = {name: _obstacle(leaf) for name, leaf in parts.items()}
    known = {
        name: np.asarray(leaf) for name, leaf in parts.items() if not obstacles[name]
    }
    return known, {name: why for name, why in obstacles.items() if why}


def _obstacle(leaf: PyTree) -> str:
    """What a leaf is, and why it has no values; empty if it has."""
    if isinstance(leaf, Tracer):
        return f"traced, {described(leaf)}"
    if not isinstance(leaf, jax.Array):
        return (
            "" if isinstance(leaf, np.ndarray | np.generic | int) else described(leaf)
        )
    if leaf.is_deleted():
        return f"deleted, {described(leaf)}"
    return "" if is_known(leaf) else f"in other processes, {described(leaf)}"


def _listed(unread: Mapping[str, str]) -> str:
    texts = [f"{name} ({why})" for name, why in unread.items()]
    more = f"and {len(texts) - _MOST_ROWS:,} more" if texts[_MOST_ROWS:] else ""
    shown = ", ".join(filter(None, [*texts[:_MOST_ROWS], more]))
    return f"Cannot be read here: {shown}." if texts else ""


def _best(values: Mapping[str, np.ndarray]) -> str:
    """The best value, if there was one and it is known."""
    if not values.keys() >= {"best", "best epoch"} or not values["best epoch"]:
        return ""
    return f"; best {values['best']:.6g} at epoch {int(values['best epoch']):,}"


def _over_epochs(lines: Mapping[str, np.ndarray]) -> list[Sequence[object]]:
    """A row for every curve."""
    return [
        (name, *(line[[0, -1]] if line.size else ("", "")), *_extent(line))
        for name, line in lines.items()
    ]


def _over_lanes(values: Mapping[str, np.ndarray]) -> list[Sequence[object]]:
    """A row for everything that is one number a lane."""
    rows = []
    for name, numbers in values.items():
        numbers = numbers.astype(float)
        low, high, lost = _extent(numbers)
        finite = numbers[np.isfinite(numbers)]
        rows.append((name, low, np.median(finite) if finite.size else "", high, lost))
    return rows


def _extent(numbers: np.ndarray) -> tuple[object, object, int]:
    """The lowest and the highest of what is finite, and how much is not."""
    finite = numbers[np.isfinite(numbers)]
    lost = numbers.size - finite.size
    return (finite.min(), finite.max(), lost) if finite.size else ("", "", lost)


def _ran(made: np.ndarray) -> str:
    """How many lanes ran, and for how long."""
    ends = sorted({int(made.min()), int(made.max())}) if made.size else [0]
    span = " to ".join(f"{end:,}" for end in ends)
    return f"{made.size:,} runs of shape {made.shape}: {span}"


def _reasons(reason: Reason) -> str:
    """How many lanes had which reason, the most frequent first."""
    counts = collections.Counter(np.ravel(reason.name).tolist()).most_common()
    return ", ".join(f"{name} {number:,}" for name, number in counts)


def _drawn(curves: Mapping[str, np.ndarray]) -> list[str]:
    """The names of the losses, in their order."""
    return [name for name in dict.fromkeys(_LOSSES.values()) if name in curves]


def _some(
    curves: Mapping[str, np.ndarray], made: np.ndarray
) -> dict[str, list[np.ndarray]]:
    """The losses of some lanes, evenly chosen."""
    number = min(made.size, _MOST_LANES)
    chosen = np.linspace(0, made.size - 1, number).astype(int) if number else ()
    return {
        name: [lanes[lane, : made.flat[lane]].astype(float) for lane in chosen]
        for name in _drawn(curves)
        for lanes in [curves[name].reshape(made.size, curves[name].shape[-1])]
    }
