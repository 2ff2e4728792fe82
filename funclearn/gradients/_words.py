"""The words of a report on gradients, and what its tables hold."""

import html
import math

import numpy as np
from rich.console import Group, RenderableType
from rich.text import Text

from funclearn._tables import Column, draw, html_of, without_colour
from funclearn.gradients._differences import SAFETY
from funclearn.gradients._findings import Agreement, Findings, Tested

__all__ = ["as_html", "colourful", "plain"]

# They say where to look; the arrays of the report have every coordinate.
_ROWS = 5
_STYLES = {
    Agreement.AGREES: "green",
    Agreement.NEARLY_AGREES: "yellow",
    Agreement.DISAGREES: "bold red",
    Agreement.CANNOT_TELL: "yellow",
}


def plain(report: Findings) -> str:
    """The report as text for files and logs."""
    return without_colour(_report(report, on_terminal=False))


def colourful(report: Findings) -> Group:
    """The report for a terminal."""
    return _report(report, on_terminal=True)


def as_html(report: Findings) -> str:
    """The report for a notebook."""
    parts = [
        f"<p><strong>{html.escape(_title(report))}</strong></p>",
        html_of(_arrays(report)[0]),
        f"<p>{html.escape(_conclusion(report))}</p>",
    ]
    if report.verdict is not Agreement.AGREES:
        parts.insert(2, html_of(_worst(report)))
    return f"<div>{''.join(parts)}</div>"


def _report(report: Findings, *, on_terminal: bool) -> Group:
    columns, styles = _arrays(report)
    table = draw(columns, styles if on_terminal else None, ruled=on_terminal)
    parts: list[RenderableType] = [_title(report), "", table, ""]
    if report.verdict is not Agreement.AGREES:
        parts += [draw(_worst(report), ruled=on_terminal), ""]
    return Group(*parts, Text(_conclusion(report)))


def _title(report: Findings) -> str:
    what = "gradient" if report.order == 1 else "Hessian-vector product"
    return f"{what} for {' and '.join(report.dtypes)} parameters: {report.verdict}"


def _arrays(report: Findings) -> tuple[list[Column], list[str]]:
    """A row for every array and gradient, and the style of each."""
    rows, styles = [], []
    for leaf, (name, shape) in enumerate(
        zip(report.coordinates.names, report.coordinates.shapes, strict=True)
    ):
        here = report.coordinates.leaf == leaf
        # Nothing is known to be off from a difference that is known to no digit.
        measured = here & np.isfinite(report.differences.bounds)
        for tested in report.tested:
            verdict = tested.among(here)
            distances = np.abs(tested.values - report.differences.values)
            rows.append(
                (
                    Text(name),
                    Text(tested.name),
                    f"{np.count_nonzero(here)} of {math.prod(shape)}",
                    _largest(distances, measured, report),
                    _largest(tested.caught, here, report),
                    verdict,
                )
            )
            styles.append(_STYLES[verdict])
    names = ("array", "gradient", "compared", "off by", "would see", "verdict")
    numbers = {"compared", "off by", "would see"}
    columns = [
        Column(column, cells, right=column in numbers)
        for column, cells in zip(names, zip(*rows, strict=True), strict=True)
    ]
    return columns, styles


def _largest(errors: np.ndarray, here: np.ndarray, report: Findings) -> str:
    relative = report.relative(errors)[here & (report.differences.kinks == 0)]
    return f"{np.max(relative):.1e}" if relative.size else "-"


def _worst(report: Findings) -> list[Column]:
    worst = report.worst(_ROWS)
    differences = report.differences
    names = [Text(report.coordinates.name(coordinate)) for coordinate in worst]
    found = [
        f"{value:.8g} ± {bound:.1g}"
        for value, bound in zip(
            differences.values[worst], differences.bounds[worst], strict=True
        )
    ]
    return [
        Column("coordinate", names, right=False),
        Column("finite difference", found),
        *(
            Column(tested.name, [f"{value:.8g}" for value in tested.values[worst]])
            for tested in report.tested
        ),
    ]


def _conclusion(report: Findings) -> str:
    """What the verdict means, in sentences."""
    write = {
        Agreement.DISAGREES: _disagreement,
        Agreement.CANNOT_TELL: _doubt,
        Agreement.NEARLY_AGREES: _nearly,
        Agreement.AGREES: _agreement,
    }
    sentences = write[report.verdict](report)
    if report.missing:
        sentences += f" Autodiff was not compared. JAX says: {report.missing}"
    kinks = np.count_nonzero(report.differences.kinks)
    if kinks:
        sentences += (
            f" Coordinates on a kink, where every value between the slopes on either "
            f"side is right: {kinks}."
        )
    n_edges = np.count_nonzero(report.differences.sides)
    if n_edges:
        sentences += (
            " Coordinates at the edge of where the objective has values, judged from "
            f"that side alone: {n_edges}."
        )
    return sentences


def _agreement(report: Findings) -> str:
    sentence = "Agrees with finite differences to the noise floor."
    if not report.power:
        return sentence
    compared = report.coordinates.leaf.size
    drawn = f", of the {compared} drawn" if compared < report.n_parameters else ""
    return (
        f"{sentence} A relative error of {report.power:.1e} would have been caught in "
        f"any coordinate{drawn}."
    )


def _nearly(report: Findings) -> str:
    near = [tested for tested in report.tested if tested.near.any()]
    (worst,) = report.worst(1)
    apart = max(
        abs(tested.values[worst] - report.differences.values[worst]) for tested in near
    )
    return (
        f"Farther from finite differences than rounding explains, but by {apart:.1g} "
        f"at most, as at {report.coordinates.name(worst)}: less than slips "
        f"change. Either the objective is computed to that accuracy, as by an "
        "iteration that stops at a tolerance or by an approximation, or a constant of "
        f"the gradient has too few digits: {', '.join(t.name for t in near)}."
    )


def _disagreement(report: Findings) -> str:
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


def _doubt(report: Findings) -> str:
    (worst,) = report.worst(1)
    undecided = [tested for tested in report.tested if not tested.decided[worst]]
    tested = max(undecided, key=lambda tested: tested.caught[worst])
    seen = (
        f"A relative error of {report.power:.1e} would have been caught"
        if np.isfinite(report.power)
        else f"No error at {report.coordinates.name(worst)} would have been caught"
    )
    return (
        f"Cannot tell: {_reason(report, tested, worst)}. {seen}; one of "
        f"{report.resolution:.1e} is to be."
    )


def _reason(report: Findings, tested: Tested, coordinate: int) -> str:
    """Why a coordinate is undecided, and what would help."""
    name = report.coordinates.name(coordinate)
    differences = report.differences
    truncation = differences.truncation[coordinate]
    rounding = differences.rounding[coordinate]
    narrow = report.dtypes != ("float64",)
    if not np.isfinite(truncation):
        return (
            f"the objective has no finite difference at {name}. Compare where it is "
            "finite all around"
        )
    side = {1.0: " above it", -1.0: " below it"}.get(differences.sides[coordinate], "")
    own = tested.floors[coordinate] / SAFETY - truncation - rounding
    if not differences.settled[coordinate] or truncation >= max(rounding, own):
        return (
            f"differences at {name}{side} do not settle as the step shrinks. Compare "
            "where the objective is smooth"
        )
    if tested.caught[coordinate] <= report.resolution * report.scales[coordinate]:
        return (
            f"the {tested.name} at {name} is not autodiff's, and both are too small "
            "for differences to tell them apart. Rescale the inputs or the parameters"
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
