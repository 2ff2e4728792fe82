"""The columns of a sweep, and their names."""

import jax.numpy as jnp
import numpy as np
import pytest

from funclearn.sweeps import _columns
from funclearn.sweeps._values import Static


def test_every_part_that_is_one_number_a_run_is_a_column():
    result = {"a": {"loss": np.arange(6.0).reshape(2, 3)}, "rows": np.ones((2, 3, 4))}
    values = {"x": np.array([1, 2]), "y": np.array([10.0, 20.0, 30.0])}
    columns = _columns.columns_of(result, values, [("x",), ("y",)])
    assert {name: column.tolist() for name, column in columns.items()} == {
        "x": [1, 1, 1, 2, 2, 2],
        "y": [10, 20, 30, 10, 20, 30],
        "a.loss": [0, 1, 2, 3, 4, 5],
    }


def test_zipped_names_share_an_axis():
    values = {"x": np.array([1, 2]), "y": np.array([3, 4])}
    columns = _columns.columns_of(np.array([5, 6]), values, [("x", "y")])
    assert {name: column.tolist() for name, column in columns.items()} == {
        "x": [1, 2],
        "y": [3, 4],
        "result": [5, 6],
    }


@pytest.mark.parametrize(
    ("given", "column"),
    [
        ((8, 16), [8, 16]),
        (("sgd", "adam"), ["sgd", "adam"]),
        ((None, 1), ["None", "1"]),  # no numbers, but how they are written
        ((True, 2), [True, 2]),
    ],
)
def test_what_was_not_traced_is_itself_if_it_is_a_number_or_a_string(given, column):
    columns = _columns.columns_of((), {"x": Static(given)}, [("x",)])
    assert columns["x"].tolist() == column


COLUMNS = {
    "rate": np.ones(2),
    "final.loss": np.zeros(2),
    "final.evaluation.loss": np.zeros(2),
    "final.evaluation.accuracy": np.full(2, 7.0),
}


def test_a_column_is_named_by_its_end_if_that_is_its_own():
    for name in ("accuracy", "evaluation.accuracy", "final.evaluation.accuracy"):
        assert _columns.column_named(name, COLUMNS)[0] == 7
    with pytest.raises(ValueError, match=r"by .* got 'loss', which ends several names"):
        _columns.column_named("loss", COLUMNS)
    for name in ("racy", "nothing", ""):
        with pytest.raises(ValueError, match=f"one of rate, .* got {name!r}"):
            _columns.column_named(name, COLUMNS)


def test_half_precision_is_that_of_a_table():
    columns = _columns.columns_of(
        jnp.ones(2, jnp.bfloat16), {"x": np.ones(2)}, [("x",)]
    )
    assert columns["result"].dtype == np.float32
