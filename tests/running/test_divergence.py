"""Runs whose loss is no number in the end."""

import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.running import run
from tests.running.running_setting import (
    DATA,
    OBJECTIVE,
    begin,
    check_same,
)
from tests.runs import bits

RATES = {"the loss first": 2.0, "the parameters first": 1e30}


@pytest.mark.parametrize("rate", RATES.values(), ids=RATES)
@pytest.mark.parametrize("record", [None, lambda state, info, _: state.params])
def test_it_keeps_the_last_good_state_however_it_is_cut(record, rate, tmp_path):
    step, state = begin(optax.sgd(rate))
    options = {"progress": False, "record": record}
    with pytest.warns(RuntimeWarning, match="the run diverged: in epoch"):
        made = run(step, state, DATA, epochs=500, folder=tmp_path / "one", **options)
    assert made.reason.name == "diverged"
    good = int(made.state.epoch)
    kept = fl.fit(step, state, DATA, epochs=good)
    assert bits(made.state) == bits(kept.state)
    assert all(np.isfinite(leaf) for leaf in made.state.params)
    after = fl.fit(step, made.state, DATA, epochs=2)
    assert not np.isfinite([*after.history.loss, *after.state.params]).all()
    saved = fl.checkpoints.latest(tmp_path / "one")
    assert saved is not None and saved.step == good

    for cut in range(max(good - 2, 0), good + 1):
        folder = tmp_path / str(cut)
        run(step, state, DATA, epochs=cut, folder=folder, **options)
        with pytest.warns(RuntimeWarning, match="the run diverged"):
            again = run(
                step, state, DATA, epochs=500, folder=folder, resume=True, **options
            )
        check_same(again, made)


def test_the_losses_show_it_and_its_cause_can_be_told():
    step, state = begin(optax.sgd(2.0))
    with pytest.warns(RuntimeWarning, match="the run diverged"):
        made = run(step, state, DATA, epochs=500, progress=False)
    losses = np.asarray(made.history.loss)[: int(made.epochs)]
    assert np.isfinite(losses[:-1]).all() and not np.isfinite(losses[-1])
    found = fl.diagnosis.explain_divergence(
        made, OBJECTIVE, step, state, DATA, learning_rate=2.0
    )
    assert found is not None and found.not_finite_epoch == int(made.epochs)


def test_a_rule_that_ends_it_before_is_obeyed():
    step, state = begin(optax.sgd(2.0))
    rule = fl.stopping.diverged()
    whole = fl.fit(step, state, DATA, epochs=500, stop=rule)
    made = run(step, state, DATA, epochs=500, stop=rule, progress=False)
    check_same(made, whole)
    assert made.reason.name == "diverged"


@pytest.mark.parametrize("few", [0, 100])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "complex64"])
def test_small_and_large_parameters_are_looked_at_alike(monkeypatch, few, dtype):
    from funclearn.running import _divergence

    monkeypatch.setattr(_divergence, "_FEW", few)
    good = {"a": jnp.ones((2, 3), dtype), "n": jnp.arange(3)}
    assert _divergence.all_finite(good)
    for bad in (jnp.nan, jnp.inf):
        assert not _divergence.all_finite({**good, "b": jnp.asarray([1, bad], dtype)})
