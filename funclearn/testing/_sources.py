"""The place in the user's source that an equation of a jaxpr comes from.

JAX keeps the Python stack of every equation that it traces, and Python keeps for every
instruction the range of source that it was compiled from. Together they give the
expression: `targets[None, :]` and the subtraction around it are two places on one line.
"""

import ast
import functools
import linecache
import os
from collections.abc import Iterator
from itertools import takewhile
from types import CodeType
from typing import NamedTuple

from funclearn import _jaxprs
from funclearn._jaxprs import JaxprEqn
from funclearn.testing import _calls

__all__ = ["Place", "Site", "n_expanded", "operand_trees", "place_of", "sites_of"]

_INSERTING = frozenset({"expand_dims", "reshape", "broadcast_to"})

# Where JAX keeps `jnp.vectorize`, which stretches by a `vmap` for every axis.
_VECTORIZE = os.path.join("numpy", "vectorize.py")


class Site(NamedTuple):
    """An expression of a function; the columns are None where Python kept none."""

    code: CodeType
    line: int
    end_line: int
    column: int | None
    end_column: int | None

    @property
    def installed(self) -> bool:
        """Whether it stands in an installed package."""
        path = self.code.co_filename.split(os.sep)
        return "site-packages" in path or "dist-packages" in path

    def sees(self, other: "Site") -> bool:
        """Whether `other` is in the same function, or in one around it."""
        return _encloses(other.code, self.code)

    def contains(self, other: "Site") -> bool:
        """Whether `other` is a part of this expression."""
        return (
            self.code is other.code
            and (self.line, self.column or 0) <= (other.line, other.column or 0)
            and (other.end_line, other.end_column or 0)
            <= (self.end_line, self.end_column or 0)
        )

    def describe(self) -> str:
        """The place and its source, as Python's own tracebacks show them."""
        place = f"{self.code.co_filename}:{self.line}, in {self.code.co_qualname}"
        source = [line.strip() for line in _lines(self)]
        return "\n    ".join([place, *(source or ["(its source is not available)"])])


class Place(NamedTuple):
    """Where an operation stands.

    Attributes:
        stack: the expressions that led to it, innermost first.
        vectorized: whether it stands in a function that `jnp.vectorize` stretches.
    """

    stack: tuple[Site, ...]
    vectorized: bool = False

    @property
    def site(self) -> Site | None:
        """The expression of the operation itself; None if it is not known."""
        return self.stack[0] if self.stack else None


def place_of(equation: JaxprEqn, outer: Place) -> Place:
    """The place of an equation within an equation at the place `outer`."""
    sites, inside = sites_of(equation), _n_vectorized(equation)
    # The call of a vectorised function is what stretches its arguments.
    sites = sites[inside:] if inside is not None else sites
    vectorized = outer.vectorized or inside is not None
    return Place((*sites, *outer.stack), vectorized)


def sites_of(equation: JaxprEqn) -> list[Site]:
    """The expressions outside JAX that led to an equation, the innermost first.

    Where JAX traces a function separately, as for `jit`, the calls of that function are
    the sites of the outer equation. Where JAX keeps no frames there are no sites:
    broadcasts are then judged by shapes and data flow alone.
    """
    return [
        _site(*frame)
        for frame in _frames(equation)
        if not frame[0].co_filename.startswith(_calls.JAX)
    ]


def _n_vectorized(equation: JaxprEqn) -> int | None:
    """How many sites of an equation are within a call of `jnp.vectorize`'s result.

    None if it is not within such a call.
    """
    inside = 0
    for code, _ in _frames(equation):
        if code.co_filename.endswith(_VECTORIZE) and code.co_name == "wrapped":
            return inside
        inside += not code.co_filename.startswith(_calls.JAX)
    return None


def _frames(equation: JaxprEqn) -> Iterator[tuple[CodeType, int]]:
    # The frames below are the user's; the library calls their function in `_calls`.
    return takewhile(
        lambda frame: frame[0].co_filename != _calls.__file__,
        _jaxprs.frames(equation),
    )


def operand_trees(site: Site) -> list[ast.AST]:
    """The syntax trees of the operands of the operator or call at a site.

    Without columns these are all expressions of its line; without source, none.
    """
    lines = [line.encode() for line in _lines(site)]
    if not lines:
        return []
    lines[-1] = lines[-1][: site.end_column]
    lines[0] = lines[0][site.column :]
    tree = _parse(b"".join(lines).decode().strip())
    if site.column is None:
        return list(ast.walk(tree))
    match tree:
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.Compare(left=left, comparators=rest):
            return [left, *rest]
        case ast.AugAssign(target=target, value=value):
            return [target, value]
        case ast.Call(args=arguments):
            return list(arguments)
    return []


def n_expanded(site: Site) -> int:
    """How many operands at a site insert an axis within their own source."""
    return sum(map(_inserts, operand_trees(site)))


def _inserts(node: ast.AST) -> bool:
    """Whether an operand's own source inserts an axis, perhaps in a NumPy array."""
    match node:
        case ast.Subscript(slice=ast.Tuple(elts=parts)):
            return any(map(_is_newaxis, parts))
        case ast.Subscript(slice=part):
            return _is_newaxis(part)
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name in _INSERTING
        case ast.BinOp(left=left, right=right):
            return _inserts(left) or _inserts(right)
        case ast.UnaryOp(operand=inner):
            return _inserts(inner)
    return False


def _is_newaxis(node: ast.AST) -> bool:
    return ast.unparse(node).rpartition(".")[2] in {"None", "newaxis"}


def _parse(text: str) -> ast.AST:
    # Only parentheses let an expression span lines, but no statement may have them.
    for source in f"({text})", text:
        try:
            statement = ast.parse(source).body[0]
        except SyntaxError:
            continue
        return statement.value if isinstance(statement, ast.Expr) else statement
    return ast.Module([], [])


def _encloses(outer: CodeType, inner: CodeType) -> bool:
    return outer is inner or any(
        _encloses(constant, inner)
        for constant in outer.co_consts
        if isinstance(constant, CodeType)
    )


@functools.lru_cache(maxsize=1024)
def _site(code: CodeType, instruction: int) -> Site:
    # `co_positions` counts instructions, of two bytes each; JAX counts bytes.
    line, end_line, column, end_column = list(code.co_positions())[instruction // 2]
    line = line or code.co_firstlineno
    return Site(code, line, end_line or line, column, end_column)


def _lines(site: Site) -> list[str]:
    # `linecache` also has the source of notebook cells, which are no files.
    return linecache.getlines(site.code.co_filename)[site.line - 1 : site.end_line]
