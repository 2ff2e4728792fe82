"""What can be wrong with a checkpoint."""

__all__ = ["CheckpointError", "CheckpointWarning", "Damage"]


class CheckpointError(ValueError):
    """No whole checkpoint is there, or it belongs to another run."""


class CheckpointWarning(UserWarning):
    """A file was passed over since it is damaged, or could not be removed."""


class Damage(Exception):
    """A file is not what was once written; says in which way."""
