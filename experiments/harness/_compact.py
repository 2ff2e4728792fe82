"""Makes an SVG of matplotlib's small, and leaves it looking the same.

matplotlib writes six decimals, a group and an identifier for every artist, style and
font at every letter, and every point of a contour. What is seen needs none of that:
lines are written to a hundredth of a unit, of which there are 72 to the inch, each
point as its distance from the last; points that no line would miss by more than a tenth
are left out; what neighbours have in common they are told once.
"""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

__all__ = ["compact"]

UNITS = 100  # steps in which lines are written, in one unit of the drawing
SLACK = 0.02 * UNITS  # how far from its neighbours' line a point may be left out
ROUNDS = 5

_SVG, _LINKS = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_GROUP = f"{{{_SVG}}}g"
_REFERENCE = re.compile(r'(url\(#|href="#|\bid=")([^)"]*)')
_LINE = re.compile(r"M (\S+) (\S+) ((?:L \S+ \S+ ?)+)(z)?")
_FONT, _SPACES = re.compile("font-family: [^;]*;? ?"), re.compile("([;:]) ")
_STILL = re.compile(r"rotate\(-?0 [^)]*\)")


def compact(text: str, *, prefix: str, font: str) -> str:
    """Writes an SVG in fewer letters.

    Args:
        text: an SVG as matplotlib writes it.
        prefix: start of every identifier.
        font: the family of all its text, which it is given once.
    """
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _LINKS)
    root = ElementTree.fromstring(text)
    found = _REFERENCE.findall(text)
    used = dict.fromkeys(name for before, name in found if before != 'id="')
    names = {name: f"{prefix}-{at}" for at, name in enumerate(used)}
    root.set("font-family", font)
    _clean(root, names)
    return ElementTree.tostring(root, encoding="unicode")


def _clean(parent: Element, names: Mapping[str, str]) -> None:
    kept: list[Element] = []
    for child in parent:
        if child.tag == f"{{{_SVG}}}metadata":
            continue
        attributes = {
            name: _attribute(name, value, names) for name, value in child.items()
        }
        child.attrib.clear()
        child.attrib.update(
            {name: value for name, value in attributes.items() if value}
        )
        _clean(child, names)
        child.tail = None
        # A group that says nothing about its parts is as good as its parts.
        bare = child.tag == _GROUP and not child.attrib
        kept += [*child] if bare else [child]
    parent[:] = _grouped(kept)
    if parent.text and not parent.text.strip():
        parent.text = None


def _attribute(name: str, value: str, names: Mapping[str, str]) -> str:
    match name:
        case "id":
            return names.get(value, "")
        case "d":
            return _LINE.sub(_line, " ".join(value.split()))
        case "style":
            value = _SPACES.sub(r"\1", _FONT.sub("", value))
            return _REFERENCE.sub(lambda found: f"{found[1]}{names[found[2]]}", value)
        case "clip-path":
            return f"url(#{names[value[5:-1]]})"
        case _ if name.endswith("href"):
            return f"#{names[value[1:]]}" if value.startswith("#") else value
        case "x" | "y" | "transform":
            value = re.sub(r"-?\d+\.\d+", lambda at: f"{float(at[0]):.2f}", value)
            return _STILL.sub("", value).strip()
    return value


def _grouped(elements: Iterable[Element]) -> list[Element]:
    """Tells neighbours of one style and one clipping path so together."""
    made: list[Element] = []
    for shared, run in itertools.groupby(elements, _shared):
        members = list(run)
        if not shared or len(members) < 3:
            made += members
            continue
        group = Element(_GROUP, dict(shared))
        for member in members:
            for name, _ in shared:
                del member.attrib[name]
        group[:] = members
        made.append(group)
    return made


def _shared(element: Element) -> tuple[tuple[str, str], ...]:
    """What a group can say for an element; opacity and caps are not handed down."""
    style = element.get("style", "")
    if element.get("transform") or re.search(r"(?<!-)opacity|linecap|linejoin", style):
        return ()
    items = element.attrib.items()
    return tuple(item for item in items if item[0] in ("clip-path", "style"))


def _line(match: re.Match[str]) -> str:
    """Writes a chain of straight lines."""
    numbers = f"{match[1]} {match[2]} {match[3]}".replace("L ", "").split()
    points = np.rint(np.array(numbers, float).reshape(-1, 2) * UNITS)
    points = _thinned(points)
    steps = _numbers(np.diff(points, axis=0).ravel())
    return f"M{_numbers(points[0])}l{steps}{'z' if match[4] else ''}"


def _thinned(points: np.ndarray) -> np.ndarray:
    """Leaves out, in each of a few rounds, every other point that hardly matters."""
    for _ in range(ROUNDS):
        start, middle, end = points[:-2:2], points[1:-1:2], points[2::2]
        along, offset = end - start, middle - start
        # A point beyond an end is as far away as it is from that end.
        square = np.maximum(np.sum(along**2, axis=1), 1.0)
        part = np.clip(np.sum(offset * along, axis=1) / square, 0, 1)
        distance = np.hypot(*(offset - part[:, None] * along).T)
        needed = np.ones(len(points), bool)
        needed[1:-1:2] = distance > SLACK
        if needed.all():
            break
        points = points[needed]
    return points


def _numbers(steps: Sequence[float] | np.ndarray) -> str:
    """Writes steps in units, with no letter that the grammar of paths leaves out."""
    texts = [f"{step / UNITS:.2f}".rstrip("0").rstrip(".") for step in steps]
    texts = [re.sub(r"^(-?)0\.", r"\1.", "0" if t == "-0" else t) for t in texts]
    return " ".join(texts).replace(" -", "-")
