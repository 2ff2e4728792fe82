# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportOptionalSubscript=false

import io
import itertools
import re
from xml.etree import ElementTree

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.harness import style

# Machado, Oliveira and Fernandes (2009), full severity, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)


def _linear(colour):
    value = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _contrast(one, other):
    """WCAG 2: ratio of relative luminances, each raised by 0.05."""
    light, dark = sorted((TO_XYZ[1] @ _linear(c) for c in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _lab(linear):
    """CIE L*a*b* under the white of sRGB."""
    xyz = TO_XYZ @ np.clip(linear, 0, 1) / TO_XYZ.sum(axis=1)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def _figure():
    with style.style():
        figure = Figure()
        axes = figure.subplots()
        axes.plot([1, 2, 3], [3.0, 1.0, 2.0], label="loss")
        axes.contourf(np.outer(np.arange(4), np.arange(4)))
        axes.set(xlabel="epoch", ylabel="loss", title="The loss falls")
        axes.legend()
    return figure


@pytest.mark.parametrize("paper", [style.PAPER, style.DARK_PAPER])
@pytest.mark.parametrize("colour", style.PALETTE)
def test_every_colour_shows_on_both_backgrounds(colour, paper):
    assert _contrast(colour, paper) >= 3


def test_ink_is_readable_on_its_background():
    assert _contrast(style.INK, style.PAPER) >= 7
    assert _contrast(style.DARK_INK, style.DARK_PAPER) >= 7


@pytest.mark.parametrize("vision", VISION)
def test_colours_stay_apart_in_every_vision(vision):
    seen = [_lab(VISION[vision] @ _linear(colour)) for colour in style.PALETTE]
    distances = [np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)]
    assert min(distances) >= 15


def test_series_differ_in_line_as_well_as_in_colour():
    assert len({str(style) for style in style.LINE_STYLES}) == len(style.PALETTE)


def test_style_ends_with_its_block():
    before = dict(style.matplotlib.rcParams)
    with style.style():
        assert style.matplotlib.rcParams["text.color"] == style.INK
    assert dict(style.matplotlib.rcParams) == before


def test_png_is_opaque_white_at_twice_the_resolution():
    figure = _figure()
    pixels = matplotlib.image.imread(io.BytesIO(style.png(figure)))
    width, height = figure.get_size_inches()
    assert pixels.shape == (round(height * 200), round(width * 200), 4)
    assert np.all(pixels[..., 3] == 1)
    assert np.all(pixels[0, 0] == 1)


def test_axes_that_were_laid_out_stay_in_their_places():
    figure = Figure(layout="constrained")
    axes = figure.subplots()
    before = axes.get_position()
    style.lay_out(figure)
    found = axes.get_position()
    assert not np.allclose(found.bounds, before.bounds)
    style.png(figure)
    style.svg(figure, prefix="a", label="")
    assert figure.get_layout_engine() is None
    assert axes.get_position().bounds == found.bounds


def test_svg_is_deterministic_and_takes_its_ink_from_the_page():
    text = style.svg(_figure(), prefix="a-b", label='a "loss" & more')
    assert text == style.svg(_figure(), prefix="a-b", label='a "loss" & more')
    root = ElementTree.fromstring(text)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'a "loss" & more'
    drawing = re.sub(r"<style.*?</style>", "", text)
    assert "currentColor" in drawing
    assert style.INK not in drawing
    assert "prefers-color-scheme:dark" in text
    assert "fill: #ffffff" not in drawing


def test_identifiers_of_two_figures_never_meet():
    first, second = (
        style.svg(_figure(), prefix=prefix, label="") for prefix in ("a", "b")
    )
    for prefix, text in (("a", first), ("b", second)):
        names = re.findall(r'\bid="([^"]*)"', text)
        assert len(set(names)) == len(names)
        assert all(name.startswith(f"{prefix}-") for name in names)
        uses = re.findall(r'url\(#([^)]*)\)|href="#([^"]*)"', text)
        assert {one or other for one, other in uses} <= set(names)


def test_inline_svg_has_no_style_and_no_address():
    text = style.inline(style.svg(_figure(), prefix="a", label=""))
    assert "<style" not in text
    assert "//" not in text


@pytest.mark.parametrize("scale", ["log", "symlog"])
def test_powers_are_set_in_the_size_of_all_letters(scale):
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1.0, 2.0], [1e-3, 1e7])
    axes.set_yscale(scale)
    text = style.svg(figure, prefix="a", label="")
    assert "10⁶" in text or "10⁷" in text
    sizes = {float(size) for size in re.findall(r"font-size: ?([\d.]+)px", text)}
    sizes |= {float(size) for size in re.findall(r"font: ([\d.]+)px", text)}
    assert sizes == {10.0}


def test_labels_of_a_narrow_logarithmic_axis_keep_their_factors():
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1.0, 2.0], [2e-3, 4e-3])
    axes.set_yscale("log")
    text = style.svg(figure, prefix="a", label="")
    assert "3\u00d710⁻³" in text


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([0.0, 3e-5], "×10⁻⁵"),
        ([0.0, -3e9], "×10⁹"),
        ([1000.00001, 1000.00003], "×10⁻⁵ +10³"),
        ([-123456.0001, -123456.0003], "-1.23456×10⁵"),
        ([0.0, 3.0], None),
    ],
)
def test_what_labels_leave_out_is_written_with_raised_exponents(values, told):
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0.0, 1.0], values)
    text = style.svg(figure, prefix="a", label="")
    assert re.findall(r">([^<>]*×[^<>]*)<", text) == ([] if told is None else [told])
    assert "1e" not in "".join(re.findall(r">([^<>]*)</text", text))


def test_numbers_written_out_stay_so():
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0.0, 1.0], [0.0, 3e7])
    axes.ticklabel_format(axis="y", style="plain")
    assert "30000000" in style.svg(figure, prefix="a", label="")


def test_an_axis_with_labels_of_its_own_keeps_them():
    figure = Figure()
    axes = figure.subplots()
    axes.plot([1.0, 2.0], [1e-3, 1e7])
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("value {x:g}")
    assert "value 1000" in style.svg(figure, prefix="a", label="")


def test_inline_svg_is_wide_enough_for_letters_of_twelve_pixels():
    text = style.inline(style.svg(_figure(), prefix="a", label=""))
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', text)[1])
    (least,) = re.findall(r"min-width: (\d+)px", text)
    assert int(least) == round(1.2 * width)


@pytest.mark.parametrize("kind", ["plot", "scatter"])
def test_many_points_take_no_more_room_than_an_image_of_them(kind):
    x, y = np.random.default_rng(0).normal(size=(2, 100_000))
    sizes = {}
    for n in (1000, 100_000):
        figure = Figure()
        axes = figure.subplots()
        if kind == "plot":
            axes.plot(x[:n], y[:n], "o", markersize=2)
        else:
            axes.scatter(x[:n], y[:n], s=4)
        text = style.svg(figure, prefix="a", label="")
        sizes[n] = len(text)
        assert ("<image" in text) is (n > style.MOST_POINTS)
        assert (text.count("<use") > 1000) is (n <= style.MOST_POINTS)
    assert sizes[100_000] < 150_000
