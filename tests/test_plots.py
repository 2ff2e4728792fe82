import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgba
from matplotlib.figure import Figure


@pytest.fixture
def plots():
    from funclearn import plots

    return plots


@pytest.fixture
def axes():
    return Figure().subplots()


def dataset(inputs, targets):
    import funclearn as fl

    return fl.Dataset(jnp.asarray(inputs), jnp.asarray(targets))


def draw(axes):
    axes.figure.draw_without_rendering()


def test_learning_curves_count_epochs_from_one(plots, axes):
    losses = {"small": np.array([3.0, 2.0]), "large": jnp.array([9.0, 8.0, jnp.inf])}
    small, large = plots.learning_curves(axes, losses)
    draw(axes)
    np.testing.assert_array_equal(small.get_xdata(), [1, 2])
    np.testing.assert_array_equal(large.get_ydata(), [9, 8, np.inf])
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[1] < 20
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [*losses]


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_fit_draws_points_and_predictions(plots, axes, shape):
    inputs = np.array([2.0, -1.0, 0.5], np.float32)
    data = dataset(inputs.reshape(shape), (inputs**3).reshape(shape))
    points, curve = plots.fit(axes, data, {"cube": lambda x: x**3})
    np.testing.assert_array_equal(points.get_xydata(), np.stack([inputs, inputs**3], 1))
    assert points.get_linestyle() == "None"
    x, y = curve.get_data()
    assert (x[0], x[-1], curve.get_label()) == (-1, 2, "cube")
    np.testing.assert_allclose(y, x**3, rtol=1e-5, atol=1e-6)


def test_fit_hands_over_inputs_in_the_data_sets_shape(plots, axes):
    shapes = []

    def predict(inputs):
        shapes.append(inputs.shape)
        return inputs

    column = np.ones((4, 1), np.float32)
    plots.fit(axes, dataset(column, column), {"same": predict})
    assert [shape[1:] for shape in shapes] == [(1,)]


@pytest.mark.parametrize("shape", [(4, 2), ()])
def test_fit_needs_one_input_a_row(plots, axes, shape, plain_annotations):
    with pytest.raises(ValueError, match="one input a row"):
        plots.fit(axes, dataset(np.ones(shape), np.ones(4)), {})


def test_residuals_are_targets_minus_predictions(plots, axes):
    points, zero = plots.residuals(axes, np.array([1.0, 2.0]), np.array([4.0, 1.0]))
    np.testing.assert_array_equal(points.get_xydata(), [[1, 3], [2, -1]])
    np.testing.assert_array_equal(zero.get_ydata(), [0, 0])


def test_residuals_refuse_unequal_shapes(plots, axes):
    with pytest.raises(ValueError, match=r"\(3,\) and \(3, 1\)"):
        plots.residuals(axes, np.ones(3), np.ones((3, 1)))


@pytest.mark.parametrize(
    "sample", [[2.9276454, 2.9276457, 2.927646], [2e7] * 10], ids=["close", "equal"]
)
def test_distributions_take_values_that_hardly_differ(plots, axes, sample):
    (line,) = plots.distributions(axes, {"loss": np.array(sample, np.float32)})
    assert np.sum(line.get_ydata()[1:-1:2]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ({}, "samples must hold at least one sample"),
        ({"a": np.ones(2), "b": np.ones(0)}, r"samples\['b'\] must hold values"),
    ],
)
def test_distributions_need_values(plots, axes, samples, message):
    with pytest.raises(ValueError, match=message):
        plots.distributions(axes, samples)


def test_contours_follow_the_function(plots, axes):
    drawn = plots.contours(
        axes, lambda x, y: x**2 + 4 * y**2, (-4.0, 4.0), (-2.0, 3.0), levels=[1.0, 4.0]
    )
    draw(axes)
    for level, path in zip(drawn.levels, drawn.get_paths(), strict=True):
        x, y = path.vertices.T
        np.testing.assert_allclose(x**2 + 4 * y**2, level, atol=0.02)
    assert axes.get_xlim() == (-4, 4)
    assert axes.get_ylim() == (-2, 3)


def test_contours_take_a_number_of_levels(plots, axes):
    few, many = (
        plots.contours(axes, lambda x, y: x + y, (0.0, 1.0), (0.0, 1.0), levels=levels)
        for levels in (3, 12)
    )
    assert len(few.levels) < len(many.levels)


def test_paths_end_with_a_dot(plots, axes):
    (path,) = plots.paths(axes, {"spiral": jnp.array([[0.0, 1.0], [2.0, 3.0]])})
    np.testing.assert_array_equal(path.get_xydata(), [[0, 1], [2, 3]])
    assert path.get_markevery() == [1]


def draw_everything(plots, axes):
    values = np.array([1.0, 2.0], np.float32)
    return [
        *plots.learning_curves(axes, {"a": values}),
        *plots.fit(axes, dataset(values, values), {"b": lambda x: x}),
        *plots.residuals(axes, values, values)[:1],
        *plots.paths(axes, {"c": np.ones((2, 2))}),
    ]


def test_colours_are_those_of_the_axes(plots, axes):
    cycle = ["#123456", "#234567", "#345678", "#456789", "#56789a"]
    axes.set_prop_cycle(color=cycle)
    axes.spines["left"].set_edgecolor("#abcdef")
    lines = draw_everything(plots, axes)
    assert [to_hex(line.get_color()) for line in lines] == cycle
    drawn = plots.contours(axes, lambda x, y: x * y, (1.0, 2.0), (1.0, 2.0))
    _, zero = plots.residuals(axes, np.ones(2), np.ones(2))
    assert {to_hex(colour) for colour in drawn.get_edgecolor()} == {"#abcdef"}
    assert to_rgba(zero.get_color()) == to_rgba("#abcdef")


def test_touches_no_pyplot_state(plots, axes):
    from matplotlib import pyplot

    draw_everything(plots, axes)
    assert pyplot.get_fignums() == []


def test_nothing_in_the_library_imports_it():
    import subprocess
    import sys

    program = "import sys, funclearn; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_draws_the_shares_of_the_bins():
    from funclearn import plots

    samples = {
        "a": np.array([0.0, 0.0, 1.0, 2.0]),
        "b": np.array([2.0, np.nan, np.inf, 2.0]),
    }
    axes = Figure().subplots()
    lines = plots.distributions(axes, samples, bins=2)
    heights = [np.asarray(line.get_ydata()).tolist() for line in lines]
    assert heights == [[0, 0.5, 0.5, 0.5, 0.5, 0], [0, 0, 0, 0.5, 0.5, 0]]
    for line in lines:
        np.testing.assert_array_equal(line.get_xdata(), [0, 0, 1, 1, 2, 2])
    assert [line.get_label() for line in lines] == ["a", "b"]
