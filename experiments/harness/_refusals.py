"""Bad input ends a command line in one line on standard error, with the status 2."""

import contextlib
import io
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import tyro

from funclearn.running import Failed

__all__ = ["REFUSED", "in_one_line", "parsed", "until_refused"]

ArgumentsT = TypeVar("ArgumentsT")

REFUSED = 2
"""The exit status where the input is bad; 1 is that of a published figure missed."""

_LONGEST = 1000  # characters of an error; a pasted file would fill the screen

# In encodings without lines to draw, the parser writes hyphens.
_RULES = (
    "-\N{BOX DRAWINGS LIGHT HORIZONTAL}\N{BOX DRAWINGS LIGHT ARC UP AND RIGHT}"
    "\N{BOX DRAWINGS LIGHT ARC UP AND LEFT}"
)

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

_ADVICE = {
    FileNotFoundError: "; check the path",
    IsADirectoryError: "; a file is needed there",
    NotADirectoryError: "; a folder is needed there",
    FileExistsError: "; something else is there",
    PermissionError: "; choose another place, or ask for the right to this one",
}

_EXPECTED = (OSError, ValueError, MemoryError, Failed)

_TOO_LARGE = "RESOURCE_EXHAUSTED"  # how XLA's errors about memory begin


def parsed(
    kind: type[ArgumentsT], options: Sequence[str], program: str, description: str
) -> ArgumentsT:
    """The arguments of a command line.

    Args:
        kind: a dataclass; its fields are the options.
        options: the words after the program.
        program: how the program is called.
        description: what `--help` says of it.

    Raises:
        SystemExit: after what `--help` and its like show.
        ValueError: if an option is unknown or malformed, or a value is refused.
    """
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return tyro.cli(
                kind, prog=program, description=description, args=list(options)
            )
    except SystemExit as exit_:
        if not exit_.code:
            raise
        what = _unboxed(told.getvalue())
    except AssertionError as error:
        # As the parser's own options, of completion in shells, refuse their values.
        what = str(error)
    raise ValueError(f"{what.rstrip('.')}. See {program} --help.")


def until_refused(main: Callable[[], int], *, debug: bool) -> int:
    """Runs a command line.

    Args:
        main: runs it.
        debug: whether to show the traceback of an error.

    Returns:
        What `main` returns, or 2 after an error that the input or what is around the
        program is to blame for: settings, files, disks and memory.
    """
    try:
        return main()
    except _EXPECTED as error:
        return _refuse(error, debug)
    except jax.errors.JaxRuntimeError as error:
        if _TOO_LARGE not in str(error):
            raise
        return _refuse(error, debug)


def _refuse(error: Exception, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    print(f"error: {in_one_line(error)}", file=sys.stderr)
    return REFUSED


def in_one_line(error: Exception) -> str:
    """What an error says, without the breaks of its lines."""
    text = str(error) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = error.strerror
        if error.filename is not None:
            text += f": {error.filename}{_ADVICE.get(type(error), '')}"
    if isinstance(error, MemoryError) or _TOO_LARGE in text:
        text = f"there is not enough memory for numbers as large: {text}"
    words = "".join(c if c.isprintable() else " " for c in text).split()
    line = " ".join(words)
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} ..."


def _unboxed(told: str) -> str:
    """What stands under the title of a frame that the parser has drawn."""
    lines: list[str] = []
    for line in _COLOURS.sub("", told).splitlines()[1:]:
        text = line.strip("\N{BOX DRAWINGS LIGHT VERTICAL} ")
        if text.strip(_RULES):
            lines.append(text)
        elif lines:
            break
    return " ".join(lines).removeprefix("Error parsing config: ")
