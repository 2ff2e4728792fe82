"""What stands on the two lines of a terminal."""

import pytest


def full(seen, **changes):
    known = dict(epochs=100_000, loss=0.0123456, validation=0.0345, rate=3456.7)
    known |= dict(closest="patience 7/10", saving="saved epoch 12000")
    return seen(11_000, **{**known, **changes})


def texts(seen, width, *, ascii_only=False):
    from funclearn._display._region import layout

    lines = layout(seen, width, ascii_only)
    return ["".join(text for _, text in line) for line in lines]


def test_a_terminal_of_80_columns_holds_all(seen):
    bar, line = texts(full(seen), 79, ascii_only=True)
    assert bar == "###" + "-" * 31 + "  11,000 / 100,000  26 s left  3,457 epochs/s"
    assert line == "loss 0.01235  validation 0.0345  patience 7/10  saved epoch 12000"


@pytest.mark.parametrize("width", [1, 5, 10, 20, 39, 60, 79, 200])
@pytest.mark.parametrize("epochs", [11_000, 10**9])
def test_what_has_no_room_is_left_out_the_least_important_first(seen, width, epochs):
    one = full(seen, epochs=epochs)
    lines = texts(one, width)
    assert len(lines) == 2
    needed = [f"11,000 / {epochs:,}", "loss 0.01235"]
    for line, least in zip(lines, needed, strict=True):
        assert least in line and len(line) <= max(width, len(least))
    if width == 200:
        assert all(text in "  ".join(lines) for text in one.parts().values())
    if width == 39:
        assert lines[1] == "loss 0.01235  validation 0.0345"


@pytest.mark.parametrize(
    "epoch, epochs, filled", [(0, 10, 0), (5, 10, 20), (10, 10, 40), (0, 0, 0)]
)
def test_the_bar_is_as_full_as_the_run(seen, epoch, epochs, filled):
    bar = texts(seen(epoch, epochs=epochs), 200, ascii_only=True)[0].split()[0]
    assert (bar.count("#"), len(bar)) == (filled, 40)


def test_lanes_stand_on_two_lines_too():
    from funclearn._display import SeenLanes

    bar, line = texts(SeenLanes(300, 1000, 0.5, 20.0), 60, ascii_only=True)
    assert bar.endswith("  300 / 1,000  35 s left  20 lanes/s") and line == "best 0.5"
    assert len(texts(SeenLanes(0, 1000, None, float("nan")), 60)) == 1


def test_a_file_that_arrives_stands_on_two_lines_too():
    from funclearn._display import SeenBytes

    seen = SeenBytes("images.gz", 13_210_940, 26_421_880, 2e6)
    bar, line = texts(seen, 60, ascii_only=True)
    done = "13.2 / 26.4 MB  7 s left  2.0 MB/s"
    assert bar == "#" * 12 + "-" * 12 + f"  {done}"
    assert line == "images.gz"
