"""Graphs of numbers as programs, which a reader steps through at inputs of their own.

A program says of every node which operation it is, and of which nodes and numbers. It
is read from the graph's formulas. The page has a small evaluator for it, with a value
and a derivative for each of `OPERATIONS`.
"""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from experiments.harness import Explorable
from funclearn import graphs
from funclearn.graphs import Graph, Node

__all__ = ["OPERATIONS", "Range", "program", "step_through"]

# How the graph writes them.
OPERATIONS = {
    "add": "{} + {}",
    "sub": "{} - {}",
    "mul": "{}·{}",
    "div": "{} / {}",
    "neg": "-{}",
    "sin": "sin({})",
    "cos": "cos({})",
    "tanh": "tanh({})",
    "exp": "exp({})",
    "log": "ln({})",
    "log1p": "ln(1 + {})",
    "sqrt": "√{}",
    "square": "{}²",
}
_POWER = re.compile("(.+?)([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)")
_DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
# A value so long that boxes have a line for the value and one for the adjoint, and hold
# them whatever the inputs.
_LONG = (11.0, 11.0, 111.0)
STEP = 0.1


class Range(NamedTuple):
    """Where a reader may move an input."""

    low: float
    high: float


def step_through(
    formulas: Mapping[str, tuple[Graph, Mapping[str, Range]]], *, still: str
) -> Explorable:
    """Those of the graphs that have a program, to be stepped through.

    Args:
        formulas: by what a reader chooses them by, graphs and the ranges of inputs.
        still: the picture that stands in for it.
    """
    programs = [
        made | {"title": title, "inputs": list(_inputs(graph, ranges))}
        for title, (graph, ranges) in formulas.items()
        if (made := program(graph)) is not None
    ]
    return Explorable(
        "Forwards every node gets its value. Backwards the adjoint, the derivative of "
        "the output, is multiplied along every edge and added up at every node. Press "
        "Next; then change an input.",
        "graph",
        {"formulas": programs},
        still,
    )


def program(graph: Graph) -> dict[str, Any] | None:
    """A graph as plain values; None if it has other operations, arrays, or none.

    Returns:
        `nodes`, each with its name, operation and operands, of which an integer in a
        list is the place of a node, and any other a number; `edges`, pairs of places;
        the place of the `output`; and `svg`, the picture.
    """
    if any(np.ndim(node.value) or node.adjoint is None for node in graph.nodes):
        return None
    operands = [_operands(graph, place) for place in range(len(graph.nodes))]
    if None in operands or len(graph.outputs) != 1:
        return None
    return {
        "nodes": [
            {"name": node.name, "operation": node.operation, "operands": given}
            for node, given in zip(graph.nodes, operands, strict=True)
        ],
        "edges": [[edge.source, edge.target] for edge in graph.edges],
        "output": graph.outputs[0],
        "svg": _picture(graph),
    }


def _operands(graph: Graph, place: int) -> list[Any] | None:
    node = graph.nodes[place]
    if node.operation == "input":
        return []
    sources = {
        e.source: graph.nodes[e.source] for e in graph.edges if e.target == place
    }
    found = [_operand(text, sources) for text in _texts(node)]
    return found if found and None not in found else None


def _texts(node: Node) -> tuple[str, ...]:
    """The operands as the formula writes them; none if it is not known."""
    if node.operation == "integer_pow":
        power = _POWER.fullmatch(node.formula)
        return (power[1], power[2].translate(_DIGITS)) if power else ()
    pattern = re.escape(OPERATIONS.get(node.operation, "")).replace(r"\{\}", "(.+)")
    parts = re.fullmatch(pattern, node.formula)
    return parts.groups() if parts else ()


def _operand(text: str, sources: Mapping[int, Node]) -> list[int] | float | None:
    for place, node in sources.items():
        # Formulas have the last parts of long names.
        if node.name == text or node.name.endswith(f".{text}"):
            return [place]
    text = text.removeprefix("(").removesuffix(")")
    # Four digits may be all that there are of a number, or not.
    if len(re.sub(r"\D", "", text)) > 3:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _picture(graph: Graph) -> str:
    long = jnp.asarray(_LONG)
    nodes = (node._replace(value=long, adjoint=long) for node in graph.nodes)
    return graphs.to_svg(graph._replace(nodes=tuple(nodes)))


def _inputs(graph: Graph, ranges: Mapping[str, Range]) -> Iterator[dict[str, Any]]:
    """Where sliders begin and end, a whole number of steps from where they are."""
    for node in graph.nodes:
        if node.operation == "input":
            # In double precision, what single precision shows: 0.1, not 0.10000000149.
            value = float(str(np.float32(node.value)))
            low, high = ranges.get(node.name, Range(value - 2, value + 2))
            below = math.ceil(max(value - low, 0) / STEP - 1e-6)
            above = math.ceil(max(high - value, 0) / STEP - 1e-6)
            low = round(value - below * STEP, 6)
            yield {"low": low, "step": STEP, "count": below + above + 1, "start": below}
