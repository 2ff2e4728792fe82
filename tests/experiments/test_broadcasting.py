"""Shapes and losses against NumPy's broadcasting, lines against least squares."""

import numpy as np
import pytest

from experiments import broadcasting
from experiments.broadcasting import chapter

READINGS = np.array([35.7, 55.9, 58.2, 81.9, 56.3, 48.9, 33.9, 21.8, 48.4, 60.4, 68.4])
CELSIUS = np.array([0.5, 14, 15, 28, 11, 8, 3, -4, 6, 13, 21])


@pytest.fixture(scope="module")
def outcome():
    return broadcasting.run(broadcasting.Config())


def rows(outcome, title):
    tables = {table.title: table.rows for table in outcome.tables}
    (found,) = (rows for name, rows in tables.items() if name.startswith(title))
    return found


def test_products_have_numpys_shapes(outcome):
    for name, factors in chapter.PRODUCTS.items():
        assert outcome.computed[name] == np.broadcast_shapes(*factors.values())


def test_rules_give_numpys_shapes_or_a_refusal(outcome):
    for rule, _, result in rows(outcome, "The three rules"):
        try:
            expected = str(np.broadcast_shapes(*chapter.RULES[rule]))
        except ValueError:
            expected = "incompatible shapes"
        assert expected in result


def test_the_trap_turns_one_loss_into_another_and_only_the_library_sees_it(outcome):
    squares = (READINGS[:, None] / 10 - CELSIUS[None, :]) ** 2
    good, trapped = np.mean(np.diag(squares)), np.mean(squares)
    expected = {
        ("(11,)", "(11,)"): (good, "accepted", "accepted"),
        ("(11,)", "(11, 1)"): (trapped, "refused", "refused"),
        ("(11, 1)", "(1, 11)"): (trapped, "accepted", "refused"),
        ("(11, 1)", "(11, 1)"): (good, "accepted", "accepted"),
    }
    found = {row[:2]: row[3:] for row in rows(outcome, "One loss")}
    assert found.keys() == expected.keys()
    for shapes, (loss, *verdicts) in found.items():
        assert loss == pytest.approx(expected[shapes][0], rel=1e-6)
        assert tuple(verdicts) == expected[shapes][1:]


def test_the_trap_fits_the_mean_of_the_targets(outcome):
    (_, *honest), (_, *trapped) = rows(outcome, "Lines")
    np.testing.assert_allclose(
        honest[:2], np.polyfit(READINGS / 10, CELSIUS, deg=1), rtol=1e-3
    )
    np.testing.assert_allclose(trapped[:2], (0.0, CELSIUS.mean()), atol=0.01)
    assert trapped[3] == pytest.approx(np.var(CELSIUS), rel=1e-4)


def test_no_epochs_are_refused():
    with pytest.raises(ValueError, match="epochs must be at least 1; got 0"):
        broadcasting.run(broadcasting.Config(epochs=0))
