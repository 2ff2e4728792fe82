"""Tables as plain text and as rich draws them."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportOptionalMemberAccess=false

import builtins
import io
import re
import xml.etree.ElementTree

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

from funclearn._tables import Column, draw, html, html_of, plain, rich, without_colour


def on_terminal(drawn, width=80):
    terminal = io.StringIO()
    Console(
        file=terminal, force_terminal=True, width=width, color_system="standard"
    ).print(drawn)
    return terminal.getvalue()


def test_plain_columns_are_aligned_on_the_right():
    columns = {
        "rate": np.array([0.1, 1e-7]),
        "kind": np.array(["a", "long one"], object),
        "n": np.array([3, 1200]),
    }
    assert plain(columns) == (
        " rate      kind     n\n  0.1         a     3\n1e-07  long one  1200"
    )


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (np.float32(1 / 3), "0.333333"),
        (1234567.0, "1.23457e+06"),
        (np.int64(1234567), "1234567"),
        (np.bool_(True), "True"),
        (np.nan, "nan"),
    ],
)
def test_numbers_have_six_digits(cell, text):
    assert plain({"x": np.array([cell], object)}).splitlines()[1].strip() == text


@pytest.mark.parametrize(("rows", "lines"), [(0, 0), (1, 1), (20, 20), (21, 21)])
def test_of_many_rows_the_first_and_the_last_are_shown(rows, lines):
    shown = [*map(str.strip, plain({"x": np.arange(rows)}).splitlines()[1:])]
    assert len(shown) == lines
    if rows <= 20:
        assert shown == [*map(str, range(rows))]
    else:
        ends = [*range(10), *range(rows - 10, rows)]
        assert shown == [*map(str, ends[:10]), "…", *map(str, ends[10:])]


def test_rich_has_the_same_cells():
    columns = {"rate": np.linspace(0, 1, 30), "n": np.arange(30)}
    lines = without_colour(rich(columns)).splitlines()
    head, rule, *rows = [line for line in lines if line]
    assert {*rule.strip()} == {"─"}
    expected = [line.split() for line in plain(columns).splitlines()]
    assert [line.split() for line in (head, *rows)] == expected


@pytest.mark.parametrize(("width", "tables"), [(120, 1), (80, 1), (40, 2), (25, 4)])
def test_columns_without_room_follow_below(width, tables):
    """No number is cut; every table begins with the first column."""
    numbers = np.random.default_rng(0).uniform(size=(5, 3))
    names = ["rate", "state.params.weight", "state.params.bias", "loss", "accuracy"]
    columns = dict(zip(names, numbers, strict=True))
    lines = on_terminal(rich(columns), width).splitlines()
    assert max(len(re.sub(r"\x1b\[[\d;]*m", "", line)) for line in lines) <= width
    text = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(lines))
    cells = [f"{number:.6g}" for number in numbers.ravel()]
    counts = [text.split().count(cell) for cell in cells]
    assert counts == [tables] * 3 + [1] * 12
    heads = text.replace(".", ". ").split()
    assert [heads.count(head) for head in ("rate", "weight", "loss")] == [tables, 1, 1]


def test_columns_may_be_on_the_left_without_rules():
    columns = [Column("name", ["a", "bc"], right=False), Column("n", ["1", "23"])]
    drawn = without_colour(draw(columns, ruled=False))
    assert drawn == "name   n\na      1\nbc    23"


def test_rows_have_styles():
    drawn = draw([Column("x", ["one", "two"])], ["red", "green"])
    text = on_terminal(drawn)
    assert "\x1b[31mone" in text and "\x1b[32mtwo" in text
    assert "\x1b[31m" not in on_terminal(draw([Column("x", ["one", "two"])]))


def test_in_a_notebook_text_is_still_text(monkeypatch, capsys):
    """The shell of a kernel is what rich takes for a notebook."""
    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    assert Console().is_jupyter
    assert without_colour(rich({"x": np.arange(2)})).split()[-2:] == ["0", "1"]
    assert capsys.readouterr().out == ""


def test_names_and_cells_are_no_marks():
    columns = {"[red]x": np.array(["[bold]y", "z"], object)}
    drawn = on_terminal(rich(columns))
    assert "[red]x" in drawn and "[bold]y" in drawn


def test_text_is_literal():
    cells = [Text("[red]x[/red]")]
    drawn = draw([Column("x", cells)])
    assert "[red]x[/red]" in on_terminal(drawn)
    assert "[red]x[/red]" in without_colour(drawn)


def test_text_without_colour_does_not_depend_on_the_terminal(monkeypatch):
    drawn = draw([Column("x", [" ".join(["word"] * 50)])], ["red"])
    text = without_colour(drawn)
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert without_colour(drawn) == text
    assert "\x1b" not in text
    widths = [*map(len, text.splitlines())]
    assert 90 < max(widths) <= 100 and not any(
        line.endswith(" ") for line in text.splitlines()
    )


def test_text_without_colour_is_text_in_a_notebook_too(monkeypatch):
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    assert without_colour(draw([Column("x", ["1"])], ruled=False)) == "x\n1"


@pytest.mark.parametrize(
    ("columns", "styles"),
    [
        ([Column("x", ["1"]), Column("y", ["1", "2"])], None),
        ([Column("x", ["1", "2"])], ["red"]),
    ],
)
def test_columns_of_unequal_length_are_refused(columns, styles):
    with pytest.raises(ValueError):
        draw(columns, styles)


def test_html_escapes_and_shortens():
    columns = {"<i>n": np.arange(30), "text": np.array(["a & b"] * 30, object)}
    table = xml.etree.ElementTree.fromstring(html(columns, caption="<x>"))
    assert table.find("caption").text == "<x>"
    rows = [[cell.text for cell in row] for row in table.iter("tr")]
    assert rows[:2] == [["<i>n", "text"], ["0", "a & b"]]
    assert rows[11] == ["…", "…"] and len(rows) == 22
    assert "caption" not in html(columns)


def test_html_has_every_row_of_what_is_drawn():
    names = [Text(f"<b>&[red]{n}[/red]") for n in range(30)]
    columns = [Column("<x>", names), Column("<x>", [*map(str, range(30))])]
    rows = xml.etree.ElementTree.fromstring(html_of(columns)).iter("tr")
    head, *cells = [[cell.text for cell in row] for row in rows]
    assert head == ["<x>", "<x>"]
    assert cells == [[name.plain, str(n)] for n, name in enumerate(names)]
