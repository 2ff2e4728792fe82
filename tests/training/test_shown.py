"""Runs on terminals and in notebooks."""

import io
import xml.etree.ElementTree

import numpy as np
import pytest
from rich.console import Console

LOSS = 2.0 ** -np.arange(8)


@pytest.fixture
def shown():
    from funclearn.training._shown import Shown

    return Shown(
        title="<Run>: [red]8[/red] epochs",
        columns={
            "": np.array(["loss", "[b]other"], object),
            "last": np.array([LOSS[-1], 3], object),
        },
        lines={"loss": LOSS, "[b]other": LOSS[::-1]},
        pictures={"loss": [LOSS]},
        notes="<Notes>",
    )


def on_terminal(drawn, width=80, encoding="utf-8"):
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding, write_through=True)
    Console(file=file, width=width, force_terminal=False).print(drawn)
    return raw.getvalue().decode(encoding)


def test_text_has_no_curves_and_is_ascii(shown):
    title, head, *lines, notes = str(shown).splitlines()
    assert (title, notes) == ("<Run>: [red]8[/red] epochs", "<Notes>")
    assert head.split() == ["last"]
    assert [line.split() for line in lines] == [
        ["loss", "0.0078125"],
        ["[b]other", "3"],
    ]
    assert str(shown).isascii()


def test_a_terminal_has_the_curves_beside_the_numbers(shown):
    lines = [line.split() for line in on_terminal(shown).splitlines() if line.strip()]
    assert lines[0] == shown.title.split() and lines[-1] == ["<Notes>"]
    assert ["loss", "0.0078125", "█▇▆▅▄▃▂▁"] in lines
    assert ["[b]other", "3", "▁▂▃▄▅▆▇█"] in lines


@pytest.mark.parametrize("width", [25, 34, 44, 80])
def test_curves_are_there_where_they_fit(shown, width):
    text = on_terminal(shown, width)
    assert max(map(len, text.splitlines())) <= width
    assert ("█▇▆▅▄▃▂▁" in text) == (width > 40)
    assert "0.0078125" in text


def test_a_terminal_without_bars_has_the_numbers(shown):
    text = on_terminal(shown, encoding="ascii")
    assert "0.0078125" in text and "curve" not in text


def test_a_notebook_shows_text_as_text_and_the_curve(shown):
    root = xml.etree.ElementTree.fromstring(shown.html())
    assert [part.tag.split("}")[-1] for part in root] == ["p", "svg", "table", "p"]
    assert "".join(root[0].itertext()) == shown.title
    assert "".join(root[3].itertext()) == "<Notes>"
    cells = [[cell.text for cell in row] for row in root.iter("tr")]
    assert cells == [[None, "last"], ["loss", "0.0078125"], ["[b]other", "3"]]


def test_one_epoch_is_no_curve(shown):
    import dataclasses

    one = dataclasses.replace(shown, pictures={"loss": [LOSS[:1]], "other": []})
    assert "<svg" not in one.html() and "0.0078125" in one.html()


def test_nothing_but_a_title():
    from funclearn.training._shown import Shown

    bare = Shown(
        title="Run", columns={"": np.array([])}, lines={}, pictures={}, notes=""
    )
    assert str(bare) == on_terminal(bare).strip() == "Run"
    assert bare.html() == "<div><p><strong>Run</strong></p></div>"
