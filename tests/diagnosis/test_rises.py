"""A rise is told from chance, from rounding and from cycles."""

import numpy as np
import pytest

EPOCHS = np.arange(1000)
FALL = np.exp(-EPOCHS / 100)


@pytest.fixture(scope="module")
def has_risen(fl):
    from funclearn.diagnosis._rises import has_risen

    return has_risen


RISES = {
    "a tenth and more": ([1.0, 1.2], True),
    "less than a tenth": ([1.0, 1.05], False),
    "a fall": ([1.2, 1.0], False),
    "a fall and a rise to the start, as of a cycle": (
        1 + 0.1 * np.cos(EPOCHS / 100),
        False,
    ),
    "rounding at zero": (np.r_[0.0, np.full(99, 1e-12)], False),
    "one that jitters": (
        1 + 0.5 * np.random.default_rng(1).random(1000) + EPOCHS / 10_000,
        False,
    ),
    "an explosion": (2.0 ** np.arange(30), True),
    "one in the last epoch": (np.r_[np.ones(99), 1e3], True),
    "one by turns": (np.where(EPOCHS % 2, 1.0, 1 + EPOCHS / 100), True),
    "slowly, without an end": (1 + EPOCHS / 20_000, True),
    "all that was learnt is lost": (FALL + 1e-4 * np.exp(EPOCHS / 115), True),
    "a level high above the start": (np.r_[1.0, np.full(99, 50.0)], True),
    "a negative loss": (-5 + 0.001 * EPOCHS, True),
    "a negative loss that falls": (-5 - 0.001 * EPOCHS, False),
}


@pytest.mark.parametrize("losses, rises", RISES.values(), ids=RISES)
def test_a_rise_is_more_than_chance(has_risen, losses, rises):
    assert has_risen(np.asarray(losses)) is rises


@pytest.mark.parametrize("unit", [1e-3, 1e3, 1e6])
def test_the_unit_does_not_decide(has_risen, unit):
    for name, (losses, rises) in RISES.items():
        if "rounding" not in name:
            assert has_risen(unit * np.asarray(losses)) is rises


def test_any_rise_counts_where_a_rule_saw_it(has_risen):
    losses = np.array([1.0, 0.5, 1.01])
    assert not has_risen(losses)
    assert has_risen(losses, stopped=True)
    assert not has_risen(losses[::-1], stopped=True)


@pytest.mark.parametrize("epochs", [12, 30, 200])
def test_noise_hardly_ever_rises(has_risen, epochs):
    noise = np.random.default_rng(0).normal(1, 0.2, (300, epochs))
    assert sum(map(has_risen, noise)) <= 3
