"""Columns of a table, asked for by name or by position."""

import difflib
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from funclearn._checks import integer_at_least
from funclearn.data._table_cells import numbers, shown
from funclearn.data._table_layout import NAMES

__all__ = ["Column", "Columns", "Header"]

Column: TypeAlias = str | int
"""A column by name, or by position, counted from 0."""

Columns: TypeAlias = Column | Sequence[Column] | None
"""One column, several, or None for all named ones but the target."""


class Header(NamedTuple):
    """The columns of a table.

    Attributes:
        source: what to call the table in messages.
        names: of the columns; without a header, their positions.
        line: that the names stand on.
    """

    source: str
    names: tuple[Column, ...]
    line: int = 1

    def choose(self, target: Column, inputs: Columns) -> tuple[int, list[int]]:
        """Where the target and the inputs stand.

        Raises:
            TypeError: if a column is asked for by neither a name nor a position.
            ValueError: if a column is missing, named twice or asked for twice.
        """
        self._check_names(target)
        at = self.position("target", target)
        if inputs is None:
            others = [
                one for one, name in enumerate(self.names) if one != at and name != ""
            ]
            if not others:
                raise ValueError(f"{self.source} has one column; inputs need another.")
            return at, others
        wanted = [inputs] if isinstance(inputs, str | int) else list(inputs)
        found = [self.position("inputs", one) for one in wanted]
        if not found:
            raise ValueError("inputs must name at least one column; got none.")
        if len({at, *found}) <= len(found):
            raise ValueError(
                "inputs must name columns once each, and not the target; got "
                f"{inputs!r} with target {target!r}."
            )
        return at, found

    def position(self, argument: str, column: Column) -> int:
        """Where a column stands.

        Raises:
            TypeError: if it is asked for by neither a name nor a position.
            ValueError: if there is no such column, or there are several.
        """
        source, names, _ = self
        if not isinstance(column, str):
            at = integer_at_least(argument, column, 0)
            if at < len(names):
                return at
            raise ValueError(
                f"{argument} must be less than the number of columns of {source}, "
                f"{len(names)}; got {at}."
            )
        if names == tuple(range(len(names))):
            raise ValueError(
                f"{argument} must be a position where header=False; got {column!r}."
            )
        if names.count(column) != 1:
            listed = ", ".join(shown(str(name)) for name in names[:12])
            more = f" and {len(names) - 12} others" if len(names) > 12 else ""
            raise ValueError(
                f"{argument} must name one column of {source}; {column!r} names "
                f"{names.count(column)} of {listed}{more}{self._hint(column)}."
            )
        return names.index(column)

    def _check_names(self, target: Column) -> None:
        # Years may be names; who asks for one by its name knows so.
        names = [str(name) for name in self.names]
        if isinstance(target, str) or names == [*map(str, range(len(names)))]:
            return
        if len(numbers(names, ".")) == len(set(names)):
            raise ValueError(
                f"{self.source}, line {self.line} should hold names but holds numbers "
                f"alone, {','.join(names)}; pass header=False if it is data."
            )

    def _hint(self, column: str) -> str:
        if self.names.count(column) > 1:
            return "; ask for it by its position"
        (first, *others) = map(str, self.names)
        if len(numbers([first, *others], ".")) == len({first, *others}):
            return "; if they are data, pass header=False and a position"
        for delimiter, word in NAMES.items():
            if not others and delimiter in first.strip():
                return (
                    f"; this looks like a table with {word}: pass "
                    f"delimiter={delimiter!r}"
                )
        close = difflib.get_close_matches(column, [first, *others], n=1)
        return f"; {close[0]!r} is close" if close else ""
