"""Runs over many devices against the same runs on one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funclearn as fl
from tests.devices.settings import COUNTS, DATA, begin, check_close, placed


def fitted(n, data=DATA, **options):
    train_step, state = options.pop("begun", None) or begin()
    state, data, validation = placed(n, state, data, options.pop("validation", None))
    return fl.fit(train_step, state, data, validation, epochs=10, **options)


@pytest.mark.parametrize("batch_size", [None, 5, 8])
@pytest.mark.slow
def test_curves_are_those_of_one_device(batch_size):
    evaluate = fl.make_evaluation(fl.models.affine(3), fl.losses.mse)
    options = {"batch_size": batch_size, "evaluate": evaluate, "validation": DATA}
    wanted = fitted(None, **options)
    for n in COUNTS:
        run = fitted(n, **options)
        assert run.state.params.weight.is_fully_replicated
        for one, other in zip(
            jax.tree.leaves((run.history, run.state.params)),
            jax.tree.leaves((wanted.history, wanted.state.params)),
            strict=True,
        ):
            check_close(one, other)


def rows_of(state, batch):
    info = fl.StepInfo(jnp.float32(0), batch.targets)
    return state._replace(step=state.step + 1), info


@pytest.mark.slow
def test_orders_of_minibatches_are_those_of_one_device():
    def orders(n, batch_size):
        data = fl.Dataset(DATA.inputs, np.arange(len(DATA.targets)))
        return fitted(
            n,
            data,
            begun=(rows_of, begin()[1]),
            batch_size=batch_size,
            record=lambda state, info, evaluation: info.grads,
        ).history

    # The last batch of every epoch: all rows, or two of them.
    for batch_size in (37, 5):
        wanted = orders(None, batch_size)
        for n in COUNTS:
            np.testing.assert_array_equal(orders(n, batch_size), wanted)
    everything = np.sort(orders(COUNTS[-1], 37), axis=1)
    np.testing.assert_array_equal(everything, np.tile(np.arange(37), (10, 1)))


def test_a_batch_has_no_more_rows_than_exist():
    message = "batch_size must be at most the number of rows, 37; got 38"
    with pytest.raises(ValueError, match=message):
        fitted(COUNTS[-1], batch_size=38)


@pytest.mark.slow
def test_noise_is_that_of_one_device():
    """Gaussian noise and masks of dropout, of the rows that exist, bit for bit."""

    def drawn(n):
        def step(state, batch):
            key = jax.random.fold_in(state.key, state.step)
            noise = jax.random.normal(key, batch.inputs.shape)
            mask = jax.random.bernoulli(key, 0.5, (len(batch.inputs), 4))
            info = fl.StepInfo(jnp.float32(0), (noise[:37], mask[:37]))
            return state._replace(step=state.step + 1), info

        return fitted(
            n, begun=(step, begin()[1]), record=lambda state, info, _: info.grads
        ).history

    wanted = drawn(None)
    for n in COUNTS:
        for one, other in zip(drawn(n), wanted, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_run_with_noise_is_that_of_one_device():
    begun = begin(input_noise=0.3)
    wanted, quiet = fitted(None, begun=begun), fitted(None)
    assert not np.allclose(quiet.history.loss, wanted.history.loss, rtol=1e-2)
    for n in COUNTS:
        run = fitted(n, begun=begun)
        check_close(run.history.loss, wanted.history.loss)
