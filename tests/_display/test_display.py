"""Two lines on a terminal."""

import contextlib
import fcntl
import gc
import io
import os
import pty
import re
import select
import struct
import sys
import termios
import time

import pytest

SHOW, HIDE = "\x1b[?25h", "\x1b[?25l"


class _Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.fixture
def file():
    return _Terminal()


def display(file, clock=time.monotonic):
    from funclearn._display._display import Display
    from funclearn._display._stream import Stream

    return Display(Stream(file), clock=clock)


def full(seen, **changes):
    known = dict(epochs=100_000, loss=0.0123456, validation=0.0345, rate=3456.7)
    known |= dict(closest="patience 7/10", saving="saved epoch 12000")
    return seen(11_000, **{**known, **changes})


def test_drawn_four_times_a_second_and_the_cursor_comes_back(file, clock, seen):
    with display(file, clock) as shown:
        for epoch in range(1, 101):
            clock.now = epoch / 100
            shown.show(seen(epoch))
        drawn = re.findall(r"(\d+) / 100", file.getvalue())
        assert drawn == ["25", "50", "75", "100"]
        assert HIDE in file.getvalue() and SHOW not in file.getvalue()
        shown.close("done")
    assert file.getvalue().endswith(f"{SHOW}done\n")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_cursor_comes_back_after_an_exception(file, clock, seen, error):
    with pytest.raises(error), display(file, clock) as shown:
        clock.now = 1.0
        shown.show(seen())
        raise error
    assert file.getvalue().rindex(SHOW) > file.getvalue().rindex(HIDE)


def test_a_short_run_is_a_plain_line(file, clock, seen):
    with display(file, clock) as shown:
        shown.show(seen(10))
    assert file.getvalue() == "epoch 10 / 100, loss 0.5, 45 s left, 2 epochs/s\n"


def test_notes_stand_above_and_are_not_read_as_markup(file, clock, seen):
    with display(file, clock) as shown:
        shown.note("[before]")
        clock.now = 1.0
        shown.show(seen())
        shown.note("[bold]as it is[/bold]")
    text = file.getvalue()
    assert text.startswith("[before]\n") and "[bold]as it is[/bold]\n" in text
    assert "10 / 100" in text.split("as it is")[1]


def test_no_colour_where_none_is_wanted(file, clock, seen, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    with display(file, clock) as shown:
        clock.now = 1.0
        shown.show(full(seen))
    assert not re.search(r"\x1b\[\d+(;\d+)*m", file.getvalue())


def test_an_ascii_terminal_gets_ascii(file, clock, seen):
    file.encoding = "ascii"
    with display(file, clock) as shown:
        clock.now = 1.0
        shown.show(full(seen))
    assert file.getvalue().isascii() and "##" in file.getvalue()


def test_it_costs_little(file, seen):
    """Starting, stopping and drawing; importing rich comes on top, once a process."""
    one, clock_now = full(seen), [0.0]
    with display(file, lambda: clock_now[0]) as shown:
        shown.show(one)
    costs = []
    for _ in range(5):
        start = time.perf_counter()
        with display(file, lambda: clock_now[0]) as shown:
            clock_now[0] += 1
            shown.show(one)
        costs.append(time.perf_counter() - start)
    assert min(costs) < 0.005
    shown = display(file, lambda: clock_now[0])
    start = time.perf_counter()
    for _ in range(1000):
        shown.show(one)
    assert time.perf_counter() - start < 0.1


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 80 columns, and what it shows."""
    ours, theirs = pty.openpty()
    resize(theirs, 80)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLUMNS", raising=False)
    with os.fdopen(theirs, "w", encoding="utf-8") as file:
        yield file, lambda: received(ours)
    os.close(ours)


def received(ours):
    """All that was written: it comes a little later, and maybe in parts."""
    text = b""
    while select.select([ours], [], [], 0.1 if text else 10)[0]:
        text += os.read(ours, 1 << 16)
    return text.decode()


def streams(file, output=None):
    """Makes it the streams of this process; pytest sets its own before a test."""
    stack = contextlib.ExitStack()
    stack.enter_context(contextlib.redirect_stdout(output or file))
    stack.enter_context(contextlib.redirect_stderr(file))
    return stack


def resize(file, columns):
    fcntl.ioctl(file, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))


def test_a_terminal_that_is_resized(terminal, clock, seen):
    file, read = terminal
    with display(file, clock) as shown:
        for columns in (80, 40, 7, 200):
            resize(file, columns)
            clock.now += 1
            shown.show(full(seen))
            drawn = re.sub(r"\x1b\[[?\d;]*[A-Za-z]", "", read()).replace("\r", "")
            assert max(map(len, drawn.split("\n"))) < columns
            assert ("saved epoch 12000" in drawn) == (columns >= 80)


def test_what_is_printed_goes_above(terminal, clock, seen):
    file, read = terminal
    with streams(file):
        with display(file, clock) as shown:
            clock.now = 1.0
            shown.show(seen())
            read()
            print("from a callback")
            assert "10 / 100" in read().split("from a callback")[1]
        assert sys.stdout is file and sys.stderr is file


def test_output_to_a_file_stays_there(terminal, clock, seen):
    output, (file, _) = io.StringIO(), terminal
    with streams(file, output), display(file, clock) as shown:
        clock.now = 1.0
        shown.show(seen())
        print("result")
    assert output.getvalue() == "result\n"


def test_a_display_that_nobody_closed_gives_the_cursor_back(terminal, clock, seen):
    file, read = terminal
    with streams(file):
        shown = display(file, clock)
        clock.now = 1.0
        shown.show(seen())
        assert HIDE in read()
        del shown
        gc.collect()
        assert SHOW in read() and sys.stdout is file


def test_a_terminal_that_goes_away(clock, seen):
    """Neither showing nor closing fails."""

    class Gone(_Terminal):
        def write(self, text):
            if clock.now > 1:
                raise BrokenPipeError
            return super().write(text)

    with display(Gone(), clock) as shown:
        for second in range(1, 5):
            clock.now = float(second)
            shown.show(seen())
            shown.note("a")
