"""Layouts: nothing overlaps, edges are straight where they can be."""

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from funclearn.graphs._layout import Layout, Size, _apart, layered


@pytest.mark.parametrize("seed", range(12))
def test_layout_of_random_graphs_keeps_everything_apart(
    seed, rectangle, pairs_that_overlap
):
    generator = np.random.default_rng(seed)
    n_nodes = int(generator.integers(2, 40))
    sizes = [Size(*size) for size in generator.uniform(10, 150, (n_nodes, 2)).tolist()]
    edges = [
        (int(source), target)
        for target in range(1, n_nodes)
        for source in np.unique(generator.integers(target, size=2))
    ]
    labels = [Size(60.0, 20.0) if generator.random() < 0.7 else None for _ in edges]
    layout = layered(sizes, edges, labels, [Size(30.0, 20.0)] * len(edges))
    boxes = [box for box in (*layout.nodes, *layout.labels, *layout.stubs) if box]
    rectangles = [
        rectangle(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        for x, y, width, height in boxes
    ]
    assert not pairs_that_overlap(rectangles)
    page = rectangle(-1e-6, -1e-6, layout.size.width + 1e-6, layout.size.height + 1e-6)
    assert all(page.contains(rectangle) for rectangle in rectangles)
    for (source, target), run in zip(edges, layout.routes, strict=True):
        assert layout.nodes[source].y < layout.nodes[target].y
        strokes = [stroke for strokes in run for stroke in strokes]
        heights = [y for stroke in strokes for y in (stroke.top, stroke.bottom)]
        assert np.all(np.diff(heights) > -1e-6)
        arrival = layout.nodes[target]
        assert heights[-1] == pytest.approx(arrival.y - arrival.height / 2)
        assert abs(strokes[-1].x - arrival.x) <= arrival.width / 2


def test_layout_makes_a_chain_straight():
    sizes = [Size(width, 20.0) for width in (40.0, 80.0, 10.0, 60.0)]
    edges = [(0, 1), (1, 2), (2, 3)]
    layout = layered(sizes, edges, [Size(30.0, 20.0)] * 3, [Size(0.0, 0.0)] * 3)
    assert {node.x for node in layout.nodes} == {40.0}


@pytest.mark.parametrize("seed", range(10))
def test_boxes_in_a_row_are_an_isotonic_regression(seed):
    generator = np.random.default_rng(seed)
    wanted, weights, widths = generator.uniform(1, 100, (3, 8))
    got = np.array(_apart([*zip(wanted, weights, strict=True)], widths.tolist()))
    offsets = np.concatenate([[0], np.cumsum((widths[1:] + widths[:-1]) / 2 + 18)])
    expected = isotonic_regression(wanted - offsets, weights=weights).x
    np.testing.assert_allclose(got - offsets, expected, atol=1e-9)


def test_boxes_that_want_no_overlap_get_what_they_want():
    assert _apart([(0.0, 1.0), (100.0, 3.0)], [40.0, 40.0]) == [0.0, 100.0]
    assert _apart([(0.0, 1.0), (0.0, 1.0)], [40.0, 40.0]) == [-29.0, 29.0]


def test_edges_at_a_node_are_side_by_side_in_the_order_of_their_other_ends():
    sizes = [Size(40.0, 20.0)] * 3 + [Size(200.0, 20.0)]
    edges = [(0, 3), (1, 3), (2, 3)]
    layout = layered(sizes, edges, [None] * 3, [Size(0.0, 0.0)] * 3)
    starts = [layout.nodes[source].x for source, _ in edges]
    ends = [route[-1][-1].x for route in layout.routes]
    order = np.argsort(starts)
    np.testing.assert_allclose(np.diff(np.take(ends, order)), 26.0)


def test_ranks_are_further_apart_where_edges_slant():
    def gap(width):
        sizes = [Size(width, 20.0), Size(width, 20.0), Size(20.0, 20.0)]
        edges = [(0, 2), (1, 2)]
        layout = layered(sizes, edges, [None] * 2, [Size(0.0, 0.0)] * 2)
        upper, _, lower = layout.nodes
        return lower.y - upper.y - 20

    narrow, wide, widest = map(gap, (20.0, 200.0, 2000.0))
    # Two gaps: from the upper rank to that of the links, and on to the lower one.
    assert 2 * 11 < narrow < wide < widest <= 2 * 44


def test_a_label_interrupts_its_edge():
    sizes, label = [Size(40.0, 20.0)] * 2, Size(30.0, 16.0)
    layout = layered(sizes, [(0, 1)], [label], [Size(0.0, 0.0)])
    (box,), ((first, second),) = layout.labels, layout.routes
    assert box and (box.width, box.height) == label
    assert first[-1].bottom == box.y - box.height / 2
    assert second[0].top == box.y + box.height / 2
    assert layout.stubs == (None,)


def test_a_long_edge_starts_at_a_stub():
    sizes = [Size(40.0, 20.0)] * 7
    edges = [*((node, node + 1) for node in range(6)), (0, 6)]
    stub = Size(30.0, 12.0)
    layout = layered(sizes, edges, [None] * 7, [stub] * 7)
    *others, box = layout.stubs
    assert not any(others)
    assert box and (box.width, box.height) == stub
    assert layout.routes[-1][0][0].top == box.y + box.height / 2


def test_a_graph_of_nothing():
    layout = layered([], [], [], [])
    assert layout == Layout(Size(0.0, 0.0), (), (), (), ())
