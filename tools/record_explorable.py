"""Moves the thermometer of the results page, and records it for the README.

    python -m experiments.learning_rates
    python tools/record_explorable.py

It needs Playwright and Chromium (`FUNCLEARN_CHROMIUM`, or the one on the path), and
refuses to write more than a reader of the README should have to load.
"""

import io
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "results" / "index.html"
RECORD = ROOT / "experiments" / "figures" / "thermometer.webp"
MOST = 600_000  # bytes

# Without the page around it: the controls, and below them the path and the loss.
ALONE = """
#learning_rates-thermometer { position: fixed; inset: 0 auto auto 0; z-index: 9;
  box-sizing: border-box; width: 760px; background: var(--paper); }
#learning_rates-thermometer .live { border: 0; }
#learning_rates-thermometer :is(figcaption, .numbers) { display: none; }
#learning_rates-thermometer .panels > :nth-child(1) { grid-column: 1 / -1; }
#learning_rates-thermometer .panels > :nth-child(3) { display: none; }
#learning_rates-thermometer .sentence { min-height: 3.5em; }
#learning_rates-thermometer input { outline: none; }
"""

# Milliseconds: while the slider moves, and where something is to be read.
MOVING, READING = 110, 2200

# What is done, one after the other: a scaling that is chosen, or the position on the
# slider of the learning rates to move to, one step at a time.
MOVES = (9, 15, 19, "standardised", 33)


def frames(page: Page, thermometer: Locator) -> Iterator[tuple[Image.Image, int]]:
    """Pictures, and for how many milliseconds each is shown."""
    rate = thermometer.get_by_role("slider", name="Learning rate")

    def seen() -> Image.Image:
        return Image.open(io.BytesIO(thermometer.screenshot())).convert("RGB")

    def position() -> int:
        return int(rate.input_value())

    rate.focus()
    start, *moves = MOVES
    while position() != start:
        page.keyboard.press("ArrowLeft" if position() > int(start) else "ArrowRight")
    yield seen(), READING
    for move in moves:
        if isinstance(move, str):
            thermometer.get_by_role("radio", name=move).check()
            rate.focus()
        else:
            while position() < move - 1:
                page.keyboard.press("ArrowRight")
                yield seen(), MOVING
            page.keyboard.press("ArrowRight")
        yield seen(), READING


def main() -> None:
    """Writes the picture."""
    program = os.environ.get("FUNCLEARN_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": 1280, "height": 1000}, color_scheme="light"
        )
        page.goto(PAGE.as_uri())
        page.add_style_tag(content=ALONE)
        thermometer = page.locator("#learning_rates-thermometer")
        pictures, times = zip(*frames(page, thermometer), strict=True)
        browser.close()
    first, *others = pictures
    made = io.BytesIO()
    first.save(
        made,
        "webp",
        save_all=True,
        append_images=others,
        duration=times,
        loop=0,
        lossless=True,
        method=4,
    )
    if len(made.getvalue()) > MOST:
        raise SystemExit(
            f"the record has {len(made.getvalue()):,} bytes, over {MOST:,}"
        )
    RECORD.write_bytes(made.getvalue())
    print(f"{RECORD.relative_to(ROOT)}: {len(pictures)} frames, {MOST:,} bytes at most")


if __name__ == "__main__":
    main()
