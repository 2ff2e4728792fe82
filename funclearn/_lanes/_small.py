"""Which loops XLA may compile into one function, read off their jaxprs.

XLA on a CPU compiles the operations of a loop one by one, and hands short sums and
matrix products to a library. That suits large arrays; a run of a small model spends
its time in the calls. So a small loop is compiled whole, into one function with wide
vectors. Whether a loop is small is never read off a clock, so that the same program
always has the same bits.

What XLA cannot compile whole it does not always refuse: it may end the process, or
call a library without what the library needs. Its own pass that finds small loops
(`SmallWhileLoopHoistingPass`) leaves out the operations that it must; here only those
are let in that have been tried (`python -m benchmarks.marks`), on the same grounds. Two
things more are not obvious. The function of a loop can have no argument that goes
unused, which `compilation` sees to; and it can hold no constant of more than 10,000
bytes, since XLA keeps such elsewhere (`CpuInstructionFusion`). Arrays of the program
are arguments by then, but XLA also computes constants from constants: what is made of
them alone is followed here.

Writing to several places is refused, as lanes do that write each to a place of its own.
"""

import math
from collections.abc import Iterator
from typing import Any

import jax
from jax.typing import ArrayLike

from funclearn import _jaxprs
from funclearn._jaxprs import ClosedJaxpr, JaxprEqn

__all__ = [
    "Constants",
    "is_loop",
    "is_small",
    "largest_value",
    "n_bytes",
    "parts",
    "writes",
    "writes_apart",
]

_LOOPS = frozenset({"scan", "while"})
_WRITES = frozenset({"dynamic_update_slice", "scatter"})
_TRIED = frozenset(
    "abs acos acosh add add_any and argmax argmin asin asinh atan atan2 atanh "
    "bitcast_convert_type broadcast_in_dim cbrt ceil clamp clz complex concatenate "
    "cond conj convert_element_type copy cos cosh cumlogsumexp cummax cummin "
    "cumprod cumsum custom_jvp_call custom_vjp_call custom_vmap_call digamma div "
    "dot_general dynamic_slice dynamic_update_slice eq erf erf_inv erfc exp exp2 "
    "expm1 floor forward_mode_only gather ge gt imag integer_pow iota is_finite jit "
    "le lgamma log log1p logistic lt max min mul name ne neg nextafter not "
    "one_minus_square optimization_barrier or pad population_count pow random_bits "
    "random_fold_in random_seed random_split random_unwrap random_wrap real "
    "reduce_and reduce_max reduce_min reduce_or reduce_precision reduce_prod "
    "reduce_sum reduce_xor rem remat2 reshape rev round rsqrt scan scatter select_n "
    "shift_left shift_right_arithmetic shift_right_logical sign sin sinh slice sqrt "
    "square squeeze stop_gradient sub tan tanh threefry2x32 tile transpose unstack "
    "while xor".split()
)
_TRIED_TYPES = frozenset(
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 bfloat16 float16 float32 "
    "float64 complex64 complex128 key<fry>".split()
)
# Multiplications of a matrix product above which the library is faster: for one lane,
# and for each of several.
_SMALL_PRODUCT, _SMALL_PRODUCT_OF_MANY = 4096, 64
_SMALL_VALUE = 2**18  # bytes; larger ones are worth several threads
_SMALL_CONSTANT = 2**12  # bytes, well below what XLA keeps elsewhere


def is_small(equation: JaxprEqn, size: int) -> bool:
    """Whether an equation, `size` lanes together, may be a part of such a function."""
    return all(_is_small(part, size) for part in parts(equation))


def is_loop(equation: JaxprEqn) -> bool:
    """Whether an equation is a loop."""
    return equation.primitive.name in _LOOPS


def parts(equation: JaxprEqn) -> Iterator[JaxprEqn]:
    """The equation and all that it calls."""
    yield equation
    for jaxpr in _jaxprs.inner_jaxprs(equation):
        for inner in jaxpr.eqns:
            yield from parts(inner)


def largest_value(equation: JaxprEqn) -> int:
    """Bytes of the largest array that an equation computes."""
    calls = any(True for _ in _jaxprs.inner_jaxprs(equation))
    if calls or writes(equation):
        return 0  # computed by what it calls; or a row was written into a history
    return max((n_bytes(variable.aval) for variable in equation.outvars), default=0)


def writes(equation: JaxprEqn) -> bool:
    """Whether an equation is one that writes into an array."""
    return equation.primitive.name in _WRITES


def writes_apart(equation: JaxprEqn) -> bool:
    """Whether an equation, of all lanes together, writes to several places."""
    if equation.primitive.name != "scatter":
        return False
    places: Any = equation.invars[1].aval
    return places.size > places.shape[-1]


def n_bytes(aval: Any) -> int:
    """Bytes of an array of a type."""
    return math.prod(aval.shape) * aval.dtype.itemsize


def _is_small(equation: JaxprEqn, size: int) -> bool:
    name, atoms = equation.primitive.name, [*equation.invars, *equation.outvars]
    if name not in _TRIED or equation.effects:
        return False
    if not all(str(atom.aval.dtype) in _TRIED_TYPES for atom in atoms):
        return False
    if name == "dot_general" and not _is_small_product(equation, size):
        return False
    return largest_value(equation) <= _SMALL_VALUE


def _is_small_product(equation: JaxprEqn, size: int) -> bool:
    left: Any
    right: Any
    left, right = (operand.aval for operand in equation.invars)
    (contracted, _), (batch, _) = equation.params["dimension_numbers"]
    shared = math.prod(left.shape[axis] for axis in contracted)
    common = shared * math.prod(left.shape[axis] for axis in batch)
    rows, columns = left.size // common, right.size // common
    if size > 1:
        return rows * shared * columns <= _SMALL_PRODUCT_OF_MANY
    # With a vector among its factors it is a loop like any other.
    return 1 in (rows, shared, columns) or rows * shared * columns <= _SMALL_PRODUCT


class Constants:
    """Follows what is made of constants alone, which XLA may compute beforehand.

    Attributes:
        large: whether that may give a constant that XLA would keep elsewhere.
    """

    def __init__(self) -> None:
        self.large = False

    def see(self, literal: ArrayLike) -> bool:
        """Notes a literal; it is made of constants alone."""
        self.large |= n_bytes(jax.typeof(literal)) > _SMALL_CONSTANT
        return True

    def follow(self, equation: JaxprEqn, constant: list[bool]) -> list[bool]:
        """Says of an equation's results whether they are made of constants alone.

        Args:
            equation: the equation.
            constant: the same of its operands.
        """
        for inside, given in _inner_calls(equation, constant):
            _jaxprs.interpret(inside, given, self.follow, self.see)
        alone = all(constant)
        sizes = [n_bytes(variable.aval) for variable in equation.outvars]
        # XLA computes neither of these beforehand, unless it is a single number.
        if equation.primitive.name in ("broadcast_in_dim", "iota"):
            return [alone and size <= _SMALL_CONSTANT for size in sizes]
        self.large |= any(alone and size > _SMALL_CONSTANT for size in sizes)
        return [alone] * len(sizes)


def _inner_calls(
    equation: JaxprEqn, constants: list[bool]
) -> Iterator[tuple[ClosedJaxpr, list[bool]]]:
    """The jaxprs that an equation holds, and which of their arguments are constants."""
    if equation.primitive.name == "while":
        loop = _jaxprs.while_of(equation, constants)
        yield loop.test, [*loop.test_constants, *loop.carry]
        yield loop.body, [*loop.constants, *loop.carry]
        return
    given = constants[1:] if equation.primitive.name == "cond" else constants
    for jaxpr in _jaxprs.inner_jaxprs(equation):
        count = len(jaxpr.in_avals)
        yield jaxpr, given if len(given) == count else [all(constants)] * count
