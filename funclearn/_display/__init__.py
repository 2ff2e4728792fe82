"""How far something has come, on a terminal, in a notebook or in a file.

Displays draw whatever can say its `share` and its `parts`: a run in chunks, `Seen`, or
the lanes of a sweep, `SeenLanes`.
"""

from funclearn._display._progress import Progress, progress
from funclearn._display._seen import Seen, SeenLanes

__all__ = ["Progress", "Seen", "SeenLanes", "progress"]
