"""Reports in one line, and printed."""


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
