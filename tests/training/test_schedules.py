"""Schedules that count epochs."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.training import scale_by_epoch

KEY = jax.random.key(0)


def objective(w, batch, key):
    return jnp.mean(w * batch)


def test_all_steps_of_an_epoch_have_its_rate():
    optimizer = optax.chain(optax.sgd(1.0), scale_by_epoch(lambda epoch: 2.0**-epoch))
    step = fl.make_train_step(objective, optimizer)
    state = fl.init_state(KEY, 0.0, optimizer)
    options: dict[str, Any] = {
        "batch_size": 2,
        "record": lambda state, info, evaluation: state.params,
    }
    run = fl.fit(step, state, jnp.ones(5), epochs=4, **options)
    expected = -3 * np.cumsum(0.5 ** np.arange(4))
    np.testing.assert_allclose(run.history, expected, rtol=1e-6)
    first = fl.fit(step, state, jnp.ones(5), epochs=2, **options)
    last = fl.fit(step, first.state, jnp.ones(5), epochs=2, **options)
    assert last.history.tolist() == run.history[2:].tolist()


@pytest.mark.usefixtures("plain_annotations")
def test_what_it_cannot_use_is_refused():
    with pytest.raises(TypeError, match="schedule must be a function of the epoch"):
        scale_by_epoch(cast(Any, 0.1))
    with pytest.raises(TypeError, match="needs the keyword epoch"):
        scale_by_epoch(lambda epoch: 0.1).update(jnp.ones(2), optax.EmptyState())
