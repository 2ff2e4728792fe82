"""Compiled programs that are kept for the next start."""

import contextlib
import os
import tempfile
import warnings
from pathlib import Path

import jax

from funclearn import _jaxprs
from funclearn._places import cache_folder
from funclearn._words import described

__all__ = ["cache_programs"]

# Its time is when the programs were looked at last.
_SEEN = "looked-at"


def cache_programs(folder: str | Path | None = None) -> Path | None:
    """Keeps what is compiled from now on, so that the next start need not compile it.

    This is JAX's persistent compilation cache, which by itself keeps no program that
    compiles within a second, and so none of a small model. It is for the whole process:
    call it at the beginning of a script. Results have the same bits with and without.

    A program that a kill cut short is removed. The folder may be deleted at any time.
    It grows with every program, and whoever can write to it can have this process run
    code: do not share it with whom you do not trust.

    Args:
        folder: where to keep them; it is made if need be. None takes the folder that
            JAX is set to, as by `JAX_COMPILATION_CACHE_DIR`, or else one in the user's
            cache.

    Returns:
        The folder; None, after a RuntimeWarning, if it cannot be written.

    Raises:
        TypeError: if `folder` is no path.

    Example:
        >>> import tempfile
        >>> folder = fl.running.cache_programs(tempfile.mkdtemp())
        >>> doubled = jax.jit(lambda x: 2 * x)(21.0)
        >>> print(doubled, len(list(folder.glob("*-cache"))) > 0)
        42.0 True
    """
    place = None
    try:
        place = _folder(folder)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Written before the programs are looked at, and so not later than what is
        # written meanwhile.
        number, name = tempfile.mkstemp(dir=place)
        os.close(number)
        _remove_damaged(place)
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


def _remove_damaged(folder: Path) -> None:
    """Removes what JAX would warn of at every start and never write anew."""
    since = 0
    with contextlib.suppress(FileNotFoundError):
        since = (folder / _SEEN).stat().st_mtime_ns
    for program in _jaxprs.kept_in(folder):
        # Another process may remove it as well, or still be writing it.
        with contextlib.suppress(OSError):
            if program.stat().st_mtime_ns >= since and not _jaxprs.is_whole(program):
                program.unlink()
