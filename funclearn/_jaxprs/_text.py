"""Programs as text."""

import re

from funclearn._programs import remembered

__all__ = ["text_of"]


@remembered
def text_of(jaxpr: object) -> str:
    """A program as JAX writes it down, the same in every process."""
    # Functions have an address in it, which every process chooses anew; and it is in
    # colour in a notebook and where standard output is a terminal.
    return re.sub(r" at 0x[0-9a-f]+|\x1b\[[0-9;]*m", "", str(jaxpr))
