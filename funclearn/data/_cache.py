"""Where the files of data sets lie: found, compared by checksum, or downloaded once."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from funclearn._locks import lock
from funclearn._places import cache_folder
from funclearn._words import described
from funclearn.data._download import File, download, sha256_of

__all__ = ["Source", "provide"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set's files and where they can be had.

    Attributes:
        title: what to call the data set in messages.
        folder: its folder in the cache.
        files: all of them.
        mirrors: addresses that end with a slash, in the order in which they are tried.
        layouts: folders below a named one in which other libraries keep the files.
        timeout: seconds without a byte after which a connection is given up.
        waits: seconds before each further round over the mirrors.
    """

    title: str
    folder: str
    files: tuple[File, ...]
    mirrors: tuple[str, ...]
    layouts: tuple[str, ...] = ()
    timeout: float = 10.0
    waits: tuple[float, ...] = (0.5, 1.0, 2.0)


def provide(
    source: Source,
    names: Sequence[str],
    folder: str | os.PathLike[str] | None,
    *,
    missing_ok: bool = True,
) -> list[Path]:
    """The paths of some of a source's files, which are downloaded where they lack.

    Nothing is written where all are there. Of several processes one downloads; the
    others wait for it.

    Args:
        source: the files and their addresses.
        names: of those files that are needed.
        folder: holds the files, or will; None is the cache's.
        missing_ok: downloads what lacks; otherwise that is an error.

    Returns:
        A path for every name, some of them to unpacked files.

    Raises:
        ConnectionError: if a file could not be downloaded.
        FileNotFoundError: if one lacks that must not be downloaded.
        OSError: if the folder cannot be written.
        TypeError: if `folder` is no path.
        ValueError: if a file is not the published one.
    """
    if folder is not None and not isinstance(folder, str | os.PathLike):
        raise TypeError(f"folder must be a path or None; got {described(folder)}.")
    if folder is None:
        base = os.environ.get("FUNCLEARN_DATA") or cache_folder()
        folder = Path(base, source.folder)
    place = Path(folder).expanduser()
    files = [file for name in names for file in source.files if file.name == name]
    paths = [_find(source, file, place) for file in files]
    if None not in paths:
        return [path for path in paths if path]
    if not missing_ok:
        raise FileNotFoundError(
            f"{place} must hold {' and '.join(names)} of {source.title}, which are not "
            "to be downloaded."
        )
    try:
        place.mkdir(parents=True, exist_ok=True)
        with _locked(place / f".{source.folder}.lock"):
            # What another process has downloaded meanwhile is found here.
            return [
                _find(source, file, place) or _get(source, file, place)
                for file in files
            ]
    except ConnectionError:
        raise
    except OSError as error:
        raise OSError(
            f"{source.title} needs a folder that can be written, named by `folder` or "
            f"by the environment variable FUNCLEARN_DATA; {place} fails with {error}."
        ) from error


def _get(source: Source, file: File, place: Path) -> Path:
    """Downloads a file.

    Raises:
        ConnectionError: if no mirror gave it, with a reason for each.
    """
    problems = download(
        file, place, source.mirrors, timeout=source.timeout, waits=source.waits
    )
    if not problems:
        return place / file.name
    tried = "; ".join(f"{url} ({problem})" for url, problem in problems.items())
    names = ", ".join(one.name for one in source.files)
    raise ConnectionError(
        f"{source.title} could not be downloaded; tried {tried}. To go without a "
        f"network put {names} into {place}."
    )


def _find(source: Source, file: File, place: Path) -> Path | None:
    """The path of a file that is there, packed or not.

    Raises:
        ValueError: if it is packed and its checksum is not the published one.
    """
    for folder in (place, *(place / layout for layout in source.layouts)):
        packed = folder / file.name
        if packed.is_file():
            got = sha256_of(packed)
            if got != file.sha256:
                raise ValueError(
                    f"{packed} must be the published file of {source.title}, of "
                    f"SHA-256 {file.sha256}; got {got}. Remove it, and it is "
                    f"downloaded; read_idx reads other files."
                )
            return packed
        plain = file.name.removesuffix(".gz")
        # Some tools write a dot where the published names have a hyphen.
        for name in (plain, plain.replace("-idx", ".idx")):
            if (folder / name).is_file():
                return folder / name
    return None


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds a file; waits for whoever holds it."""
    with open(path, "a+b") as file:
        # Where there are no locks, as in some network folders, two processes at once
        # may spoil each other's download, which its checksum shows.
        with contextlib.suppress(OSError):
            lock(file, wait=True)
        yield
