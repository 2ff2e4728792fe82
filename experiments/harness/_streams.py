"""Makes the terminal's encoding no reason to stop."""

import io
import sys

__all__ = ["write_what_fits"]


def write_what_fits() -> None:
    """Lets stdout and stderr write `?` for what their encoding has no sign for.

    Terminals of Windows often have code page 1252, and pipes ASCII, where the letters
    of formulas would raise a `UnicodeEncodeError`.
    """
    for stream in (sys.stdout, sys.stderr):
        # What replaces a stream, in a notebook or a test, may have no encoding.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
