"""Units: operations that XLA may not mix with those around them.

XLA on a CPU merges all that a small loop computes into one function, and there rounds a
product before adding it or not, depending on what stands between the two (seen with
jaxlib 0.10.2 and 0.12.0.1). So a run with a stopping rule, or one that is cut, would
have other bits than one without. XLA compiles a call that is marked `APART` by itself.
Were the mark ignored, results would differ by roundings, and
`test_a_stop_has_the_bits_of_a_run_without_a_rule` would fail.
"""

import functools
from collections.abc import Callable

import jax
from jaxtyping import PyTree

from funclearn import _xla
from funclearn._jaxprs import marked

__all__ = ["as_unit"]


def as_unit(function: Callable[..., PyTree]) -> Callable[..., PyTree]:
    """Keeps XLA on a CPU from mixing a function's operations with those around it.

    A unit has the same bits wherever it is called, as long as it returns the same
    values. A result that is one of the arguments, or the same array as another result,
    is no further value: it is handed on outside of the unit.
    """
    if not _xla.may_keep_apart():
        return function

    @functools.wraps(function)
    def unit(*arguments: PyTree) -> PyTree:
        given, structure = jax.tree.flatten(arguments)
        result_structure: PyTree = None
        places: list[int] = []

        def distinct(given: list[PyTree]) -> list[PyTree]:
            nonlocal result_structure
            results = function(*jax.tree.unflatten(structure, given))
            leaves, result_structure = jax.tree.flatten(results)
            place = {id(x): number for number, x in enumerate(given)}
            new = []
            for leaf in leaves:
                if id(leaf) not in place:
                    place[id(leaf)] = len(given) + len(new)
                    new.append(leaf)
            places[:] = [place[id(leaf)] for leaf in leaves]
            return new

        values = [*given, *marked(distinct, _xla.APART)(given)]
        return jax.tree.unflatten(result_structure, [values[x] for x in places])

    return unit
