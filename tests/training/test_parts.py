"""An epoch in parts, by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.training import Parts, Rest
from tests.runs import bits

ROWS = jnp.linspace(-1, 1, 700)
SGD = optax.sgd(0.1)


def objective(weight, batch, key):
    return jnp.mean((weight - batch) ** 2)


STEP = fl.make_train_step(objective, SGD)
START = fl.init_state(jax.random.key(0), jnp.float32(2), SGD)


def parts(**more):
    return Parts(
        STEP,
        None,
        None,
        **{"batch_size": 200, "weighed": False, "looks": False, **more},
    )


def epoch(made, cuts):
    """One epoch, its three full batches cut into blocks."""
    order = np.asarray(fl.training.order_of(START.key, START.epoch, len(ROWS)))
    begun, losses = made.begin(START, None), []
    for start, stop in cuts:
        rows = order[200 * start : 200 * stop].reshape(-1, 200)
        room = np.zeros((3 - len(rows), 200), np.int32)
        begun = made.advance(begun, ROWS, np.concatenate([rows, room]), len(rows))
        losses.append(begun.losses[: len(rows)])
    begun = begun._replace(losses=np.concatenate(losses))
    return made.end(begun, Rest(ROWS, None, order[600:]), None)


@pytest.mark.parametrize("cuts", [[(0, 3)], [(0, 1), (1, 3)], [(0, 1), (1, 2), (2, 3)]])
@pytest.mark.slow
def test_it_has_the_bits_of_fit_however_it_is_cut(cuts):
    whole = fl.fit(STEP, START, ROWS, epochs=1, batch_size=200)
    made = epoch(parts(), cuts)
    assert bits(made.state) == bits(whole.state)
    assert bits(made.history) == bits(whole.history)
    assert int(made.epochs) == 1 and made.reason.name == "epochs"


def test_tracing_tells_the_types_and_no_epoch_changes_nothing():
    made = parts()
    rest = Rest(ROWS, None, np.arange(100, dtype=np.int32))
    block = ROWS, np.zeros((3, 200), np.int32), 1
    traced = made.trace(START, None, block, rest, None, 3)
    assert traced.run.history.loss.shape == (1,) and len(traced.jaxprs) == 3
    nothing = made.nothing(traced.begun, START, rest, None)
    assert bits(nothing.state) == bits(START) and int(nothing.epochs) == 0
    assert np.isnan(nothing.final.loss)
    rule = fl.stopping.patience(3)
    begun = made.nothing(traced.begun, START, rest, rule)
    again = made.nothing(traced.begun, START, rest, begun.stop)
    for one in (begun, again):
        assert bits(one.state) == bits(START) and int(one.epochs) == 0
    assert begun.stop is not None and again.stop is not None
    assert bits(begun.stop.watch) == bits(again.stop.watch)


def test_rest_counts_its_batches():
    one = np.zeros((1, 2), np.int32)
    assert [Rest().n_batches, Rest(ROWS, one).n_batches] == [0, 1]
    assert Rest(ROWS, one, one[0]).n_batches == 2


def test_what_is_no_function_is_refused():
    wrong: Any = lambda: START  # noqa: E731
    made = Parts(wrong, None, None, batch_size=2, weighed=False, looks=False)
    with pytest.raises(TypeError, match="train_step must be"):
        made.trace(START, None, None, Rest(), None, 0)
