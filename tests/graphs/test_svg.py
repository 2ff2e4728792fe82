"""The SVG of a graph, measured as a reader would see it."""

import itertools
import re
from xml.etree import ElementTree

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.ad_checkpoint import checkpoint_name

from funclearn import graphs

INK, DARK_INK = "#1b1c1d", "#e4e6e8"


SVG = "{http://www.w3.org/2000/svg}"


# Monospaced fonts are at most this wide and this high, in em.
ADVANCE, HEIGHT = 0.602, 1.2


def neuron(weight, x, target):
    output = checkpoint_name(jnp.tanh(weight * x), "output")
    return checkpoint_name((output - target) ** 2, "loss")


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
def drawing(request, rectangle):
    function, arguments, nodes = function_arguments_nodes[request.param]
    graph = graphs.trace(function, *arguments)
    assert len(graph.nodes) == nodes
    return Drawing(ElementTree.fromstring(graphs.to_svg(graph)), rectangle)


class Drawing:
    """The frames, texts and curves of a drawing, as the renderer will place them."""

    def __init__(self, root, rectangle):
        self.root = root
        font_size = float(root.attrib["font-size"])
        (group,) = root.findall(f"{SVG}g")
        self.frames = [
            rectangle(*_frame(element)) for element in group.iter(f"{SVG}rect")
        ]
        self.texts = [
            rectangle(*_text(element, font_size, font_size))
            for element in group.iter(f"{SVG}text")
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
    return left, top, left + width, top + height


def _text(element, font_size, height):
    assert element.text
    width = len(element.text) * ADVANCE * font_size
    share = {"start": 0, "middle": 0.5, "end": 1}[element.attrib["text-anchor"]]
    left = float(element.attrib["x"]) - share * width
    middle = float(element.attrib["y"])
    half = HEIGHT * height / 2
    return left, middle - half, left + width, middle + half


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


@pytest.mark.slow
def test_no_boxes_and_no_labels_overlap(drawing, pairs_that_overlap):
    assert not pairs_that_overlap(drawing.nodes)
    assert not pairs_that_overlap(drawing.texts)


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


def test_everything_is_within_the_picture(drawing, rectangle):
    _, _, width, height = map(float, drawing.root.attrib["viewBox"].split())
    (group,) = drawing.root.findall(f"{SVG}g")
    across, down = map(float, re.findall(r"[\d.]+", group.attrib["transform"]))
    page = rectangle(-across, -down, width - across, height - down)
    assert all(page.contains(box) for box in (*drawing.frames, *drawing.texts))


def test_svg_needs_nothing_else_and_follows_the_reader(neuron_graph):
    text = graphs.to_svg(neuron_graph, label='"a" & <b>')
    assert "//" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "id=" not in text
    assert ElementTree.fromstring(text).attrib["aria-label"] == '"a" & <b>'
    drawn = re.sub(r"<style>.*?</style>", "", text)
    assert 'fill="currentColor"' in drawn
    assert INK not in drawn
    assert f"svg:root{{color-scheme:light dark;color:{INK}}}" in text
    assert f"@media (prefers-color-scheme:dark){{svg:root{{color:{DARK_INK}}}}}" in text
    assert text.count("color-mix(in srgb,currentColor") == 2


def test_svg_shows_values_adjoints_and_local_derivatives(neuron_graph):
    root = ElementTree.fromstring(graphs.to_svg(neuron_graph))
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
    vector = jnp.array([1.0, 2.0, 3.0, 4.0])
    graph = graphs.trace(jnp.sin, vector, cotangent=vector)
    drawn = legend(ElementTree.fromstring(graphs.to_svg(graph)))
    assert drawn == ["left: value", "right: adjoint"]


def test_inner_graphs_can_be_drawn():
    node = graphs.trace(branching, 0.5, 2).node("v4")
    assert node.inner
    drawn = legend(ElementTree.fromstring(graphs.to_svg(node.inner)))
    assert drawn == ["left: value", "arrow: local derivative"]


def test_values_stand_left_of_adjoints(neuron_graph):
    root = ElementTree.fromstring(graphs.to_svg(neuron_graph))
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


def test_only_inputs_and_constants_are_grey_and_only_outputs_thick(neuron_graph):
    root = ElementTree.fromstring(graphs.to_svg(neuron_graph))
    frames = [*root.iter(f"{SVG}rect")]
    assert [frame.attrib["fill-opacity"] for frame in frames] == [
        "0.0" if node.formula else "0.08" for node in neuron_graph.nodes
    ]
    thick = [frame.attrib["stroke-width"] == "2.5" for frame in frames]
    assert [place for place, is_thick in enumerate(thick) if is_thick] == [
        *neuron_graph.outputs
    ]


def test_edges_without_derivative_are_dashed_and_inner_graphs_double_framed():
    root = ElementTree.fromstring(graphs.to_svg(graphs.trace(branching, 0.5, 2)))
    graph = graphs.trace(branching, 0.5, 2)
    dashed = [
        path for path in root.iter(f"{SVG}path") if "stroke-dasharray" in path.attrib
    ]
    assert len(dashed) == sum(edge.derivative is None for edge in graph.edges) > 0
    doubled = sum(node.inner is not None for node in graph.nodes)
    assert len([*root.iter(f"{SVG}rect")]) == len(graph.nodes) + doubled
    assert doubled == 3


def test_long_texts_are_cut():
    name = "p" * 60
    graph = graphs.trace(lambda p: p[name] * 1.0, {name: 1.0})
    texts = [text.text for text in ElementTree.fromstring(graphs.to_svg(graph)).iter()]
    longest = max(len(text or "") for text in texts[1:] if text and "svg" not in text)
    assert longest == 44
    assert f"p['{'p' * 40}…" in texts


@pytest.mark.parametrize(
    ("function", "argument", "lines"),
    [
        (lambda x: 2 * x, 1.0, 2),
        (lambda x: jnp.sum(x), jnp.arange(4.0), 2),
        (lambda x: jnp.sum(x), 0.123 * jnp.arange(4.0), 3),
    ],
)
def test_a_box_has_a_line_of_numbers_or_two_of_arrays(function, argument, lines):
    root = ElementTree.fromstring(graphs.to_svg(graphs.trace(function, argument)))
    frame = next(root.iter(f"{SVG}rect"))
    assert float(frame.attrib["height"]) == lines * 20 + 4
