"""A line fitted to the thermometer, and what tells two runs apart."""

import jax
import optax

import funclearn as fl
from tests.runs import bits

LINE = fl.models.linear
DATA, _ = fl.data.standardise(fl.data.thermometer())
EVALUATE = fl.make_evaluation(LINE, fl.losses.mse)
OBJECTIVE = fl.make_objective(LINE, fl.losses.mse)


def begin(optimizer=None, key=0):
    """A train step and the state to start from."""
    optimizer = optimizer or optax.adam(0.1)
    params = LINE.init(jax.random.key(1))
    state = fl.init_state(jax.random.key(key), params, optimizer)
    return fl.make_train_step(OBJECTIVE, optimizer), state


STEP, START = begin()


def check_same(run, whole):
    """Holds a run against one that `fit` made, to the bit."""
    assert int(run.epochs) == int(whole.epochs)
    for name in ("state", "history", "final", "best"):
        assert bits(getattr(run, name)) == bits(getattr(whole, name)), name
    assert (run.stop is None) == (whole.stop is None)
    if run.stop is not None:
        assert bits(run.stop.watch) == bits(whole.stop.watch)


def other(**changes):
    """Arguments of a run that differ in one thing."""
    step, state = changes.pop("begun", (STEP, START))
    data = changes.pop("data", DATA)
    return (step, state, data), {"epochs": 20, "progress": False, **changes}
