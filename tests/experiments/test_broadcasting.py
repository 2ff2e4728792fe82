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


def test_the_map_is_labelled_in_the_order_of_the_targets(outcome):
    """As its caption says: one reading a column and a row, its own pair framed."""
    plot = outcome.plots["differences"]
    assert "in the order of their targets" in plot.caption
    axes, *_ = plot.figure().axes
    (_, *line), _ = rows(outcome, "Lines")
    order = np.argsort(CELSIUS)
    written = [float(text.get_text()) for text in axes.get_yticklabels()]
    np.testing.assert_allclose(written, CELSIUS[order], rtol=5e-3)
    written = [float(text.get_text()) for text in axes.get_xticklabels()]
    predictions = line[0] * READINGS[order] / 10 + line[1]
    np.testing.assert_allclose(written, predictions, rtol=5e-3)
    (cells,) = axes.collections
    squares = np.asarray(cells.get_array()).reshape(len(order), len(order))
    expected = (predictions - CELSIUS[order, None]) ** 2
    np.testing.assert_allclose(squares, expected, rtol=1e-4, atol=1e-4)
    # The framed cells are those of a reading and its own target.
    corners = [frame.get_xy() for frame in axes.patches]
    assert corners == [(index, index) for index in range(len(order))]


def test_the_line_is_called_flat_only_where_it_is(outcome):
    def title(found):
        (axes,) = found.plots["lines"].figure().axes
        return axes.get_title()

    assert "flatten the line" in title(outcome)
    still = broadcasting.run(broadcasting.Config(epochs=1, learning_rate=1e-9))
    assert "change the line" in title(still)


def test_no_epochs_are_refused():
    with pytest.raises(ValueError, match="epochs must be from 1 to 1000000; got 0"):
        broadcasting.run(broadcasting.Config(epochs=0))
