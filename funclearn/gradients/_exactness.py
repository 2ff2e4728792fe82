"""Which results of operations in float64 were not rounded.

An exact result is the only right one: to move it at random would say of `2 * x >= 1`
at one half that nobody knows. No wider type is needed to see it:

- a sum is exact if each of its terms is what the other one leaves of it;
- factors of at most 26 bits, half of those of float64, have an exact product;
- multiples of one unit add up exactly while no sum of them has more than 53 bits;
- 0 and ±1 are the only places where elementary functions have values of few digits.

References:
    Dekker, A floating-point technique for extending the available precision,
    Numerische Mathematik 18, 1971.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias, cast

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool

from funclearn._jaxprs import JaxprEqn, Literal, ShapedArray, Var
from funclearn.gradients._rounding import Value, is_inexact

__all__ = ["ADD_PRODUCTS", "is_exact", "is_touchy", "n_terms", "never_rounds"]

_Answer: TypeAlias = bool | Bool[Array, "..."]

ADD_PRODUCTS = ("conv_general_dilated", "dot_general")
"""They round products, and then sums of these."""

_BITS = 53
_HALF = 26

# They move or choose numbers, or make integers of them, and round nothing.
_NEVER_ROUND = {
    *("abs", "all_gather", "argmax", "argmin", "broadcast_in_dim", "ceil", "clamp"),
    *("complex", "concatenate", "conj", "convert_element_type", "copy", "copy_p"),
    *("cummax", "cummin", "device_put", "dynamic_slice", "dynamic_update_slice"),
    *("floor", "gather", "imag", "iota", "max", "min", "name", "neg", "nextafter"),
    *("optimization_barrier", "pad", "pvary", "real", "reduce_max", "reduce_min"),
    *("reduce_window_max", "reduce_window_min", "rem", "reshape", "reshard", "rev"),
    *("round", "scatter", "scatter-max", "scatter-min", "select_and_gather_add"),
    *("select_n", "sharding_constraint", "sign", "slice", "sort", "split", "squeeze"),
    *("stop_gradient", "tile", "top_k", "transpose"),
}

# At a jump, a pole, a branch cut or the edge of where an operation is defined, a small
# error of an operand is no small one of the result. These have nothing of the kind.
_CONTINUOUS = {
    *("add", "add_any", "asinh", "atan", "cbrt", "conv_general_dilated", "cos", "cosh"),
    *("cumlogsumexp", "cumprod", "cumsum", "dot_general", "erf", "erfc", "exp", "exp2"),
    *("expm1", "integer_pow", "logistic", "mul", "reduce_prod", "reduce_sum", "sin"),
    *("sinh", "square", "sub", "tan", "tanh"),
} | _NEVER_ROUND - {
    *("argmax", "argmin", "ceil", "floor", "nextafter", "rem", "round", "sign", "sort"),
    *("top_k",),
}

# Of complex numbers they take a root.
_ROUND_COMPLEX = {"abs", "sign"}


def never_rounds(equation: JaxprEqn) -> bool:
    """Whether an operation is exact, whatever it is given."""
    name = equation.primitive.name
    return name in _NEVER_ROUND and not (
        name in _ROUND_COMPLEX and _is_complex(equation.invars[0])
    )


def is_exact(
    equation: JaxprEqn, operands: Sequence[Value], result: Value | None
) -> bool | Bool[Array, "..."]:
    """Where the result of an operation was not rounded, as far as can be seen.

    Args:
        equation: the operation.
        operands: what it was given, in float64.
        result: the first that it gave; `ADD_PRODUCTS` need none.

    Returns:
        One answer, or one for each number of the result.
    """
    rule = _RULES.get(equation.primitive.name)
    if rule is None or not all(map(is_inexact, operands)):
        return False
    if rule not in (_sum, _difference) and any(map(_is_complex, equation.invars)):
        return False
    given = (*operands, result)
    return rule(equation, *(jnp.asarray(value) for value in given if value is not None))


def _is_complex(atom: Var | Literal) -> bool:
    return jnp.issubdtype(cast(ShapedArray, atom.aval).dtype, jnp.complexfloating)


def is_touchy(equation: JaxprEqn) -> bool:
    """Whether a rounded operand can give a result that is altogether another one."""
    operands, results = (
        [is_inexact(cast(ShapedArray, atom.aval)) for atom in atoms]
        for atoms in (equation.invars, equation.outvars)
    )
    is_continuous = equation.primitive.name in _CONTINUOUS
    return any(operands) and not (is_continuous and all(results))


def n_terms(equation: JaxprEqn) -> float:
    """How many numbers an operation adds up to one."""
    if equation.primitive.name not in ("dot_general", "reduce_sum"):
        return 1.0
    atoms = [*equation.invars, *equation.outvars]
    *sizes, size = (max(cast(ShapedArray, atom.aval).size, 1) for atom in atoms)
    return (math.prod(sizes) / size) ** (1 / len(sizes))


def _sum(_: JaxprEqn, x: Array, y: Array, result: Array) -> _Answer:
    # XLA takes (x + 1) - 1 for x, unless it does not see where the sum is from.
    result = lax.optimization_barrier(result)
    return (result - x == y) & (result - y == x)


def _difference(equation: JaxprEqn, x: Array, y: Array, result: Array) -> _Answer:
    return _sum(equation, x, -y, result)


def _product(_: JaxprEqn, x: Array, y: Array, result: Array) -> _Answer:
    del result
    return (_has_bits(x, _HALF) & _has_bits(y, _HALF)) | _is_power(x) | _is_power(y)


def _quotient(_: JaxprEqn, x: Array, y: Array, result: Array) -> _Answer:
    is_short = _has_bits(result, _HALF) & _has_bits(y, _HALF)
    return (is_short & (result * y == x)) | _is_power(y)


def _root(_: JaxprEqn, x: Array, result: Array) -> _Answer:
    return _has_bits(result, _HALF) & (result * result == x)


def _power(equation: JaxprEqn, x: Array, result: Array) -> _Answer:
    del result
    exponent = equation.params.get("y", 2)
    bits = _BITS // exponent if exponent > 0 else 1
    return jnp.full(x.shape, exponent == 0) | _has_bits(x, max(bits, 1))


def _elementary(_: JaxprEqn, x: Array, result: Array) -> _Answer:
    return ((x == 0) | (jnp.abs(x) == 1)) & _has_bits(result, _HALF)


def _total(_: JaxprEqn, x: Array, result: Array) -> _Answer:
    del result
    return _are_multiples(x, _BITS - 1 - math.log2(max(x.size, 1)))


def _total_of_products(equation: JaxprEqn, x: Array, y: Array) -> _Answer:
    is_convolution = equation.primitive.name == "conv_general_dilated"
    count = y.size if is_convolution else n_terms(equation)
    bits = (_BITS - 3 - math.log2(max(count, 1))) / 2
    return _are_multiples(x, bits) & _are_multiples(y, bits)


def _has_bits(x: Array, count: int) -> Bool[Array, "..."]:
    """Which numbers have no more than so many significant bits."""
    # The first one is not stored. All exponents of float64 have 11 bits.
    return lax.reduce_precision(x, 11, count - 1) == x


def _is_power(x: Array) -> Bool[Array, "..."]:
    """Which numbers are powers of two, or zero."""
    return _has_bits(x, 1)


def _are_multiples(x: Array, bits: float) -> Bool[Array, ""]:
    """Whether all numbers are multiples of the last of so many bits of the largest."""
    largest = lax.reduce_precision(jnp.max(jnp.abs(x), initial=0.0), 11, 0)
    unit = largest * 2.0 ** -math.floor(bits)
    multiples = x / jnp.where(unit > 0, unit, 1.0)
    return jnp.all(multiples == jnp.round(multiples))


_RULES = {
    **dict.fromkeys(("add", "add_any"), _sum),
    "sub": _difference,
    "mul": _product,
    "div": _quotient,
    "sqrt": _root,
    **dict.fromkeys(("integer_pow", "square"), _power),
    **dict.fromkeys(("cumsum", "reduce_sum"), _total),
    **dict.fromkeys(ADD_PRODUCTS, _total_of_products),
    **dict.fromkeys(
        (
            *("acos", "acosh", "asin", "asinh", "atan", "atanh", "cbrt", "cos", "cosh"),
            *("digamma", "erf", "erf_inv", "erfc", "exp", "exp2", "expm1", "lgamma"),
            *("log", "log1p", "logistic", "rsqrt", "sin", "sinh", "tan", "tanh"),
        ),
        _elementary,
    ),
}
