"""The order of a layered drawing: ranks from top to bottom, and places in a rank.

1. A node's rank is the longest path to it. Then a node goes down to just above its
   nearest target, unless that makes more edges longer than shorter; inputs, which
   follow, do not count.
2. An edge becomes a chain of links through every rank between. The last link is as
   large as the edge's label, so that labels keep clear of everything, as nodes do.
   An edge that is too long to follow by eye starts at a stub instead, two ranks above
   its target, that names its source.
3. Every rank is sorted by the mean places of its neighbours in the rank above, then
   below, repeatedly; the order with the fewest crossings is kept.
"""

import bisect
import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

__all__ = ["Chains", "Size", "chains", "rows"]

# As many as graphviz makes at most. Sorting by means is a heuristic, which does not
# improve in every sweep.
_SWEEPS = 24
# Nodes have even ranks: an edge may pass four layers of other nodes.
_LONGEST = 10


class Size(NamedTuple):
    """Width and height."""

    width: float
    height: float


class Chains(NamedTuple):
    """A graph whose edges are divided into links at every rank.

    Attributes:
        n_nodes: how many items are nodes.
        sizes: of the items: nodes first, then the stubs and links of the edges.
        ranks: of the items; nodes and stubs have even ones.
        edges: for every edge its items, from source or stub to target.
    """

    n_nodes: int
    sizes: list[Size]
    ranks: list[int]
    edges: list[list[int]]


def chains(
    nodes: Sequence[Size],
    edges: Sequence[tuple[int, int]],
    labels: Sequence[Size | None],
    stubs: Sequence[Size],
) -> Chains:
    """Ranks the nodes and divides the edges into links.

    Args:
        nodes: their sizes, every node after those that have edges to it.
        edges: pairs of source and target.
        labels: their sizes, one an edge.
        stubs: the size of the stub that an edge would have, one an edge.
    """
    cut = Chains(len(nodes), [*nodes], _ranks(len(nodes), edges), [])

    def add(size: Size, rank: int) -> int:
        cut.sizes.append(size)
        cut.ranks.append(rank)
        return len(cut.sizes) - 1

    for (start, target), label, stub in zip(edges, labels, stubs, strict=True):
        end = cut.ranks[target]
        if end - cut.ranks[start] > _LONGEST:
            start = add(stub, end - 2)
        ranks = range(cut.ranks[start] + 1, end)
        links = [add(Size(0.0, 0.0), rank) for rank in ranks]
        cut.sizes[links[-1]] = label or cut.sizes[links[-1]]
        cut.edges.append([start, *links, target])
    return cut


def _ranks(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    sources, targets = defaultdict(list), defaultdict(list)
    for source, target in edges:
        sources[target].append(source)
        targets[source].append(target)
    ranks: list[int] = []
    for node in range(count):
        # The odd ranks between are for the labels of edges.
        ranks.append(max((ranks[source] + 2 for source in sources[node]), default=0))
    for node in reversed(range(count)):
        # Moving down shortens the edges to targets and lengthens those from sources.
        held = sum(bool(sources[source]) for source in sources[node])
        if held <= len(targets[node]) > 0:
            ranks[node] = min(ranks[target] for target in targets[node]) - 2
    return ranks


def rows(cut: Chains) -> list[list[int]]:
    """Orders the items of every rank from left to right so that few edges cross."""
    above, below = defaultdict(list), defaultdict(list)
    for edge in cut.edges:
        for upper, lower in itertools.pairwise(edge):
            below[upper].append(lower)
            above[lower].append(upper)
    order: list[list[int]] = [[] for _ in range(max(cut.ranks, default=-1) + 1)]
    for item, rank in enumerate(cut.ranks):
        order[rank].append(item)
    best, fewest = order, _crossings(order, below)
    for sweep in range(_SWEEPS):
        if sweep % 2:
            order = _by_neighbours(order[::-1], below)[::-1]
        else:
            order = _by_neighbours(order, above)
        crossings = _crossings(order, below)
        if crossings < fewest:
            best, fewest = order, crossings
    return best


def _places(order: list[list[int]]) -> dict[int, int]:
    return {item: place for row in order for place, item in enumerate(row)}


def _by_neighbours(
    order: list[list[int]], neighbours: Mapping[int, list[int]]
) -> list[list[int]]:
    """Sorts row after row by the mean places of neighbours in the row before."""
    places = _places(order)

    def mean(item: int) -> float:
        others = [places[other] for other in neighbours[item]] or [places[item]]
        return sum(others) / len(others)

    result = []
    for row in order:
        result.append(sorted(row, key=mean))
        places |= _places(result[-1:])
    return result


def _crossings(order: list[list[int]], below: Mapping[int, list[int]]) -> int:
    places, total = _places(order), 0
    for row in order:
        passed: list[int] = []
        for item in row:
            ends = sorted(places[lower] for lower in below[item])
            # Two links cross if the one that starts later ends earlier.
            total += sum(len(passed) - bisect.bisect(passed, end) for end in ends)
            passed = sorted(passed + ends)
    return total
