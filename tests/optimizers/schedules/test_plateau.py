import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.optimizers import schedules


def test_the_changes_are_of_pytorch_s_rates(recorded, float64):
    """All settings in one program, fed with the values as PyTorch's scheduler was."""
    plateaus = json.loads(str(recorded.arrays["plateaus"]))
    losses = jnp.asarray(recorded.arrays["losses"])

    @jax.jit
    def all_changes():
        def changes(settings):
            reduced: Any = schedules.reduce_lr_on_plateau(0.4, **settings, start=0)
            sign = -1.0 if settings.get("mode") == "max" else 1.0

            def step(state, loss):
                change, state = reduced.update(
                    {"w": jnp.array([-0.4, 0.8])}, state, evaluation=sign * loss
                )
                return state, (state.lr, change["w"])

            _, seen = jax.lax.scan(step, reduced.init({"w": jnp.zeros(2)}), losses)
            return seen

        return [changes(settings) for settings in plateaus.values()]

    wanted = recorded.arrays["reduced"]
    assert [len(set(row)) for row in wanted] == [1, 12, 4, 8, 7]
    for (rates, changes), right in zip(all_changes(), wanted, strict=True):
        np.testing.assert_allclose(rates, right, rtol=1e-12)
        np.testing.assert_allclose(changes, right[:, None] * [-1, 2], rtol=1e-12)


def mean(w, rows, key):
    return jnp.mean(jnp.square(w - rows))


def evaluate(w, rows):
    return {"loss": jnp.mean(jnp.abs(w - rows))}


ROWS, OTHERS = jnp.arange(6.0), jnp.array([2.0, 2.5])
KEY = jax.random.key(0)


def train(lr=0.9, epochs=6, batch_size=2, validated=True, **settings) -> Any:
    reduced = schedules.reduce_lr_on_plateau(lr, **settings)
    optimizer = optax.chain(optax.sgd(lr), reduced)
    step = fl.make_train_step(mean, optimizer)
    state = fl.init_state(KEY, 4.0, optimizer)
    more = (OTHERS,) if validated else ()

    def record(state, info, evaluation):
        return state.opt_state[1], evaluation, info.loss

    how = {"evaluate": evaluate} if validated else {}
    return fl.fit(
        step,
        state,
        ROWS,
        *more,
        epochs=epochs,
        batch_size=batch_size,
        record=record,
        **how,
    )


def by_hand(lr, values, patience=0, factor=0.5):
    """PyTorch's loop: a value after every epoch, a rate for the next one."""
    rates, best, bad = [lr], np.inf, 0
    for value in values:
        bad = 0 if value < best * (1 - 1e-4) else bad + 1
        best = min(best, value) if bad == 0 else best
        if bad > patience:
            lr, bad = lr * factor, 0
        rates.append(lr)
    return rates


def test_it_looks_once_an_epoch_at_what_was_evaluated_after_the_last():
    lanes = jnp.array([0.1, 0.9])
    run = jax.vmap(lambda lr: train(lr, patience=0, factor=0.5).history)(lanes)
    state, evaluation, _ = run
    for lane, lr in enumerate([0.1, 0.9]):
        rates = by_hand(lr, evaluation["loss"][lane, 1:])[:6]
        assert len(set(rates)) > 1
        np.testing.assert_allclose(state.lr[lane], rates, rtol=1e-6)
        np.testing.assert_array_equal(state.epoch[lane], range(6))


def test_it_watches_the_mean_of_the_training_losses_too():
    run = train(patience=0, factor=0.5, batch_size=3, on="loss", validated=False)
    state: Any = run.history[0]
    rates = by_hand(0.9, np.asarray(state.loss / state.steps))[:6]
    assert len(set(rates)) > 2
    np.testing.assert_allclose(state.lr, rates, rtol=1e-6)
    np.testing.assert_array_equal(state.steps, 2)


def update(state=None, lr=0.1, on=None, dtype=float, **keywords) -> Any:
    reduced = schedules.reduce_lr_on_plateau(lr, on=on, patience=0, factor=0.5, start=0)
    state = reduced.init(1.0) if state is None else state
    return reduced.update(jnp.array(3.0, dtype), state, **keywords)


def test_names_are_those_of_stopping_rules():
    seen = {"loss": 1.0, "error": {"largest": 2.0}}
    for on, best in {"validation": 1, None: 1, "evaluation.error.largest": 2}.items():
        assert update(on=on, evaluation=seen)[1].best == best
    _, state = update(value=5.0)
    assert update(state, value=7.0)[1].best == 5


def test_a_rate_of_zero_and_half_precision_stay_what_they_are():
    change, state = update(lr=0.0, dtype=jnp.float16, evaluation=1.0)
    assert (change, state.lr, change.dtype) == (3, 0, jnp.float16)


REFUSED = {
    "lr": (ValueError, {"lr": -0.1}, "lr must be at least 0"),
    "mode": (ValueError, {"mode": "low"}, "mode must be 'min' or 'max'"),
    "factor": (ValueError, {"factor": 1.0}, "factor must be less than 1"),
    "patience": (ValueError, {"patience": -1}, "patience must be an integer"),
    "threshold_mode": (ValueError, {"threshold_mode": "x"}, "threshold_mode must be"),
    "cooldown": (ValueError, {"cooldown": 0.5}, "cooldown must be an integer"),
    "min_lr": (ValueError, {"min_lr": -1.0}, "min_lr must be at least 0"),
    "eps": (ValueError, {"eps": -1.0}, "eps must be at least 0"),
    "on": (ValueError, {"on": ""}, "on must be"),
    "start": (ValueError, {"start": -1}, "start must be an integer"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_refuses_a_bad(name):
    error, arguments, message = REFUSED[name]
    with pytest.raises(error, match=message):
        schedules.reduce_lr_on_plateau(**{"lr": 0.1, **arguments})


def test_it_says_what_is_not_there():
    with pytest.raises(ValueError, match="plateau watches the validation loss"):
        update(on="validation", value=1.0)
    with pytest.raises(ValueError, match="entry 'recall' that reduce_lr_on_plateau"):
        update(on="recall", evaluation={"loss": 1.0})
    with pytest.raises(TypeError, match="needs the keyword evaluation, or value"):
        update()
