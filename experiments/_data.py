"""Readings of one quantity and what they stand for: the thermometer's, or a file's."""

from pathlib import Path
from typing import NamedTuple

import funclearn as fl

__all__ = ["Readings", "label", "power", "quantity", "readings"]

THERMOMETER_UNIT = "unknown unit"


class Readings(NamedTuple):
    """Inputs and targets, and what they are called.

    Attributes:
        data: inputs and targets, both `(n,)`.
        input_name: with the unit in parentheses at its end, if there is one.
        target_name: likewise.
    """

    data: fl.Dataset
    input_name: str
    target_name: str

    @property
    def unit(self) -> str:
        """The target's unit; empty where its name has none."""
        return _unit(self.target_name)

    @property
    def slope_unit(self) -> str:
        """The unit of a change of the target by one of the input."""
        unit = _unit(self.input_name)
        if not self.unit or not unit:
            return ""
        if unit == THERMOMETER_UNIT:
            return f"{self.unit} a unit"
        return f"{_factor(self.unit)}/{_factor(unit)}"


def readings(csv: Path | None, target: str | None) -> Readings:
    """Reads a file of two columns; without one, gives the thermometer's readings.

    Args:
        csv: a table of numbers whose first line names its columns.
        target: the column to predict, from the other one.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if one of `csv` and `target` is given alone, the file has more or
            fewer than two columns, or a column or a cell is not as it must be.
    """
    if csv is None:
        if target is not None:
            raise ValueError(f"target names a column of csv; got {target!r} alone.")
        data = fl.data.thermometer()
        return Readings(data, f"Reading ({THERMOMETER_UNIT})", "Temperature (°C)")
    table = fl.data.read_table(csv)
    names = table.names
    listed = ", ".join(map(repr, names))
    if target is None:
        raise ValueError(f"target must name a column of {csv}: {listed}.")
    if len(names) != 2:
        raise ValueError(
            f"{csv} must have two columns, an input and a target; got {listed}."
        )
    data, encoder = fl.data.encode(table, target=target)
    (input_name,) = encoder.input_names
    return Readings(data._replace(inputs=data.inputs[:, 0]), input_name, target)


def label(name: str, unit: str) -> str:
    """A name with its unit in parentheses, if it has one."""
    return f"{name} ({unit})" if unit else name


def quantity(number: str, unit: str) -> str:
    """A number with its unit, if it has one."""
    return f"{number} {unit}" if unit else number


def power(unit: str, exponent: int) -> str:
    """A unit to the power of 1 or 2; empty where there is no unit."""
    return f"{_factor(unit)}²" if unit and exponent == 2 else unit


def _unit(name: str) -> str:
    _, opened, rest = name.rpartition("(")
    return rest[:-1].strip() if opened and rest.endswith(")") else ""


def _factor(unit: str) -> str:
    return f"({unit})" if any(sign in unit for sign in "/·* ") else unit
