import dataclasses
import errno
import io
import os
import sys
from typing import Any

import jax
import pytest

from experiments.harness._refusals import in_one_line, parsed, until_refused
from funclearn.running import Failed


@dataclasses.dataclass(frozen=True)
class Options:
    """Some options."""

    epochs: int = 3
    """Number of epochs."""
    widths: tuple[int, ...] = (1,)
    """Widths."""

    def __post_init__(self):
        if self.epochs < 0:
            raise ValueError(f"epochs must not be negative; got {self.epochs}.")


def parse(*options):
    return parsed(Options, options, "python -m program", "What it does.")


def test_options_are_read():
    assert parse("--epochs", "5", "--widths", "1", "2") == Options(5, (1, 2))


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (["--epochs", "many"], ("--epochs", "'many'")),
        (["--epochs"], ("--epochs", "Missing value")),
        (["--epochs", "-1"], ("epochs must not be negative; got -1",)),
        (["--epocs", "1"], ("--epocs",)),
        (["stray"], ("stray",)),
        (["--widths", "1", "x" * 300], ("--widths",)),
        (["--tyro-print-completion", "fsh"], ("fsh",)),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_bad_options_are_told_in_a_sentence(
    options, parts, capsys, monkeypatch, encoding
):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    with pytest.raises(ValueError, match=r"\. See python -m program --help\.$") as told:
        parse(*options)
    message = str(told.value)
    assert "\n" not in message
    assert message.isascii()
    assert "---" not in message
    for part in parts:
        assert part in message
    assert capsys.readouterr().err == ""
    terminal.seek(0)
    assert terminal.read() == ""


def test_help_ends_well(capsys):
    with pytest.raises(SystemExit) as exit_:
        parse("--help")
    assert exit_.value.code == 0
    assert "Number of epochs." in capsys.readouterr().out


def raising(error):
    def main():
        raise error

    return main


RUN: Any = None
LOST = Failed("the run ended after epoch 3 of 9:\nthe disk is full", RUN)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one\n  two\tthree\x1b[0m"), "one two three [0m"),
        (ValueError(""), "ValueError"),
        (LOST, "the run ended after epoch 3 of 9: the disk is full"),
        (
            FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "a.csv"),
            "No such file or directory: a.csv; check the path",
        ),
        (OSError(errno.ENOSPC, "results cannot be written"), None),
        (OSError("neither number nor text"), None),
        (MemoryError(), "there is not enough memory for numbers as large: MemoryError"),
        (
            jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: 9 TB"),
            "there is not enough memory for numbers as large: RESOURCE_EXHAUSTED: 9 TB",
        ),
    ],
)
def test_bad_input_ends_in_one_line_with_2(error, line, capsys):
    assert until_refused(raising(error), debug=False) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"error: {line or error.args[-1]}\n"


def test_an_error_of_a_whole_page_is_cut():
    line = in_one_line(ValueError("ab " * 10_000))
    assert len(line) < 1100
    assert line.endswith(" ...")


def test_debug_shows_where_it_was(capsys):
    assert until_refused(raising(ValueError("no")), debug=True) == 2
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("Traceback")
    assert last == "error: no"


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("ours"), jax.errors.JaxRuntimeError("INTERNAL")]
)
def test_what_is_no_fault_of_the_input_is_not_hidden(error):
    with pytest.raises(type(error)):
        until_refused(raising(error), debug=False)


def test_a_status_is_handed_on():
    assert until_refused(lambda: 1, debug=False) == 1
