"""The equations of a jaxpr in mathematical notation, with the axes they work along."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from funclearn._jaxprs import JaxprEqn, ShapedArray

__all__ = ["formula"]

_INFIX = {
    "add": "+",
    "add_any": "+",
    "sub": "-",
    "mul": "·",
    "div": "/",
    "rem": "mod",
    "pow": "^",
    "eq": "==",
    "ne": "≠",
    "lt": "<",
    "le": "≤",
    "gt": ">",
    "ge": "≥",
    "and": "and",
    "or": "or",
}
# Written without spaces, since they take precedence over the others.
_TIGHT = {"·", "^"}
_TEMPLATES = {
    "abs": "|{}|",
    "expm1": "exp({}) - 1",
    "log1p": "ln(1 + {})",
    "name": "{}",
    "neg": "-{}",
    "not": "not {}",
    "rsqrt": "1 / √{}",
    "sqrt": "√{}",
    "square": "{}²",
}
_WORDS = {
    "concatenate": "join",
    "log": "ln",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_prod": "product",
    "reduce_sum": "sum",
    "rev": "reverse",
}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")

# Parameters that name axes of the first operand; where they name all, none is written.
_AXES = frozenset("axes axis dimension dimensions".split())
# They are written as they are: their place in NumPy's function of this name tells.
_PLAIN = frozenset("k new_sizes permutation reps sizes shape".split())
# Written by a name; left out where they are as usual: no steps, no gaps, one key.
_NAMED = {
    "base_dilation": ("dilation", 1),
    "exponent_bits": ("exponent", None),
    "lhs_dilation": ("left dilation", 1),
    "mantissa_bits": ("mantissa", None),
    "num_keys": ("keys", 1),
    "padding": ("padding", 0),
    "rhs_dilation": ("right dilation", 1),
    "window_dilation": ("window dilation", 1),
    "window_dimensions": ("window", None),
    "window_strides": ("strides", 1),
}
_FLAGS = frozenset("lower reverse transpose_a unit_diagonal".split())

_Parameters: TypeAlias = dict[str, Any]
"""The parameters of an equation, whose types depend on its primitive."""

_Shapes: TypeAlias = list[tuple[int, ...]]
"""The shapes of an equation's operands."""


def formula(equation: JaxprEqn, operands: Sequence[str]) -> str:
    """Writes an equation of a jaxpr in mathematical notation.

    Args:
        equation: the equation.
        operands: its operands, as they are to be written.
    """
    name, params = equation.primitive.name, equation.params
    # `x - (-2)` instead of `x - -2`.
    signed = [f"({text})" if text.startswith("-") else text for text in operands]
    if name in _INFIX and len(operands) == 2:
        sign = _INFIX[name] if _INFIX[name] in _TIGHT else f" {_INFIX[name]} "
        return sign.join(signed)
    if name in _TEMPLATES:
        return _TEMPLATES[name].format(*signed)
    shapes = [cast(ShapedArray, atom.aval).shape for atom in equation.invars]
    if name in _SPECIAL:
        return _SPECIAL[name](params, shapes, *operands)
    settings = _settings(params, len(shapes[0]) if shapes else 0)
    return f"{_WORDS.get(name, name)}({', '.join([*operands, *settings])})"


def _settings(params: _Parameters, ndim: int) -> Iterator[str]:
    """What a formula has to say besides its operands."""
    for key, value in params.items():
        if value is None:
            continue
        if key in _AXES:
            yield from _along(value, ndim)
        elif key in _PLAIN:
            yield _plain(value)
        elif key in _NAMED:
            name, usual = _NAMED[key]
            if set(np.ravel(value)) != {usual}:
                yield f"{name}={_plain(value)}"
        elif key in _FLAGS and value:
            yield key


def _along(axes: Any, ndim: int) -> Iterator[str]:
    """The axes that an operation works along, unless they are all that there are."""
    numbers = [int(axis) for axis in np.ravel(axes)]
    if len(numbers) == 1 < ndim:
        yield f"axis={numbers[0]}"
    elif len(numbers) < ndim:
        yield f"axes={_plain(numbers)}"


def _plain(value: Any) -> str:
    """Integers and tuples of them, of whatever types, as Python writes them."""

    def plain(part: Any) -> Any:
        return tuple(map(plain, part)) if np.ndim(part) else int(part)

    return str(plain(value))


def _power(params: _Parameters, shapes: _Shapes, base: str) -> str:
    return base + str(params["y"]).translate(_SUPERSCRIPTS)


def _product(params: _Parameters, shapes: _Shapes, left: str, right: str) -> str:
    contracted, batch = params["dimension_numbers"]
    (n_left, n_right), (first, second) = map(len, shapes), contracted
    single = len(first) == 1 and n_right <= 2 and not any(batch)
    if single and (first[0] == n_left - 1 or n_left == 2):
        # The last axis of one against the first of the other, once transposed.
        turned = first[0] != n_left - 1, second[0] != 0
        sides = zip((left, right), turned, strict=True)
        return " @ ".join(name + "ᵀ" * turn for name, turn in sides)
    along = [f"axes={_plain(contracted)}"]
    along += [f"batch={_plain(batch)}"] * any(batch)
    return f"dot({', '.join([left, right, *along])})"


def _choice(params: _Parameters, shapes: _Shapes, which: str, *cases: str) -> str:
    # `select_n` has the case for false first.
    if len(cases) == 2:
        return f"{cases[1]} if {which} else {cases[0]}"
    return f"{which} of ({', '.join(cases)})"


def _section(params: _Parameters, shapes: _Shapes, array: str) -> str:
    starts, stops, strides = (
        params[key] for key in ("start_indices", "limit_indices", "strides")
    )
    steps = [f":{stride}" for stride in strides] if strides else [""] * len(starts)
    spans = zip(starts, stops, steps, strict=True)
    return f"{array}[{', '.join(f'{a}:{b}{step}' for a, b, step in spans)}]"


def _dynamic(params: _Parameters, shapes: _Shapes, array: str, *starts: str) -> str:
    spans = zip(starts, params["slice_sizes"], strict=True)
    return f"{array}[{', '.join(f'{start}:{start}+{size}' for start, size in spans)}]"


def _broadcast(params: _Parameters, shapes: _Shapes, *operands: str) -> str:
    shape, axes = params["shape"], [*map(int, params["broadcast_dimensions"])]
    # NumPy puts what it broadcasts along the last axes.
    last = [*range(len(shape) - len(axes), len(shape))]
    along = [] if axes == last else [*_along(axes, len(shape) + 1)]
    return f"broadcast({', '.join([*operands, _plain(shape), *along])})"


def _stack(params: _Parameters, shapes: _Shapes, *operands: str) -> str:
    return f"stack({', '.join(operands)}, axis={params['axis']})"


def _indexed(name: str, key: str) -> Callable[..., str]:
    """Writes a gather or scatter with the axes that its indices are of."""

    def write(params: _Parameters, shapes: _Shapes, *operands: str) -> str:
        axes = getattr(params["dimension_numbers"], key)
        along = _along(axes, len(shapes[0]))
        return f"{name}({', '.join([*operands, *along])})"

    return write


def _transposed(params: _Parameters, shapes: _Shapes, array: str) -> str:
    permutation = _plain(params["permutation"])
    return (
        f"{array}ᵀ" if permutation == "(1, 0)" else f"transpose({array}, {permutation})"
    )


def _fourier(params: _Parameters, shapes: _Shapes, array: str) -> str:
    # The name of the kind tells a transform from its inverse.
    kind = getattr(params["fft_type"], "name", str(params["fft_type"])).lower()
    return f"{kind}({array}, lengths={_plain(params['fft_lengths'])})"


def _scan(params: _Parameters, shapes: _Shapes, *operands: str) -> str:
    backwards = ", reverse" if params["reverse"] else ""
    return f"scan[{params['length']}{backwards}]({', '.join(operands)})"


def _padded(params: _Parameters, shapes: _Shapes, array: str, value: str) -> str:
    return f"pad({array}, {value}, {_plain(params['padding_config'])})"


def _custom(params: _Parameters, shapes: _Shapes, *operands: str) -> str:
    function = params["call_jaxpr"].jaxpr.debug_info.func_name
    return f"{function}({', '.join(operands)})"


_SPECIAL: dict[str, Callable[..., str]] = {
    "broadcast_in_dim": _broadcast,
    "convert_element_type": lambda params, _, x: f"{params['new_dtype'].name}({x})",
    "custom_jvp_call": _custom,
    "custom_vjp_call": _custom,
    "dot_general": _product,
    "dynamic_slice": _dynamic,
    "fft": _fourier,
    "gather": _indexed("gather", "start_index_map"),
    "integer_pow": _power,
    "pad": _padded,
    "scan": _scan,
    "select_n": _choice,
    "slice": _section,
    "stack": _stack,
    "transpose": _transposed,
    **{
        name: _indexed(name, "scatter_dims_to_operand_dims")
        for name in "scatter scatter-add scatter-max scatter-min scatter-mul".split()
    },
}
