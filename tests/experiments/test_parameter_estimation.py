"""The chapter's own loop and gradients against NumPy and against the library."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false

import dataclasses

import jax
import numpy as np
import pytest

import funclearn as fl
from experiments.parameter_estimation import Config, chapter, page, run
from tests.experiments.every import SmallRun, studied

CONFIG = Config(epochs=150)
DATA = fl.data.thermometer()
T_U, T_C = (np.asarray(column, float) for column in DATA)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What a run wrote, and what its study found."""
    return studied(
        page, "parameter_estimation", CONFIG, tmp_path_factory.mktemp("results")
    )


@pytest.fixture(scope="module")
def small(ran):
    return ran[0]


@pytest.fixture(scope="module")
def result(ran):
    return ran[1]


@pytest.fixture(scope="module")
def outcome(small):
    return small[1]


class TestSmallRun(SmallRun):
    pass


def test_gradients_by_hand_are_the_formulas(result):
    for name, scale in {"raw": 1.0, "scaled": 10.0}.items():
        residuals = T_U / scale - T_C
        expected = 2 * np.mean(residuals * T_U / scale), 2 * np.mean(residuals)
        for found in result.starts[name]:
            np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_derivatives_are_those_of_autodiff():
    t_u, t_c = DATA
    w, b = 1.5, -2.0
    t_p = chapter.model(t_u, w, b)
    derivatives = {
        chapter.dloss_dmodel: (t_p, t_c),
        chapter.dmodel_dw: (t_u,),
        chapter.dmodel_db: (t_u,),
    }
    by_prediction = jax.grad(chapter.loss_fn)(t_p, t_c)
    by_weight = jax.jacobian(chapter.model, 1)(t_u, w, b)
    by_bias = jax.jacobian(chapter.model, 2)(t_u, w, b)
    expected = (by_prediction, by_weight, by_bias)
    for (function, at), value in zip(derivatives.items(), expected, strict=True):
        np.testing.assert_allclose(function(*at), value, rtol=1e-6)
    grad = jax.grad(chapter.loss_at)(np.array([w, b]), t_u, t_c)
    np.testing.assert_allclose(chapter.gradient(t_u, t_c, t_p), grad, rtol=1e-5)


@pytest.mark.parametrize("name", ["exploding", "stalling", "learning"])
def test_the_loop_by_hand_is_the_run_of_fit(result, name):
    fit, loop = getattr(result, name)
    assert len(loop.loss) == fit.epochs
    for by_hand, by_fit in zip(loop, fit.history, strict=True):
        np.testing.assert_allclose(by_hand, by_fit, rtol=2e-5, atol=1e-5)


def test_the_loop_is_numpys_descent(result):
    w, b = 1.0, 0.0
    for epoch in range(CONFIG.epochs):
        residuals = w * T_U / 10 + b - T_C
        loop = result.learning.loop
        assert loop.loss[epoch] == pytest.approx(np.mean(residuals**2), rel=1e-4)
        w -= 0.01 * 2 * np.mean(residuals * T_U / 10)
        b -= 0.01 * 2 * np.mean(residuals)
        assert (loop.weight[epoch], loop.bias[epoch]) == pytest.approx((w, b), rel=1e-3)


def test_the_exploding_runs_end_where_the_loss_is_no_number_any_more(result):
    fit, loop = result.exploding
    assert fit.reason.name == "diverged"
    assert np.isinf(loop.loss[-1]) and np.isfinite(loop.loss[:-1]).all()


def test_the_page_computes_how_far_the_two_are_apart(outcome):
    title = "Written out by hand, and with funclearn"
    (table,) = (table for table in outcome.tables if table.title == title)
    differences = dict(table.rows)
    assert len(differences) == 7
    assert all(0 <= difference < 1e-5 for difference in differences.values())
    assert "with a largest relative difference of" in outcome.findings[-1]


def test_the_difference_is_not_typed_in(monkeypatch):
    loop = chapter.training_loop

    def slipped(*arguments):
        history = loop(*arguments)
        return history._replace(weight=1.5 * history.weight)

    monkeypatch.setattr(chapter, "training_loop", slipped)
    assert run(Config(epochs=5)).findings[-1].endswith("difference of 0.5.")


def test_without_an_explosion_nothing_is_said_of_one():
    config = dataclasses.replace(CONFIG, large_learning_rate=1e-4)
    caption = run(config).plots["learning_rates"].caption
    assert caption == "The loss of the three runs."
