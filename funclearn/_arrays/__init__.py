"""What comes as data, read as arrays of numbers, and held by JAX without harm.

JAX narrows NumPy's 64 bits to its own 32 unless it is told otherwise: integers beyond
its range come back as others, and floats lose digits, both without a word. So NumPy's
arrays stay what they are until something is computed of them, and `narrowed` is the one
place where they become narrower and what does not fit is refused by name.
"""

from funclearn._arrays._floats import (
    accumulator,
    as_floats,
    errors_of,
    is_floating,
    minus,
)
from funclearn._arrays._narrowing import is_narrowed, narrowed
from funclearn._arrays._reading import (
    Arrays,
    as_array,
    as_arrays,
    check_dataset,
    check_real,
    is_known,
)

__all__ = [
    "Arrays",
    "accumulator",
    "as_array",
    "as_arrays",
    "as_floats",
    "check_dataset",
    "check_real",
    "errors_of",
    "is_floating",
    "is_known",
    "is_narrowed",
    "minus",
    "narrowed",
]
