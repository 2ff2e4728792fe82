"""Text, DOT and SVG of graphs; the SVG is measured as a reader would see it."""

import itertools
import re
from typing import NamedTuple
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

from funclearn import graphs
from funclearn._graphs.layout import Size, layered
from funclearn._graphs.notation import number, short_names, summary

INK, DARK_INK = "#1b1c1d", "#e4e6e8"
SVG = "{http://www.w3.org/2000/svg}"
# Monospaced fonts are at most this wide and this high, in em.
ADVANCE, HEIGHT = 0.602, 1.2

value_text = [
    (1763.8846, "1764"),
    (19402.73, "19403"),
    (-0.0638999, "-0.0639"),
    (0.00123456, "0.001235"),
    (2.0, "2"),
    (-0.0, "0"),
    (1.0e-7, "1e-07"),
    (1.9408e10, "1.941e+10"),
    (jnp.inf, "inf"),
    (jnp.nan, "nan"),
    (12345678, "12345678"),
    (True, "true"),
    (2 - 3j, "2-3j"),
]


@pytest.mark.parametrize(("value", "text"), value_text)
def test_number(value, text):
    assert number(jnp.asarray(value)) == text


array_text = [
    (jnp.ones(()), "1"),
    (jnp.array([1.0, -0.5]), "[1, -0.5]"),
    (jnp.arange(12.0).reshape(3, 4), "(3, 4) 0 … 11"),
    (jnp.full(5, 0.25), "(5,) all 0.25"),
    (jnp.array([0.0, jnp.nan, 2.0, jnp.inf]), "(4,) 0 … 2, 2 not finite"),
    (jnp.full(4, jnp.nan), "(4,) 4 not finite"),
    (jnp.arange(5) > 1, "(5,) 3 true"),
    (jnp.zeros((0, 3)), "(0, 3) empty"),
    (jnp.array([3j, 4.0, 0.0, 1.0]), "(4,) sizes 0 … 4"),
    (jnp.arange(4, dtype=jnp.bfloat16), "(4,) 0 … 3"),
    (jax.random.key(0), "key"),
    (jax.random.split(jax.random.key(0), 4), "(4,) keys"),
    ((jnp.ones(()), None), "1; -"),
]


@pytest.mark.parametrize(("array", "text"), array_text)
def test_summary(array, text):
    assert summary(array) == text


def test_short_names_are_the_last_parts_that_tell_names_apart():
    assert short_names(
        ["p['a']['kernel']", "p['b']['kernel']", "p['b'].bias", "batch[0]", "x"]
    ) == {
        "p['a']['kernel']": "a.kernel",
        "p['b']['kernel']": "b.kernel",
        "p['b'].bias": "bias",
        "batch[0]": "batch[0]",
        "x": "x",
    }


x, matrix = jnp.array([1.0, 2.0, 3.0, 4.0]), jnp.ones((4, 4))

function_arguments_formula = [
    (lambda x: x - (-2), [1.0], "x - (-2)"),
    (lambda x: -x, [1.0], "-x"),
    (lambda x: x**3, [1.0], "x³"),
    (lambda x: x**-2, [1.0], "x⁻²"),
    (lambda x: jnp.sqrt(x), [1.0], "√x"),
    (lambda x: jnp.log(x), [1.0], "ln(x)"),
    (lambda x: jnp.abs(x), [1.0], "|x|"),
    (lambda x: jnp.sum(x), [x], "sum(x)"),
    (lambda x: jnp.max(x), [x], "max(x)"),
    (lambda m, x: m @ x, [matrix, x], "m @ x"),
    (lambda m: m.T, [matrix], "mᵀ"),
    (lambda x: x[1:3], [x], "x[1:3]"),
    (lambda x: x[::2], [x], "x[0:4:2]"),
    (lambda x: x.astype(jnp.bfloat16), [x], "bfloat16(x)"),
    (lambda x, y: jax.lax.select(True, x, y), [1.0, 2.0], "x if true else y"),
    (lambda x, y: jnp.logaddexp(x, y), [1.0, 2.0], "logaddexp(x, y)"),
    (lambda x: jax.lax.erf(x), [1.0], "erf(x)"),
]


@pytest.mark.parametrize(
    ("function", "arguments", "formula"), function_arguments_formula
)
def test_formula(function, arguments, formula):
    output = jax.eval_shape(function, *arguments)
    cotangent = jnp.ones(output.shape, output.dtype)
    graph = graphs.trace(function, *arguments, cotangent=cotangent)
    assert graph.nodes[-1].formula == formula


def neuron(weight, x, target):
    output = checkpoint_name(jnp.tanh(weight * x), "output")
    return checkpoint_name((output - target) ** 2, "loss")


def test_text():
    assert graphs.to_text(graphs.trace(neuron, 0.0, 1.0, 7.0)).splitlines() == [
        "node                  value  adjoint  local derivatives",
        "weight                0      -14",
        "x                     1      0",
        "target                7      14",
        "v1 = weight·x         0      -14      weight: 1, x: 0",
        "output = tanh(v1)     0      -14      v1: 1",
        "v2 = output - target  -7     -14      output: 1, target: -1",
        "loss = v2²            49     1        v2: -14",
    ]


def test_text_shows_what_is_inside():
    def function(x):
        return jax.lax.scan(lambda c, r: (c * r, None), x, jnp.array([1.0, 2.0]))[0]

    assert graphs.to_text(graphs.trace(function, 3.0)).splitlines() == [
        "node                 value   adjoint  local derivatives",
        "x                    3       2",
        "c1                   [1, 2]  -",
        "v1 = scan[2](x, c1)  6       1        x: 2",
        "  | c                3       2",
        "  | r                2       3",
        "  | v1 = c·r         6       1        c: 2, r: 3",
    ]


def test_text_gives_the_shape_of_a_jacobian_of_arrays():
    text = graphs.to_text(graphs.trace(lambda m, v: jnp.sum(m @ v), matrix, x))
    assert "m: (4, 4, 4), v: (4, 4)" in text


def test_dot():
    graph = graphs.trace(lambda p: p['a"b'] * jnp.float32(2), {'a"b': 3.0})
    assert graphs.to_dot(graph) == (
        "digraph {\n"
        '  node [shape=box, fontname="monospace"];\n'
        '  n0 [label="p[\'a\\"b\']\\n3 | 2"];\n'
        '  n1 [label="v1 = b·2\\n6 | 1"];\n'
        '  n0 -> n1 [label="2"];\n'
        "}\n"
    )


def test_dot_marks_inner_graphs_and_missing_derivatives():
    def function(x, n):
        return jax.nn.relu(x) * n

    text = graphs.to_dot(graphs.trace(function, 1.0, 2))
    assert re.search(r'label="v1 = relu\(x\)\\n1 \| 2", peripheries=2', text)
    assert re.search(r'n1 -> n3 \[label="", style=dashed\]', text)


def network(x, hidden, output, target):
    """A network of scalars, two inputs and five tanh units: 61 nodes."""
    value = output[-1]
    for (*weights, bias), weight in zip(hidden, output, strict=False):
        total = bias
        for factor, entry in zip(weights, x, strict=True):
            total = total + factor * entry
        value = value + weight * jnp.tanh(total)
    return (value - target) ** 2


def recurrent(x, weight, bias):
    """A recurrence of 20 steps that uses its inputs in all of them: 64 nodes."""
    state = x
    for step in range(20):
        state = checkpoint_name(jnp.tanh(weight * state + bias), f"h{step + 1}")
    return state


def layer(weight, bias, inputs):
    return jnp.mean(jnp.tanh(inputs @ weight + bias[None, :]) ** 2)


def branching(x, n):
    total = jax.lax.cond(x > 0, jnp.sin, jnp.cos, x) + jax.nn.relu(x) * n
    return total * jax.lax.fori_loop(0, 3, lambda i, value: value * x, total)


def _random(*shape):
    return np.random.default_rng(0).normal(size=shape).tolist()


function_arguments_nodes = {
    "neuron": (neuron, [0.0, 1.0, 7.0], 7),
    "network": (network, [_random(2), _random(5, 3), _random(6), 1.0], 61),
    "recurrent": (recurrent, [0.5, 1.2, 0.1], 63),
    "layer": (layer, [jnp.ones((2, 3)), jnp.ones(3), jnp.ones((4, 2))], 10),
    "branching": (branching, [0.5, 2], 11),
    "input returned": (lambda x, y: y, [1.0, 2.0], 2),
}


@pytest.fixture(scope="module", params=function_arguments_nodes)
def drawing(request):
    function, arguments, nodes = function_arguments_nodes[request.param]
    graph = graphs.trace(function, *arguments)
    assert len(graph.nodes) == nodes
    return Drawing(ElementTree.fromstring(graphs.to_svg(graph)))


class Rectangle(NamedTuple):
    """Left, top, right and bottom, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other):
        return (
            min(self.right, other.right) - max(self.left, other.left) > 0.1
            and min(self.bottom, other.bottom) - max(self.top, other.top) > 0.1
        )

    def contains(self, other):
        return (
            self.left <= other.left
            and self.top <= other.top
            and self.right >= other.right
            and self.bottom >= other.bottom
        )


class Drawing:
    """The frames, texts and curves of a drawing, as the renderer will place them."""

    def __init__(self, root):
        self.root = root
        font_size = float(root.attrib["font-size"])
        (group,) = root.findall(f"{SVG}g")
        self.frames = [_frame(element) for element in group.iter(f"{SVG}rect")]
        self.texts = [
            _text(element, font_size, font_size) for element in group.iter(f"{SVG}text")
        ]
        self.curves = [
            points
            for element in group.iter(f"{SVG}path")
            if element.attrib.get("fill") == "none"
            for points in _points(element.attrib["d"])
        ]

    @property
    def nodes(self):
        """The outer frames."""
        return [
            frame
            for frame in self.frames
            if not any(other.contains(frame) for other in self.frames if other != frame)
        ]


def _frame(element):
    left, top, width, height = (
        float(element.attrib[name]) for name in ("x", "y", "width", "height")
    )
    return Rectangle(left, top, left + width, top + height)


def _text(element, font_size, height):
    assert element.text
    width = len(element.text) * ADVANCE * font_size
    share = {"start": 0, "middle": 0.5, "end": 1}[element.attrib["text-anchor"]]
    left = float(element.attrib["x"]) - share * width
    middle = float(element.attrib["y"])
    half = HEIGHT * height / 2
    return Rectangle(left, middle - half, left + width, middle + half)


def _points(path):
    """Points along each run of a path of lines and Bézier curves."""
    runs = []
    for command, numbers in re.findall(r"([MVC])([^MVC]*)", path):
        values = [float(number) for number in numbers.split()]
        if command == "M":
            runs.append([tuple(values)])
        else:
            x, y = runs[-1][-1]
            ends = [x, y, *values] if command == "C" else [x, y] * 2 + [x, *values] * 2
            runs[-1] += _bezier(np.reshape(ends, (4, 2)))
    return runs


def _bezier(control, n_points=20):
    t = np.linspace(0, 1, n_points + 1)[1:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return [tuple(point) for point in weights @ control]


def _pairs_that_overlap(rectangles):
    pairs = itertools.combinations(rectangles, 2)
    return [pair for pair in pairs if pair[0].overlaps(pair[1])]


def test_no_boxes_and_no_labels_overlap(drawing):
    assert not _pairs_that_overlap(drawing.nodes)
    assert not _pairs_that_overlap(drawing.texts)


def test_every_text_is_within_one_box_or_clear_of_all(drawing):
    for text in drawing.texts:
        holders = [frame for frame in drawing.nodes if frame.overlaps(text)]
        assert len(holders) <= 1
        assert all(frame.contains(text) for frame in holders)


def test_no_edge_runs_through_a_box_or_a_label(drawing):
    for points, obstacle in itertools.product(drawing.curves, drawing.nodes):
        assert not any(_is_within(point, obstacle, margin=1.0) for point in points)
    for points, text in itertools.product(drawing.curves, drawing.texts):
        assert not any(_is_within(point, text, margin=2.5) for point in points)


def _is_within(point, rectangle, margin):
    x, y = point
    return (
        rectangle.left + margin < x < rectangle.right - margin
        and rectangle.top + margin < y < rectangle.bottom - margin
    )


def test_everything_is_within_the_picture(drawing):
    _, _, width, height = map(float, drawing.root.attrib["viewBox"].split())
    (group,) = drawing.root.findall(f"{SVG}g")
    across, down = map(float, re.findall(r"[\d.]+", group.attrib["transform"]))
    page = Rectangle(-across, -down, width - across, height - down)
    assert all(page.contains(box) for box in (*drawing.frames, *drawing.texts))


def test_svg_needs_nothing_else_and_follows_the_reader():
    text = graphs.to_svg(graphs.trace(neuron, 0.0, 1.0, 7.0), label='"a" & <b>')
    assert "//" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "id=" not in text
    assert ElementTree.fromstring(text).attrib["aria-label"] == '"a" & <b>'
    drawn = re.sub(r"<style>.*?</style>", "", text)
    assert 'fill="currentColor"' in drawn
    assert INK not in drawn
    assert f"svg:root{{color-scheme:light dark;color:{INK}}}" in text
    assert f"@media (prefers-color-scheme:dark){{svg:root{{color:{DARK_INK}}}" in text


def test_svg_shows_values_adjoints_and_local_derivatives():
    root = ElementTree.fromstring(graphs.to_svg(graphs.trace(neuron, 0.0, 1.0, 7.0)))
    shown = {(text.text, text.attrib.get("class")) for text in root.iter(f"{SVG}text")}
    assert {
        ("loss = v2²", None),
        ("49", None),
        ("-14", "funclearn-adjoint"),
        ("-14", "funclearn-local"),
    } <= shown
    assert legend(root) == [
        "left: value",
        "right: ∂loss/∂node",
        "arrow: local derivative",
    ]


def legend(root):
    return [span.text for span in root.iter(f"{SVG}tspan")]


def test_legend_explains_only_what_is_there():
    graph = graphs.trace(jnp.sin, x, cotangent=x)
    drawn = legend(ElementTree.fromstring(graphs.to_svg(graph)))
    assert drawn == ["left: value", "right: adjoint"]


def test_inner_graphs_can_be_drawn():
    node = graphs.trace(branching, 0.5, 2).node("v4")
    assert node.inner
    drawn = legend(ElementTree.fromstring(graphs.to_svg(node.inner)))
    assert drawn == ["left: value", "arrow: local derivative"]


def test_values_stand_left_of_adjoints():
    root = ElementTree.fromstring(graphs.to_svg(graphs.trace(neuron, 0.0, 1.0, 7.0)))
    texts = [
        (text.text, text.attrib["text-anchor"])
        for text in root.iter(f"{SVG}text")
        if "dy" in text.attrib
    ]
    assert texts[texts.index(("loss = v2²", "middle")) + 1 :][:2] == [
        ("49", "start"),
        ("1", "end"),
    ]


def test_long_edges_start_at_the_name_of_their_source():
    root = ElementTree.fromstring(graphs.to_svg(graphs.trace(recurrent, 0.5, 1.2, 0.1)))
    stubs = [text.text for text in root.iter(f"{SVG}text") if text.get("font-style")]
    assert set(stubs) == {"weight", "bias"}
    assert legend(root)[-1] == "italics: a node elsewhere"


@pytest.mark.parametrize("seed", range(12))
def test_layout_of_random_graphs_keeps_everything_apart(seed):
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
        Rectangle(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        for x, y, width, height in boxes
    ]
    assert not _pairs_that_overlap(rectangles)
    page = Rectangle(-1e-6, -1e-6, layout.size.width + 1e-6, layout.size.height + 1e-6)
    assert all(page.contains(rectangle) for rectangle in rectangles)
    for (source, target), run in zip(edges, layout.routes, strict=True):
        assert layout.nodes[source].y < layout.nodes[target].y
        strokes = [stroke for strokes in run for stroke in strokes]
        heights = [y for stroke in strokes for y in (stroke.top, stroke.bottom)]
        assert np.all(np.diff(heights) > -1e-6)
        arrival = layout.nodes[target]
        assert heights[-1] == pytest.approx(arrival.y - arrival.height / 2)
        assert abs(strokes[-1].x - arrival.x) <= arrival.width / 2


def test_layout_avoids_crossings_that_it_can_avoid():
    """Two chains that start in the wrong order, and end far apart."""
    sizes = [Size(40.0, 20.0)] * 6
    edges = [(0, 3), (1, 2), (2, 4), (3, 5)]
    layout = layered(sizes, edges, [None] * 4, [Size(0.0, 0.0)] * 4)
    x = [node.x for node in layout.nodes]
    assert (x[0] < x[1]) == (x[3] < x[2]) == (x[5] < x[4])


def test_layout_makes_a_chain_straight():
    sizes = [Size(width, 20.0) for width in (40.0, 80.0, 10.0, 60.0)]
    edges = [(0, 1), (1, 2), (2, 3)]
    layout = layered(sizes, edges, [Size(30.0, 20.0)] * 3, [Size(0.0, 0.0)] * 3)
    assert {node.x for node in layout.nodes} == {40.0}
