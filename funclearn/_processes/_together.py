"""Processes that do the same in step, and fail as one."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import PyTree

from funclearn._processes._exchange import Elsewhere, from_all, one_of_each

__all__ = ["Together"]

_TOLD = "_told_to_other_processes"
_ROOM = 1024  # bytes of a message, all alike, so that one program brings every one


class Together:
    """The processes that hold the parts of some arrays.

    Whatever they exchange is a message of one size. So who has failed can say so
    whenever the others exchange something next, and nobody waits for it in vain.

    Attributes:
        count: how many they are; 1 where all arrays lie in this one.
        number: that of this one among them.
    """

    def __init__(self, tree: PyTree) -> None:
        """Finds those that hold the arrays of a pytree."""
        self._devices = one_of_each(tree)
        self.count = max(1, len(self._devices))
        processes = [device.process_index for device in self._devices]
        self.number = processes.index(jax.process_index()) if processes else 0

    @property
    def alone(self) -> bool:
        """Whether there is no other process."""
        return self.count == 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that does what one alone must do."""
        return self.number == 0

    def exchange(self, value: Any = None) -> list[Any]:
        """What every process gives, in their order; all must call it.

        Args:
            value: a few numbers, as JSON has them.

        Raises:
            Elsewhere: if another one failed or was lost.
        """
        if self.alone:
            return [value]
        got = self._sent({"value": value})
        for process, one in enumerate(got):
            if "error" in one:
                raise Elsewhere(
                    f"process {process} of {self.count} failed: {one['error']}"
                )
        return [one["value"] for one in got]

    def gather(self, array: np.ndarray) -> np.ndarray:
        """What every process gives, along a new axis 0; all must call it.

        Nobody can tell of a failure instead, so this follows what all have agreed on.

        Args:
            array: of one shape and dtype in all.

        Raises:
            Elsewhere: if another process was lost.
        """
        if self.alone:
            return array[None]
        try:
            return from_all(array, self._devices)
        # JAX has no class for it.
        except Exception as error:
            lost = f"one of {self.count} processes was lost: {error}"
            raise Elsewhere(lost) from error

    def tell(self, error: Exception) -> None:
        """Tells the others that this process failed, when they exchange something next.

        What they know already, or cannot be told any more, is not told.
        """
        if self.alone or _is_known(error):
            return
        text = f"{type(error).__name__}: {error}"
        while len(json.dumps(text)) > _ROOM - 32:
            text = f"{text[: len(text) * 3 // 4]}..."
        with contextlib.suppress(Elsewhere):
            self._sent({"error": text})
        error.__dict__[_TOLD] = True

    @contextlib.contextmanager
    def alike(self) -> Iterator[None]:
        """Does something in all processes; what fails in one fails in all.

        Raises:
            Elsewhere: in those in which nothing failed, if something did in another.
        """
        try:
            yield
        except Exception as error:
            self.tell(error)
            raise
        self.exchange()

    def _sent(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        sent = np.zeros(_ROOM, np.uint8)
        text = json.dumps(message).encode()
        sent[: len(text)] = np.frombuffer(text, np.uint8)
        got = self.gather(sent)
        return [json.loads(row.tobytes().rstrip(b"\0")) for row in got]


def _is_known(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is known to all processes."""
    while error is not None:
        if isinstance(error, Elsewhere) or _TOLD in error.__dict__:
            return True
        error = error.__cause__ or error.__context__
    return False
