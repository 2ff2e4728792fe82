"""What a setting of an experiment may be: said in its type, checked when it is made."""

import dataclasses
import typing
from typing import Annotated, TypeAlias

__all__ = [
    "Count",
    "Counts",
    "Devices",
    "Fraction",
    "Momentum",
    "NotNegative",
    "Positive",
    "Positives",
    "Range",
    "Seed",
    "Settings",
]


@dataclasses.dataclass(frozen=True)
class Range:
    """The numbers that a setting may be, and in a tuple each of them.

    Attributes:
        least: the smallest one.
        most: the largest one.
        ends: whether `least` and `most` themselves are among them.
    """

    least: float
    most: float
    ends: bool = True

    def __contains__(self, value: float) -> bool:
        """Says whether a number lies in the range; NaN never does."""
        if self.ends:
            return self.least <= value <= self.most
        return self.least < value < self.most

    def __str__(self) -> str:
        """The range in words."""
        if self.ends:
            return f"from {self.least:.10g} to {self.most:.10g}"
        return f"between {self.least:.10g} and {self.most:.10g}"


# A million epochs, rows or runs end within minutes; more is a slip of the keyboard.
Count: TypeAlias = Annotated[int, Range(1, 10**6)]
Devices: TypeAlias = Annotated[int, Range(1, 256)]
Counts: TypeAlias = Annotated[tuple[int, ...], Range(1, 10**6)]
Seed: TypeAlias = Annotated[int, Range(0, 2**31 - 1)]
# float32 has numbers from 1e-38 to 3e38; squares of these must be numbers too.
Positive: TypeAlias = Annotated[float, Range(1e-18, 1e18)]
Positives: TypeAlias = Annotated[tuple[float, ...], Range(1e-18, 1e18)]
NotNegative: TypeAlias = Annotated[float, Range(0, 1e18)]
# At a momentum of 1 a run keeps every step that it ever took.
Momentum: TypeAlias = Annotated[float, Range(0, 0.999)]
Fraction: TypeAlias = Annotated[float, Range(0, 1, ends=False)]


class Settings:
    """The base of every `Config`, a frozen dataclass.

    Raises:
        ValueError: when it is made with a number outside the range of its field's
            type, or with an empty tuple.
    """

    def __post_init__(self) -> None:
        """Checks every field whose type has a range."""
        hints = typing.get_type_hints(type(self), include_extras=True)
        for name, hint in hints.items():
            if getattr(self, name) == ():
                raise ValueError(f"{name} must hold at least one value; got none.")
            for allowed in getattr(hint, "__metadata__", ()):
                if isinstance(allowed, Range):
                    _check(name, getattr(self, name), allowed)

    def prepare(self) -> None:
        """Does what must be done before JAX begins; nothing, unless a `Config` does."""


def _check(name: str, value: float | tuple[float, ...], allowed: Range) -> None:
    must = "must hold numbers" if isinstance(value, tuple) else "must be"
    for number in value if isinstance(value, tuple) else (value,):
        if number not in allowed:
            raise ValueError(f"{name} {must} {allowed}; got {number}.")
