"""Reports as people read them."""

import dataclasses
import io
import re
import xml.etree.ElementTree

import numpy as np
import pytest
from rich.console import Console

RIGHT = {"params.a": np.array([1.0, 2.0, 4.0]), "params.b": np.array(100.0)}
WRONG = {"params.a": np.array([1.0, 2.5, 4.0]), "params.b": np.array(100.0)}


def test_prints_plain_text(report, capsys):
    text = str(report)
    assert text.startswith("gradient for float32 parameters: agrees")
    assert "params.slope" in text and "params.intercept" in text
    assert "\x1b" not in text and text.isascii()
    report.show()
    assert capsys.readouterr().out == text + "\n"
    assert repr(report) == f"<GradientReport: agrees, power {report.power:.1e}>"


def test_prints_in_colour_on_a_terminal(report):
    terminal = io.StringIO()
    Console(file=terminal, force_terminal=True, width=100).print(report)
    assert "\x1b[32m" in terminal.getvalue()
    assert "params.slope" in terminal.getvalue()


def test_the_whole_report_of_an_agreement(make_report):
    assert str(make_report(RIGHT, {"closed form": RIGHT})) == (
        "gradient for float32 parameters: agrees\n"
        "\n"
        "array     gradient     compared   off by  would see  verdict\n"
        "params.a  autodiff       3 of 3  0.0e+00    1.0e-09  agrees\n"
        "params.a  closed form    3 of 3  0.0e+00    1.0e-09  agrees\n"
        "params.b  autodiff       1 of 1  0.0e+00    1.0e-11  agrees\n"
        "params.b  closed form    1 of 1  0.0e+00    1.0e-11  agrees\n"
        "\n"
        "Agrees with finite differences to the noise floor. A relative error of "
        "1.0e-09 would have been\ncaught in any coordinate."
    )


def test_the_whole_report_of_a_disagreement(make_report):
    assert str(make_report(RIGHT, {"by hand": WRONG})) == (
        "gradient for float32 parameters: disagrees\n"
        "\n"
        "array     gradient  compared   off by  would see  verdict\n"
        "params.a  autodiff    3 of 3  0.0e+00    1.0e-09  agrees\n"
        "params.a  by hand     3 of 3  2.5e-01    1.0e-09  disagrees\n"
        "params.b  autodiff    1 of 1  0.0e+00    1.0e-11  agrees\n"
        "params.b  by hand     1 of 1  0.0e+00    1.0e-11  agrees\n"
        "\n"
        "coordinate   finite difference  autodiff  by hand\n"
        "params.a[1]          2 ± 2e-11         2      2.5\n"
        "\n"
        "Farther from finite differences than rounding explains: by hand in 1 of 4 "
        "coordinates."
    )


def test_the_worst_five_are_listed(make_report):
    right = {"params": np.arange(1.0, 9.0)}
    report = make_report(right, {"f": {"params": 2 * right["params"]}})
    rows = [line for line in str(report).splitlines() if line.startswith("params[")]
    assert [row.split()[0] for row in rows] == [f"params[{n}]" for n in range(7, 2, -1)]


def test_markup_in_a_name_is_shown_as_it_is(make_report):
    right = {"params['[red]x[/red]']": np.array([1.0])}
    wrong = {"params['[red]x[/red]']": np.array([2.0])}
    report = make_report(right, {":smile:": wrong})
    terminal = io.StringIO()
    Console(file=terminal, force_terminal=True, width=100, color_system=None).print(
        report
    )
    for text in (str(report), terminal.getvalue()):
        assert "params['[red]x[/red]'] " in text and " :smile: " in text
        assert "params['[red]x[/red]'][0]" in text


def parts_of(drawn):
    """The title, the rows of both tables and the conclusion, of what is well-formed."""
    title, *tables, conclusion = xml.etree.ElementTree.fromstring(drawn)
    rows = [
        [["".join(cell.itertext()) for cell in row] for row in table.iter("tr")]
        for table in tables
    ]
    return "".join(title.itertext()), rows, conclusion.text


@pytest.mark.parametrize("form", [RIGHT, WRONG], ids=["agrees", "disagrees"])
def test_notebooks_read_what_is_printed(make_report, form):
    report = make_report(RIGHT, {"by hand": form})
    heading, *tables, end = str(report).split("\n\n")
    printed = [
        [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()]
        for table in tables
    ]
    shown = parts_of(report._repr_html_())
    assert shown == (heading, printed, " ".join(end.split()))


def test_notebooks_show_every_array_and_names_as_text(make_report):
    right = {f"params['<b>&{n}']": np.array([1.0]) for n in range(30)}
    wrong = {name: 2 * values for name, values in right.items()}
    _, (arrays, worst), _ = parts_of(make_report(right, {"<i>": wrong})._repr_html_())
    assert [row[:2] for row in arrays[1:]] == [
        [name, gradient] for name in right for gradient in ("autodiff", "<i>")
    ]
    assert worst[0][-1] == "<i>" and worst[1][0] == "params['<b>&0'][0]"


def test_verdicts_have_colours(make_report):
    terminal = io.StringIO()
    console = Console(
        file=terminal, force_terminal=True, width=100, color_system="standard"
    )
    undecided = np.array([True, True, True, False])
    console.print(make_report(RIGHT, {"f": WRONG}, decided=undecided))
    lines = [line for line in terminal.getvalue().splitlines() if "autod" in line]
    assert "\x1b[32m" in lines[0] and "\x1b[33m" in lines[1]
    assert "\x1b[1;31m" in terminal.getvalue()


def sentences(report):
    """What stands below the tables, in one line."""
    return " ".join(str(report).rsplit("\n\n", 1)[1].split())


def test_the_title_says_the_order_and_the_precisions(make_report):
    report = make_report(RIGHT, order=2, dtypes=("float32", "float64"))
    title = "Hessian-vector product for float32 and float64 parameters: agrees"
    assert str(report).splitlines()[0] == title


AGREEMENTS = {
    "depends on nothing": (
        {"caught": 0.0},
        "Agrees with finite differences to the noise floor.",
    ),
    "drawn": ({"n_parameters": 9}, "in any coordinate, of the 4 drawn."),
    "kinks": (
        {"kinks": np.array([0.0, 1.0, 1.0, 0.0])},
        "Coordinates on a kink, where every value between the slopes on either side is "
        "right: 2.",
    ),
}


@pytest.mark.parametrize(("found", "end"), AGREEMENTS.values(), ids=AGREEMENTS)
def test_what_an_agreement_says(make_report, found, end):
    assert sentences(make_report(RIGHT, **found)).endswith(end)


NAN = {"params.a": np.array([1.0, np.nan, 4.0]), "params.b": np.array(100.0)}


def test_what_a_near_agreement_says(make_report):
    report = make_report(RIGHT, {"f": WRONG, "g": RIGHT}, near=True)
    assert report.verdict == "nearly agrees"
    assert sentences(report) == (
        "Farther from finite differences than rounding explains, but by 0.5 at most, "
        "as at params.a[1]: less than slips change. Either the objective is computed "
        "to that accuracy, as by an iteration that stops at a tolerance or by an "
        "approximation, or a constant of the gradient has too few digits: f."
    )


def test_what_is_said_of_edges_and_of_autodiff_that_is_missing(make_report):
    report = make_report(RIGHT, sides=np.array([1.0, 0.0, -1.0, 0.0]))
    assert sentences(report).endswith("judged from that side alone: 2.")
    report = dataclasses.replace(
        make_report(RIGHT, {"f": WRONG}), missing="No rule for while."
    )
    assert [tested.name for tested in report.tested] == ["f"]
    assert sentences(report) == (
        "Farther from finite differences than rounding explains: f in 1 of 4 "
        "coordinates. Autodiff was not compared. JAX says: No rule for while."
    )


DISAGREEMENTS = {
    "autodiff is not finite": (
        {"autodiff": NAN},
        "autodiff in 1 of 4 coordinates. Autodiff is not finite where finite "
        "differences are.",
    ),
    "a custom rule": (
        {"autodiff": WRONG},
        "Autodiff follows the objective's derivative rules, finite differences follow "
        "its values: a custom rule or a stop_gradient departs from them.",
    ),
    "an overflow": (
        {"forms": {"f": WRONG}, "own": np.inf, "dtypes": ("float16",)},
        "It is finite in float64, but not in float16.",
    ),
    "several": (
        {"forms": {"f": WRONG, "g": NAN, "h": RIGHT}},
        "f in 1 of 4 coordinates, g in 1 of 4 coordinates.",
    ),
}


@pytest.mark.parametrize(("found", "end"), DISAGREEMENTS.values(), ids=DISAGREEMENTS)
def test_what_a_disagreement_says(make_report, found, end):
    assert sentences(make_report(RIGHT, **found)).endswith(end)


UNDECIDED = {"decided": np.array([True, True, False, True])}
DOUBTS = {
    "no difference": (
        {"floors": np.inf, "truncation": np.inf},
        "the objective has no finite difference at params.a[2]. Compare where it is "
        "finite all around.",
    ),
    "steps": (
        {"truncation": 1e-3, "floors": 1e-2},
        "differences at params.a[2] do not settle as the step shrinks. Compare where "
        "the objective is smooth.",
    ),
    "scale": (
        {"settled": False, "floors": np.inf, "sides": 1.0},
        "differences at params.a[2] above it do not settle as the step shrinks. "
        "Compare where the objective is smooth.",
    ),
    "unconfirmed": (
        {"caught": 1e-9},
        "the autodiff at params.a[2] is not autodiff's, and both are too small for "
        "differences to tell them apart. Rescale the inputs or the parameters.",
    ),
    "rounding": (
        {"rounding": 1e-3, "floors": 1e-2, "dtypes": ("float64",)},
        "the objective depends so little on params.a[2] that its rounding hides it. "
        "Rescale the inputs or the parameters, leave out large terms that do not "
        "depend on them.",
    ),
    "rounding of float32": (
        {"rounding": 1e-3, "floors": 1e-2},
        "do not depend on them, or give operations that are bound to their precision "
        "float64.",
    ),
    "gradient": (
        {"floors": 1.0, "dtypes": ("float64",)},
        "rounding leaves too few digits of the autodiff at params.a[2]. Write it such "
        "that less cancels.",
    ),
    "gradient of float32": (
        {"floors": 1.0},
        "rounding leaves too few digits of the autodiff at params.a[2]. Use float64.",
    ),
}


@pytest.mark.parametrize(("found", "reason"), DOUBTS.values(), ids=DOUBTS)
def test_what_a_doubt_says(make_report, found, reason):
    report = make_report(RIGHT, **{"caught": 4e-2, **UNDECIDED, **found})
    assert report.verdict == "cannot tell"
    text = sentences(report)
    assert text.startswith("Cannot tell: ")
    assert f"{reason} A relative error of " in text
    assert " would have been caught; one of 1.0e-03 is to be." in text


def test_a_doubt_in_which_no_error_would_have_been_seen(make_report):
    report = make_report(RIGHT, caught=np.inf, **UNDECIDED)
    text = sentences(report)
    assert (
        "No error at params.a[2] would have been caught; one of 1.0e-03 is to be."
        in text
    )
    assert "inf" not in text
