"""A layered drawing of an acyclic graph, after Sugiyama, Tagawa and Toda.

Ranks and order come from `_order`. Horizontal positions minimise

    Σ weight |x_upper - x_lower|

over the links of all edges, without overlaps. Links within a long edge weigh more,
which makes it straight. The method is iteratively reweighted least squares, one rank at
a time. All lengths are in pixels.

References:
    Sugiyama, Tagawa, Toda, Methods for visual understanding of hierarchical system
    structures, IEEE Transactions on Systems, Man, and Cybernetics 11, 1981.
    Gansner, Koutsofios, North, Vo, A technique for drawing directed graphs, IEEE
    Transactions on Software Engineering 19, 1993.
"""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from funclearn.graphs._order import Chains, Size, chains, rows

__all__ = ["Box", "Layout", "Size", "Stroke", "layered"]

# Between neighbours of a rank. Labels have no frames, so that only space parts them; it
# is a little more than two characters.
_SPACE = 18.0
# A link within a long edge weighs 8 times one that ends at a node, as in Gansner et al.
_STRAIGHT, _FREE = 8.0, 1.0
# The softness starts at about the width of a box, where one sweep is nearly plain least
# squares and boxes still move far. It falls to one pixel, which approximates absolute
# values, in 51 sweeps; the others are for that objective to converge.
_SOFT, _HARDENING = 200.0, 0.9
_SWEEPS = 80
# Between edges that end at one node: the heads of the arrows are 8 wide.
_PORT_SPACE = 26.0
# Between ranks: at least the head of an arrow, which is 8 high. A slanting edge needs
# more to keep clear of the boxes, but one very long slant must not part two ranks.
_LEAST_GAP, _LARGEST_GAP, _GAP_SLOPE = 11.0, 44.0, 0.12


class Box(NamedTuple):
    """A rectangle, by its centre."""

    x: float
    y: float
    width: float
    height: float


class Stroke(NamedTuple):
    """A vertical piece of an edge."""

    x: float
    top: float
    bottom: float


class Layout(NamedTuple):
    """Where everything is; x goes right and y goes down, both from 0.

    Attributes:
        size: of the whole drawing.
        nodes: one box a node.
        labels: one box an edge; None for an edge without label.
        stubs: one box an edge; None for an edge that starts at its source.
        routes: one an edge: a run of strokes, or two where the label interrupts it.
            Curves join the strokes of a run, bottom to top.
    """

    size: Size
    nodes: tuple[Box, ...]
    labels: tuple[Box | None, ...]
    stubs: tuple[Box | None, ...]
    routes: tuple[tuple[tuple[Stroke, ...], ...], ...]


def layered(
    nodes: Sequence[Size],
    edges: Sequence[tuple[int, int]],
    labels: Sequence[Size | None],
    stubs: Sequence[Size],
) -> Layout:
    """Lays out a graph in ranks from top to bottom.

    Args:
        nodes: their sizes, every node after those that have edges to it.
        edges: pairs of source and target.
        labels: their sizes, one an edge.
        stubs: the size of the name of every edge's source, to stand in its place
            where the edge would be too long.
    """
    cut = chains(nodes, edges, labels, stubs)
    order = rows(cut)
    xs = _horizontal(cut, order)
    bends = _bends(cut, xs)
    bands = _bands(cut, order, bends)
    boxes = [
        Box(x, sum(bands[rank]) / 2, *size)
        for x, rank, size in zip(xs, cut.ranks, cut.sizes, strict=True)
    ]
    marks = [
        boxes[edge[-2]] if label else None
        for edge, label in zip(cut.edges, labels, strict=True)
    ]
    starts = [boxes[edge[0]] if edge[0] >= cut.n_nodes else None for edge in cut.edges]
    routes = [
        _route(
            bend,
            [boxes[item] for item in edge],
            [bands[cut.ranks[item]] for item in edge],
            mark is not None,
        )
        for edge, bend, mark in zip(cut.edges, bends, marks, strict=True)
    ]
    right = max((box.x + box.width / 2 for box in boxes), default=0.0)
    size = Size(right, bands[-1][1] if bands else 0.0)
    return Layout(
        size,
        tuple(boxes[: cut.n_nodes]),
        tuple(marks),
        tuple(starts),
        tuple(routes),
    )


def _horizontal(cut: Chains, order: list[list[int]]) -> list[float]:
    """The centres of all items; the leftmost side is at 0."""
    springs: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for edge in cut.edges:
        for one, other in itertools.pairwise(edge):
            stiffness = _STRAIGHT if min(one, other) >= cut.n_nodes else _FREE
            springs[one].append((other, stiffness))
            springs[other].append((one, stiffness))
    xs = [0.0] * len(cut.sizes)
    for sweep in range(_SWEEPS):
        softness = max(_SOFT * _HARDENING**sweep, 1.0)
        # Downwards and upwards in turn: places depend on neighbours in both directions.
        for row in order if sweep % 2 == 0 else reversed(order):
            pulls = [_pull(item, springs, xs, softness) for item in row]
            widths = [cut.sizes[item].width for item in row]
            for item, x in zip(row, _apart(pulls, widths), strict=True):
                xs[item] = x
    sides = [x - size.width / 2 for x, size in zip(xs, cut.sizes, strict=True)]
    return [x - min(sides) for x in xs]


def _pull(
    item: int,
    springs: dict[int, list[tuple[int, float]]],
    xs: list[float],
    softness: float,
) -> tuple[float, float]:
    """The weighted mean of the places of an item's neighbours, and the total weight.

    With weights divided by the distances, least squares minimise absolute values.
    """
    weights = {
        other: stiffness / (abs(xs[other] - xs[item]) + softness)
        for other, stiffness in springs[item]
        # An item without neighbours stays where it is.
    } or {item: _FREE}
    total = sum(weights.values())
    return sum(weight * xs[other] for other, weight in weights.items()) / total, total


def _apart(
    pulls: Sequence[tuple[float, float]], widths: Sequence[float]
) -> list[float]:
    """Minimises Σ weight (x - wanted)² over boxes in a row that must not touch.

    Subtracting from every x the sum of the least distances to its left leaves the
    constraint that the values do not decrease: an isotonic regression, solved by
    pooling adjacent violators.

    Args:
        pulls: the x wanted and the weight of every box.
        widths: their widths.
    """
    gaps = [(one + other) / 2 + _SPACE for one, other in itertools.pairwise(widths)]
    offsets = [0.0, *itertools.accumulate(gaps)]
    blocks: list[tuple[float, float, int]] = []
    for (wanted, weight), offset in zip(pulls, offsets, strict=True):
        mean, count = wanted - offset, 1
        while blocks and blocks[-1][0] > mean:
            its_mean, its_weight, its_count = blocks.pop()
            mean = (mean * weight + its_mean * its_weight) / (weight + its_weight)
            weight, count = weight + its_weight, count + its_count
        blocks.append((mean, weight, count))
    means = [mean for mean, _, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=True)]


def _bends(cut: Chains, xs: list[float]) -> list[list[float]]:
    """The x at which every edge passes its items; at a node edges are side by side."""
    bends = [[xs[item] for item in edge] for edge in cut.edges]
    for end, next_to_it in ((0, 1), (-1, -2)):
        meeting: dict[int, list[int]] = defaultdict(list)
        for index, edge in enumerate(cut.edges):
            meeting[edge[end]].append(index)
        for node, indices in meeting.items():
            # In the order of their other ends edges do not cross at the node.
            indices.sort(key=lambda index: bends[index][next_to_it])
            room = (cut.sizes[node].width - _PORT_SPACE) / len(indices)
            for place, index in enumerate(indices):
                aside = place - (len(indices) - 1) / 2
                bends[index][end] += aside * min(_PORT_SPACE, room)
    return bends


def _bands(
    cut: Chains, order: list[list[int]], bends: list[list[float]]
) -> list[tuple[float, float]]:
    """Top and bottom of every rank, further apart where edges slant between them."""
    slants = [0.0] * len(order)
    for edge, bend in zip(cut.edges, bends, strict=True):
        for item, (x, next_x) in zip(edge, itertools.pairwise(bend), strict=False):
            rank = cut.ranks[item]
            slants[rank] = max(slants[rank], abs(next_x - x))
    bands, top = [], 0.0
    for row, slant in zip(order, slants, strict=True):
        bottom = top + max((cut.sizes[item].height for item in row), default=0.0)
        bands.append((top, bottom))
        top = bottom + min(_LEAST_GAP + _GAP_SLOPE * slant, _LARGEST_GAP)
    return bands


def _route(
    bend: list[float],
    boxes: list[Box],
    bands: list[tuple[float, float]],
    labelled: bool,
) -> tuple[tuple[Stroke, ...], ...]:
    strokes = [Stroke(x, *band) for x, band in zip(bend, bands, strict=True)]
    source, *_, mark, target = boxes
    strokes[0] = strokes[0]._replace(top=source.y + source.height / 2)
    strokes[-1] = strokes[-1]._replace(bottom=target.y - target.height / 2)
    if not labelled:
        return (_smooth(strokes),)
    before = strokes[-2]._replace(bottom=mark.y - mark.height / 2)
    after = strokes[-2]._replace(top=mark.y + mark.height / 2)
    return _smooth([*strokes[:-2], before]), (after, strokes[-1])


def _smooth(strokes: list[Stroke]) -> tuple[Stroke, ...]:
    """Leaves out bends at ranks without height, which hold no boxes to avoid."""
    first, *between, last = strokes
    return first, *(one for one in between if one.top < one.bottom), last
