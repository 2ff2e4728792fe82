"""A script that is killed, started again and judged by what it leaves."""

import random
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

from jaxtyping import PyTree

from funclearn.testing._children import Ended, Kill, start
from funclearn.testing._copies import Copies
from funclearn.testing._flushes import damaged, sees_flushes, unflushed
from funclearn.testing._outcomes import Result, difference, outcome
from funclearn.testing._watching import Growth

__all__ = ["Script"]

_TRIES = 5
"""How often a kill is tried whose script ended before it; each time earlier."""

_NAMES = 6
"""Damaged files that a message names."""


class Script:
    """A script under test.

    Attributes:
        random: where all that is random comes from.
        sees_flushes: whether losses of power can be simulated.
        kills: that landed.
        resumed: of these, in a resumed run.
        losses: of power, simulated.
    """

    def __init__(
        self,
        command: Sequence[str],
        copies: Copies,
        result: Result,
        seconds: float,
    ) -> None:
        """Takes the arguments of `assert_resumes`."""
        self._command, self._copies = command, copies
        self._result, self._seconds = result, seconds
        self._folder = copies.folder
        self.random = random.Random(0)
        self.sees_flushes = sees_flushes(copies.folder)
        self.kills = self.resumed = self.losses = 0

    def run_uninterrupted(self) -> tuple[int, tuple[float, float]]:
        """Runs it twice.

        Returns:
            How many writes there were, and the seconds from its start to the first and
            to the last of them.
        """
        first = self._start("initial", "uninterrupted")
        self._expected = self._read(first)
        self._copies.keep("expected")
        second = self._start("initial", "uninterrupted a second time")
        if words := difference(self._read(second), self._expected, self._result):
            self._fail(
                f"it leaves another result than the first time: {words}. While two "
                "equal runs differ, nothing can be said about resuming: fix the seeds, "
                "and keep times and process numbers out of what is compared",
                second,
            )
        self._writes, self._busy = min(first.writes, second.writes), second.busy
        if not self._writes:
            self._fail(f"it wrote nothing into {self._folder}", second)
        return self._writes, self._busy

    def crash(self, kill: Kill) -> None:
        """Kills it, kills it again, and judges what the third start leaves."""
        first, kill = self._until_killed("initial", "uninterrupted", kill)
        # Before anything else: the kernel goes on writing to the disk.
        unsafe = list(self._unflushed(first))
        self._copies.keep("killed")
        story = f"killed {kill}" + f" of {self._writes}" * (kill.writes is not None)
        again = self._later(first)
        _, again = self._until_killed("killed", f"{story}, and resumed", again)
        self.resumed += 1
        self._copies.keep("killed again")
        self._judge(self._start("killed again", f"{story}, and, resumed, {again}"))
        if unsafe:
            self._lose_power(story, unsafe)

    def _later(self, first: Ended) -> Kill:
        """A moment in a run that resumes another."""
        left = max(self._writes - first.writes, 1)
        if self.random.random() < 0.5:
            return Kill(writes=self.random.randint(1, left))
        begin, end = self._busy
        share = min(left / self._writes, 1)
        return Kill(seconds=self.random.uniform(begin, begin + share * (end - begin)))

    def _until_killed(self, state: str, story: str, kill: Kill) -> tuple[Ended, Kill]:
        """Starts it until a kill lands; also returns which."""
        tries = _TRIES
        while not (ended := self._start(state, story, kill)).killed:
            self._judge(ended)
            tries -= 1
            if not tries:
                self._fail(
                    f"in {_TRIES} tries it had ended before a kill {kill}", ended
                )
            kill = self._earlier(kill, ended, resumed=state != "initial")
        return ended, kill

    def _earlier(self, kill: Kill, ended: Ended, resumed: bool) -> Kill:
        """A kill for a start that ended before the one planned."""
        if resumed or kill.writes is None:
            # A resumed run may have nothing left to write.
            return Kill(seconds=self.random.uniform(0, ended.seconds))
        # Reports of quick writes are merged, not always the same ones: there may be
        # fewer than before, and many of them at once at the end.
        return Kill(writes=max(min(kill.writes, ended.writes) * 4 // 5, 1))

    def _unflushed(self, ended: Ended) -> Iterator[tuple[Path, Growth]]:
        for path, growth in sorted(ended.grown.items()):
            if self.sees_flushes and path.is_file() and unflushed(path):
                yield path, growth

    def _lose_power(self, story: str, unsafe: Sequence[tuple[Path, Growth]]) -> None:
        self._copies.fill("killed")
        newest = max(path.stat().st_mtime_ns for path, _ in unsafe)
        lost = []
        for path, growth in unsafe:
            # Of the others, some may have reached the disk.
            if path.stat().st_mtime_ns == newest or self.random.random() < 0.5:
                name = path.relative_to(self._folder)
                new = not (self._copies.aside / "initial" / name).exists()
                how = damaged(path, growth, new, self.random)
                lost += [f"{name} {how}"] * (how is not None)
        if not lost:
            return
        self.losses += 1
        self._copies.keep("damaged")
        words = f"{story}, by a loss of power that left, not yet flushed, "
        words += ", ".join(lost[-_NAMES:])
        words += f" and {len(lost) - _NAMES} more" * (len(lost) > _NAMES)
        self._judge(self._start("damaged", words))

    def _start(self, state: str, story: str, kill: Kill | None = None) -> Ended:
        """Starts it in a folder filled from a copy; fails if it ends, but not well."""
        self._state, self._story = state, story
        self._copies.fill(state)
        ended = start(
            self._command, self._folder, self._copies.aside, kill, self._seconds
        )
        if ended.killed:
            self.kills += 1
        elif ended.status is None:
            self._fail(f"it did not end within {self._seconds:g} s", ended)
        elif ended.status < 0:
            self._fail(f"it was ended by signal {-ended.status}", ended)
        elif ended.status > 0:
            self._fail(f"it ended with exit status {ended.status}", ended)
        return ended

    def _read(self, ended: Ended) -> PyTree:
        try:
            return outcome(self._folder, self._result)
        except LookupError as error:
            self._fail(f"it left no result: {error}", ended)

    def _judge(self, ended: Ended) -> None:
        if words := difference(self._read(ended), self._expected, self._result):
            self._fail(f"it leaves another result than uninterrupted: {words}", ended)

    def _fail(self, words: str, ended: Ended) -> NoReturn:
        self._copies.keep("ended")
        aside = self._copies.aside
        lines = [
            f"{self._story}, {words}.",
            f"The command: {shlex.join(self._command)}",
            f"Again: fill {self._folder} from {aside / self._state} and start it. What "
            f"came of it is in {aside / 'ended'}",
        ]
        if (aside / "expected").exists():
            lines[-1] += f", what is expected in {aside / 'expected'}"
        lines[-1] += "."
        if ended.errors:
            lines += ["The end of its standard error:", ended.errors]
        raise AssertionError("\n".join(lines))
