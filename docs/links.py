"""What a site on disk links to and does not hold, without a network."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["problems"]

# What a browser loads by itself, as against what a reader may follow.
_LOADED = {
    "script": ("src",),
    "img": ("src",),
    "iframe": ("src",),
    "source": ("src",),
    "video": ("src", "poster"),
    "embed": ("src",),
    "object": ("data",),
    "link": ("href",),
}
_EMPTY_RELATIONS = {"canonical", "author", "license", "help"}


class _Page(HTMLParser):
    """The anchors of a page, its links, and what it loads."""

    def __init__(self, text: str):
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        if values.get("rel") not in _EMPTY_RELATIONS:
            self.loaded += [
                values[name] for name in _LOADED.get(tag, ()) if name in values
            ]


def problems(site: Path) -> list[str]:
    """Finds what does not work where the site is opened from the disk.

    Args:
        site: Folder of the site.

    Returns:
        A line for every link of a page to a file or an anchor that is not there, and
        for everything that a page would load from elsewhere.
    """
    pages = {
        path: _Page(path.read_text("utf-8")) for path in sorted(site.rglob("*.html"))
    }
    return [
        f"{path.relative_to(site)}: {what}"
        for path in pages
        for what in _problems_of(path, pages)
    ]


def _problems_of(path: Path, pages: dict[Path, _Page]) -> Iterator[str]:
    page = pages[path]
    for target in dict.fromkeys(page.loaded):
        parts = urlsplit(target)
        if parts.scheme not in ("", "data") or parts.netloc:
            yield f"loads {target} from elsewhere"
    for target in dict.fromkeys([*page.links, *page.loaded]):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            continue
        if parts.path.startswith("/"):
            yield f"{target} begins at the root of the disk"
            continue
        file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        anchor = unquote(parts.fragment)
        if not file.is_file():
            yield f"{target} is not there"
        elif anchor and file in pages and anchor not in pages[file].anchors:
            yield f"{target} has no such anchor"
