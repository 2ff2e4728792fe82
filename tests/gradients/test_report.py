"""Reports in one line, and printed."""

import html


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


def test_a_notebook_shows_the_plain_text(report):
    shown = report._repr_html_()
    assert shown.startswith("<pre>") and shown.endswith("</pre>")
    assert html.unescape(shown[5:-6]) == str(report)
    assert "<" not in shown[5:-6]
