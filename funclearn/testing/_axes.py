"""Where the axes of length 1 in a jaxpr come from.

An axis either comes with the data or is inserted, by an expression of its own
(`targets[None, :]`) or by an operation whose operands differ in rank (`predictions -
targets`). `follow` derives the origins of an equation's result from those of its
operands.
"""

import operator
from collections.abc import Collection
from typing import NamedTuple, SupportsIndex, TypeAlias

from funclearn._jaxprs import JaxprEqn, Literal, Var
from funclearn.testing._sources import Site

__all__ = ["ELEMENTWISE", "Operand", "Origin", "Origins", "follow", "operand"]

ELEMENTWISE = frozenset(
    "add add_any and atan2 clamp complex div eq ge gt le lt max min mul ne nextafter "
    "or pow rem select_n sub xor".split()
)
"""The primitives of which two operands may stretch each other."""

# They compute nothing from their operand, which counts as untouched.
_KEEPING = frozenset({"convert_element_type", "copy", "stop_gradient"})

_Axes: TypeAlias = Collection[SupportsIndex]
"""Axes as parameters of equations have them; after `vmap` some are NumPy integers."""


class Origin(NamedTuple):
    """Where an axis of length 1 comes from.

    Attributes:
        site: the expression that inserted it; None if not known.
        inserted: False if it came with the data, as an argument or a single column.
        alone: whether that expression does nothing else: `x[:, None]`, but not
            `x.sum(1, keepdims=True)` or `zeros((n, 1))`.
        untouched: whether nothing was computed from the value since.
        at_hand: whether all computations since are in the same function.
        stretched: the site, in a tuple, that stretched it to another length.
    """

    site: Site | None = None
    inserted: bool = False
    alone: bool = True
    untouched: bool = True
    at_hand: bool = True
    stretched: tuple[Site | None, ...] = ()

    def implicit(self, site: Site | None) -> bool:
        """Whether the operation at `site` inserted the axis itself."""
        return self.inserted and self.site == site

    def written(self, site: Site | None) -> bool:
        """Whether it was inserted within the expression of the operation at `site`."""
        if not (self.inserted and self.alone) or self.site == site:
            return False
        if self.site is None or site is None:
            return self.untouched
        return self.at_hand and site.contains(self.site)

    def explicit(self, site: Site | None) -> bool:
        """Whether the reader of the operation at `site` has seen the axis inserted.

        That is within its expression, or before it in a function that the reader sees.
        """
        if self.written(site):
            return True
        seen = self.site is not None and site is not None and site.sees(self.site)
        return (
            self.inserted
            and self.alone
            and self.untouched
            and seen
            and not (self.implicit(site))
        )


Origins = tuple[Origin | None, ...]
"""One for every axis; None for an axis of another length that nothing stretched."""


class Operand(NamedTuple):
    """An operand: its shape, and where its axes of length 1 come from."""

    shape: tuple[int, ...]
    origins: Origins


def operand(atom: Var | Literal, origins: Origins | None, site: Site | None) -> Operand:
    """An operand as it was before the operation at `site` began to stretch it.

    Args:
        atom: a variable or literal of a jaxpr.
        origins: of its axes; None where they are the data's own.
        site: of the operation.
    """
    shape = _shape(atom)
    if origins is None or len(origins) != len(shape):
        origins = _fill(shape, Origin())
    lengths = (
        1 if origin and origin.stretched == (site,) else length
        for length, origin in zip(shape, origins, strict=True)
    )
    return Operand(tuple(lengths), origins)


def follow(equation: JaxprEqn, inputs: list[Operand], new: Origin) -> Origins:
    """The origins of the axes of an equation's first output.

    Args:
        equation: one that holds no jaxprs.
        inputs: its operands.
        new: the origin of an axis that this equation inserts.
    """
    name, parameters = equation.primitive.name, equation.params
    shape = _shape(equation.outvars[0]) if equation.outvars else ()
    if not any(item.shape for item in inputs):
        # To fill a shape, as `zeros((n, 1))` does, is more than to insert an axis.
        return _fill(shape, new._replace(alone=False))
    first = inputs[0].origins
    match name:
        case "broadcast_in_dim":
            return _stretch(shape, inputs[0], parameters["broadcast_dimensions"], new)
        case "reshape":
            return _fill(shape, new)
        case "transpose":
            return tuple(first[axis] for axis in parameters["permutation"])
        case "squeeze":
            return _without(first, parameters["dimensions"])
        # Reductions call the axes that they remove `axes`.
        case _ if "axes" in parameters and len(inputs) == 1:
            left = _without(first, parameters["axes"])
            return tuple(origin and _touch(origin, new.site) for origin in left)
        case _ if name in _KEEPING:
            return first
        case _ if name in ELEMENTWISE or len(inputs) == 1:
            return _compute(shape, inputs, new.site)
    # Products, gathers and others make axes that count as the data's.
    return _fill(shape, Origin())


def _shape(atom: Var | Literal) -> tuple[int, ...]:
    return tuple(getattr(atom.aval, "shape", ()))


def _fill(shape: tuple[int, ...], origin: Origin) -> Origins:
    return tuple(origin if length == 1 else None for length in shape)


def _stretch(
    shape: tuple[int, ...], operand: Operand, dimensions: _Axes, new: Origin
) -> Origins:
    origins: dict[int, Origin | None] = dict.fromkeys(range(len(shape)), new)
    axes = [*map(operator.index, dimensions)]
    origins |= zip(axes, operand.origins, strict=True)
    before = dict(zip(axes, operand.shape, strict=True))
    return tuple(
        origin._replace(stretched=(new.site,))
        if origin and shape[axis] > before.get(axis, 1)
        else origin
        for axis, origin in origins.items()
    )


def _without(origins: Origins, axes: _Axes) -> Origins:
    return tuple(origin for axis, origin in enumerate(origins) if axis not in axes)


def _compute(
    shape: tuple[int, ...], inputs: list[Operand], site: Site | None
) -> Origins:
    """The origins after an elementwise operation, which keeps inserted axes so."""
    origins = list(_fill(shape, Origin()))
    for item in inputs:
        if len(item.shape) == len(shape):
            for axis, origin in enumerate(item.origins):
                if origins[axis] and origin and origin.inserted:
                    origins[axis] = _touch(origin, site)
    if len(inputs) == 1:
        # An expression may stretch its operands before it joins them, as `jnp.hypot`.
        for axis, origin in enumerate(inputs[0].origins):
            if origin and origin.stretched == (site,):
                origins[axis] = origin
    return tuple(origins)


def _touch(origin: Origin, site: Site | None) -> Origin:
    here = bool(site and origin.site and site.code is origin.site.code)
    return origin._replace(untouched=False, at_hand=origin.at_hand and here)
