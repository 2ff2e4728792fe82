"""Pages in headless Chromium, and the numbers that they show, for tests that look.

A machine without Playwright or Chromium skips these tests; FUNCLEARN_CHROMIUM names the
program where it is not on the path.
"""

import contextlib
import math
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-")


def program() -> str | None:
    """The path of Chromium; None where there is none."""
    named = os.environ.get("FUNCLEARN_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


# Not of the session: Playwright runs an event loop in the thread of the tests, where
# others, such as those of checkpoints, start loops of their own.
@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser of Playwright's."""
    playwright = pytest.importorskip("playwright.sync_api")
    path = program()
    if path is None:
        pytest.skip(f"needs one of {', '.join(NAMES)}, or FUNCLEARN_CHROMIUM")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*OPTIONS])
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(
    browser: Any, path: Path, *, width: int = 1280, **options: Any
) -> Iterator[Any]:
    """A page from the disk, without motion; in the end, that it met no error."""
    settings = {"viewport": {"width": width, "height": 900}, "reduced_motion": "reduce"}
    context = browser.new_context(**settings | options)
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on(
        "console",
        lambda message: message.type == "error" and errors.append(message.text),
    )
    page.goto(path.as_uri())
    try:
        yield page
    finally:
        context.close()
    assert not errors, errors


def shown(place: Any, quantity: str) -> str:
    """The text of the number of a quantity within an explorable."""
    return place.locator(f'[data-quantity="{quantity}"]').inner_text()


def all_shown(place: Any) -> dict[str, str]:
    """The texts of all numbers that an explorable shows, in one look.

    Its sentence about them is under `"sentence"`.
    """
    return place.evaluate(
        """(place) => Object.fromEntries([
          ["sentence", place.querySelector("[aria-live=polite]").textContent],
          ...[...place.querySelectorAll("[data-quantity]")].map(
            (output) => [output.dataset.quantity, output.textContent]),
        ])"""
    )


def number(text: str) -> tuple[float, float]:
    """A number that is shown, such as −1.5 × 10⁻³, and one unit of its last digit."""
    if text.endswith("∞"):
        return (-math.inf if text.startswith("−") else math.inf), 0.0
    if text == "not a number":
        return math.nan, 0.0
    found = re.fullmatch(r"(−?\d+(?:\.(\d+))?)(?: × 10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text)
    assert found, text
    digits, decimals, power = found.groups(default="")
    exponent = int(power.translate(DIGITS) or 0)
    return (
        float(f"{digits.translate(DIGITS)}e{exponent}"),
        10.0 ** (exponent - len(decimals)),
    )


def agrees(text: str, expected: float, *, relative: float = 1e-5) -> bool:
    """Whether a text shows an expected number, as exactly as its digits say.

    Args:
        text: what is shown.
        expected: a number that has roundings of its own.
        relative: how large they are, beside the number.
    """
    value, unit = number(text)
    if not math.isfinite(expected):
        return str(value) == str(expected)
    return abs(value - expected) <= 0.5 * unit * (1 + 1e-9) + relative * abs(expected)
