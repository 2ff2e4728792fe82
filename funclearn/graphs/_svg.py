"""A graph as an SVG without external fonts, scripts or files.

Every node shows its value on the left and its adjoint on the right; every edge between
scalars shows its local derivative. These are all the terms of the chain rule.
"""

import itertools
from collections.abc import Iterator
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from funclearn.graphs._graph import Edge, Graph, Node
from funclearn.graphs._layout import Box, Size, Stroke, layered
from funclearn.graphs._notation import local, summary, title

__all__ = ["to_svg"]

_FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
_FONT_SIZE = 13
# The widest of these fonts has characters of 0.602 em.
_CHARACTER = 0.61 * _FONT_SIZE
# One and a half times the size of the font.
_LINE = 20.0
# Keeps texts clear of the inner one of two frames, which is 3 within the outer.
_PADDING = 9.0
# More than half of the thickest stroke, which would be cut at the border otherwise.
_MARGIN = 12.0
# A box with a text of this length is 367 wide; uncut, the path of a nested parameter
# would be the widest thing of the drawing.
_LONGEST = 44
# No floating-point number is longer: -1.234e-300. Longer texts, of arrays for the most
# part, get a line each.
_LONGEST_NUMBER = 12

_INK, _DARK_INK = "#1b1c1d", "#e4e6e8"
_ADJOINT, _LOCAL = "#a83a00", "#005f99"
_ADJOINT_KIND = f' class="funclearn-adjoint" fill="{_ADJOINT}"'
_LOCAL_KIND = f' class="funclearn-local" fill="{_LOCAL}"'
_STUB_KIND = ' font-style="italic"'
# `svg:root` is a picture by itself; within a page the ink is the page's, and may be
# light where the reader's system is not. Mixed with it colours are legible on both.
_STYLE = (
    f"svg:root{{color-scheme:light dark;color:{_INK}}}"
    f"@media (prefers-color-scheme:dark){{svg:root{{color:{_DARK_INK}}}}}"
    ".funclearn-adjoint{fill:color-mix(in srgb,currentColor 45%,#e05a00)}"
    ".funclearn-local{fill:color-mix(in srgb,currentColor 45%,#1f8fd6)}"
)


class _Words(NamedTuple):
    """What is written in the box of a node."""

    title: str
    value: str
    adjoint: str

    @property
    def lines(self) -> list[str]:
        """The lines below the title: one for numbers, two for arrays."""
        if not self.adjoint:
            return [self.value]
        if max(len(self.value), len(self.adjoint)) <= _LONGEST_NUMBER:
            return [f"{self.value}   {self.adjoint}"]
        return [self.value, self.adjoint]

    @property
    def size(self) -> Size:
        lines = [self.title, *self.lines]
        return Size(_width(*lines) + 2 * _PADDING, len(lines) * _LINE + 4)


def to_svg(graph: Graph, *, label: str = "computational graph") -> str:
    """Draws a graph as an SVG that needs nothing else.

    Inputs and constants are grey, and the output has a thick frame. A double frame
    marks an operation with an inner graph, a dashed edge one without derivative. An
    edge says so where a derivative rule of its own is not linear. In a page the picture
    takes the colour of the text around it; by itself it follows the reader's choice of
    light or dark.

    Args:
        graph: what to draw. Inner graphs are pictures of their own.
        label: the description for screen readers.
    """
    words = [_words(node) for node in graph.nodes]
    derivatives = [local(edge) for edge in graph.edges]
    sources = [_cut(graph.nodes[edge.source].name) for edge in graph.edges]
    layout = layered(
        [word.size for word in words],
        [(edge.source, edge.target) for edge in graph.edges],
        [Size(_width(text), _LINE) if text else None for text in derivatives],
        [Size(_width(name), _LINE) for name in sources],
    )
    parts: list[str] = []
    for edge, route in zip(graph.edges, layout.routes, strict=True):
        parts += _edge(edge, route)
    for place, node in enumerate(graph.nodes):
        is_output = place in graph.outputs
        parts += _node(node, words[place], layout.nodes[place], is_output)
    for box, text in zip(layout.labels, derivatives, strict=True):
        parts += [_text(box.x, box.y, text, _LOCAL_KIND)] if box else []
    for box, name in zip(layout.stubs, sources, strict=True):
        parts += [_text(box.x, box.y, name, _STUB_KIND)] if box else []
    pairs = zip(graph.edges, derivatives, strict=True)
    has_numbers = any(text for edge, text in pairs if not edge.rule)
    legend = _legend(graph, has_numbers, any(layout.stubs))
    return _document(parts, layout.size, legend, label)


def _words(node: Node) -> _Words:
    adjoint = summary(node.adjoint, shape=False) if node.adjoint is not None else ""
    return _Words(*map(_cut, (title(node), summary(node.value), adjoint)))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _width(*texts: str) -> float:
    return _CHARACTER * max(map(len, texts))


def _document(
    parts: list[str], size: Size, legend: list[tuple[str, str]], label: str
) -> str:
    """Puts the drawing below its legend, in the middle of the page."""
    content = max(size.width, _width(" | ".join(text for text, _ in legend)))
    width, height = content + 2 * _MARGIN, size.height + 2 * _LINE + 2 * _MARGIN
    spans = " | ".join(f"<tspan{kind}>{text}</tspan>" for text, kind in legend)
    across, down = _MARGIN + (content - size.width) / 2, _MARGIN + 2 * _LINE
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
            f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
            f'aria-label={quoteattr(label)} font-family="{_FONTS}" '
            f'font-size="{_FONT_SIZE}" fill="currentColor">',
            f"<style>{_STYLE}</style>",
            f'<text x="{_MARGIN:.1f}" y="{_MARGIN + _LINE / 2:.1f}">{spans}</text>',
            f'<g transform="translate({across:.1f} {down:.1f})">',
            *parts,
            "</g>",
            "</svg>",
            "",
        ]
    )


def _legend(graph: Graph, has_numbers: bool, has_stubs: bool) -> list[tuple[str, str]]:
    legend = [("left: value", "")]
    if any(node.adjoint is not None for node in graph.nodes):
        (end, *others) = (graph.nodes[place] for place in graph.outputs)
        is_scalar = not others and getattr(end.value, "shape", None) == ()
        adjoint = f"∂{escape(_cut(end.name))}/∂node" if is_scalar else "adjoint"
        legend.append((f"right: {adjoint}", _ADJOINT_KIND))
    if has_numbers:
        legend.append(("arrow: local derivative", _LOCAL_KIND))
    if has_stubs:
        legend.append(("italics: a node elsewhere", _STUB_KIND))
    return legend


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" dy="0.35em" text-anchor="{anchor}"'
    return f"<text {place}{kind}>{escape(text)}</text>"


def _node(node: Node, words: _Words, box: Box, is_output: bool) -> Iterator[str]:
    left, right = box.x - box.width / 2, box.x + box.width / 2
    first = box.y - len(words.lines) * _LINE / 2
    last = box.y + len(words.lines) * _LINE / 2
    fill = 0.0 if node.formula else 0.08
    yield _frame(box, 0.0, fill_opacity=fill, stroke_width=2.5 if is_output else 1.0)
    if node.inner:
        yield _frame(box, 3.0, fill_opacity=0.0, stroke_width=1.0)
    yield _text(box.x, first, words.title)
    if not words.adjoint:
        yield _text(box.x, last, words.value)
        return
    yield _text(left + _PADDING, first + _LINE, words.value, anchor="start")
    yield _text(right - _PADDING, last, words.adjoint, _ADJOINT_KIND, "end")


def _frame(box: Box, inset: float, *, fill_opacity: float, stroke_width: float) -> str:
    return (
        f'<rect x="{box.x - box.width / 2 + inset:.1f}" '
        f'y="{box.y - box.height / 2 + inset:.1f}" '
        f'width="{box.width - 2 * inset:.1f}" '
        f'height="{box.height - 2 * inset:.1f}" rx="5" stroke="currentColor" '
        f'stroke-width="{stroke_width}" fill-opacity="{fill_opacity}"/>'
    )


def _edge(edge: Edge, route: tuple[tuple[Stroke, ...], ...]) -> Iterator[str]:
    dashes = "" if edge.derivative or edge.rule else ' stroke-dasharray="4 3"'
    path = "".join(map(_run, route))
    yield (
        f'<path d="{path}" fill="none" stroke="currentColor" '
        f'stroke-opacity="0.6"{dashes}/>'
    )
    tip = route[-1][-1]
    yield f'<path d="M{tip.x:.1f} {tip.bottom:.1f}l-4 -8h8z"/>'


def _run(strokes: tuple[Stroke, ...]) -> str:
    first, *_ = strokes
    path = f"M{first.x:.1f} {first.top:.1f}V{first.bottom:.1f}"
    for before, after in itertools.pairwise(strokes):
        middle = (before.bottom + after.top) / 2
        path += (
            f"C{before.x:.1f} {middle:.1f} {after.x:.1f} {middle:.1f} "
            f"{after.x:.1f} {after.top:.1f}V{after.bottom:.1f}"
        )
    return path
