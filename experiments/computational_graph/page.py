"""The graphs as pictures, the chain rule along paths, and the errors of formulas."""

import math
from collections.abc import Iterator, Mapping

import numpy as np

from experiments.computational_graph.chapter import Config, study
from experiments.computational_graph.stepping import Range, step_through
from experiments.harness import Explorable, Outcome, Picture, Table, number
from funclearn import graphs
from funclearn.graphs import Edge, Graph


def run(config: Config) -> Outcome:
    """Traces the graphs, and compares formulas with automatic differentiation."""
    traced, f_errors, neuron_errors = study(config)
    neuron_nodes = {node.name: node for node in traced["neuron"].nodes}
    prediction, loss = (float(neuron_nodes[name].value) for name in ("y_p", "loss"))
    gradient = [float(neuron_nodes[f"params.{w}"].adjoint) for w in ("weight", "bias")]
    return Outcome(
        computed={
            "graph-gradient-x": f_errors[0],
            "graph-gradient-y": f_errors[1],
            "neuron-gradient": {
                "formulas": neuron_errors.max(),
                "prediction": prediction,
                "loss": loss,
                "gradient": gradient,
            },
        },
        tables=(
            _chain_table(*(traced[name] for name in ("function", "paths", "neuron"))),
        ),
        pictures={
            name: Picture(caption, graphs.to_svg(traced[name], label=caption))
            for name, caption in _captions(config).items()
        },
        explorables={"step": explorable(config, traced)},
        findings=(
            f"At {config.points} random points the formulas for df/dx, df/dy and df/dz "
            f"are at most {number(f_errors.max(), 2)} from automatic differentiation, "
            f"those of the neuron {number(neuron_errors.max(), 2)}."
            if config.function is None
            else f"At {config.points} random points the formulas of the neuron are at "
            f"most {number(neuron_errors.max(), 2)} from automatic differentiation.",
            f"The neuron predicts {prediction:g}; its loss is {loss:g}, with the "
            f"gradient ({gradient[0]:g}, {gradient[1]:g}) for weight and bias.",
        ),
    )


def _captions(config: Config) -> dict[str, str]:
    function = config.function or "f = tanh(ln(1 + z 2x / sin(y)))"
    return {
        "function": f"{function}, step by step.",
        "paths": "g = ln(x) + x y - sin(y), whose inputs reach g by two paths each.",
        "neuron": "A neuron, y_p = tanh(w x + b), and its squared error.",
        "thermometer": "The loss of the line w t + b at w = 1 and b = 0. Arrays show "
        "their shape, their least and their largest entry.",
        "layer": "The hidden layer of the wide network, before training.",
    }


def explorable(config: Config, traced: Mapping[str, Graph]) -> Explorable:
    """The formulas of the chapter whose nodes are numbers, to be stepped through."""
    first = {"x": Range(0.1, 2), "y": Range(0.2, 2.9), "z": Range(-1, 4)}
    formulas = {
        "g = ln(x) + x y − sin(y)": (
            traced["paths"],
            {"x": Range(0.5, 5), "y": Range(-6, 6)},
        ),
        config.function or "f = tanh(ln(1 + z 2x / sin(y)))": (
            traced["function"],
            {} if config.function else first,
        ),
        "loss = (y_t − tanh(w x + b))²": (traced["neuron"], {"y_t": Range(-8, 8)}),
    }
    return step_through(formulas, still="paths")


def _chain_table(*traced: Graph) -> Table:
    """The paths of the graphs whose nodes are all scalars."""
    scalar = [
        graph
        for graph in traced
        if all(np.ndim(node.value) == 0 for node in graph.nodes)
    ]
    rows = [
        _chain_row(graph, output, chain)
        for graph in scalar
        for output in graph.outputs
        for chain in _chains(graph, output)
    ]
    return Table(
        "The chain rule along every path",
        ("Derivative", "Path", "Local derivatives", "Product"),
        tuple(rows),
    )


def _chains(graph: Graph, end: int) -> Iterator[tuple[Edge, ...]]:
    """Follows every path back from a node to an input."""
    arriving = [edge for edge in graph.edges if edge.target == end]
    for edge in arriving:
        for rest in _chains(graph, edge.source):
            yield edge, *rest
    if not arriving:
        yield ()


def _chain_row(
    graph: Graph, output: int, chain: tuple[Edge, ...]
) -> tuple[str, str, tuple[float, ...], float]:
    names = [graph.nodes[place].name for place in (output, *(e.source for e in chain))]
    factors = tuple(
        float(edge.derivative.jacobian()) for edge in chain if edge.derivative
    )
    derivative = f"d{names[0]}/d{names[-1]}"
    return derivative, " ← ".join(names), factors, math.prod(factors)
