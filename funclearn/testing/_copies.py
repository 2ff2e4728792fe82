"""Copies of a folder as it was at some moments."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

__all__ = ["Copies"]


class Copies:
    """Copies of a folder, which has its first contents again when the block ends.

    Attributes:
        folder: it is made where there is none, and stays itself: it is filled.
        aside: holds the copies; kept where an assertion fails, for who looks into it.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the folder."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "Copies":
        """Keeps the folder as it is as the copy `initial`."""
        self.aside = Path(tempfile.mkdtemp(prefix="funclearn-crash-"))
        self.keep("initial")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Fills the folder with what it had at first."""
        self.fill("initial")
        if kind is None or not issubclass(kind, AssertionError):
            shutil.rmtree(self.aside)

    def keep(self, name: str) -> None:
        """Copies the folder aside."""
        shutil.rmtree(self.aside / name, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)  # the script may have taken it away
        _copy(self.folder, self.aside / name)

    def fill(self, name: str) -> None:
        """Gives the folder the contents of a copy."""
        self.folder.mkdir(exist_ok=True)
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        _copy(self.aside / name, self.folder)


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True, ignore=_special, dirs_exist_ok=True)


def _special(folder: str, names: list[str]) -> list[str]:
    """Sockets and pipes: they hold nothing, and reading them may never end."""
    kinds = {name: os.lstat(os.path.join(folder, name)).st_mode for name in names}
    plain = (stat.S_ISREG, stat.S_ISDIR, stat.S_ISLNK)
    return [name for name, kind in kinds.items() if not any(is_(kind) for is_ in plain)]
