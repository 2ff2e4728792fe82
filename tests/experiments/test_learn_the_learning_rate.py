"""What is learned of rates and readings, against closed forms."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from experiments.learn_the_learning_rate import Config, page
from experiments.learn_the_learning_rate.chapter import (
    KNOWN,
    OTHERS_KNOWN,
    log_loss,
)
from tests.experiments.every import SmallRun, studied

pytestmark = pytest.mark.slow

CONFIG = Config(
    descents=8, epochs=30, rates=40, schedule_epochs=3, schedule_descents=400
)
SCALE = fl.data.Scaler(input_scale=CONFIG.input_scale)
READINGS = SCALE(fl.data.thermometer())
DEGREES = SCALE(jax.tree.map(jnp.float32, KNOWN))
RATES = np.geomspace(1e-5, 0.03, 40)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What a run wrote, and what its study found."""
    return studied(
        page, "learn_the_learning_rate", CONFIG, tmp_path_factory.mktemp("results")
    )


@pytest.fixture(scope="module")
def small(ran):
    return ran[0]


@pytest.fixture(scope="module")
def result(ran):
    return ran[1]


class TestSmallRun(SmallRun):
    pass


def test_descent_only_ever_improves_and_finds_the_best(result):
    rates, losses = result.descent
    assert rates[0] == pytest.approx(CONFIG.first_rate)
    assert (np.diff(losses) <= 0).all()
    tried = jax.vmap(lambda rate: log_loss(rate, READINGS, DEGREES, CONFIG.epochs))
    assert losses[-1] < 1.05 * np.exp(tried(jnp.log(jnp.asarray(RATES))).min())


def test_a_schedule_beats_every_single_rate(result):
    schedule = result.schedule
    assert schedule.rates.shape == (3,)
    assert len(schedule.losses) == len(schedule.constant_losses) == 4
    assert schedule.losses[-1] < schedule.constant_losses[-1]


def without(left_out):
    """The loss of the least-squares line through all other readings."""
    inputs, targets = (np.asarray(x, float) for x in fl.data.thermometer()[:2])
    kept = np.arange(len(inputs)) != left_out
    line = np.polyfit(inputs[kept], targets[kept], 1)
    return np.mean((np.polyval(line, KNOWN.inputs) - KNOWN.targets) ** 2)


def test_derivatives_by_weight_have_the_signs_of_leaving_out(result):
    influence, whole = result.influence, without(None)
    found = np.array([without(row) - whole for row in range(11)])
    np.testing.assert_allclose(influence.loss, whole, rtol=1e-4)
    np.testing.assert_allclose(influence.found, found, rtol=1e-3, atol=1e-4)
    for predicted, correlation in (
        (influence.predicted, 0.91),
        (influence.halfway, 0.99),
    ):
        np.testing.assert_array_equal(np.sign(predicted), np.sign(found))
        assert np.corrcoef(predicted, found)[0, 1] > correlation
    pairs = [*itertools.combinations(OTHERS_KNOWN, 2)]
    assert influence.agreeing.shape == (len(pairs),)
    assert influence.agreeing[pairs.index((32.0, 98.6))] == 11
    assert influence.agreeing.min() < 11
