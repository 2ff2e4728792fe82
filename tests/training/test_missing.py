"""Rows that never ran where JAX looks for NaN and inf."""

# Some of what is passed here is what the types forbid, and the tests know what
# their values are where the types leave it open.
# pyright: reportOptionalMemberAccess=false, reportOptionalOperand=false

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn import stopping
from funclearn.training import _missing

KEY = jax.random.key(0)

START = fl.models.LinearParams(jnp.float32(1), jnp.float32(0))

DATA = fl.data.standardise(fl.data.thermometer())[0]

OBJECTIVE = fl.make_objective(fl.models.linear, fl.losses.mse)

EVALUATE = fl.make_evaluation(fl.models.linear, fl.losses.mse)

RULES = {
    "max_epochs": stopping.max_epochs(2),
    "target": stopping.target(120.0),
    "joined": stopping.max_epochs(2) | stopping.diverged() | stopping.patience(2),
    "diverged": stopping.diverged(),
    "relative_change": stopping.relative_change(0.0),
    "getting_worse": stopping.getting_worse(),
}


def run(rate=0.1, **how):
    optimizer = optax.sgd(rate)
    step = fl.make_train_step(OBJECTIVE, optimizer)
    state = fl.init_state(KEY, START, optimizer)
    how = {"epochs": 4, "evaluate": EVALUATE} | how
    return fl.fit(step, state, DATA, DATA, **how)


DEBUGGING = {"nans": jax.debug_nans, "infs": jax.debug_infs}

debugged = pytest.mark.parametrize("debug", DEBUGGING.values(), ids=DEBUGGING)


def without_key(run):
    return run._replace(state=run.state._replace(key=0))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@debugged
@pytest.mark.slow
def test_a_stopped_run_has_the_bits_that_it_has_otherwise(rule, debug):
    expected = run(stop=rule)
    with debug(True):
        found = run(stop=rule)
    jax.tree.map(np.testing.assert_array_equal, *map(without_key, (found, expected)))


@debugged
def test_no_epochs(debug):
    with debug(True):
        stopped, free = run(stop=RULES["joined"], epochs=0), run(epochs=0)
    assert np.isnan(stopped.final.loss) and np.isnan(free.final.loss)
    highest = jnp.finfo(jnp.float32).max if debug is jax.debug_infs else jnp.inf
    assert (stopped.best.epoch, stopped.best.loss) == (0, highest)


@debugged
@pytest.mark.slow
def test_mapped_and_resumed_runs_have_missing_rows_too(debug):
    def mapped(rate):
        return run(rate, stop=stopping.max_epochs(2)).history

    with debug(True):
        lanes = jax.vmap(mapped)(jnp.array([0.1, 0.2]))
        begun = run(stop=stopping.max_epochs(3), epochs=2)
        again = run(stop=begun.stop | stopping.diverged())
        over = run(stop=again.stop)
    assert np.isnan(lanes.loss).tolist() == [[False] * 2 + [True] * 2] * 2
    assert np.isnan(again.history.loss).tolist() == [False] + [True] * 3
    assert np.isnan(over.final.loss) and np.isnan(over.history.loss).all()


def test_compiled_code_holds_a_number_that_no_loss_is():
    whole = jax.jit(lambda: run(stop=stopping.max_epochs(2)).history.loss)
    with jax.debug_nans(True):
        assert (whole()[2:] == jnp.finfo(jnp.float32).max).all()
    assert np.isnan(run(stop=stopping.max_epochs(2)).history.loss[2:]).all()


def test_a_fault_is_found_still():
    with jax.debug_nans(True), pytest.raises(FloatingPointError):
        run(1e30, stop=stopping.max_epochs(9), epochs=10)


def test_what_is_missing():
    assert np.isnan(_missing.missing(jnp.float32))
    assert _missing.missing(jnp.int32) == _missing.missing(jnp.bool_) == 0
    assert np.isnan(_missing.missing(jnp.bfloat16, finite=False))
    assert _missing.missing(jnp.float16, finite=True) == 65504
    rows = {"x": jnp.ones((3, 2)), "n": jnp.ones(3, int)}
    with jax.debug_nans(True):
        filled = _missing.with_missing(rows, 1)
        assert _missing.with_missing_row({"x": jnp.ones(2)}, 1)["x"].tolist() == [1, 1]
    assert np.isnan(filled["x"]).tolist() == [[False] * 2, [True] * 2, [True] * 2]
    assert filled["n"].tolist() == [1, 1, 1]
    assert _missing.with_missing(rows, 1) is rows
