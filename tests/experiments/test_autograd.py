"""Autodiff's run against NumPy's descent, the loop by hand, and PyTorch's words."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportArgumentType=false, reportCallIssue=false

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from experiments._thermometer import initial_params
from experiments.autograd import Config, page, run
from experiments.autograd.slips import slips
from experiments.autograd.vocabulary import (
    grad_fns,
    operations,
    scaled_program,
    vocabulary,
)
from tests.experiments.every import SmallRun, studied

CONFIG = Config(epochs=520)
DATA = fl.data.thermometer()
T_U, T_C = (np.asarray(column, float) for column in DATA)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What a run wrote, and what its study found."""
    return studied(page, "autograd", CONFIG, tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def small(ran):
    return ran[0]


@pytest.fixture(scope="module")
def result(ran):
    return ran[1]


class TestSmallRun(SmallRun):
    pass


def gradient(w, b, t_u):
    residuals = w * t_u + b - T_C
    return np.array([2 * np.mean(residuals * t_u), 2 * np.mean(residuals)])


def test_the_gradient_is_the_formula(result):
    np.testing.assert_allclose(result.gradient, gradient(1.0, 0.0, T_U), rtol=1e-5)


def test_the_loop_by_hand_is_the_run_of_fit(result):
    history = result.runs["autodiff"].history
    for by_hand, by_fit in zip(result.loop, history, strict=True):
        np.testing.assert_allclose(by_hand, by_fit, rtol=2e-5, atol=1e-5)


def test_every_gradient_gives_numpys_descent(result):
    params = np.array([1.0, 0.0])
    for _ in range(CONFIG.epochs):
        params = params - 0.01 * gradient(*params, T_U / 10)
    for found in result.runs.values():
        np.testing.assert_allclose(found.state.params, params, rtol=1e-3)


def test_what_nobody_zeroes_is_a_running_sum(result):
    params, total = np.array([1.0, 0.0]), np.zeros(2)
    _, *piled_up = result.piled_up
    for epoch in range(20):
        total = total + gradient(*params, T_U / 10)
        params = params - 0.01 * total
        found = [column[epoch] for column in piled_up]
        np.testing.assert_allclose(found, total, rtol=1e-3)


def test_the_page_computes_how_far_the_loops_are_apart(small):
    outcome = small[1]
    (table,) = (table for table in outcome.tables if "written out" in table.title)
    assert [row[0] for row in table.rows] == [500, CONFIG.epochs]
    assert all(row[3] < 1e-5 for row in table.rows)
    assert any("largest relative difference of" in text for text in outcome.findings)


def test_words_are_computed():
    t_u, t_c = DATA
    rows = vocabulary(initial_params(), t_u, t_c)
    words: dict[str, Any] = {word: value for word, _, value in rows}
    expected = gradient(1.0, 0.0, T_U)
    np.testing.assert_allclose(words["requires_grad=True"], expected, rtol=1e-5)
    np.testing.assert_allclose(words["zero_grad()"]["anew"], expected, rtol=1e-5)
    np.testing.assert_allclose(words["zero_grad()"]["added"], 2 * expected, rtol=1e-5)
    np.testing.assert_allclose(words["w.detach()"], (0, expected[1]), rtol=1e-5)
    pulled_back = words["loss.backward()"]["pulled back"]
    np.testing.assert_allclose(pulled_back, expected, rtol=1e-5)
    assert words["no_grad()"]["alone"] < words["no_grad()"]["with gradient"]
    contagious = words["requires_grad is contagious"]
    assert contagious == {"t_u": False, "t_p": True, "loss": True}
    assert words["model(t_u, *params)"] is True


def test_operations_say_what_depends_on_the_parameters():
    def function(params, t_u, t_c):
        return jnp.sin(t_u) * params.weight + 2 * t_c

    rows = operations(function, initial_params(), *DATA)
    assert [text.split(" = ")[0] for text, _ in rows] == ["v1", "v2", "v3", "v4"]
    assert ("v1 = sin(t_u)", False) in rows
    assert [depends for _, depends in rows] == [False, True, False, True]


def test_the_scaled_program_begins_with_the_scaling():
    t_u, t_c = DATA
    (first, depends), *others = scaled_program(initial_params(), t_u, t_c, 10.0)
    assert (first, depends) == ("v1 = div(t_u, 10.0)", False)
    assert all(depends for _, depends in others)


def test_one_operation_is_differentiated_as_its_formula_says():
    rows = {source: row for source, *row in grad_fns(2.0, 3.0)}
    expected = {
        "c = a + b": ("AddBackward0", "add", (1, 1)),
        "c = a * b": ("MulBackward0", "mul", (3, 2)),
        "c = torch.sin(a)": ("SinBackward0", "sin", (np.cos(2.0), 0)),
    }
    assert rows.keys() == expected.keys()
    for source, (grad_fn, operation, slopes) in expected.items():
        *names, found = rows[source]
        assert names == [grad_fn, operation]
        np.testing.assert_allclose(found, slopes, rtol=1e-6)


def test_printed_loops_do_what_numpy_says():
    """No update, one too many, and one before the error."""
    start = jnp.stack(initial_params())
    found = slips(50, 0.01, start, DATA.inputs / 10, DATA.targets)
    assert [one.updates for one in found] == [0, 51, 1]
    for one in found:
        params = np.array([1.0, 0.0])
        for _ in range(one.updates):
            params = params - 0.01 * gradient(*params, T_U / 10)
        np.testing.assert_allclose(one.params, params, rtol=1e-4)
        expected = np.mean((params[0] * T_U / 10 + params[1] - T_C) ** 2)
        assert one.loss == pytest.approx(expected, rel=1e-4)


def test_no_epochs_are_refused():
    with pytest.raises(ValueError, match="epochs must be from 1 to 1000000; got 0"):
        run(Config(epochs=0))
