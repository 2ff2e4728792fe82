"""Ranks, links and the order within ranks."""

import itertools

import numpy as np
import pytest

from funclearn.graphs._layout import layered
from funclearn.graphs._order import Size, chains, rows

BOX, LABEL, STUB = Size(40.0, 20.0), Size(30.0, 10.0), Size(15.0, 10.0)


def cut(n_nodes, edges, labels=None):
    labels = labels or [None] * len(edges)
    return chains([BOX] * n_nodes, edges, labels, [STUB] * len(edges))


def test_layout_avoids_crossings_that_it_can_avoid():
    """Two chains that start in the wrong order, and end far apart."""
    sizes = [Size(40.0, 20.0)] * 6
    edges = [(0, 3), (1, 2), (2, 4), (3, 5)]
    layout = layered(sizes, edges, [None] * 4, [Size(0.0, 0.0)] * 4)
    x = [node.x for node in layout.nodes]
    assert (x[0] < x[1]) == (x[3] < x[2]) == (x[5] < x[4])


def test_a_rank_is_twice_the_longest_path():
    assert cut(4, [(0, 1), (1, 2), (0, 2), (2, 3)]).ranks[:4] == [0, 2, 4, 6]


def test_an_input_stands_just_above_its_nearest_target():
    """Input 3 is used at the end only, and input 0 at the start and at the end."""
    edges = [(0, 1), (1, 2), (2, 4), (3, 4), (0, 4)]
    assert cut(5, edges).ranks[:5] == [0, 2, 4, 4, 6]


def test_a_node_goes_down_unless_more_edges_grow_than_shrink():
    """Node 2 has two sources that are no inputs, and one target far below."""
    deep = [(3, 4), (4, 5), (5, 6)]
    one_source = [(0, 1), (1, 2), (2, 6), (0, 3), *deep]
    two_sources = [(0, 1), (0, 7), (1, 8), (7, 8), (8, 6), (0, 3), *deep]
    assert cut(7, one_source).ranks[2] == cut(7, one_source).ranks[6] - 2
    order = [0, 1, 3, 4, 5, 7, 8, 6]
    renamed = {node: place for place, node in enumerate(order)}
    edges = [(renamed[source], renamed[target]) for source, target in two_sources]
    ranks = cut(8, edges).ranks
    assert ranks[renamed[8]] == ranks[renamed[1]] + 2 < ranks[renamed[6]] - 2


def test_edges_are_chains_through_every_rank():
    result = cut(3, [(0, 1), (1, 2), (0, 2)], [LABEL, None, LABEL])
    assert [len(edge) for edge in result.edges] == [3, 3, 5]
    for edge in result.edges:
        assert np.diff([result.ranks[item] for item in edge]).tolist() == [1] * (
            len(edge) - 1
        )
    last = [result.sizes[edge[-2]] for edge in result.edges]
    assert last == [LABEL, Size(0.0, 0.0), LABEL]
    assert result.n_nodes == 3 and result.sizes[:3] == [BOX] * 3


@pytest.mark.parametrize(("length", "has_stub"), [(5, False), (6, True)])
def test_an_edge_past_more_than_four_layers_starts_at_a_stub(length, has_stub):
    edges = [(node, node + 1) for node in range(length)]
    result = cut(length + 1, [*edges, (0, length)])
    start, *_, target = result.edges[-1]
    assert target == length
    assert (start >= result.n_nodes) == has_stub
    if has_stub:
        assert result.sizes[start] == STUB
        assert result.ranks[start] == result.ranks[target] - 2


def count_crossings(order, edges):
    """Counts the pairs of links between two ranks that cross, one by one."""
    places = {item: place for row in order for place, item in enumerate(row)}
    links = [
        {link for edge in edges for link in itertools.pairwise(edge) if link[0] in row}
        for row in map(set, order)
    ]
    return sum(
        (places[a] - places[c]) * (places[b] - places[d]) < 0
        for between in links
        for (a, b), (c, d) in itertools.combinations(between, 2)
    )


def least_crossings(result):
    """Tries all orders of all ranks."""
    ranks = [
        [item for item, its_rank in enumerate(result.ranks) if its_rank == rank]
        for rank in range(max(result.ranks) + 1)
    ]
    orders = itertools.product(*map(itertools.permutations, ranks))
    return min(count_crossings(order, result.edges) for order in orders)


SMALL = {
    "crossed": (4, [(0, 3), (1, 2)]),
    "tree": (6, [(0, 3), (1, 2), (2, 4), (3, 5)]),
    "all to all": (4, [(0, 2), (0, 3), (1, 2), (1, 3)]),
    "one across": (6, [(0, 4), (0, 5), (1, 3), (2, 4)]),
    "three": (6, [(0, 5), (1, 4), (2, 3)]),
}


@pytest.mark.parametrize("name", SMALL)
def test_small_graphs_have_the_fewest_crossings(name):
    result = cut(*SMALL[name])
    order = rows(result)
    assert count_crossings(order, result.edges) == least_crossings(result)


@pytest.mark.parametrize("seed", range(6))
def test_orders_of_random_graphs_hold_every_item_and_cross_less(seed):
    generator = np.random.default_rng(seed)
    edges = [
        (int(source), target)
        for target in range(1, 20)
        for source in np.unique(generator.integers(target, size=2))
    ]
    result = cut(20, edges)
    order = rows(result)
    assert sorted(item for row in order for item in row) == [*range(len(result.ranks))]
    assert all(
        result.ranks[item] == rank for rank, row in enumerate(order) for item in row
    )
    given = [sorted(row) for row in order]
    crossings = count_crossings(order, result.edges)
    assert crossings <= count_crossings(given, result.edges)


def test_no_nodes_have_no_ranks():
    assert rows(cut(0, [])) == []
