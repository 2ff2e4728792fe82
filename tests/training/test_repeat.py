"""A loop that may be cut anywhere."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.training._repeat import repeat
from tests.runs import bits

KEY = jax.random.key(0)

SCALED = jax.tree.map(np.float64, fl.data.standardise(fl.data.thermometer())[0])


def thermometer():
    """The thermometer's readings, standardised, in the precision in force."""
    return jax.tree.map(jnp.asarray, SCALED)


def momentum(learning_rate, decay, nesterov=False):
    def update(params, grad, trace, step):
        trace = grad + decay * trace
        direction = grad + decay * trace if nesterov else trace
        return params - learning_rate * direction, trace

    return update, np.zeros(2)


class Cut(NamedTuple):
    optimizer: optax.GradientTransformation
    model: fl.Model = fl.models.linear
    noise: float = 0.1
    batch_size: int = 4
    whole: tuple[int, ...] = (4,)


CUTS = {
    "SGD": Cut(optax.sgd(0.05)),
    # A body that the compiler fuses in another way if it sees that it runs but once.
    "momentum": Cut(
        optax.sgd(0.05, momentum=0.9), model=fl.models.polynomial(3), noise=0.0
    ),
    "Adam": Cut(optax.adam(0.1)),
    # Four epochs at once would be one more slow compilation.
    "L-BFGS": Cut(optax.lbfgs(memory_size=2), batch_size=3, whole=(3, 1)),
}


# L-BFGS, which compiles slowly, in minibatches alone.
@pytest.mark.parametrize(
    "name, minibatches",
    [*((name, True) for name in CUTS), *((name, False) for name in [*CUTS][:-1])],
)
@pytest.mark.slow
def test_a_run_may_be_cut_anywhere_without_changing_a_bit(name, minibatches):
    cut = CUTS[name]
    train = jax.tree.map(lambda leaf: leaf[:9], thermometer())
    objective = fl.make_objective(cut.model, fl.losses.mse, input_noise=cut.noise)
    step = fl.make_train_step(objective, cut.optimizer)
    start = fl.init_state(KEY, cut.model.init(KEY), cut.optimizer)
    evaluate = fl.make_evaluation(cut.model, fl.losses.mse)

    def run(*pieces):
        state, histories = start, []
        for epochs in pieces:
            state, history, *_ = fl.fit(
                step,
                state,
                train,
                train,
                epochs=epochs,
                batch_size=cut.batch_size if minibatches else None,
                evaluate=evaluate,
            )
            histories.append(history)
        history = jax.tree.map(lambda *rows: np.concatenate(rows), *histories)
        return bits(state), bits(history)

    wanted = run(*cut.whole)
    # Every number of epochs is a compilation of its own; one epoch is no loop.
    for pieces in [(1,) * 4, (1, 3), (3, 1)]:
        assert run(*pieces) == wanted, pieces


def count_down(state):
    """Until the number is 0; the row is what it was, and its square."""
    number = state["number"]
    return {"number": number - 1}, (number, 2.0 * number)


@pytest.mark.parametrize("start, trips", [(0, 0), (1, 1), (3, 3), (9, 5)])
def test_repeat_is_the_loop_that_one_would_write(start, trips):
    state = {"number": jnp.int32(start)}
    state, last, rows = jax.jit(
        lambda state: repeat(count_down, state, 5, lambda state: state["number"] > 0)
    )(state)
    made = [start - trip for trip in range(trips)]
    assert state["number"] == start - trips
    left = 5 - trips
    np.testing.assert_array_equal(rows[0], made + [0] * left)
    np.testing.assert_array_equal(rows[1], [2.0 * x for x in made] + [np.nan] * left)
    wanted = (made[-1], 2.0 * made[-1]) if made else (0, np.nan)
    np.testing.assert_array_equal(last, wanted)


def test_repeat_under_vmap_has_the_last_row_of_every_lane():
    starts = jnp.array([0, 1, 3, 9])
    _, last, rows = jax.vmap(
        lambda start: repeat(
            count_down, {"number": start}, 5, lambda state: state["number"] > 0
        )
    )(starts)
    np.testing.assert_array_equal(last[0], [0, 1, 1, 5])
    np.testing.assert_array_equal(last[1], [np.nan, 2, 2, 10])
    assert rows[0].shape == (4, 5)


def test_no_trips_give_a_blank_row():
    state, last, rows = repeat(count_down, {"number": jnp.int32(4)}, 0)
    assert state["number"] == 4
    np.testing.assert_array_equal(last, (0, np.nan))
    assert rows[0].shape == rows[1].shape == (0,)


def doubling(state):
    return 2 * state, jnp.square(state)


@pytest.mark.parametrize("running", [None, lambda state: state < 10])
def test_the_last_row_is_differentiable_both_ways(running):
    def last(state):
        return repeat(doubling, state, 5, running)[1]

    # The state doubles: 3, 6, 12 (and 24, 48); the last row is the square of one.
    factor = 16 if running is None else 2
    start = jnp.float32(3)
    assert last(start) == (factor * 3) ** 2
    assert jax.grad(last)(start) == 2 * factor**2 * 3
    assert jax.jvp(last, (start,), (jnp.float32(1),))[1] == 2 * factor**2 * 3
