"""Runs in the world outside: screens, files, signals, clocks.

`fit` is a pure function that knows nothing of these. `run` advances the same compiled
step in chunks, and does between them what a pure function cannot.
"""

from funclearn._display import Progress, Seen
from funclearn.running._callbacks import Callback, Report
from funclearn.running._programs import cache_programs
from funclearn.running._run import run
from funclearn.running._stopped import Failed, Interrupted, Stopped, Terminated

__all__ = [
    "Callback",
    "Failed",
    "Interrupted",
    "Progress",
    "Report",
    "Seen",
    "Stopped",
    "Terminated",
    "cache_programs",
    "run",
]
