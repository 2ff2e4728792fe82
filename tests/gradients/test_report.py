"""Reports in one line, and printed."""

import xml.etree.ElementTree


def test_one_line_says_the_verdict(report):
    assert repr(report) == f"<GradientReport: agrees, power {report.power:.1e}>"


def test_show_prints_plain_text(report, capsys):
    report.show()
    assert capsys.readouterr().out == str(report) + "\n"


def test_show_prints_colours_on_a_terminal(report, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    report.show()
    out = capsys.readouterr().out
    assert "\x1b[32m" in out and "params.slope" in out


def test_a_notebook_shows_the_table(report):
    root = xml.etree.ElementTree.fromstring(report._repr_html_())
    rows = [" ".join(row.itertext()) for row in root.iter("tr")]
    lines = str(report).splitlines()
    assert rows == [" ".join(line.split()) for line in lines[2 : 2 + len(rows)]]
    assert {row.split()[0] for row in rows[1:]} == {"params.slope", "params.intercept"}
