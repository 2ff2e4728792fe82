"""What every page must be, for whoever reads it and however: by eye, ear or keyboard.

Each function takes a page of Playwright's, as `tests.browser.opened` gives it, and
returns a sentence for everything that is not as it must be. `problems` asks them all.
"""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = [
    "contrast",
    "headings",
    "keyboard",
    "links",
    "names",
    "overflow",
    "pictures",
    "printed_pages",
    "problems",
    "small",
]

LEAST_CONTRAST = 4.5
LEAST_LETTERS = 12.0

SCRIPT = Path(__file__).with_suffix(".js").read_text("utf-8")


def _asked(page: Any, function: str, *arguments: float) -> Any:
    """Calls a function of the script within the page."""
    call = f"(given) => {{ {SCRIPT}\nreturn {function}(...given); }}"
    return page.evaluate(call, [*arguments])


def problems(page: Any) -> list[str]:
    """What all functions of this module but `printed_pages` find."""
    checks = (overflow, small, contrast, keyboard, pictures, headings, names, links)
    return [problem for check in checks for problem in check(page)]


def overflow(page: Any) -> list[str]:
    """Checks that nothing is wider than the page, and nothing is cut off."""
    return _asked(page, "overflow")


def small(page: Any) -> list[str]:
    """Checks the size of letters as they are shown, within SVGs too."""
    return _asked(page, "small", LEAST_LETTERS)


def contrast(page: Any) -> list[str]:
    """Checks the contrast of text with what is behind it (WCAG 2), in SVGs too.

    What stands on an image within an SVG is not looked at.
    """
    return _asked(page, "contrast", LEAST_CONTRAST)


def keyboard(page: Any) -> list[str]:
    """Checks that the tabulator reaches all controls and scrolling parts, visibly.

    Of the radio buttons of one name it reaches one.
    """
    parts = _asked(page, "reachable")
    _asked(page, "toTheBeginning")
    reached, hidden = set(), []
    for _ in range(len(parts) + 2):
        page.keyboard.press("Tab")
        focused = _asked(page, "focused")
        if focused is None or focused[0] in reached:
            break
        reached.add(focused[0])
        if not focused[1]:
            hidden.append(f"{focused[2]} does not show that it is focused")
    groups = {parts[int(at)][1] for at in reached if at} - {""}
    missed = [
        f"{text} cannot be reached by keyboard"
        for at, (text, group) in enumerate(parts)
        if str(at) not in reached and group not in groups
    ]
    return missed + hidden


def pictures(page: Any) -> list[str]:
    """Checks that every picture says in words what it shows."""
    return _asked(page, "pictures")


def headings(page: Any) -> list[str]:
    """Checks that headings go down one level at a time, from a single first one."""
    return _asked(page, "headings")


def names(page: Any) -> list[str]:
    """Checks that identifiers are unique, and that elements refer to existing ones."""
    return _asked(page, "names")


def links(page: Any) -> list[str]:
    """Checks that links to files, and to places within them, lead somewhere."""
    found, texts = [], {}
    for link in dict.fromkeys(_asked(page, "links")):
        parts = urlsplit(link)
        if parts.scheme != "file":
            continue
        path, place = Path(unquote(parts.path)), unquote(parts.fragment)
        if not path.is_file():
            found.append(f"{link} leads to no file")
        elif place:
            text = texts.setdefault(path, path.read_text("utf-8"))
            if not re.search(
                rf"""\b(?:id|name)=["']?{re.escape(place)}["'\s>]""", text
            ):
                found.append(f"{link} leads nowhere in its file")
    return found


def printed_pages(page: Any) -> int:
    """Counts the pages on which it is printed, on the paper that it asks for, or A4."""
    printed = page.pdf(format="A4", prefer_css_page_size=True)
    return len(re.findall(rb"/Type\s*/Page\b", printed))
