"""The graph stepped through by keyboard, and its evaluator, beside `jax.grad`."""

import decimal
import inspect
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.computational_graph import Config, chapter
from experiments.computational_graph.page import explorable
from experiments.computational_graph.stepping import OPERATIONS, program
from experiments.harness import Outcome, Picture
from funclearn import graphs
from funclearn.models import LinearParams
from tests.browser import opened
from tests.experiments.every import page_of

STILL = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"></svg>'


def neuron(weight, bias, x, y_t):
    return chapter.neuron(LinearParams(weight, bias), x, y_t)


def every_operation(x, y):
    """Each operation that a program may have, at positive numbers."""
    a = jnp.sin(x) + jnp.cos(y) - jnp.tanh(x)
    b = jnp.exp(-y) / jnp.sqrt(x) + jnp.log(x) * jnp.log1p(y)
    return jnp.square(a) * b**3 + 0.5 * x**-2 - 3 * (y - 2)


FORMULAS = (chapter.two_paths, chapter.function, neuron)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    config = Config()
    traced = {
        "paths": graphs.trace(chapter.two_paths, 2.0, 5.0),
        "function": graphs.trace(chapter.function, config.x, config.y, config.z),
        "neuron": graphs.trace(
            chapter.neuron, LinearParams(jnp.asarray(-0.5), jnp.asarray(0.5)), 1.0, 7.0
        ),
    }
    outcome = Outcome(
        pictures={"paths": Picture("Still.", STILL)},
        explorables={"step": explorable(config, traced)},
    )
    out = tmp_path_factory.mktemp("results")
    return page_of("computational_graph", config, outcome, out)


@pytest.fixture(scope="module")
def place(page):
    return page.locator("#computational_graph-step")


def reference(function):
    """Values of named nodes and the gradient, by JAX, in double precision."""
    places = [*range(len(inspect.signature(function).parameters))]
    return jax.jit(jax.value_and_grad(function, places))


@pytest.mark.parametrize("function", [*FORMULAS, every_operation])
@pytest.mark.slow
def test_evaluator_agrees_with_jax(page, function, float64):
    draws = np.random.default_rng(0)
    count = len(inspect.signature(function).parameters)
    graph = graphs.trace(function, *[1.5] * count)
    compiled, made = reference(function), program(graph)
    assert made is not None
    points = draws.uniform(0.5, 2.5, (50, count))
    found = page.evaluate(
        "([one, points]) => points.map((point) => explore.evaluate(one, point))",
        [made, points.tolist()],
    )
    for point, evaluated in zip(points, found, strict=True):
        value, slopes = compiled(*point)
        expected = [float(slope) for slope in slopes]
        output = evaluated["values"][made["output"]]
        assert output == pytest.approx(float(value), rel=1e-9)
        assert evaluated["adjoints"][:count] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("function", [*FORMULAS, every_operation])
@pytest.mark.slow
def test_every_node_and_edge_is_that_of_the_graph(page, function, float64):
    count = len(inspect.signature(function).parameters)
    graph = graphs.trace(function, *np.linspace(0.7, 1.9, count).tolist())
    made = program(graph)
    found = page.evaluate(
        "([program, point]) => explore.evaluate(program, point)",
        [made, [float(node.value) for node in graph.nodes[:count]]],
    )
    for name in ("value", "adjoint"):
        expected = [float(getattr(node, name)) for node in graph.nodes]
        assert found[f"{name}s"] == pytest.approx(expected, rel=1e-9, abs=1e-12)
    factors = [
        float(edge.derivative.jacobian()) for edge in graph.edges if edge.derivative
    ]
    assert found["factors"] == pytest.approx(factors, rel=1e-9, abs=1e-12)


def test_every_operation_is_tried():
    made = program(graphs.trace(every_operation, 1.5, 1.5))
    assert made is not None
    tried = {node["operation"] for node in made["nodes"]}
    assert tried == {*OPERATIONS, "integer_pow", "input"}


@pytest.mark.parametrize(
    "function",
    [
        lambda x: jnp.sum(x * jnp.ones(3)),
        lambda x: jnp.arctan(x),
        lambda x: x * 1.2345,
    ],
    ids=["arrays", "another operation", "a number that is written shorter"],
)
def test_other_graphs_have_no_program(function):
    assert program(graphs.trace(function, 1.5)) is None


def short(value):
    """A number as the picture writes it: four digits, at most four after the point."""
    if value != 0 and not 1e-3 <= abs(value) < 99999.5:
        mantissa, power = f"{value:.1e}".split("e")
        return f"{mantissa}e{int(power)}".replace("-", "−")
    whole = len(str(int(abs(float(f"{value:.4g}")))))
    decimals = 4 if abs(value) < 0.99995 else max(4 - whole, 0)
    # JavaScript takes halves away from zero.
    unit = decimal.Decimal(1).scaleb(-decimals)
    exact = decimal.Decimal(value).quantize(unit, decimal.ROUND_HALF_UP)
    return f"{float(exact):g}".replace("-", "−") if exact else "0"


def texts(place, kind):
    return place.locator(f'[data-quantity^="{kind}-"]').all_text_contents()


def check(place, graph, step):
    """Compares all numbers of the picture after a step with those of a graph."""
    inputs = [node for node in graph.nodes if node.operation == "input"]
    known = len(inputs) + step
    assert texts(place, "value") == [
        short(float(node.value)) if index < known else ""
        for index, node in enumerate(graph.nodes)
    ]
    moves = max(step - (len(graph.nodes) - len(inputs)) - 1, 0)
    backwards = sorted(
        range(len(graph.edges)), key=lambda edge: -graph.edges[edge].target
    )
    gone = backwards[:moves]
    factors = [float(edge.derivative.jacobian()) for edge in graph.edges]
    sums: dict[int, float] = {}
    if step > len(graph.nodes) - len(inputs):
        sums[graph.outputs[0]] = 1.0
    for edge in gone:
        source, target, *_ = graph.edges[edge]
        share = float(graph.nodes[target].adjoint) * factors[edge]
        sums[source] = sums.get(source, 0.0) + share
    assert texts(place, "factor") == [
        short(factor) if edge in gone else "" for edge, factor in enumerate(factors)
    ]
    assert texts(place, "adjoint") == [
        short(sums[index]) if index in sums else "" for index in range(len(graph.nodes))
    ]


STARTS = ((2.0, 5.0), (0.5, 1.0, 2.0), (-0.5, 0.5, 1.0, 7.0))
TITLES = ("g =", "f =", "loss =")


@pytest.mark.parametrize("number", range(3))
def test_steps_show_what_jax_computes(page, place, number, float64):
    graph = graphs.trace(FORMULAS[number], *STARTS[number])
    # The way to a radio button by keyboard: from the one that is chosen, by arrows.
    place.locator("input[type=radio]:checked").focus()
    while place.locator("input[type=radio]:checked").get_attribute("value") != str(
        number
    ):
        page.keyboard.press("ArrowRight")
    steps = len(graph.nodes) - len(STARTS[number]) + 1 + len(graph.edges)
    check(place, graph, 0)
    place.get_by_role("button", name="Next").focus()
    for step in range(1, steps + 1):
        page.keyboard.press("Enter" if step % 2 else "Space")
        check(place, graph, step)
    gradient = [float(g) for g in reference(FORMULAS[number])(*STARTS[number])[1]]
    shown = texts(place, "adjoint")[: len(gradient)]
    assert shown == [short(slope) for slope in gradient]
    place.get_by_role("button", name="Back").focus()
    page.keyboard.press("Enter")
    check(place, graph, steps - 1)
    place.get_by_label("Step", exact=True).focus()
    page.keyboard.press("End")
    check(place, graph, steps)


@pytest.mark.parametrize("number", range(3))
def test_inputs_change_all_numbers(page, place, number, float64):
    place.locator("input[type=radio]").nth(number).check()
    place.get_by_label("Step", exact=True).focus()
    page.keyboard.press("End")
    point = list(STARTS[number])
    value_and_grad = reference(FORMULAS[number])
    for index in range(len(point)):
        place.locator(".inputs input").nth(index).focus()
        for key, by in (("ArrowRight", 0.1), ("PageUp", None), ("ArrowLeft", -0.1)):
            before = point[index]
            page.keyboard.press(key)
            slider = place.locator(".inputs input").nth(index)
            point[index] = float(
                slider.get_attribute("aria-valuetext").replace("−", "-")
            )
            assert by is None or point[index] == pytest.approx(before + by)
            value, slopes = value_and_grad(*point)
            assert texts(place, "value")[-1] == short(float(value)), point
            shown = texts(place, "adjoint")[: len(point)]
            assert shown == [short(float(slope)) for slope in slopes], point


def test_sentence_multiplies_and_adds(page, place):
    place.locator("input[type=radio]").first.check()
    place.get_by_label("Step", exact=True).focus()
    page.keyboard.press("End")
    sentence = place.locator(".sentence").inner_text()
    assert "1 × 0.5 = 0.5" in sentence and "5 + 0.5 = 5.5" in sentence


def test_what_is_not_defined_is_said(page, place):
    place.locator("input[type=radio]").nth(1).check()
    place.get_by_label("Input z", exact=True).focus()
    page.keyboard.press("Home")
    sentence = place.locator(".sentence").inner_text()
    assert sentence == "f is not defined at these inputs."
    assert texts(place, "value")[-1] == ""


def test_every_control_is_reached_by_tab(page, place):
    place.locator("input[type=radio]").first.check()
    place.locator("input[type=radio]").first.focus()
    reached = []
    for _ in range(6):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "(({labels, textContent}) => labels?.[0]?.textContent ?? textContent)"
                "(document.activeElement)"
            )
        )
    assert reached[1:] == ["Back", "Next", "Step", "Input x", "Input y"]


@pytest.mark.parametrize("number", range(3))
def test_letters_stay_large_on_a_phone(chromium, path, number):
    with opened(chromium, path, width=390) as page:
        place = page.locator("#computational_graph-step")
        place.locator("input[type=radio]").nth(number).check()
        scale = place.locator(".graph svg").evaluate("one => one.getScreenCTM().a")
        assert 13 * scale >= 12
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_data_are_plain(path):
    text = (path.parent / "computational_graph" / "step.js").read_text()
    data = json.loads(text[text.index("{") : text.rindex("}") + 1])
    for one, title in zip(data["formulas"], TITLES, strict=True):
        assert one["title"].startswith(title)
