"""Averages of the weights, step for step as PyTorch's AveragedModel takes them."""

import functools
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.models import Noted
from funclearn.training import averaged, latest, prepare_state

KEY = jax.random.key(0)
ROWS = jnp.array([1.0, 2.0, 4.0, 7.0, 8.0])
SGD = optax.sgd(0.2, momentum=0.5)


class AveragedModel:
    """PyTorch's `torch.optim.swa_utils.AveragedModel` of one array.

    With a decay as by `get_ema_multi_avg_fn(decay)`, else as by default.
    """

    def __init__(self, decay=None):
        self.decay, self.n_averaged, self.value = decay, 0, None

    def update_parameters(self, value):
        if self.n_averaged == 0:
            self.value = value
        else:
            share = 1 / (self.n_averaged + 1)
            if self.decay is not None:
                share = 1 - self.decay
            self.value = self.value + share * (value - self.value)
        self.n_averaged += 1


def objective(w, batch, key):
    """Its gradient is 2 (w - mean of the batch)."""
    return jnp.mean((w - batch) ** 2)


def course(n_epochs, batch_size):
    """The parameters after every step, in NumPy, epoch by epoch."""
    w, trace, epochs = 8.0, 0.0, []
    for epoch in range(n_epochs):
        key = jax.random.fold_in(jax.random.fold_in(KEY, 1), epoch)
        order = np.asarray(jax.random.permutation(key, len(ROWS)))
        size = batch_size or len(ROWS)
        steps = []
        for start in range(0, len(ROWS), size):
            rows = np.asarray(ROWS, float)[order[start : start + size]]
            trace = 2 * (w - rows.mean()) + 0.5 * trace
            w -= 0.2 * trace
            steps.append(w)
        epochs.append(steps)
    return epochs


def start(dtype=float, optimizer=SGD, params=8.0):
    return fl.init_state(KEY, jnp.asarray(params, dtype), optimizer)


def seen(step, epochs, batch_size=None, state=None):
    """A run, of which both sets of parameters are recorded after every epoch."""
    return fl.fit(
        step,
        start() if state is None else state,
        ROWS,
        epochs=epochs,
        batch_size=batch_size,
        record=lambda state, info, evaluation: (
            latest(state.params),
            averaged(state.params),
        ),
    )


@pytest.mark.parametrize("batch_size", [None, 2])
def test_an_exponential_average_is_pytorch_s(batch_size, float64):
    step = fl.make_train_step(objective, SGD, ema=0.9)
    run = seen(step, 6, batch_size)
    model, ends, averages = AveragedModel(0.9), [], []
    for steps in course(6, batch_size):
        for w in steps:
            model.update_parameters(w)
        ends.append(steps[-1])
        averages.append(model.value)
    np.testing.assert_allclose(run.history[0], ends, rtol=1e-13)
    np.testing.assert_allclose(run.history[1], averages, rtol=1e-13)
    assert run.state.params.notes.updates == model.n_averaged


RANGES = [range(2, 6), range(1, 100, 2), range(1)]


@pytest.mark.parametrize("swa", RANGES, ids=map(str, RANGES))
@pytest.mark.parametrize("batch_size", [None, 2])
def test_an_average_of_ends_of_epochs_is_pytorch_s(swa, batch_size, float64):
    step = fl.make_train_step(objective, SGD, swa=swa)
    run = seen(step, 8, batch_size)
    model, averages = AveragedModel(), []
    for epoch, steps in enumerate(course(8, batch_size)):
        if epoch in swa:
            model.update_parameters(steps[-1])
        averages.append(steps[-1] if model.value is None else model.value)
    np.testing.assert_allclose(run.history[1], averages, rtol=1e-13)


AVERAGES = {"ema": {"ema": 0.75}, "swa": {"swa": range(1, 4)}}
kinds = pytest.mark.parametrize("kind", AVERAGES.values(), ids=AVERAGES)


@kinds
@pytest.mark.slow
def test_a_run_may_be_cut_mapped_and_taken_step_by_step(kind):
    step = fl.make_train_step(objective, SGD, **kind)
    whole = seen(step, 4).state
    half = seen(step, 2, state=prepare_state(step, start())).state
    again = seen(step, 2, state=half).state
    for one, other in zip(*map(jax.tree.leaves, (whole, again)), strict=True):
        assert jnp.array_equal(one, other)
    lanes = jax.vmap(lambda w: fl.fit(step, start(params=w), ROWS, epochs=4).state)
    mapped = lanes(jnp.array([8.0, -3.0])).params
    np.testing.assert_allclose(averaged(mapped)[0], averaged(whole.params), rtol=1e-6)
    assert not np.isclose(*averaged(mapped))
    state, step = start(), jax.jit(step)
    for epoch in range(4):
        state, _ = step(state._replace(epoch=jnp.int32(epoch)), ROWS)
    np.testing.assert_allclose(
        averaged(state.params), averaged(whole.params), rtol=1e-6
    )


@kinds
def test_the_average_of_stacked_runs_is_taken_lane_by_lane(kind):
    step = fl.make_train_step(objective_of_many, SGD, **kind)
    params = jnp.array([[8.0, 1.0, 2.0], [0.0, 5.0, 3.0]])

    def fit(w):
        return fl.fit(step, start(params=w), ROWS, epochs=3).state.params

    mapped = jax.vmap(fit)(params)
    alone = [averaged(fit(w)) for w in params]
    np.testing.assert_allclose(averaged(mapped), alone, rtol=1e-6)


def objective_of_many(w, batch, key):
    return jnp.mean((w[None] - batch[:, None]) ** 2)


@pytest.mark.slow
def test_the_decay_may_be_traced_swept_and_differentiated(float64):
    def average(decay, rate=0.2):
        optimizer = optax.sgd(rate)
        step = fl.make_train_step(objective, optimizer, ema=decay)
        state = start(optimizer=optimizer)
        return averaged(fl.fit(step, state, ROWS, epochs=3).state.params)

    # w - mean shrinks by 0.6 a step: after three the average is in closed form.
    mean, decays = 4.4, np.array([0.0, 0.25, 0.9])
    powers = 0.6 ** np.arange(1, 4)[:, None]
    shares = [decays**2, decays * (1 - decays), 1 - decays]
    truth = mean + (8 - mean) * sum(
        share * power for share, power in zip(shares, powers, strict=True)
    )
    np.testing.assert_allclose(
        jax.vmap(average)(jnp.asarray(decays)), truth, rtol=1e-12
    )
    np.testing.assert_allclose([average(float(d)) for d in decays], truth, rtol=1e-12)
    slope = 2 * 0.25 * 0.6 + (1 - 2 * 0.25) * 0.36 - 0.216
    np.testing.assert_allclose(jax.grad(average)(0.25), (8 - mean) * slope, rtol=1e-12)
    d, r = 0.25, 0.6
    by_r = d**2 + d * (1 - d) * 2 * r + (1 - d) * 3 * r**2
    np.testing.assert_allclose(
        jax.grad(average, 1)(d, 0.2), -2 * (8 - mean) * by_r, rtol=1e-12
    )


def assert_close(tree, other):
    for pair in zip(*map(jax.tree.leaves, (tree, other)), strict=True):
        np.testing.assert_allclose(*pair, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_what_a_model_notes_is_averaged_with_it():
    class Network(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            norm = nn.BatchNorm(use_running_average=not train, momentum=0.5)
            return nn.Dense(1)(norm(x))

    data = fl.Dataset(jnp.arange(12.0).reshape(6, 2) ** 2, jnp.ones((6, 1)))
    model = fl.models.from_linen(Network(), data.inputs)
    objective = fl.make_objective(model, fl.losses.mse)
    step = jax.jit(fl.make_train_step(objective, SGD, ema=0.5))
    plain = jax.jit(fl.make_train_step(objective, SGD))
    state = other = fl.init_state(KEY, model.init(KEY), SGD)
    expected: Any = None
    for _ in range(3):
        state, info = step(state, data)
        other, same = plain(other, data)
        np.testing.assert_allclose(info.loss, same.loss, rtol=1e-6)
        expected = jax.tree.map(
            lambda old, new: 0.5 * old + 0.5 * new,
            expected or other.params,
            other.params,
        )
        assert_close(averaged(state.params), expected)
        assert jax.tree.all(
            jax.tree.map(jnp.array_equal, latest(state.params), other.params)
        )
    assert isinstance(averaged(state.params), Noted)
    assert model.apply(averaged(state.params), data.inputs).shape == (6, 1)


def test_notes_that_are_counted_are_the_latest():
    def apply(params, inputs):
        return params.params * inputs

    def train(params, inputs, key):
        return apply(params, inputs), params.notes + 1

    model = fl.Model(lambda key: Noted(jnp.float32(1), jnp.int32(0)), apply, train)
    data = fl.Dataset(ROWS, ROWS)
    objective = fl.make_objective(model, fl.losses.mse)
    for kind in AVERAGES.values():
        step = fl.make_train_step(objective, optax.sgd(0.0), **kind)
        state = fl.init_state(KEY, model.init(KEY), optax.sgd(0.0))
        run = fl.fit(step, state, data, epochs=3)
        assert averaged(run.state.params) == Noted(1, 3)


def test_the_slow_weights_of_lookahead_are_averaged():
    optimizer = optax.lookahead(optax.sgd(0.1), sync_period=2, slow_step_size=0.5)
    params = optax.LookaheadParams.init_synced(jnp.float32(8))
    step = fl.make_train_step(objective, optimizer, ema=0.0)
    state = fl.init_state(KEY, params, optimizer)
    run = fl.fit(step, state, ROWS, epochs=3)
    assert averaged(run.state.params) == latest(run.state.params).slow
    assert averaged(run.state.params) != latest(run.state.params).fast


def test_rules_best_and_optimizers_see_what_they_saw():
    def evaluate(params, rows):
        return objective(averaged(params), rows, None)

    rule = fl.stopping.patience(2) | fl.stopping.relative_change(1e-9, on="parameters")
    fit = functools.partial(
        fl.fit, state=start(optimizer=optax.adam(0.5)), train=ROWS, epochs=6, stop=rule
    )
    step = fl.make_train_step(objective, optax.adam(0.5), ema=0.5)
    run = fit(step, validation=ROWS, evaluate=evaluate)
    plain = fl.make_train_step(objective, optax.adam(0.5))
    other = fit(plain, validation=ROWS, evaluate=lambda w, rows: objective(w, rows, 0))
    np.testing.assert_allclose(run.history.loss, other.history.loss, rtol=1e-6)
    assert jax.tree.structure(run.state.opt_state) == jax.tree.structure(
        other.state.opt_state
    )
    assert run.best is not None
    assert objective(averaged(run.best.params), ROWS, None) == run.best.value


@pytest.mark.usefixtures("plain_annotations")
def test_settings_are_refused_by_name():
    refused = {
        "ema must be a decay in": (ValueError, {"ema": 1.0}),
        "ema must be a decay in .*-0.1": (ValueError, {"ema": -0.1}),
        "ema must be a decay, a number": (TypeError, {"ema": "0.9"}),
        "ema must be None where swa": (ValueError, {"ema": 0.9, "swa": range(3)}),
        "swa must be a range of epochs counted": (TypeError, {"swa": 75}),
        r"swa must .*range\(3, 3\)": (ValueError, {"swa": range(3, 3)}),
        r"swa must .*range\(3, 0, -1\)": (ValueError, {"swa": range(3, 0, -1)}),
        r"swa must .*range\(-3, 2\)": (ValueError, {"swa": range(-3, 2)}),
    }
    for message, (error, settings) in refused.items():
        with pytest.raises(error, match=message):
            fl.make_train_step(objective, SGD, **cast(Any, settings))


def test_states_of_other_averages_are_refused():
    ema, swa = (
        fl.make_train_step(objective, SGD, **kind) for kind in AVERAGES.values()
    )
    state, _ = ema(start(), ROWS)
    with pytest.raises(ValueError, match="averages of the train step's own kind"):
        swa(state, ROWS)
    with pytest.raises(ValueError, match="no averages where the train step was made"):
        fl.make_train_step(objective, SGD)(state, ROWS)
    with pytest.raises(ValueError, match="params must hold averages"):
        averaged(start().params)


def test_a_step_around_another_needs_a_prepared_state():
    inner = fl.make_train_step(objective, SGD, ema=0.5)

    def step(state, batch):
        return inner(state, batch)

    with pytest.raises(ValueError, match=r"training\.prepare_state\(step, state\)"):
        fl.fit(step, start(), ROWS, epochs=2)
    run = fl.fit(step, prepare_state(inner, start()), ROWS, epochs=2)
    assert averaged(run.state.params) == averaged(seen(inner, 2).state.params)
    named = functools.wraps(inner)(step)
    assert fl.fit(named, start(), ROWS, epochs=2).state.params == run.state.params
    assert prepare_state(lambda state, batch: (state, batch), start()) == start()
