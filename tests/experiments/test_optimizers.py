"""The line of the least loss against SciPy, and the losses to choose from."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false, reportCallIssue=false

import functools

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

import funclearn as fl
from experiments._thermometer import LOSSES, initial_params
from experiments.optimizers import Config, page, run
from experiments.optimizers.chapter import best_line
from experiments.optimizers.counterparts import counterparts
from experiments.optimizers.page import covered
from funclearn.models import LinearParams
from tests.experiments.every import SmallRun, recorded, written

DATA = fl.data.thermometer()
X, Y = (np.asarray(column, float) for column in DATA)


@functools.cache
def ran(loss):
    """What three epochs on a loss report, and what their study found."""
    with recorded(page, "study") as found:
        outcome = run(Config(epochs=3, loss=loss))
    return outcome, *found


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    return written("optimizers", Config(epochs=3), out, lambda _: ran("mse")[0])


class TestSmallRun(SmallRun):
    pass


def loss_of(line, name):
    residuals = np.abs(line.weight * X + line.bias - Y)
    return {
        "mse": residuals**2,
        "mae": residuals,
        "huber": np.where(residuals <= 1, residuals**2 / 2, residuals - 0.5),
    }[name].mean()


def least_absolute_error():
    """By linear programming: every row is missed by its excess or its lack."""
    identity = np.eye(len(X))
    design = np.stack([X, np.ones_like(X)], axis=1)
    found = linprog(
        np.concatenate([np.zeros(2), np.full(2 * len(X), 1 / len(X))]),
        A_eq=np.hstack([design, identity, -identity]),
        b_eq=Y,
        bounds=[(None, None)] * 2 + [(0, None)] * 2 * len(X),
    )
    return found.fun


def least_huber_loss():
    def loss(params):
        residuals = np.abs(params[0] * X + params[1] - Y)
        return np.where(residuals <= 1, residuals**2 / 2, residuals - 0.5).mean()

    options = {"xatol": 1e-10, "fatol": 1e-12, "maxiter": 10_000}
    start = np.polyfit(X, Y, deg=1)
    return minimize(loss, start, method="Nelder-Mead", options=options).fun


def test_no_line_is_better_than_the_best():
    assert loss_of(best_line(DATA, "mse"), "mse") == pytest.approx(
        np.polyfit(X, Y, deg=1, full=True)[1][0] / len(X), rel=1e-5
    )
    assert loss_of(best_line(DATA, "mae"), "mae") == pytest.approx(
        least_absolute_error(), rel=1e-6
    )
    assert loss_of(best_line(DATA, "huber"), "huber") == pytest.approx(
        least_huber_loss(), rel=1e-6
    )


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.slow
def test_the_loss_is_the_one_that_was_asked_for(name):
    _, result = ran(name)
    expected = loss_of(initial_params(), name)
    for found in result.runs["raw"].values():
        assert found.history.loss[0] == pytest.approx(expected, rel=1e-5)
    assert result.least == pytest.approx(loss_of(result.best["raw"], name), rel=1e-4)


@pytest.mark.parametrize(
    "name, unit", [("mse", "°C²"), ("mae", "°C"), ("huber", "°C²")]
)
@pytest.mark.slow
def test_the_loss_has_its_unit(name, unit):
    outcome, _ = ran(name)
    assert outcome.findings[0].endswith(f" {unit}.")
    assert outcome.tables[0].columns[-1] == f"Loss before ({unit})"


def test_counterparts_step_as_their_formulas_say():
    """From the gradient at w = 1, b = 0 on scaled readings, in NumPy."""
    residuals = X / 10 - Y
    gradient = np.array([2 * np.mean(residuals * X / 10), 2 * np.mean(residuals)])
    scaled = DATA._replace(inputs=DATA.inputs / 10)
    found = {one.name: one for one in counterparts(scaled, 0.01)}
    # Where the sign alone counts the first step is the learning rate.
    signs = -0.01 * np.sign(gradient)
    expected = {
        "SGD": -0.01 * gradient,
        "Adam": signs,
        "Adamax": signs,
        # The mean of squares starts at 0 and has a tenth of the first.
        "RMSprop": signs / np.sqrt(0.1),
        # The sum of squares starts at 0.1.
        "Adagrad": -0.01 * gradient / np.sqrt(0.1 + gradient**2),
    }
    for name, step in expected.items():
        np.testing.assert_allclose(found[name].step, step, rtol=2e-4)
    # Optax's Rprop is one step behind.
    steps = [one.step for name, one in found.items() if one.step and name != "Rprop"]
    assert len(steps) == 7
    assert all(np.dot(step, gradient) < 0 for step in steps)
    np.testing.assert_array_equal(found["Rprop"].step, 0)
    assert {name for name, one in found.items() if one.optax == "none"} == {
        "ASGD",
        "SparseAdam",
    }


def test_how_much_of_the_way_is_covered():
    best = LinearParams(3.0, 4.0)
    assert covered(np.array([[0.0, 0.0], [3.0, 4.0]]), best) == 1
    assert covered(np.array([[0.0, 0.0], [1.5, 2.0]]), best) == 0.5
    assert covered(np.array([[0.0, 0.0], [-3.0, -4.0]]), best) == -1
    assert covered(np.array([[3.0, 4.0]]), best) == 1


def test_every_optimizer_has_a_panel_that_says_how_far_it_came():
    outcome, _ = ran("mse")
    for name in "raw", "scaled":
        panels = outcome.plots[f"{name}_paths"].figure().axes
        assert len(panels) == 4
        assert all(" of the way" in axes.get_title() for axes in panels)


def test_no_epochs_are_refused():
    with pytest.raises(ValueError, match="epochs must be from 1 to 1000000; got 0"):
        run(Config(epochs=0))
