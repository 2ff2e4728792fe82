import io
import re
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.path import Path

from experiments.harness._compact import compact

SVG = "{http://www.w3.org/2000/svg}"


def _written(figure):
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _figure(draw):
    figure = Figure(figsize=(4, 3))
    draw(figure.subplots())
    return figure


def _numbers(path):
    numbers = re.findall(r"-?(?:\d+\.?\d*|\.\d+)", path)
    return np.array(numbers, float).reshape(-1, 2)


def _lines(text):
    """The corners of all chains of lines, in absolute coordinates."""
    found = []
    for path in re.findall(r'\bd="(M[^"]*)"', text):
        if "l" in path:
            for part in re.findall(r"M([^Mz]*)z?", path):
                head, tail = part.split("l")
                numbers = [
                    re.findall(r"-?(?:\d+\.?\d*|\.\d+)", at) for at in (head, tail)
                ]
                start, steps = (np.array(at, float).reshape(-1, 2) for at in numbers)
                found.append(np.concatenate([start, start + np.cumsum(steps, axis=0)]))
        elif "L" in path:
            found.append(_numbers(path))
    return found


def _distance(points, chain):
    """The largest distance of points from a chain of lines."""
    start, along = chain[:-1], np.diff(chain, axis=0)
    offset = points[:, None] - start
    length = np.maximum(np.sum(along**2, axis=1), 1e-12)
    part = np.clip(np.sum(offset * along, axis=2) / length, 0, 1)
    return np.hypot(*np.moveaxis(offset - part[..., None] * along, 2, 0)).min(1).max()


@pytest.mark.parametrize(
    "curve",
    [
        lambda t: (np.cos(t), np.sin(t)),
        lambda t: (t, np.sin(40 * t)),
        lambda t: (np.cumsum(np.cos(37 * t**2)), np.cumsum(np.sin(91 * t))),
    ],
    ids=["circle", "waves", "walk"],
)
def test_no_point_is_a_seventh_of_a_unit_from_the_line(curve):
    x, y = curve(np.linspace(0, 2 * np.pi, 2001))
    figure = _figure(lambda axes: axes.fill(x, y, edgecolor="red"))
    before = _written(figure)
    after = compact(before, prefix="a", font="serif")
    old = max(_lines(before), key=len)
    (new,) = [
        c for c in _lines(after) if np.hypot(*(c[0] - old[0])) < 0.02 and len(c) > 9
    ]
    assert len(new) < len(old)
    assert _distance(old, new) < 1 / 7


def test_corners_stay():
    figure = _figure(lambda axes: axes.fill([0, 1, 1, 0], [0, 0, 1, 1]))
    before = _written(figure)
    after = compact(before, prefix="a", font="serif")
    for old, new in zip(_lines(before), _lines(after), strict=True):
        np.testing.assert_allclose(new, old, atol=0.011)


def test_curves_and_markers_keep_their_paths():
    circle = Path.unit_circle()
    figure = _figure(lambda axes: axes.plot([1, 2], [1, 2], marker=circle))
    before = _written(figure)
    assert re.findall(r"C [^\"]*", before)
    after = compact(before, prefix="a", font="serif")
    assert [*map(str.split, re.findall(r"C [^\"]*", before))] == [
        *map(str.split, re.findall(r"C [^\"]*", after))
    ]


def test_only_what_is_referred_to_has_a_name():
    figure = _figure(lambda axes: axes.plot([1, 2], [1, 2], "o-"))
    text = compact(_written(figure), prefix="some", font="serif")
    names = re.findall(r'\bid="([^"]*)"', text)
    used = re.findall(r'url\(#([^)]*)\)|href="#([^"]*)"', text)
    assert {*names} == {one or other for one, other in used}
    assert all(name.startswith("some-") for name in names)
    assert len({*names}) == len(names)


def test_hatched_bars_find_their_pattern():
    text = compact(
        _written(_figure(lambda axes: axes.bar([0, 1], [1, 2], hatch="//"))),
        prefix="p",
        font="sans-serif",
    )
    (pattern,) = re.findall(r'<pattern id="([^"]*)"', text)
    assert text.count(f"fill:url(#{pattern})") == 2


def test_every_text_stays_where_it_is_and_is_of_one_font():
    figure = _figure(lambda axes: axes.set(xlabel="x < y & z", ylabel="Loss"))
    before = _written(figure)
    after = compact(before, prefix="a", font="'Some Font', serif")
    old, new = (
        [t for t in ElementTree.fromstring(text).iter(f"{SVG}text")]
        for text in (before, after)
    )
    assert [t.text for t in old] == [t.text for t in new]
    for one, other in zip(old, new, strict=True):
        for at in {"x", "y"}.intersection(one.keys()):
            place = float(one.attrib[at])
            assert float(other.attrib[at]) == pytest.approx(place, abs=0.006)
    assert "rotate(-90" in "".join(t.get("transform", "") for t in new)
    assert ElementTree.fromstring(after).get("font-family") == "'Some Font', serif"
    assert after.count("font-family") == 1


def test_what_neighbours_share_is_said_once_and_no_opacity_is():
    x = np.linspace(0, 1, 200)
    figure = _figure(lambda axes: axes.plot(x, x, "o", color="#123456"))
    text = compact(_written(figure), prefix="a", font="serif")
    assert text.count("<use") > 200
    assert text.count("fill:#123456") == 1
    for group in ElementTree.fromstring(text).iter(f"{SVG}g"):
        assert not re.search(r"(?<!-)opacity", group.get("style", ""))
