"""Where a run is, in plain lines."""

import io

import pytest


@pytest.fixture
def file():
    return io.StringIO()


def made(kind, file, clock):
    from funclearn._display import _lines
    from funclearn._display._stream import Stream

    return getattr(_lines, kind)(Stream(file), clock=clock)


def test_a_line_every_ten_seconds_and_one_at_the_end(file, clock, seen):
    with made("Lines", file, clock) as shown:
        for epoch in range(1, 96):
            clock.now = epoch / 4
            shown.show(seen(epoch))
        assert file.getvalue().splitlines() == [
            "epoch 40 / 100, loss 0.5, 30 s left, 2 epochs/s",
            "epoch 80 / 100, loss 0.5, 10 s left, 2 epochs/s",
        ]
        shown.close("stopped: patience")
    assert file.getvalue().splitlines()[2:] == [
        "epoch 95 / 100, loss 0.5, 3 s left, 2 epochs/s",
        "stopped: patience",
    ]


def test_what_was_drawn_is_not_drawn_again_at_the_end(file, clock, seen):
    shown = made("Lines", file, clock)
    clock.now = 11.0
    shown.show(seen())
    shown.close()
    shown.close("twice")
    assert len(file.getvalue().splitlines()) == 1


def test_notes_are_lines_at_once(file, clock):
    shown = made("Lines", file, clock)
    shown.note("resumed at epoch 7")
    assert file.getvalue() == "resumed at epoch 7\n"


def test_nothing_was_seen(file, clock):
    made("Lines", file, clock).close()
    assert file.getvalue() == ""


def test_an_exception_goes_through_and_closes(file, clock, seen):
    with pytest.raises(KeyboardInterrupt), made("Lines", file, clock) as shown:
        shown.show(seen())
        raise KeyboardInterrupt
    assert file.getvalue().startswith("epoch 10 / 100")


def test_silence(seen):
    from funclearn._display._lines import Silent

    with Silent() as shown:
        shown.show(seen())
        shown.note("a")
        shown.close("b")
