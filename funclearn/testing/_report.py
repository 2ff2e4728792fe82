"""The description of an unintended broadcast: its place, operands and repair."""

import ast

from funclearn.testing._broadcasts import Broadcast
from funclearn.testing._sources import operand_trees

__all__ = ["describe"]

_ROLES = {"n1": "column", "1n": "row", "n": "flat"}
_ATOMS = ast.Name | ast.Attribute | ast.Subscript | ast.Call


def describe(broadcast: Broadcast) -> str:
    """The place and its source, the shapes, and what to write instead."""
    names = _names(broadcast)
    operands_met = " meets ".join(
        f"`{name}` {shape}" for name, shape in zip(names, broadcast.shapes, strict=True)
    )
    lines = [
        *_places(broadcast),
        f"{operands_met}, which gives {broadcast.result}.",
        f"Repair: {_repair(broadcast, names)}.",
    ]
    return "\n    ".join(lines)


def _places(broadcast: Broadcast) -> list[str]:
    if not broadcast.stack:
        return ["Within JAX; no line of other source led to it."]
    innermost = broadcast.stack[0]
    places = [innermost.describe()]
    if innermost.installed:
        own = [site for site in broadcast.stack if not site.installed]
        places += [f"called from {site.describe()}" for site in own[:1]]
    return places


def _names(broadcast: Broadcast) -> list[str]:
    """The operands as the source has them, or else words for their shapes."""
    site = broadcast.stack[0] if broadcast.stack else None
    nodes = operand_trees(site) if site and site.column is not None else []
    if len(nodes) != 2:
        return [_ROLES.get(_form(shape), "array") for shape in broadcast.shapes]
    texts = [(ast.unparse(node), isinstance(node, _ATOMS)) for node in nodes]
    return [text if atom else f"({text})" for text, atom in texts]


def _repair(broadcast: Broadcast, names: list[str]) -> str:
    # Only the call of an installed package is the user's to repair.
    if broadcast.stack and broadcast.stack[0].installed:
        return "give the arguments of that call one shape"
    forms = [_form(shape) for shape in broadcast.shapes]
    match dict(zip(forms, names, strict=True)):
        case {"n1": column, "n": flat}:
            return (
                f"`{column}[:, 0]` or `{flat}[:, None]`; if every pair is meant, "
                f"`{flat}[None, :]`"
            )
        case {"1n": row, "n": flat}:
            return f"`{row}[0]`; if the one row is meant, `{flat}[None, :]`"
        case {"n1": column, "1n": row}:
            return (
                f"`{column}[:, 0]` and `{row}[0]`; if every pair is meant, "
                f"`{row}[0][None, :]`"
            )
    return "`reshape` one to the shape of the other, or insert the axis that is meant"


def _form(shape: tuple[int, ...]) -> str:
    return "".join("1" if length == 1 else "n" for length in shape)
