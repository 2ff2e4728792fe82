"""Curves that are small enough to stand beside text: as characters and as SVG.

Epochs and values are on logarithmic scales, since most of a training run happens in its
first epochs; values of which one is not positive are on a linear scale.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

import numpy as np

__all__ = ["sparkline", "svg"]

_BARS = "▁▂▃▄▅▆▇█"
_NOT_FINITE = "!"

_WIDTH, _HEIGHT = 360, 170
# The plot's own edges: there is a legend above, and numbers are on the left and below.
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 352.0, 28.0, 144.0
_POINTS = 120
_DASHES = ("", ' stroke-dasharray="5 4"', ' stroke-dasharray="1 4"')


class _Scale(NamedTuple):
    """Where values lie between the lowest and the highest one."""

    low: float
    high: float

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """From 0 to 1; NaN for what is not finite."""
        values = np.where(np.isfinite(values), values, np.nan)
        if self.high == self.low:
            return np.where(np.isnan(values), np.nan, 0.5)
        if self.low > 0:
            low, high = np.log(self.low), np.log(self.high)
            return (np.log(values) - low) / (high - low)
        # Halves, since the difference of the largest numbers is not finite.
        return (values / 2 - self.low / 2) / (self.high / 2 - self.low / 2)


def sparkline(values: np.ndarray, width: int) -> str:
    """A curve as a line of bars, with ! for what is not finite.

    Args:
        values: `(epochs,)` in double precision.
        width: the largest number of characters.
    """
    chosen = values[_epochs(len(values), width) - 1]
    shares = _scale([chosen])(chosen)
    return "".join(
        _NOT_FINITE if np.isnan(share) else _BARS[min(int(8 * share), 7)]
        for share in shares
    )


def svg(curves: Mapping[str, Sequence[np.ndarray]]) -> str:
    """Curves over the epoch, in the ink of the page around them.

    Args:
        curves: by name, one curve of `(epochs,)` or several, in double precision;
            several are drawn fainter.
    """
    longest = max(len(one) for lanes in curves.values() for one in lanes)
    chosen = {
        name: [one[_epochs(len(one), _POINTS) - 1] for one in lanes]
        for name, lanes in curves.items()
    }
    scale = _scale([one for lanes in chosen.values() for one in lanes])
    parts = [*_axes(scale, longest), *_legend([*curves])]
    for (name, lanes), dashes in zip(
        chosen.items(), itertools.cycle(_DASHES), strict=False
    ):
        opacity = 1.0 if len(lanes) == 1 else 0.5
        for full, values in zip(curves[name], lanes, strict=True):
            epochs = _epochs(len(full), _POINTS)
            path = _path(_Scale(1, longest)(epochs), scale(values))
            parts.append(
                f'<path d="{path}" fill="none" stroke-width="1.5" '
                f'stroke-linecap="round" stroke-opacity="{opacity}"{dashes}/>'
            )
    label = f"{' and '.join(curves)} over {longest:,} epochs"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label={quoteattr(label)} '
        'style="max-width:100%;height:auto" stroke="currentColor" '
        f'font-family="sans-serif" font-size="12">{"".join(parts)}</svg>'
    )


def _epochs(number: int, most: int) -> np.ndarray:
    """Some epochs, counted from 1, whose logarithms are about evenly apart."""
    if number <= most:
        return np.arange(1, number + 1)
    return np.unique(np.rint(np.geomspace(1, number, most)).astype(int))


def _scale(curves: Sequence[np.ndarray]) -> _Scale:
    values = np.concatenate([np.empty(0), *curves])
    finite = values[np.isfinite(values)]
    if not finite.size:
        return _Scale(np.nan, np.nan)
    return _Scale(float(finite.min()), float(finite.max()))


def _path(across: np.ndarray, up: np.ndarray) -> str:
    """A line through what is finite, with a dot where there is one such point alone."""
    path, within = "", False
    for x, y in zip(across, up, strict=True):
        if np.isnan(y):
            within = False
            continue
        place = (
            f"{_LEFT + x * (_RIGHT - _LEFT):.1f} {_BOTTOM - y * (_BOTTOM - _TOP):.1f}"
        )
        path += f"L{place}" if within else f"M{place}h0"
        within = True
    return path


def _axes(scale: _Scale, longest: int) -> list[str]:
    words = "log scales" if scale.low > 0 else "log scale"
    numbers = [
        _text(_LEFT, _BOTTOM + 18, "epoch 1"),
        _text((_LEFT + _RIGHT) / 2, _BOTTOM + 18, words, "middle"),
        _text(_RIGHT, _BOTTOM + 18, f"{longest:,}", "end"),
    ]
    if scale.low < scale.high:
        numbers.append(_text(_LEFT - 8, _TOP + 4, f"{scale.high:.3g}", "end"))
    if np.isfinite(scale.low):
        low = _BOTTOM if scale.low < scale.high else (_TOP + _BOTTOM) / 2
        numbers.append(_text(_LEFT - 8, low + 4, f"{scale.low:.3g}", "end"))
    frame = f"M{_LEFT} {_TOP}V{_BOTTOM}H{_RIGHT}"
    return [f'<path d="{frame}" fill="none" stroke-opacity="0.4"/>', *numbers]


def _legend(names: Sequence[str]) -> list[str]:
    parts, x = [], _LEFT
    for name, dashes in zip(names, itertools.cycle(_DASHES), strict=False):
        line = f'<path d="M{x:.0f} 12h24" stroke-width="1.5"{dashes}/>'
        parts += [line, _text(x + 30.0, 16.0, name)]
        x += 30.0 + 7 * len(name) + 16
    return parts


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} fill="currentColor" stroke="none">{escape(text)}</text>'
