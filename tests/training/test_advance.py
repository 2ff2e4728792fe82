"""Parts of a run by one program: the bits of `fit`, whatever the number of epochs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.training import advance
from tests.runs import bits

DATA, _ = fl.data.standardise(fl.data.thermometer())
OPTIMIZER = optax.adam(0.1)
LINE = fl.models.linear
STEP = fl.make_train_step(fl.make_objective(LINE, fl.losses.mse), OPTIMIZER)
EVALUATE = fl.make_evaluation(LINE, fl.losses.mse)
START = fl.init_state(jax.random.key(0), LINE.init(jax.random.key(1)), OPTIMIZER)
KINDS = {
    "full batch": {},
    "minibatches": {"batch_size": 4},
    "a rule": {"stop": fl.stopping.patience(50), "evaluate": EVALUATE},
}


def same(one, other):
    return bits(one) == bits(other)


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("numbers", [[1] * 20, [7, 1, 12], [20]], ids=str)
def test_every_cut_has_the_bits_of_fit(options, numbers):
    seen = (DATA, DATA) if "evaluate" in options else (DATA,)
    whole = fl.fit(STEP, START, *seen, epochs=20, **options)
    state, rows, options, best = START, [], dict(options), None
    for number in numbers:
        given = {"epochs": 25, "number": jnp.int32(number), **options}
        run = advance(STEP, state, *seen, **given)
        assert int(run.epochs) == number and run.history.loss.shape == (25,)
        assert np.isnan(run.history.loss[number:]).all()
        np.testing.assert_array_equal(run.final.loss, run.history.loss[number - 1])
        rows.append(run.history.loss[:number])
        state, options["stop"], best = run.state, run.stop, run.best
    assert same(state, whole.state)
    assert same(jnp.concatenate(rows), whole.history.loss)
    assert same(best, whole.best)


def test_one_program_serves_all_numbers():
    step = fl.make_train_step(fl.make_objective(LINE, fl.losses.mse), OPTIMIZER)
    traced = []

    def counted(state, batch):
        traced.append(1)
        return step(state, batch)

    counts = []
    for number in (1, 2, 30, 0):
        run = advance(counted, START, DATA, epochs=30, number=jnp.int32(number))
        assert int(run.state.epoch) == number
        counts.append(len(traced))
    assert counts == counts[:1] * 4


def test_a_rule_ends_it_early():
    rule = fl.stopping.max_epochs(3)
    run = advance(STEP, START, DATA, epochs=9, number=jnp.int32(5), stop=rule)
    assert (int(run.epochs), run.reason.name) == (3, "max_epochs")
