"""Going on with the run that a folder holds, or refusing to, by what differs."""

import contextlib
import difflib
import functools
import hashlib
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
from jaxtyping import PyTree

from funclearn import checkpoints
from funclearn._processes import Together
from funclearn.checkpoints import (
    Checkpoint,
    CheckpointError,
    CheckpointWarning,
    Saved,
)
from funclearn.running._chunk import Part, Resumed
from funclearn.running._chunks import Program
from funclearn.running._history import History
from funclearn.running._streamed import Streamed
from funclearn.training import Begun, TrainState

__all__ = ["digest", "key_of", "parted", "resume"]

_NOTES = frozenset({"history", "program", "jax", "key"})

_CHECKPOINTS = "checkpoint-*.safetensors"


def resume(
    folder: Path,
    program: Program | Streamed,
    state: TrainState,
    history: History,
    together: Together,
    *,
    config: Mapping[str, Any] | None,
    data: str,
) -> Resumed | None:
    """Reads the newest whole checkpoint and the rows that it counts on.

    Args:
        folder: the folder of the run.
        program: what the run computes.
        state: the state that it began with.
        history: is given the rows.
        together: the processes of the run, which must all see the same files.
        config: what the run is made with.
        data: the fingerprint of its data.

    Returns:
        None if there is no checkpoint.

    Raises:
        CheckpointError: if it is of another run; the message names what differs.
    """
    found = _newest(folder, together)
    if found is None:
        return None
    notes = _notes_of(found)
    _check_program(folder, program.text, notes)
    _check_start(folder, state, notes)
    rule = program.stop
    watch = None if rule is None else rule.watch

    def more(saved: Saved) -> PyTree:
        more: dict[str, PyTree] = {"watch": watch}
        number = (saved.notes or {}).get("part")
        if number is not None and isinstance(program, Streamed):
            more["part"] = parted(program.part_like(state, number))
        return more

    read = functools.partial(
        checkpoints.read,
        folder,
        state,
        more_like=more,
        config=config,
        data=data,
    )
    checkpoint = read(step=found.step)
    if not history.load(notes["history"]):
        checkpoint = _older(folder, read, found, history)
    return _resumed(program, state, checkpoint)


def _newest(folder: Path, together: Together) -> Saved | None:
    """The newest whole checkpoint.

    Raises:
        CheckpointError: if processes see different ones.
    """
    found = checkpoints.latest(folder)
    seen = together.exchange(None if found is None else found.step)
    if any(step != seen[0] for step in seen):
        steps = ", ".join("none" if step is None else f"step {step}" for step in seen)
        raise CheckpointError(
            f"{folder} must be a folder that all {together.count} processes share; "
            f"their newest whole checkpoints there are, in order: {steps}."
        )
    return found


def _older(
    folder: Path, read: Callable[..., Checkpoint], newest: Saved, history: History
) -> Checkpoint:
    """The newest checkpoint that does with the rows that are left.

    Raises:
        CheckpointError: if there is none.
    """
    text = f"{folder / 'history.rows'} lacks rows that {newest.path} counts on"
    names = (path.stem.rpartition("-")[2] for path in folder.glob(_CHECKPOINTS))
    steps = sorted(map(int, filter(str.isdecimal, names)), reverse=True)
    for step in steps:
        with contextlib.suppress(CheckpointError):
            older = read(step=step)
            mark = (older.saved.notes or {}).get("history")
            if step < newest.step and mark and history.load(mark):
                text += f"; the run goes on after epoch {history.number}."
                warnings.warn(text, CheckpointWarning, stacklevel=5)
                return older
    raise CheckpointError(f"{text}, and so does every older one.")


def _notes_of(saved: Saved) -> Mapping[str, Any]:
    notes = saved.notes or {}
    if not _NOTES <= set(notes):
        raise CheckpointError(
            f"{saved.path} was not saved by a run: it lacks "
            f"{', '.join(sorted(_NOTES - set(notes)))}."
        )
    return notes


def _check_program(folder: Path, text: str, notes: Mapping[str, Any]) -> None:
    # JAX writes programs down in its own way in every version.
    if notes["jax"] != jax.__version__ or notes["program"] == digest(text):
        return
    try:
        old = (folder / "program.txt").read_text("utf-8")
    except OSError:
        old = ""
    pairs = difflib.unified_diff(old.splitlines(), text.splitlines(), n=0)
    changed = [line for line in pairs if re.match(r"[+-][^+-]", line)]
    was, now = (
        next((line[1:].strip() for line in changed if line[0] == sign), "nothing")
        for sign in "-+"
    )
    raise CheckpointError(
        f"{folder} holds a run that computes something else: another model, "
        "loss, optimizer, stopping rule, batch size or number in one of them. The "
        f"first difference is {was!r} there, {now!r} here."
    )


def _check_start(folder: Path, like: TrainState, notes: Mapping[str, Any]) -> None:
    if notes["key"] != key_of(like):
        raise CheckpointError(
            f"{folder} holds a run with another key: state.key was "
            f"{notes['key']}, and is {key_of(like)}."
        )


def parted(begun: Begun) -> dict[str, PyTree]:
    """What a checkpoint holds of an epoch on its way, beside the state."""
    return {
        "before": begun.before,
        "evaluation": begun.evaluation,
        "losses": begun.losses,
    }


def _resumed(
    program: Program | Streamed, start: TrainState, checkpoint: Checkpoint
) -> Resumed:
    state, more, saved = checkpoint
    # Where no rule was given `best_on` may have made one.
    rule = program.nothing(start, program.given).stop
    stop = None if rule is None else rule.having_seen(more["watch"])
    if "part" not in more:
        return Resumed(state, stop, None, saved.step)
    begun = Begun(state=state, **more["part"])
    part = Part(begun, len(begun.losses), None)
    return Resumed(begun.before, stop, part, saved.step)


def digest(text: str) -> str:
    """A checksum of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def key_of(state: TrainState) -> list[int]:
    """The numbers of a run's key."""
    return jax.random.key_data(state.key).tolist()
