"""A graph as text, for terminals and tests, and in the DOT language, for graphviz."""

from collections.abc import Iterator

from funclearn.graphs._graph import Edge, Graph
from funclearn.graphs._notation import local, summary, title

__all__ = ["to_dot", "to_text"]


def to_text(graph: Graph) -> str:
    """Writes a graph as a table with one line for every node.

    Args:
        graph: what to write.

    Returns:
        Lines of name and formula, value, adjoint, and the local derivatives with
        respect to the operands; between arrays it is the shape of the Jacobian. Where
        there is none, since a rule of its own is not linear, it is what that makes of
        the adjoint. The inner graph of an operation follows below its line, indented.
    """
    rows = [("node", "value", "adjoint", "local derivatives"), *_rows(graph, "")]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def _rows(graph: Graph, indent: str) -> Iterator[tuple[str, str, str, str]]:
    for position, node in enumerate(graph.nodes):
        derivatives = (
            f"{graph.nodes[edge.source].name}: {text}"
            for edge in graph.edges
            if edge.target == position and (text := _local(edge))
        )
        values = (summary(node.value), summary(node.adjoint))
        yield (indent + title(node), *values, ", ".join(derivatives))
        if node.inner:
            yield from _rows(node.inner, indent + "  | ")


def _local(edge: Edge) -> str:
    between_arrays = str(edge.derivative.shape) if edge.derivative else ""
    return local(edge) or between_arrays


def to_dot(graph: Graph) -> str:
    """Writes a graph in the DOT language, for graphviz.

    Args:
        graph: what to write.
    """
    lines = ["digraph {", '  node [shape=box, fontname="monospace"];']
    for position, node in enumerate(graph.nodes):
        values = f"{summary(node.value)} | {summary(node.adjoint)}"
        style = ", peripheries=2" if node.inner else ""
        lines.append(f"  n{position} [label={_quoted(title(node), values)}{style}];")
    for edge in graph.edges:
        style = "" if edge.derivative or edge.rule else ", style=dashed"
        label = _quoted(local(edge))
        lines.append(f"  n{edge.source} -> n{edge.target} [label={label}{style}];")
    return "\n".join([*lines, "}", ""])


def _quoted(*lines: str) -> str:
    text = "\\n".join(line.replace("\\", r"\\").replace('"', r"\"") for line in lines)
    return f'"{text}"'
