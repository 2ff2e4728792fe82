"""What callbacks are given, and what becomes of their exceptions."""

import itertools

import numpy as np
import pytest

import funclearn as fl
from funclearn.running import run
from tests.running.running_setting import (
    DATA,
    START,
    STEP,
    check_same,
)
from tests.runs import bits


def test_callbacks_get_values_and_are_named_when_they_fail():
    epochs, rows = [], []

    def watching(report):
        epochs.append(report.epoch)
        rows.append(report.rows.loss)
        return report.state._replace(params=None)  # which changes nothing

    made = run(STEP, START, DATA, epochs=300, progress=False, callbacks=[watching])
    assert epochs[-1] == 300 and epochs == sorted(epochs)
    np.testing.assert_array_equal(np.concatenate(rows), made.history.loss)
    check_same(made, fl.fit(STEP, START, DATA, epochs=300))

    def failing(report):
        if report.epoch > 5:
            raise KeyError("oh")

    with pytest.raises(fl.running.Failed, match=r"callback .*failing raised KeyError"):
        run(STEP, START, DATA, epochs=300, progress=False, callbacks=[failing])


def test_what_a_failure_leaves_is_given_back(tmp_path):
    counter = itertools.count()

    def failing(report):
        if next(counter) == 2:
            raise OSError("no more")

    quiet = {"progress": False, "folder": tmp_path}
    with pytest.raises(fl.running.Failed, match="no more") as caught:
        run(STEP, START, DATA, epochs=300, callbacks=[failing], **quiet)
    left = caught.value.run
    part = fl.fit(STEP, START, DATA, epochs=int(left.epochs))
    assert bits(left.state) == bits(part.state)
    again = run(STEP, START, DATA, epochs=300, resume=True, **quiet)
    check_same(again, fl.fit(STEP, START, DATA, epochs=300))
