"""Compiled programs that the command lines keep for the next start."""

import warnings
from pathlib import Path
from typing import Annotated, TypeAlias

import tyro

import funclearn as fl

__all__ = ["CompilationCache", "keep_programs"]

CompilationCache: TypeAlias = Annotated[
    tuple[Path, ...] | None, tyro.conf.arg(metavar="[FOLDER]")
]
"""No option, an option without a folder, or one with a folder."""


def keep_programs(where: CompilationCache) -> None:
    """Keeps what is compiled from now on.

    Args:
        where: a folder, or none for the library's place in the user's cache; with None
            nothing is kept.

    Raises:
        ValueError: if there are several folders, or it cannot be written.
    """
    if where is None:
        return
    if len(where) > 1:
        raise ValueError(
            f"compilation_cache must be one folder; got {', '.join(map(str, where))}."
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            fl.running.cache_programs(*where)
        except RuntimeWarning as error:
            raise ValueError(
                f"{error} Choose another folder with --compilation-cache FOLDER."
            ) from error
