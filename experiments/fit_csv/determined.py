"""What the training rows determine of a linear model, and its least squares."""

from typing import NamedTuple

import numpy as np

__all__ = ["Determined", "determine"]


class Determined(NamedTuple):
    """What is known of a line before it is trained.

    Attributes:
        why_not: by column of inputs why its weight is not determined.
        bias: whether the bias is.
        weight: those of least squares, `(columns,)`, in the units of the file.
        constant: the bias of least squares.
        condition: the largest singular value of the standardised columns over the
            smallest that is not zero.
        reach: the standard deviation of every column.
    """

    why_not: dict[int, str]
    bias: bool
    weight: np.ndarray
    constant: float
    condition: float
    reach: np.ndarray


def determine(
    inputs: np.ndarray, targets: np.ndarray, names: tuple[str, ...]
) -> Determined:
    """Looks at the rank of the inputs.

    A direction in which the inputs do not vary beyond rounding leaves open the weights
    of the columns that it joins: adding it to them changes no prediction.

    Args:
        inputs: `(rows, columns)`.
        targets: `(rows,)`.
        names: of the columns.
    """
    mean = inputs.mean(axis=0)
    constant = np.ptp(inputs, axis=0) == 0
    reach = np.where(constant, 1.0, inputs.std(axis=0))
    # A constant's computed mean may miss it by a rounding.
    scaled = np.where(constant, 0.0, (inputs - mean) / reach)
    _, sizes, directions = np.linalg.svd(
        np.linalg.qr(scaled, mode="r"), full_matrices=True
    )
    sizes = np.pad(sizes, (0, len(directions) - len(sizes)))
    # What a decimal number loses in a float64, in units of its column's deviation.
    rounding = np.finfo(float).eps * np.max(np.abs(inputs).max(axis=0) / reach)
    lost = 4 * rounding * np.sqrt(scaled.size)
    open_ = directions[sizes <= max(lost, np.finfo(float).eps * sizes[0])]
    known = sizes[: len(sizes) - len(open_)]
    weight = (
        np.linalg.lstsq(
            scaled, targets - targets.mean(), rcond=_cut(sizes, len(open_))
        )[0]
        / reach
    )
    per_unit = open_ / reach
    level = per_unit @ mean
    size = np.abs(per_unit) @ np.abs(mean)
    return Determined(
        why_not=_reasons(open_, inputs, names),
        bias=bool(np.all(np.abs(level) <= 1e-6 * size)),
        weight=weight,
        constant=float(targets.mean() - mean @ weight),
        condition=float(known[0] / known[-1]) if len(known) else 1.0,
        reach=reach,
    )


def _cut(sizes: np.ndarray, n_open: int) -> float:
    """A bound between the singular values that count and those that do not."""
    if n_open == 0 or sizes[0] == 0:
        return 0.0
    return float(np.sqrt(sizes[-n_open - 1] * max(sizes[-n_open], 1e-300)) / sizes[0])


def _reasons(
    open_: np.ndarray, inputs: np.ndarray, names: tuple[str, ...]
) -> dict[int, str]:
    rows, columns = inputs.shape
    # The part of a column that lies in the open directions, whatever their basis.
    joined = open_.T @ open_
    part = np.abs(joined) > 1e-6
    reasons = {}
    for at in np.flatnonzero(part.diagonal()):
        others = [names[one] for one in np.flatnonzero(part[at]) if one != at]
        if np.ptp(inputs[:, at]) == 0:
            reasons[int(at)] = f"it is {inputs[0, at]:g} in all training rows"
        elif rows <= columns:
            reasons[int(at)] = f"{rows} rows are too few for {columns} columns"
        else:
            listed = ", ".join(others[:4]) + (", ..." if len(others) > 4 else "")
            reasons[int(at)] = f"it follows from {listed} and a constant"
    return reasons
