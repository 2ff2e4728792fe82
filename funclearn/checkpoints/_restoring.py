"""Restoring what was saved."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jaxtyping import PyTree

from funclearn._checks import integer_at_least
from funclearn._processes import Together
from funclearn.checkpoints._errors import CheckpointError
from funclearn.checkpoints._finding import Saved, newest, of_step, saved_of
from funclearn.checkpoints._fingerprint import fingerprint_of
from funclearn.checkpoints._json import as_json
from funclearn.checkpoints._keeping import folder_of
from funclearn.checkpoints._matching import check_match, restored
from funclearn.checkpoints._reading import Opened
from funclearn.checkpoints._structure import structure_of

__all__ = ["Checkpoint", "latest", "read", "restore"]


class Checkpoint(NamedTuple):
    """A checkpoint that was read.

    Attributes:
        state: the state.
        more: the second pytree; None where none was asked for.
        saved: what the checkpoint says of itself.
    """

    state: PyTree
    more: PyTree
    saved: Saved


def latest(folder: str | os.PathLike[str]) -> Saved | None:
    """What the newest whole checkpoint of a folder says of itself; None without one.

    All checksums are compared. A file that is damaged is passed over, with a
    `CheckpointWarning` that names it; so None can mean that none is whole. Each process
    says what it sees itself: others are not asked.

    Args:
        folder: where states were saved.

    Raises:
        CheckpointError: if a newer version of this library wrote the newest one.
        OSError: if it cannot be read.
        TypeError: if `folder` is no path.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> fl.checkpoints.latest(folder)
        >>> for step in range(5):
        ...     _ = fl.checkpoints.save(folder, {"w": 0.5 * step}, step=step)
        >>> fl.checkpoints.latest(folder).step
        4
    """

    def checked(path: Path, checkpoint: Opened) -> Saved:
        checkpoint.numbers()
        return saved_of(path, checkpoint.head)

    return newest(folder_of(folder), checked)


def restore(
    folder: str | os.PathLike[str],
    like: PyTree,
    *,
    step: int | None = None,
    config: Mapping[str, Any] | None = None,
    data: PyTree = None,
) -> PyTree:
    """The state of the newest whole checkpoint, the same to the bit.

    A file that is damaged is passed over, with a `CheckpointWarning` that names it.
    Nothing is cast, and nothing that a file contains is executed.

    Arrays that have parts are read by Orbax, each process those that its devices are to
    have, on whatever devices `like` lies. Where that is spread over processes, or
    replicated to them, all of them call this; they take the newest checkpoint that is
    whole to each, and what fails in one fails in all.

    Args:
        folder: where states were saved.
        like: a state of the same structure, say the one that the run began with, or
            its `jax.eval_shape`. The arrays go to where those of `like` are, and are
            NumPy's where those are.
        step: that of the checkpoint to restore, if it is not to be the newest.
        config: what the run is made with; a checkpoint of another one is refused.
            None compares nothing.
        data: the data, or their `fingerprint`; likewise.

    Returns:
        The state.

    Raises:
        CheckpointError: if there is no whole checkpoint, it is another model's,
            optimizer's, run's or a newer library's, with the difference; or the one
            of `step` is damaged.
        OSError: if it cannot be read.
        RuntimeError: if it failed in another process, or that was lost.
        TypeError: if an argument is of a wrong type.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> _ = fl.checkpoints.save(folder, {"w": jnp.ones(2)}, step=1)
        >>> fl.checkpoints.restore(folder, {"w": jnp.zeros(2)})
        {'w': Array([1., 1.], dtype=float32)}
        >>> try:
        ...     fl.checkpoints.restore(folder, {"w": jnp.zeros(3)})
        ... except fl.checkpoints.CheckpointError as error:
        ...     print(str(error).split(": ")[-1])
        state['w'] was saved as float32[2] and is float32[3] in like.
    """
    return read(folder, like, step=step, config=config, data=data).state


def read(
    folder: str | os.PathLike[str],
    like: PyTree,
    *,
    more_like: PyTree | Callable[[Saved], PyTree] = None,
    step: int | None = None,
    config: Mapping[str, Any] | None = None,
    data: PyTree = None,
) -> Checkpoint:
    """What `restore` restores, with all else that was saved.

    Args:
        folder: as for `restore`.
        like: likewise.
        more_like: what `like` is, for the second pytree; or a function that makes it
            of what the checkpoint says of itself. None leaves that pytree out.
        step: as for `restore`, like the rest.
        config: likewise.
        data: likewise.

    Returns:
        The checkpoint.

    Raises:
        CheckpointError, OSError, RuntimeError, TypeError: as `restore` does.
    """
    place = folder_of(folder)
    config, data = as_json("config", config), fingerprint_of(data)

    def loaded(path: Path, checkpoint: Opened) -> Checkpoint:
        head, likes = checkpoint.head, {"state": like}
        saved = saved_of(path, head)
        check_match(head, likes, config=config, data=data)
        if more_like is not None:
            # What there is to know of another run says nothing of this one's shapes.
            asked = _is_function(more_like) and "more" in head.trees
            likes["more"] = more_like(saved) if asked else more_like
            check_match(head, {"more": likes["more"]})
        trees = _trees(checkpoint, likes)
        return Checkpoint(trees["state"], trees.get("more"), saved)

    together = Together((like, None if callable(more_like) else more_like))
    step = None if step is None else integer_at_least("step", step, 0)
    if not together.alone:
        step = _common(place, together) if step is None else step
        with together.alike():
            return of_step(place, step, loaded)
    if step is not None:
        return of_step(place, step, loaded)
    found = newest(place, loaded)
    if found is None:
        raise CheckpointError(f"{place} must hold a whole checkpoint; there is none.")
    return found


def _trees(checkpoint: Opened, likes: Mapping[str, PyTree]) -> dict[str, PyTree]:
    """The pytrees of a checkpoint that fit those of `likes`."""
    leaves = {
        path: leaf
        for name, like in likes.items()
        for path, leaf in structure_of(name, like).leaves.items()
    }
    numbers: dict[str, Any] = checkpoint.numbers(leaves)
    numbers |= checkpoint.arrays(leaves)
    return {
        name: restored(name, checkpoint.head.trees[name].leaves, numbers, like)
        for name, like in likes.items()
    }


def _common(place: Path, together: Together) -> int:
    """The step of the newest checkpoint that is whole to all processes.

    Raises:
        CheckpointError: if there is none.
    """

    def checked(path: Path, checkpoint: Opened) -> int:
        checkpoint.numbers()
        return checkpoint.head.step

    most: int | None = None
    while True:
        with together.alike():
            own = newest(place, checked, most)
        told = together.exchange(own)
        if None in told:
            seen = ", ".join("none" if one is None else f"step {one}" for one in told)
            raise CheckpointError(
                f"{place} must hold a checkpoint that is whole to all "
                f"{together.count} processes; the newest that each sees there, in "
                f"order: {seen}. The folder must be one that all of them share."
            )
        least = min(told)
        if least == max(told):
            return least
        most = least


def _is_function(more_like: Any) -> bool:
    # Some containers can be called as well.
    return callable(more_like) and jax.tree_util.all_leaves([more_like])
