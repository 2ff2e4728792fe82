"""What rows determine of a line, against closed forms and NumPy."""

import numpy as np
import pytest

from experiments.fit_csv.determined import determine

random = np.random.RandomState(0)
A, B, C = random.normal(size=(3, 50))


def look(*columns):
    inputs = np.column_stack(columns)
    targets = inputs @ np.arange(1.0, inputs.shape[1] + 1) + 5
    return determine(inputs, targets, tuple("abcdef"[: inputs.shape[1]]))


def test_independent_columns_are_determined():
    found = look(A, 1e6 + 1e3 * B, 1e-6 * C)
    assert found.why_not == {} and found.bias
    np.testing.assert_allclose(found.weight, [1, 2, 3], rtol=1e-4)
    assert found.constant == pytest.approx(5, rel=1e-3)
    scaled = np.column_stack([(x - x.mean()) / x.std() for x in (A, B, C)])
    assert found.condition == pytest.approx(np.linalg.cond(scaled), rel=1e-6)


@pytest.mark.parametrize(
    "columns, open_, bias",
    [
        ((A, np.full(50, 7.0)), {1}, False),
        ((A, np.zeros(50)), {1}, True),
        ((A, np.full(50, 0.1)), {1}, False),
        ((A, 3 * A), {0, 1}, True),
        ((A, 3 * A + 2), {0, 1}, False),
        ((A, B, A - B, C), {0, 1, 2}, True),
        ((A, 1.7e9 + A, B), {0, 1}, False),
        ((A > 0, A <= 0), {0, 1}, False),
    ],
)
def test_directions_without_variation_leave_weights_open(columns, open_, bias):
    found = look(*map(np.asarray, [1.0 * np.asarray(one) for one in columns]))
    assert set(found.why_not) == open_
    assert found.bias == bias


def test_what_is_nearly_a_sum_is_determined():
    found = look(A, B, A + B + 1e-6 * C)
    assert found.why_not == {} and found.condition > 1e5


def test_few_rows_do_not_determine_many_columns():
    inputs = random.normal(size=(3, 5))
    found = determine(inputs, inputs.sum(axis=1), tuple("abcde"))
    assert set(found.why_not) == set(range(5))
    assert "3 rows are too few for 5 columns" in found.why_not[0]
