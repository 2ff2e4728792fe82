"""Where the library keeps files of its own."""

import errno
import os
import sys
from pathlib import Path

__all__ = ["cache_folder"]


def cache_folder() -> Path:
    """The folder for what other processes can use, below the platform's for caches.

    Raises:
        FileNotFoundError: if no home folder is known.
    """
    try:
        if sys.platform == "win32":
            local = os.environ.get("LOCALAPPDATA")
            base = Path(local or Path.home() / "AppData" / "Local")
        elif sys.platform == "darwin":
            base = Path.home() / "Library" / "Caches"
        else:
            # The XDG specification has relative paths ignored.
            base = Path(os.environ.get("XDG_CACHE_HOME", ""))
            base = base if base.is_absolute() else Path.home() / ".cache"
    except RuntimeError as error:  # as where a user has a number and no name
        raise FileNotFoundError(errno.ENOENT, "no home folder is known") from error
    return base / "funclearn"
