"""The run that the experiments share: against NumPy's own descent."""

import numpy as np
import optax
import pytest

import funclearn as fl
from experiments._thermometer import LOSSES, relative_difference, rows_at, train


def slopes(residuals, name):
    """The derivative of a loss by every prediction."""
    return {
        "mse": 2 * residuals,
        "mae": np.sign(residuals),
        "huber": np.clip(residuals, -1, 1),
    }[name] / len(residuals)


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_descends_along_its_own_slope(name):
    data = fl.data.Scaler(input_scale=10.0)(fl.data.thermometer())
    run = train(data, optax.sgd(0.01), epochs=20, loss=LOSSES[name].function)
    x, y = (np.asarray(column, float) for column in data)
    w, b = 1.0, 0.0
    for _ in range(20):
        by_prediction = slopes(w * x + b - y, name)
        w, b = w - 0.01 * by_prediction @ x, b - 0.01 * by_prediction.sum()
    np.testing.assert_allclose(run.state.params, (w, b), rtol=1e-4)
    np.testing.assert_array_equal(run.final[1:3], run.state.params)


def test_a_stopped_run_has_the_epochs_that_ran():
    data = fl.data.thermometer()
    stop = fl.stopping.diverged()
    run = train(data, optax.sgd(0.01), epochs=100, stop=stop)
    assert run.reason.name == "diverged"
    assert len(run.history.loss) == run.epochs < 100
    assert np.flatnonzero(~np.isfinite(run.history.loss)) == [run.epochs - 1]


def test_no_epochs_are_refused():
    with pytest.raises(ValueError, match="epochs must be at least 1; got 0"):
        train(fl.data.thermometer(), optax.sgd(0.01), epochs=0)


def test_rows_are_those_that_ran_in_order():
    history = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])
    assert rows_at(history, {9, 3, 1}) == {1: [1, 4], 3: [3, 6]}


@pytest.mark.parametrize(
    "found, expected, difference",
    [
        ([1.0, -2.0], [1.0, -2.0], 0),
        ([1.0, np.inf], [1.0, np.inf], 0),
        ([1.1, 2.0], [1.0, 2.0], 0.1),
        ([1.0, 2.0], [1.0, -4.0], 1.5),
        ([1.0], [1.0, 2.0], np.inf),
        ([], [], 0),
    ],
)
def test_relative_differences(found, expected, difference):
    assert relative_difference(found, expected) == pytest.approx(difference)
