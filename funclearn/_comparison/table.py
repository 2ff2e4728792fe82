"""A comparison of gradients in words and tables."""

import io
import math
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from funclearn._comparison.differences import SAFETY
from funclearn._comparison.report import GradientReport, Tested, Verdict

__all__ = ["colourful", "plain"]

_ROWS = 5
_STYLES = {
    Verdict.AGREES: "green",
    Verdict.DISAGREES: "bold red",
    Verdict.CANNOT_TELL: "yellow",
}


def plain(report: GradientReport) -> str:
    """The report as text for files and logs."""
    text = io.StringIO()
    console = Console(
        file=text, width=100, force_terminal=False, markup=False, highlight=False
    )
    console.print(_report(report, None))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def colourful(report: GradientReport) -> Group:
    """The report for a terminal."""
    return _report(report, SIMPLE_HEAD)


def _report(report: GradientReport, box: Any) -> Group:
    what = "gradient" if report.order == 1 else "Hessian-vector product"
    title = f"{what} for {' and '.join(report.dtypes)} parameters: {report.verdict}"
    parts: list[Any] = [title, "", _arrays(report, box), ""]
    if report.verdict is not Verdict.AGREES:
        parts += [_worst(report, box), ""]
    return Group(*parts, Text(_conclusion(report)))


def _arrays(report: GradientReport, box: Any) -> Table:
    table = Table(box=box, pad_edge=False)
    for column in ("array", "gradient"):
        table.add_column(column)
    for column in ("compared", "off by", "would see"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for leaf, (name, shape) in enumerate(
        zip(report.coordinates.names, report.coordinates.shapes, strict=True)
    ):
        here = report.coordinates.leaf == leaf
        for tested in report.tested:
            verdict = tested.among(here)
            distances = np.abs(tested.values - report.differences.values)
            table.add_row(
                Text(name),
                Text(tested.name),
                f"{np.count_nonzero(here)} of {math.prod(shape)}",
                _largest(distances, here, report),
                _largest(tested.caught, here, report),
                verdict,
                style=_STYLES[verdict] if box else None,
            )
    return table


def _largest(errors: np.ndarray, here: np.ndarray, report: GradientReport) -> str:
    relative = report.relative(errors)[here & (report.differences.kinks == 0)]
    return f"{np.max(relative):.1e}" if relative.size else "-"


def _worst(report: GradientReport, box: Any) -> Table:
    table = Table(box=box, pad_edge=False)
    table.add_column("coordinate")
    for column in ("finite difference", *(tested.name for tested in report.tested)):
        table.add_column(column, justify="right")
    for coordinate in report.worst(_ROWS):
        error = report.differences.bounds[coordinate]
        table.add_row(
            Text(report.coordinates.name(coordinate)),
            f"{report.differences.values[coordinate]:.8g} ± {error:.1g}",
            *(f"{tested.values[coordinate]:.8g}" for tested in report.tested),
        )
    return table


def _conclusion(report: GradientReport) -> str:
    """What the verdict means, in sentences."""
    verdict = report.verdict
    if verdict is Verdict.DISAGREES:
        sentences = _disagreement(report)
    else:
        sentences = _agreement(report) if verdict is Verdict.AGREES else _doubt(report)
    kinks = np.count_nonzero(report.differences.kinks)
    if kinks:
        sentences += (
            f" Coordinates on a kink, where every value between the slopes on either "
            f"side is right: {kinks}."
        )
    return sentences


def _agreement(report: GradientReport) -> str:
    sentence = "Agrees with finite differences to the noise floor."
    if not report.power:
        return sentence
    compared = report.coordinates.leaf.size
    drawn = f", of the {compared} drawn" if compared < report.n_parameters else ""
    return (
        f"{sentence} A relative error of {report.power:.1e} would have been caught in "
        f"any coordinate{drawn}."
    )


def _disagreement(report: GradientReport) -> str:
    found = [
        f"{tested.name} in {np.count_nonzero(tested.disagrees)} of "
        f"{tested.disagrees.size} coordinates"
        for tested in report.tested
        if tested.disagrees.any()
    ]
    text = (
        f"Farther from finite differences than rounding explains: {', '.join(found)}."
    )
    autodiff = report.autodiff
    if not np.isfinite(autodiff.values[autodiff.disagrees]).all():
        text += " Autodiff is not finite where finite differences are."
    elif autodiff.disagrees.any():
        text += (
            " Autodiff follows the objective's derivative rules, finite differences "
            "follow its values: a custom rule or a stop_gradient departs from them."
        )
    finite = [np.isfinite(t.own) | ~np.isfinite(t.values) for t in report.tested]
    if not np.all(finite):
        text += f" It is finite in float64, but not in {' and '.join(report.dtypes)}."
    return text


def _doubt(report: GradientReport) -> str:
    (worst,) = report.worst(1)
    tested = max(report.tested, key=lambda tested: tested.caught[worst])
    return (
        f"Cannot tell: {_reason(report, tested, worst)}. A relative error of "
        f"{report.power:.1e} would have been caught; one of {report.resolution:.1e} is "
        "to be."
    )


def _reason(report: GradientReport, tested: Tested, coordinate: int) -> str:
    """Why a coordinate is undecided, and what would help."""
    name = report.coordinates.name(coordinate)
    truncation = report.differences.truncation[coordinate]
    rounding = report.differences.rounding[coordinate]
    narrow = report.dtypes != ("float64",)
    if not np.isfinite(tested.floors[coordinate]):
        return (
            f"the objective has no finite difference at {name}. Compare where it is "
            "finite all around"
        )
    own = tested.floors[coordinate] / SAFETY - truncation - rounding
    if truncation >= max(rounding, own):
        return (
            f"differences at {name} do not settle as the step shrinks. Compare where "
            "the objective is smooth"
        )
    if rounding >= own:
        bound = ", or give operations that are bound to their precision float64"
        return (
            f"the objective depends so little on {name} that its rounding hides it. "
            "Rescale the inputs or the parameters, leave out large terms that do not "
            f"depend on them{bound if narrow else ''}"
        )
    remedy = "Use float64" if narrow else "Write it such that less cancels"
    return f"rounding leaves too few digits of the {tested.name} at {name}. {remedy}"
