"""Compiled programs that JAX keeps in a folder, one a file."""

from pathlib import Path

__all__ = ["is_whole", "kept_in", "reset_cache"]


def kept_in(folder: Path) -> list[Path]:
    """The files of programs."""
    return list(folder.glob("*-cache"))


def is_whole(program: Path) -> bool:
    """Whether JAX can unpack a program; one that was cut short it can't.

    Raises:
        OSError: if the file cannot be read.
    """
    try:
        from jax._src.compilation_cache import decompress_executable
    except ImportError:  # not a part of what JAX documents
        return True
    packed = program.read_bytes()
    try:
        return bool(decompress_executable(packed))
    except Exception:  # the kind depends on the library that unpacks
        return False


def reset_cache() -> None:
    """Has JAX look at its settings again, which it does once a process."""
    from jax.experimental.compilation_cache import compilation_cache

    compilation_cache.reset_cache()
