"""Runs whose loss is no number in the end."""

import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.running import run
from tests.running.running_setting import (
    DATA,
    OBJECTIVE,
    begin,
    bits,
    check_same,
)


@pytest.mark.parametrize("record", [None, lambda state, info, _: state.params])
def test_a_run_that_diverges_keeps_the_last_good_state(record, tmp_path):
    step, state = begin(optax.sgd(2.0))
    quiet = {"progress": False, "folder": tmp_path, "record": record}
    with pytest.warns(RuntimeWarning, match="the run diverged: in epoch"):
        made = run(step, state, DATA, epochs=500, **quiet)
    assert made.reason.name == "diverged"
    kept = fl.fit(step, state, DATA, epochs=int(made.state.epoch))
    assert bits(made.state) == bits(kept.state)
    assert all(np.isfinite(leaf) for leaf in made.state.params)
    after = fl.fit(step, made.state, DATA, epochs=3)
    assert not np.isfinite(after.history.loss[-1])
    saved = fl.checkpoints.latest(tmp_path)
    assert saved is not None and saved.step == int(made.state.epoch)
    if record is None:
        losses = np.asarray(made.history.loss)[: int(made.epochs)]
        assert np.isfinite(losses[:-1]).all() and not np.isfinite(losses[-1])
        found = fl.diagnosis.explain_divergence(
            made, OBJECTIVE, step, state, DATA, learning_rate=2.0
        )
        assert found is not None
        assert found.not_finite_epoch == int(made.epochs)


def test_a_rule_that_ends_it_before_is_obeyed():
    step, state = begin(optax.sgd(2.0))
    rule = fl.stopping.diverged()
    whole = fl.fit(step, state, DATA, epochs=500, stop=rule)
    made = run(step, state, DATA, epochs=500, stop=rule, progress=False)
    check_same(made, whole)
    assert made.reason.name == "diverged"
