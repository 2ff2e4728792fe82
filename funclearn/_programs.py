"""Compiled programs that live as long as the functions that they were made of.

A static argument of a `jax.jit` of the whole module would stay alive for ever, with all
that it closes over and with its program. Here a program is found by its functions, but
does not hold them: it goes with the first of them.
"""

import functools
import types
import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import jax

__all__ = ["debugging", "kept", "remembered"]

_T = TypeVar("_T")

_NANS, _INFS = "jax_debug_nans", "jax_debug_infs"

_programs: dict[Hashable, tuple[Any, tuple[Callable[[], Any], ...]]] = {}


def kept(
    make: Callable[..., _T], functions: tuple[Any, ...], *settings: Hashable
) -> _T:
    """The program of some functions, made where there is none yet.

    Args:
        make: `(take, *settings) -> program`, a function of a module; `take()` gives the
            functions while the program is called, which must not hold them otherwise.
        functions: by identity; bound methods by that of their object. What cannot be
            referred to weakly is held.
        *settings: what else the program depends on.
    """
    # An identity may be used again once its object is gone; the entry is gone by then.
    key = (make, tuple(map(_identity, functions)), settings)
    if key not in _programs:
        # As a default, since at the end of a process the module's names go first.
        def forget(_: Any, programs: dict[Hashable, Any] = _programs) -> None:
            programs.pop(key, None)

        references = tuple(_reference(function, forget) for function in functions)
        program = make(lambda: tuple(take() for take in references), *settings)
        _programs[key] = program, references
    return _programs[key][0]


def remembered(function: Callable[..., _T]) -> Callable[..., _T]:
    """Has a function return the same again while its first argument lives.

    Args:
        function: of an argument, known by its identity, and hashable ones after it;
            what it returns must not hold the first.
    """

    def make(take: Callable[[], tuple[Any]], *rest: Hashable) -> _T:
        return function(*take(), *rest)

    @functools.wraps(function)
    def lookup(first: Any, *rest: Hashable) -> _T:
        return kept(make, (first,), *rest)

    return lookup


def debugging() -> tuple[bool, bool]:
    """Whether JAX is told to look for NaN, and for inf.

    Under these settings, `jax_debug_nans` and `jax_debug_infs`, no compiled function
    may return what they look for: a program that would is another one then.
    """
    # By name, since type checkers know no attribute of `jax.config`.
    return bool(getattr(jax.config, _NANS)), bool(getattr(jax.config, _INFS))


def _identity(function: Any) -> Hashable:
    # Every access to a bound method makes another one.
    if isinstance(function, types.MethodType):
        return id(function.__self__), id(function.__func__)
    return id(function)


def _reference(function: Any, forget: Callable[[Any], None]) -> Callable[[], Any]:
    kind = weakref.WeakMethod if isinstance(function, types.MethodType) else weakref.ref
    try:
        return kind(function, forget)
    except TypeError:
        return lambda: function
