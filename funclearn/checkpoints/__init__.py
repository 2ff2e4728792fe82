"""Checkpoints: states on disk that are whole, or not there.

    path = checkpoints.save(folder, state)          # on disk once it returns
    state = checkpoints.restore(folder, like)       # the newest whole one
    saved = checkpoints.latest(folder)              # what it says of itself

One file a checkpoint, a safetensors file with checksums of all that it holds; arrays of
which several devices hold a part each lie in a folder beside it, by Orbax. What is
damaged is told and passed over; what belongs to another model, optimizer, configuration
or other data is refused with the difference. No pickle, no code.
"""

from funclearn.checkpoints._errors import CheckpointError, CheckpointWarning
from funclearn.checkpoints._finding import Saved
from funclearn.checkpoints._fingerprint import fingerprint
from funclearn.checkpoints._pruning import prune
from funclearn.checkpoints._restoring import Checkpoint, latest, read, restore
from funclearn.checkpoints._saving import save

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "CheckpointWarning",
    "Saved",
    "fingerprint",
    "latest",
    "prune",
    "read",
    "restore",
    "save",
]
