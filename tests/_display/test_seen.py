"""The words for how far something has come."""

import math
from typing import Any

import pytest

SEEN: dict[str, Any] = dict(
    epoch=1200,
    epochs=100_000,
    loss=0.0123456,
    validation=2.5,
    rate=3456.7,
    closest="patience 7/10",
    saving="saved epoch 1000",
)


def parts(**changes):
    from funclearn._display import Seen

    return Seen(**{**SEEN, **changes}).parts()


def test_all_there_is_to_say_stands_on_one_line():
    from funclearn._display import Seen

    assert str(Seen(**SEEN)) == (
        "epoch 1,200 / 100,000, loss 0.01235, 29 s left, validation 2.5, "
        "patience 7/10, 3,457 epochs/s, saved epoch 1000"
    )


def test_what_is_not_known_is_left_out():
    nothing = dict(loss=None, validation=None, rate=math.nan, closest=None, saving=None)
    assert parts(**nothing) == {"done": "1,200 / 100,000"}


@pytest.mark.parametrize(
    "loss, text",
    [
        (math.nan, "loss nan"),
        (math.inf, "loss inf"),
        (0.0, "loss 0"),
        (1.23456e-20, "loss 1.235e-20"),
        (123456.0, "loss 1.235e+05"),
    ],
)
def test_losses_have_four_digits(loss, text):
    assert parts(loss=loss)["loss"] == text


@pytest.mark.parametrize(
    "left, text",
    [
        (1, "1 s left"),
        (59.2, "1 min 0 s left"),
        (61, "1 min 1 s left"),
        (3600 * 3 + 60 * 20 + 59, "3 h 20 min left"),
        (86400 * 5 + 3600 * 7, "5 d 7 h left"),
        (1e12, "over a year left"),
    ],
)
def test_the_time_left_has_two_units(left, text):
    epochs = 10**9
    assert parts(epoch=0, epochs=epochs, rate=epochs / left)["left"] == text


@pytest.mark.parametrize("rate", [math.nan, math.inf, 0.0, -1.0])
def test_without_a_rate_there_is_no_time(rate):
    assert {"left", "rate"}.isdisjoint(parts(rate=rate))


def test_at_the_end_no_time_is_left():
    assert "left" not in parts(epoch=100_000)


@pytest.mark.parametrize(
    "rate, text",
    [(0.12, "8.33 s/epoch"), (12.345, "12.3 epochs/s"), (1e7, "10,000,000 epochs/s")],
)
def test_rates_are_readable(rate, text):
    assert parts(rate=rate)["rate"] == text


def test_a_name_cannot_tear_the_display():
    assert parts(closest="a\nb\x1b[2J\t")["closest"] == "a b [2J "


@pytest.mark.parametrize(
    "best, rate, text",
    [
        (None, math.nan, "lanes 250 / 1,000"),
        (0.0123456, 0.5, "lanes 250 / 1,000, best 0.01235, 25 min 0 s left, 2 s/lane"),
        (-math.inf, 250.0, "lanes 250 / 1,000, best -inf, 3 s left, 250 lanes/s"),
    ],
)
def test_lanes_are_counted_in_the_same_words(best, rate, text):
    from funclearn._display import SeenLanes

    seen = SeenLanes(250, 1000, best, rate)
    assert str(seen) == text and seen.share == 0.25


@pytest.mark.parametrize(
    "there, size, rate, text",
    [
        (0, 5_148, math.nan, "0.0 / 5.1 kB"),
        (999, 999, 0.0, "1.0 / 1.0 kB"),
        (13_210_940, 26_421_880, 2e6, "13.2 / 26.4 MB, 7 s left, 2.0 MB/s"),
        (500_000_000, 2_000_000_000, 3e5, "0.5 / 2.0 GB, 1 h 23 min left, 300.0 kB/s"),
        (700, 5_148, -3.0, "0.7 / 5.1 kB"),
    ],
)
def test_bytes_of_a_file_are_counted_in_units_of_its_size(there, size, rate, text):
    from funclearn._display import SeenBytes

    seen = SeenBytes("a\n.gz", there, size, rate)
    assert str(seen) == f"a .gz {text}" and seen.share == there / size
