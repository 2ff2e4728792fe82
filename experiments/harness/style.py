"""How the figures look, on white paper and on light and dark pages.

One set of colours serves all three: each has a contrast of at least 3 on both
backgrounds, readers with any form of colour blindness tell them apart, and the
cycle changes the line's style with its colour. Okabe and Ito's blue, vermillion and
green are unchanged; their other colours are darkened until they show on white.

Draw within `style()`, on `matplotlib.figure.Figure` (never pyplot), and take colours
from the cycle or the constants below. A title says the point of the figure, at the
left, in lines of at most 50 characters. What stands on a filled contour, which looks
the same on every page, needs a colour of its own: "black" or "white".
"""

import contextlib
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatterSciNotation, ScalarFormatter

from experiments.harness import _plain
from experiments.harness._compact import compact

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # from matplotlib 3.11 on

__all__ = [
    "BLUE",
    "GREEN",
    "GREY",
    "PALETTE",
    "PURPLE",
    "SKY",
    "VERMILLION",
    "inline",
    "png",
    "style",
    "svg",
]

PAPER, INK = "#ffffff", "#1b1c1d"
DARK_PAPER, DARK_INK = "#15181c", "#e4e6e8"

BLUE = "#0072B2"
VERMILLION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#BF77AB"
SKY = "#1D97FC"
GREY = "#656565"
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, SKY, GREY)
LINE_STYLES = ("-", "--", "-.", ":", (0, (6, 1.5, 1, 1.5, 1, 1.5)), (0, (8, 2)))

DOTS_PER_INCH = 200  # of images, twice those of a screen

MOST_POINTS = 1000  # that an SVG draws one by one

FONTS = "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif"

_SETTINGS: dict["RcKeyType", object] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.prop_cycle": cycler(color=PALETTE) + cycler(linestyle=LINE_STYLES),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "figure.figsize": (5.2, 3.4),
    "font.size": 10,
    "grid.alpha": 0.15,
    "grid.color": INK,
    "image.cmap": "cividis",
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "patch.edgecolor": INK,
    "svg.fonttype": "none",
    "svg.hashsalt": "funclearn",
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Makes matplotlib draw in the project's style, whatever the user's own."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def lay_out(figure: Figure) -> None:
    """Finds the places of all axes, and keeps them.

    While a figure has a layout engine, matplotlib draws it twice when it saves it.
    """
    _write_powers_plainly(figure)
    figure.set_dpi(DOTS_PER_INCH)
    if engine := figure.get_layout_engine():
        engine.execute(figure)
    with style():
        figure.set_layout_engine(None)


def png(figure: Figure) -> bytes:
    """Renders a figure on opaque white at twice the resolution of the screen."""
    buffer = io.BytesIO()
    _write_powers_plainly(figure)
    with style():
        figure.savefig(
            buffer,
            format="png",
            dpi=DOTS_PER_INCH,
            facecolor=PAPER,
            metadata={"Software": None},
        )
    return buffer.getvalue()


def svg(figure: Figure, *, prefix: str, label: str) -> str:
    """Renders a figure as an SVG whose ink is dark on light pages, light on dark ones.

    Equal figures give equal text.

    Args:
        figure: the figure.
        prefix: start of every identifier, so that several SVGs fit in one page.
        label: what a screen reader says in place of the figure.
    """
    buffer = io.StringIO()
    undated = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    _close_seams(figure)
    _rasterise_many_points(figure)
    _write_powers_plainly(figure)
    with style():
        figure.savefig(
            buffer, format="svg", dpi=DOTS_PER_INCH, facecolor="none", metadata=undated
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    text = compact(text, prefix=prefix, font=FONTS)
    text = re.sub(r"<style.*?</style>", _STANDALONE_STYLE, text, count=1)
    return text.replace("<svg ", f'<svg role="img" aria-label={quoteattr(label)} ', 1)


class _Powers(LogFormatterSciNotation):
    """Labels a logarithmic axis in one size of letters, 10⁻³ with signs of its own.

    matplotlib's own exponents are set at 0.7 of the size, too small to read.
    """

    def __call__(self, x: float, pos: int | None = None) -> str:
        label = super().__call__(x, pos)
        power = _POWER.fullmatch(label)
        if power is None:
            return label
        sign, factor, exponent = power.groups(default="")
        return _plain.power(sign, factor, int(exponent))


_POWER = re.compile(r"\$\\mathdefault\{(-?)(?:([0-9.]+)\\times)?\s*10\^\{(-?\d+)\}\}\$")


class _Scaled(ScalarFormatter):
    """Writes what the labels of an axis leave out as ×10⁻³ +10⁵, not as 1e−3+1e5."""

    def get_offset(self) -> str:
        """By what all labels are to be multiplied, and what is to be added."""
        text = super().get_offset().replace("\N{MINUS SIGN}", "-")
        return _LEFT_OUT.sub(_left_out, text).strip()


_LEFT_OUT = re.compile(r"([-+]?)([0-9.]+)e([-+]?\d+)")


def _left_out(found: re.Match[str]) -> str:
    sign, factor, exponent = found.groups()
    before = f" {sign}" if sign else "×"
    return _plain.power(before, "" if factor == "1" else factor, int(exponent))


def _write_powers_plainly(figure: Figure) -> None:
    """Replaces matplotlib's own labels of powers of ten, and no others."""
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            major = axis.get_major_formatter()
            if type(major) is ScalarFormatter:
                scaled = _Scaled()
                vars(scaled).update(vars(major))
                axis.set_major_formatter(scaled)
            elif type(major) is LogFormatterSciNotation:
                axis.set_major_formatter(_Powers())
            if type(axis.get_minor_formatter()) is LogFormatterSciNotation:
                axis.set_minor_formatter(_Powers(labelOnlyBase=False))


def _close_seams(figure: Figure) -> None:
    """Draws the edges of filled contours too: the page would show between them."""
    for axes in figure.axes:
        for collection in axes.collections:
            if isinstance(collection, ContourSet) and collection.filled:
                collection.set_edgecolor("face")


def _rasterise_many_points(figure: Figure) -> None:
    """Makes images of clouds of points, which no page has room for one by one."""
    for axes in figure.axes:
        for line in axes.lines:
            marked = line.get_marker() not in ("None", "none", None, "", " ")
            if marked and len(np.ravel(line.get_xdata())) > MOST_POINTS:
                line.set_rasterized(True)
        for collection in axes.collections:
            if len(np.reshape(collection.get_offsets(), (-1, 2))) > MOST_POINTS:
                collection.set_rasterized(True)


def inline(text: str) -> str:
    """Makes an SVG a part of a page: what all of them have in common is the page's.

    It says how wide it must be at least, so that its smallest letters are no smaller
    than twelve pixels.
    """
    text = re.sub(r"<style.*?</style>|\sxmlns(:\w+)?=\"[^\"]*\"", "", text)
    if size := re.search(r'viewBox="\S+ \S+ ([\d.]+) ', text):
        letters = re.findall(r"font(?:-size)?:\s*(?:bold )?([\d.]+)px", text)
        scale = 12 / min(map(float, letters), default=10.0)
        least = f'<svg style="min-width: {scale * float(size[1]):.0f}px" '
        text = text.replace("<svg ", least, 1)
    return text


_STANDALONE_STYLE = (
    "<style>*{stroke-linejoin:round;stroke-linecap:butt}"
    f":root{{color-scheme:light dark;color:{INK}}}"
    f"@media (prefers-color-scheme:dark){{:root{{color:{DARK_INK}}}}}</style>"
)
