"""Parameters and notes, told apart wherever a gradient or an optimizer is."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn import _notes
from funclearn.models import Noted
from funclearn.training import Averages

KEY = jax.random.key(0)
ROWS = fl.Dataset(jnp.array([1.0, 2.0, 4.0]), jnp.array([2.0, 3.0, 5.0]))
SGD = optax.sgd(0.01)


def init(key):
    del key
    notes = {"mean": jnp.zeros(()), "steps": jnp.zeros((), jnp.int32)}
    return Noted({"w": jnp.float32(1.5)}, notes)


def apply(params, inputs):
    return params.params["w"] * (inputs - params.notes["mean"])


def train(params, inputs, key):
    """Centres a batch by its own mean, draws a sign, and notes a running mean."""
    mean = jnp.mean(inputs)
    sign = jnp.where(jax.random.bernoulli(key), 1.0, -1.0)
    notes = {
        "mean": 0.9 * params.notes["mean"] + 0.1 * mean,
        "steps": params.notes["steps"] + 1,
    }
    return sign * params.params["w"] * (inputs - mean), notes


MODEL = fl.Model(init, apply, train)
OBJECTIVE = fl.make_objective(MODEL, fl.losses.mse, penalty=fl.losses.l2(0.5))


def by_hand(n_steps):
    """The same in NumPy."""
    x, y = map(np.asarray, ROWS)
    w, mean, losses = 1.5, 0.0, []
    for step in range(n_steps):
        key = jax.random.fold_in(jax.random.fold_in(KEY, 0), step)
        sign = 1.0 if bool(jax.random.bernoulli(key)) else -1.0
        centred = sign * (x - x.mean())
        losses.append(np.mean((w * centred - y) ** 2) + 0.5 * w**2)
        w -= 0.01 * (np.mean(2 * centred * (w * centred - y)) + w)
        mean = 0.9 * mean + 0.1 * x.mean()
    return w, mean, losses


def closed_form(params, batch, key):
    sign = jnp.where(jax.random.bernoulli(key), 1.0, -1.0)
    centred = sign * (batch.inputs - jnp.mean(batch.inputs))
    w = params["w"]
    return {"w": jnp.mean(2 * centred * (w * centred - batch.targets)) + w}


METHODS = {
    "autodiff": fl.gradients.autodiff,
    "given": fl.gradients.given(closed_form),
    "finite_difference": fl.gradients.finite_difference(step=0.5),  # of a parabola
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_a_run_takes_the_steps_and_notes_that_numpy_takes(method):
    step = fl.make_train_step(OBJECTIVE, SGD, gradient=method)
    state = fl.init_state(KEY, MODEL.init(KEY), SGD)
    evaluate = fl.make_evaluation(MODEL, fl.losses.mse)
    run = fl.fit(step, state, ROWS, ROWS, epochs=5, evaluate=evaluate)
    w, mean, losses = by_hand(5)
    np.testing.assert_allclose(run.history.loss, losses, rtol=1e-5)
    np.testing.assert_allclose(run.state.params.params["w"], w, rtol=1e-5)
    np.testing.assert_allclose(run.state.params.notes["mean"], mean, rtol=1e-6)
    assert run.state.params.notes["steps"] == 5
    x, y = map(np.asarray, ROWS)
    first = np.mean((1.5 * x - y) ** 2)  # by the notes of the start, and no penalty
    np.testing.assert_allclose(run.history.evaluation[0], first, rtol=1e-6)


def test_the_optimizer_sees_the_part_that_is_trained():
    frozen = optax.masked(optax.set_to_zero(), {"w": True})
    optimizer = optax.chain(optax.trace(0.9), frozen)
    state = fl.init_state(KEY, MODEL.init(KEY), optimizer)
    assert len(jax.tree.leaves(state.opt_state)) == 1
    step = fl.make_train_step(OBJECTIVE, optimizer)
    state, info = step(state, ROWS)
    assert jax.tree.structure(info.grads) == jax.tree.structure({"w": 0})
    assert state.params.params["w"] == 1.5 and state.params.notes["steps"] == 1


def test_lookahead_trains_the_fast_and_evaluates_the_slow():
    optimizer = optax.lookahead(optax.sgd(0.1), sync_period=2, slow_step_size=0.5)
    params = MODEL.init(KEY)
    both = params._replace(params=optax.LookaheadParams.init_synced(params.params))
    state = fl.init_state(KEY, both, optimizer)
    step = fl.make_train_step(OBJECTIVE, optimizer)
    seen = fl.fit(
        step, state, ROWS, ROWS, epochs=2, evaluate=lambda params, rows: params
    )
    slow = seen.history.evaluation.params["w"]
    assert slow.tolist() == [1.5, 1.5]
    assert seen.state.params.notes["steps"] == 2
    assert float(seen.state.params.params.slow["w"]) != 1.5


def test_notes_of_another_structure_are_refused():
    def careless(params, inputs, key):
        return train(params, inputs, key)[0], {"mean": jnp.float32(0)}

    objective = fl.make_objective(fl.Model(init, apply, careless), fl.losses.mse)
    step = fl.make_train_step(objective, SGD)
    with pytest.raises(ValueError, match=r"model\.train\(\.\.\.\)\[1\] must"):
        step(fl.init_state(KEY, init(KEY), SGD), ROWS)


def test_an_objective_of_ones_own_leaves_the_notes_as_they_are():
    def objective(params, batch, key):
        return fl.losses.mse(apply(params, batch.inputs), batch.targets)

    step = fl.make_train_step(objective, SGD)
    state, _ = step(fl.init_state(KEY, init(KEY), SGD), ROWS)
    assert state.params.notes["steps"] == 0
    assert state.params.params["w"] != 1.5


def test_rules_on_what_moves_see_no_notes():
    still = optax.sgd(0.0)
    step = fl.make_train_step(OBJECTIVE, still)
    state = fl.init_state(KEY, init(KEY), still)
    rule = fl.stopping.relative_change(1e-9, on="parameters")
    run = fl.fit(step, state, ROWS, epochs=9, stop=rule)
    assert (int(run.epochs), run.reason.name) == (1, "relative_change")
    assert fl.fit(step, state, ROWS, epochs=3, stop=fl.stopping.gradient_norm(0.0))


@pytest.mark.slow
def test_reports_on_gradients_and_curvature_take_notes_as_constant():
    report = fl.gradients.compare(OBJECTIVE, init(KEY), ROWS, KEY, against=closed_form)
    assert report.verdict == "agrees"
    found = fl.diagnosis.stability(OBJECTIVE, init(KEY), ROWS, KEY)
    x = np.asarray(ROWS.inputs)
    np.testing.assert_allclose(found.largest, 2 * x.var() + 1, rtol=1e-5)


def test_noise_and_the_model_draw_from_two_keys():
    noisy = fl.make_objective(MODEL, fl.losses.mse, input_noise=1.0)
    keys = []

    def spy(params, inputs, key):
        keys.append(key)
        return inputs, params.notes

    spying = fl.make_objective(
        fl.Model(init, apply, spy), fl.losses.mse, input_noise=1.0
    )
    spying(init(KEY), ROWS, KEY)
    assert keys[0] == jax.random.fold_in(KEY, 1)
    assert jnp.isfinite(noisy(init(KEY), ROWS, KEY))


def test_what_has_no_notes_is_itself():
    params = {"w": 1.0}
    assert _notes.trainable(params) is params
    assert _notes.with_trainable(params, {"w": 2.0}) == {"w": 2.0}
    assert _notes.bound(OBJECTIVE, params) is OBJECTIVE
    noted = Noted(params, 3)
    assert _notes.trainable(noted) is params
    assert _notes.with_trainable(noted, {"w": 2.0}) == Noted({"w": 2.0}, 3)
    assert _notes.bound(lambda both, x: (both, x), noted)({"w": 5}, 7) == (
        Noted({"w": 5}, 3),
        7,
    )


def averages_of(average, notes=None, updates=2, epoch=None):
    return Averages(average, jnp.int32(updates), epoch, notes)


def test_averages_are_told_apart_from_what_the_model_notes():
    plain = Noted(1.0, averages_of(2.0))
    noted = Noted(1.0, averages_of(Noted(2.0, 3.0), 4.0))
    assert _notes.own(plain) == 1.0 and _notes.trainable(plain) == 1.0
    assert _notes.own(noted) == Noted(1.0, 4.0) and _notes.own(5.0) == 5.0
    assert _notes.with_own(noted, Noted(6.0, 7.0)) == Noted(
        6.0, noted.notes._replace(notes=7.0)
    )
    assert _notes.with_own(plain, 6.0) == Noted(6.0, plain.notes)
    assert _notes.with_own(1.0, 6.0) == 6.0
    seen = _notes.bound(lambda params, x: (params, x), noted)(8.0, 9)
    assert seen == (Noted(8.0, 4.0), 9)
    assert _notes.bound(abs, plain) is abs
    found = map(_notes.has_averages, (plain, noted, 1.0, Noted(1.0, 2.0)))
    assert list(found) == [True, True, False, False]


def test_the_average_is_read_with_the_update_that_is_due():
    average, now = jnp.array([2.0, 4.0]), jnp.array([5.0, 10.0])

    def read(**settings):
        return _notes.averaged(Noted(now, averages_of(average, **settings))).tolist()

    assert read() == [2, 4]
    assert read(updates=0) == read(updates=0, epoch=jnp.int32(-1)) == [5, 10]
    assert read(epoch=jnp.int32(-1)) == [2, 4]
    assert read(epoch=jnp.int32(7)) == [3, 6]  # two thirds and one third


@pytest.mark.slow
def test_reports_take_what_the_model_itself_is_applied_to():
    step = fl.make_train_step(OBJECTIVE, SGD, ema=0.5)
    state, _ = step(fl.init_state(KEY, init(KEY), SGD), ROWS)
    report = fl.gradients.compare(
        OBJECTIVE, state.params, ROWS, KEY, against=closed_form
    )
    assert report.verdict == "agrees"
    latest = fl.training.latest(state.params)
    one, other = (
        fl.diagnosis.stability(OBJECTIVE, params, ROWS, KEY).largest
        for params in (state.params, latest)
    )
    assert one == other
