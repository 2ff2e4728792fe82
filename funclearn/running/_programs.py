"""Compiled programs that are kept for the next start."""

import contextlib
import os
import tempfile
import warnings
from pathlib import Path

import jax

from funclearn import _jaxprs
from funclearn._checks import integer_at_least
from funclearn._places import cache_folder
from funclearn._words import described

__all__ = ["cache_programs"]

_BLOCK = 4096  # bytes of a disk that a file takes at least

# Its time is when the programs were looked at last.
_SEEN = "looked-at"


# Of a small model's programs these are tens of thousands, which take about as long to
# look through as one of them takes to compile.
_MAX_BYTES = 2**28


def cache_programs(
    folder: str | Path | None = None, *, max_bytes: int | None = _MAX_BYTES
) -> Path | None:
    """Keeps what is compiled from now on, so that the next start need not compile it.

    This is JAX's persistent compilation cache, which by itself keeps no program that
    compiles within a second, and so none of a small model. It is for the whole process:
    call it at the beginning of a script. Results have the same bits with and without.

    A program that a kill cut short is removed, and so are those that were not used for
    the longest where all of them take too much of the disk. The folder may be deleted
    at any time. Whoever can write to it can have this process run code: do not share it
    with whom you do not trust.

    Args:
        folder: where to keep them; it is made if need be. None takes the folder that
            JAX is set to, as by `JAX_COMPILATION_CACHE_DIR`, or else one in the user's
            cache.
        max_bytes: what the programs may take of the disk at the end of this call, to
            which those of this process are added; None sets no bound.

    Returns:
        The folder; None, after a RuntimeWarning, if it cannot be written.

    Raises:
        TypeError: if `folder` is no path, or `max_bytes` no integer.
        ValueError: if `max_bytes` is negative.

    Example:
        >>> import tempfile
        >>> folder = fl.running.cache_programs(tempfile.mkdtemp())
        >>> doubled = jax.jit(lambda x: 2 * x)(21.0)
        >>> print(doubled, len(list(folder.glob("*-cache"))) > 0)
        42.0 True
    """
    if max_bytes is not None:
        max_bytes = integer_at_least("max_bytes", max_bytes, 0)
    place = None
    try:
        place = _folder(folder)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written before the programs are looked at, and so not later than what is
        # written meanwhile.
        number, name = tempfile.mkstemp(dir=place)
        os.close(number)
        _tidy(place, max_bytes)
        os.replace(name, place / _SEEN)
    except OSError as error:
        warnings.warn(
            f"cache_programs: {place or 'a cache'} cannot be written "
            f"({error.strerror}); programs are not kept.",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    jax.config.update("jax_compilation_cache_dir", str(place))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    _jaxprs.reset_cache()
    return place


def _folder(folder: str | Path | None) -> Path:
    if folder is None:
        known = getattr(jax.config, "jax_compilation_cache_dir", None)
        return Path(known) if known else cache_folder() / "programs"
    if not isinstance(folder, str | Path) or not str(folder):
        raise TypeError(f"folder must be a path or None; got {described(folder)}.")
    # JAX would take another one after a change of the working directory.
    return Path(folder).absolute()


def _tidy(folder: Path, max_bytes: int | None) -> None:
    """Removes damaged programs, and of the others as many as there are too many."""
    since = 0
    with contextlib.suppress(FileNotFoundError):
        since = (folder / _SEEN).stat().st_mtime_ns
    kept: list[tuple[int, int, str]] = []
    for program in _jaxprs.kept_in(folder):
        # Another process may remove it as well, or still be writing it.
        with contextlib.suppress(OSError):
            about = program.stat()
            # JAX would warn of it at every start, and never write it anew.
            if about.st_mtime_ns >= since and not _jaxprs.is_whole(program):
                os.unlink(program)
                continue
            # Where reading leaves no time, this is the age.
            used = max(about.st_atime_ns, about.st_mtime_ns)
            kept.append((used, -(-about.st_size // _BLOCK) * _BLOCK, program.path))
    if max_bytes is not None:
        _remove_oldest(kept, max_bytes)


def _remove_oldest(programs: list[tuple[int, int, str]], max_bytes: int) -> None:
    """Of programs with their times and sizes those that are too many."""
    total = sum(size for _, size, _ in programs)
    # JAX's own bound takes a lock and looks at all programs whenever it adds one, and
    # does without a cache where there is no package for locks.
    for _, size, program in sorted(programs):
        if total <= max_bytes:
            break
        with contextlib.suppress(OSError):
            os.unlink(program)
        total -= size
