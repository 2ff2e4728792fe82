"""What an experiment is: a frozen `Config` and a pure `run(config) -> Outcome`.

An `Outcome` holds numbers and the recipes for its figures, so that running an
experiment touches neither the disk nor the terminal; `_report` does that.
"""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

__all__ = ["Explorable", "Outcome", "Picture", "Plot", "Table"]


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows to print under a title, with one name a column.

    Numbers stay numbers here: the report formats them.

    Raises:
        ValueError: a row has more or fewer values than there are columns.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def __post_init__(self) -> None:
        """Checks the rows."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.title!r} has {len(self.columns)} columns, "
                    f"and a row of {len(row)} values."
                )


class Plot(NamedTuple):
    """A figure to be drawn, and the sentence that says what to see in it.

    Attributes:
        caption: the sentence.
        draw: `draw(*axes)` draws into the panels, row by row; the report opens the
            figure and chooses colours and format.
        size: width and height, in inches.
        panels: number of rows and of columns.
        layout: further arguments of `matplotlib.figure.Figure.subplots`.
    """

    caption: str
    draw: Callable[..., None]
    size: tuple[float, float] = (5.2, 3.4)
    panels: tuple[int, int] = (1, 1)
    layout: Mapping[str, Any] = MappingProxyType({})

    def figure(self) -> Figure:
        """Draws it."""
        figure = Figure(figsize=self.size, layout="constrained")
        axes = figure.subplots(*self.panels, squeeze=False, **self.layout)
        self.draw(*axes.ravel())
        return figure


class Picture(NamedTuple):
    """A drawing that is no matplotlib figure, and the sentence that goes with it.

    `svg` is a whole document without identifiers; within the page it takes the colour
    of the text around it.
    """

    caption: str
    svg: str


class Explorable(NamedTuple):
    """A figure that the reader moves, in the place of a still one.

    Attributes:
        caption: the one thing that it teaches, and what to do.
        script: name of the JavaScript file, without suffix, that draws it; it is in
            `templates/explorables`.
        data: what the script gets: plain values, NumPy arrays, and arrays of curves
            that are only drawn as `Quantised`.
        still: file stem of the plot or picture that is shown where scripts are off,
            and in print.
    """

    caption: str
    script: str
    data: Mapping[str, Any]
    still: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """Everything that one run of an experiment found.

    Attributes:
        computed: identifier of a published figure -> the value computed here, of
            the same structure as the published value.
        tables: what to print, in order.
        plots: file stem -> plot.
        pictures: file stem -> picture.
        explorables: file stem -> explorable.
        history: column name -> one value an epoch (all of one length); empty where
            there is no training run.
        findings: sentences about this run, with its own numbers in them.
        files: name -> content of further files for its folder.
        data_sets: those it ran on, of what published figures may need.

    Raises:
        ValueError: the still figure of an explorable is none of its figures.
    """

    computed: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    plots: Mapping[str, Plot] = dataclasses.field(default_factory=dict)
    pictures: Mapping[str, Picture] = dataclasses.field(default_factory=dict)
    explorables: Mapping[str, Explorable] = dataclasses.field(default_factory=dict)
    history: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    findings: tuple[str, ...] = ()
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    data_sets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Checks that every explorable has a still figure."""
        stems = [*self.plots, *self.pictures]
        for stem, explorable in self.explorables.items():
            if explorable.still not in stems:
                raise ValueError(
                    f"explorable {stem!r} needs a still figure of {stems}; got "
                    f"{explorable.still!r}."
                )
