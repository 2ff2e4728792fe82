"""How far something has come, on a terminal, in a notebook or in a file.

Displays draw whatever can say its `share` and its `parts`: a run in chunks, `Seen`, the
lanes of a sweep, `SeenLanes`, or a file that arrives, `SeenBytes`.
"""

from funclearn._display._progress import Progress, progress
from funclearn._display._seen import Seen, SeenBytes, SeenLanes

__all__ = ["Progress", "Seen", "SeenBytes", "SeenLanes", "progress"]
