"""Small curves, read back as a reader would."""

import re
import xml.etree.ElementTree

import numpy as np
import pytest

from funclearn._curves import sparkline, svg

LEFT, RIGHT, TOP, BOTTOM = 64, 352, 28, 144  # of the plot within the picture


@pytest.mark.parametrize(
    ("values", "bars"),
    [
        (2.0 ** np.arange(8), "▁▂▃▄▅▆▇█"),  # even on a logarithmic scale
        (np.array([-1.0, 0.0, 1.0]), "▁▅█"),
        (np.array([0.0, 7.0]), "▁█"),
        (np.array([1e-300, 1.0, 1e300]), "▁▅█"),
        (np.array([-1.7e308, 0.0, 1.7e308]), "▁▅█"),
        (np.array([1.0, np.nan, 4.0, np.inf, -np.inf]), "▁!█!!"),
        (np.array([3.0, 3.0]), "▅▅"),
        (np.array([np.nan]), "!"),
        (np.array([]), ""),
    ],
)
def test_bars_show_where_a_value_lies(values, bars):
    assert sparkline(values, 8) == bars


def test_of_many_epochs_the_early_ones_have_as_much_room_as_the_late_ones():
    """Those shown are 1, 2, 4, ..., 128, where 1 / epoch falls by halves."""
    assert sparkline(1 / np.arange(1, 129), 8) == "█▇▆▅▄▃▂▁"
    assert len(sparkline(np.linspace(1, 2, 5000), 30)) <= 30


def drawn(curves):
    """The paths of the curves, the texts, and the whole picture."""
    root = xml.etree.ElementTree.fromstring(svg(curves))
    space = "{http://www.w3.org/2000/svg}"
    paths = [path.attrib for path in root.iter(f"{space}path")]
    count = sum(map(len, curves.values()))
    return paths[-count:], [text.text for text in root.iter(f"{space}text")], root


def points(path):
    found = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path["d"])
    return np.array(found, float).T


def test_a_picture_holds_the_values_on_logarithmic_scales():
    training = 80.0 / np.arange(1.0, 101)
    validation = np.full(100, 8.0)
    (first, second), texts, _ = drawn({"one": [training], "two": [validation]})
    for path, values in ((first, training), (second, validation)):
        x, y = points(path)
        epochs = 100 ** ((x - LEFT) / (RIGHT - LEFT))
        np.testing.assert_allclose(epochs, np.arange(1, 101), rtol=2e-3)
        read = 0.8 * 100 ** ((BOTTOM - y) / (BOTTOM - TOP))
        np.testing.assert_allclose(read, values, rtol=4e-3)
    assert {"one", "two", "80", "0.8", "epoch 1", "100", "log scales"} <= {*texts}
    assert "stroke-dasharray" in second and "stroke-dasharray" not in first


def test_values_of_either_sign_are_on_a_linear_scale():
    (path,), texts, _ = drawn({"loss": [np.array([-4.0, 0.0, 6.0])]})
    heights = (BOTTOM - points(path)[1]) / (BOTTOM - TOP)
    np.testing.assert_allclose(heights, [0, 0.4, 1], atol=1e-3)
    assert {"-4", "6", "log scale"} <= {*texts}


def test_what_is_not_finite_is_a_gap():
    values = np.array([1.0, 2.0, np.nan, 3.0, np.inf, np.inf, 4.0])
    (path,), _, _ = drawn({"loss": [values]})
    assert len(re.findall("M", path["d"])) == 3 and path["d"].endswith("h0")
    assert points(path).shape == (2, 4)
    (path,), texts, _ = drawn({"loss": [np.full(3, np.nan)]})
    assert not path["d"] and "nan" not in texts


def test_a_long_curve_takes_little_room_and_keeps_its_ends():
    (path,), _, _ = drawn({"loss": [np.linspace(2, 1, 100_000)]})
    x, y = points(path)
    assert len(path["d"]) < 3000
    assert (x[0], x[-1], y[0], y[-1]) == (LEFT, RIGHT, TOP, BOTTOM)


def test_several_lanes_are_fainter_and_end_where_they_ended():
    lanes = [np.array([4.0, 2.0]), np.array([4.0, 2.0, 1.0, 1.0])]
    (short, long), _, _ = drawn({"loss": lanes})
    assert points(short)[0][-1] == (LEFT + RIGHT) / 2  # epoch 2 of 4
    assert float(long["stroke-opacity"]) < 1


def test_the_ink_is_that_of_the_page_and_names_are_text():
    _, texts, root = drawn({"<b>&": [np.array([2.0, 1.0])]})
    inks = {part.get(kind) for part in root.iter() for kind in ("fill", "stroke")}
    assert inks == {"currentColor", "none", None}
    assert "<b>&" in texts and root.get("aria-label") == "<b>& over 2 epochs"
