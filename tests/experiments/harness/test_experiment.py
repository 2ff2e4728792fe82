import numpy as np
import pytest

from experiments.harness import Plot, Table


def test_a_plot_opens_one_panel():
    plot = Plot("A line.", lambda axes: axes.plot([1, 2]))
    figure = plot.figure()
    assert len(figure.axes) == 1
    assert len(figure.axes[0].lines) == 1
    assert tuple(figure.get_size_inches()) == (5.2, 3.4)


def test_a_plot_hands_its_panels_on_row_by_row():
    def draw(*axes):
        for place, panel in enumerate(axes):
            panel.set_title(str(place))

    plot = Plot(
        "Six panels.",
        draw,
        size=(6.0, 4.0),
        panels=(2, 3),
        layout={"sharex": True, "width_ratios": (1, 2, 3)},
    )
    figure = plot.figure()
    assert tuple(figure.get_size_inches()) == (6.0, 4.0)
    grid = figure.axes[0].get_gridspec()
    assert grid is not None
    assert grid.get_geometry() == (2, 3)
    assert np.array_equal(grid.get_width_ratios(), [1, 2, 3])
    for place, axes in enumerate(figure.axes):
        assert axes.get_title() == str(place)
        spec = axes.get_subplotspec()
        assert spec is not None
        assert (spec.rowspan.start, spec.colspan.start) == divmod(place, 3)
    shared = figure.axes[0].get_shared_x_axes()
    assert all(shared.joined(figure.axes[0], axes) for axes in figure.axes)


@pytest.mark.parametrize("row", [(), (1,), (1, 2, 3)])
def test_a_row_has_a_value_a_column(row):
    with pytest.raises(
        ValueError, match=f"'Losses' has 2 columns, and a row of {len(row)} values"
    ):
        Table("Losses", ("epoch", "loss"), ((1, 2.0), row))
