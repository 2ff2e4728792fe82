import math

import pytest

from tests import browser


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("2.93", 2.93, 0.01),
        ("−17.30", -17.3, 0.01),
        ("12", 12.0, 1.0),
        ("−2.661 × 10¹⁸", -2.661e18, 1e15),
        ("3.40 × 10⁻⁴", 3.4e-4, 1e-6),
        ("∞", math.inf, 0.0),
        ("−∞", -math.inf, 0.0),
    ],
)
def test_numbers_are_read_as_they_are_shown(text, value, unit):
    found = browser.number(text)
    assert found == pytest.approx((value, unit), rel=1e-12)


@pytest.mark.parametrize(
    ("text", "expected", "right"),
    [
        ("2.93", 2.9276, True),
        ("2.93", 2.9356, False),
        ("2.93", 2.9249, False),
        ("2.93 × 10⁶", 2.9276e6, True),
        ("2.93 × 10⁶", 2.9376e6, False),
        ("∞", math.inf, True),
        ("∞", 1e30, False),
        ("−∞", math.inf, False),
        ("not a number", math.nan, True),
        ("2.93", math.nan, False),
    ],
)
def test_numbers_agree_to_their_digits(text, expected, right):
    assert browser.agrees(text, expected) is right


def test_other_texts_are_no_numbers():
    with pytest.raises(AssertionError, match="about 3"):
        browser.number("about 3")


def test_errors_of_a_page_are_found(chromium, tmp_path):
    path = tmp_path / "page.html"
    path.write_text("<!doctype html><p>text</p>")
    with browser.opened(chromium, path) as page:
        assert page.inner_text("p") == "text"
    for script in ("lost()", "console.error('lost')"):
        path.write_text(f"<!doctype html><script>{script}</script>")
        with pytest.raises(AssertionError, match="lost"):
            with browser.opened(chromium, path):
                pass
