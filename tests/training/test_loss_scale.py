"""Loss scaling: PyTorch's course of the scale, and float16 that trains."""

from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn.models import LinearParams, Noted
from funclearn.training import LossScale, averaged, latest, loss_scaling

KEY = jax.random.key(0)
GOOD = jnp.array([1.0, 2.0, 4.0])
OVERFLOWS = jnp.array([1.0, jnp.inf, 4.0])
ADAM = optax.adam(0.1)


def objective(w, batch, key):
    return jnp.mean((w * batch - 1) ** 2)


def scale_of(state) -> LossScale:
    return state.opt_state


class GradScaler:
    """The course of `torch.amp.GradScaler`, with its names."""

    def __init__(self, scale, growth_factor, backoff_factor, growth_interval):
        self.scale, self.growth_tracker, self.skipped = scale, 0, 0
        self.factors = growth_factor, backoff_factor
        self.growth_interval = growth_interval

    def update(self, found_inf):
        if found_inf:
            self.scale *= self.factors[1]
            self.growth_tracker = 0
            self.skipped += 1
        elif self.growth_tracker + 1 == self.growth_interval:
            # "Do not grow the scale past fp32 bounds to inf."
            if self.scale * self.factors[0] < 2.0**128:
                self.scale *= self.factors[0]
            self.growth_tracker = 0
        else:
            self.growth_tracker += 1


@pytest.mark.parametrize("initial", [64.0, 2.0**127])
def test_the_scale_goes_as_in_pytorch_and_skipped_steps_change_nothing(initial):
    settings: dict[str, Any] = {
        "growth_factor": 4.0,
        "backoff_factor": 0.5,
        "growth_interval": 3,
    }
    optimizer = loss_scaling(ADAM, initial=initial, **settings)
    # A gradient of no more than the float's range, whatever the scale.
    step = jax.jit(fl.make_train_step(small, optimizer, ema=0.5))
    plain = jax.jit(fl.make_train_step(small, ADAM, ema=0.5))
    state = fl.init_state(KEY, 1.5, optimizer)
    other = fl.init_state(KEY, 1.5, ADAM)
    scaler = GradScaler(initial, **settings)
    for number, bad in enumerate([0, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]):
        before = state
        state, info = step(state, OVERFLOWS if bad else GOOD)
        scaler.update(bad)
        scale = scale_of(state)
        assert (scale.scale, scale.steps, scale.skipped) == (
            np.float32(scaler.scale),
            scaler.growth_tracker,
            scaler.skipped,
        )
        assert state.step == number + 1
        assert bool(jnp.isfinite(info.grads)) != bad
        if bad:
            assert state.params == before.params
            assert scale.inner == scale_of(before).inner
        else:
            other, same = plain(other, GOOD)
            one = info, state.params, scale.inner
            for pair in zip(
                *map(jax.tree.leaves, (one, (same, other.params, other.opt_state))),
                strict=True,
            ):
                np.testing.assert_allclose(*pair, rtol=1e-6)
    assert latest(state.params) != averaged(state.params)


def small(w, batch, key):
    return 1e-3 * jnp.mean(w * batch)


def test_the_defaults_are_those_of_pytorch():
    state: Any = loss_scaling(ADAM).init(jnp.zeros(2))
    assert (state.scale, state.steps, state.skipped) == (65536, 0, 0)
    state = state._replace(steps=jnp.int32(1999))
    _, grown = loss_scaling(ADAM).update(jnp.ones(2), state, jnp.zeros(2))
    _, halved = loss_scaling(ADAM).update(jnp.ones(2) / 0, state, jnp.zeros(2))
    assert (cast(Any, grown).scale, cast(Any, halved).scale) == (131072, 32768)


TINY = 1e-9  # of a loss whose gradients are below all of float16
SCALED = fl.data.standardise(fl.data.thermometer())[0]
MODEL = fl.models.mixed_precision(fl.models.linear, jnp.float16)
TINY_OBJECTIVE = fl.make_objective(MODEL, lambda *of: TINY * fl.losses.mse(*of))
RATE = optax.sgd(0.2 / TINY)
METHODS = {
    "autodiff": fl.gradients.autodiff,
    "accumulated": fl.gradients.accumulated(4),
}


def trained(optimizer, epochs=60, method=fl.gradients.autodiff, state=None):
    step = fl.make_train_step(TINY_OBJECTIVE, optimizer, gradient=method)
    if state is None:
        start = LinearParams._make(jnp.zeros(2))
        state = fl.init_state(KEY, start, optimizer)
    return fl.fit(step, state, SCALED, epochs=epochs)


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
def test_float16_underflows_without_a_scale_and_trains_with_one(method):
    stuck = trained(RATE, method=method)
    assert stuck.state.params == LinearParams._make(jnp.zeros(2))
    run = trained(loss_scaling(RATE, initial=2.0**31), method=method)
    inputs, targets = map(np.float64, SCALED)
    design = np.stack([inputs, np.ones_like(inputs)], axis=1)
    solution = np.linalg.lstsq(design, targets)[0]
    np.testing.assert_allclose(run.state.params, solution, rtol=2e-3)
    residuals = design @ solution - targets
    np.testing.assert_allclose(run.final.loss, TINY * np.mean(residuals**2), rtol=2e-3)
    assert scale_of(run.state).skipped == 0


def test_an_overflow_is_skipped_and_told():
    run = trained(loss_scaling(RATE, initial=2.0**50))
    scale = scale_of(run.state)
    assert 0 < scale.skipped < 20
    assert scale.scale == 2.0 ** (50 - int(scale.skipped))
    assert scale.steps == 60 - scale.skipped
    known = trained(loss_scaling(RATE, initial=2.0**31)).state.params
    np.testing.assert_allclose(run.state.params, known, rtol=2e-3)


def test_a_run_may_be_cut_and_mapped():
    optimizer = loss_scaling(RATE, initial=2.0**43, growth_interval=2)
    whole = trained(optimizer, 8).state
    half = trained(optimizer, 4).state
    again = trained(optimizer, 4, state=half).state
    assert jax.tree.all(jax.tree.map(jnp.array_equal, whole, again))

    def ends(initial):
        return scale_of(trained_from(initial).state)[:3]

    def trained_from(initial):
        state = fl.init_state(KEY, LinearParams._make(jnp.zeros(2)), optimizer)
        scale = scale_of(state)._replace(scale=initial)
        return trained(optimizer, 8, state=state._replace(opt_state=scale))

    initial = jnp.array([2.0**31, 2.0**43])
    lanes = jax.vmap(ends)(initial)
    assert lanes[2].tolist() == [0, int(scale_of(whole).skipped)]
    for lane, one in enumerate(initial):
        assert [x[lane] for x in lanes] == [*ends(one)]


def test_the_loss_and_the_gradient_that_are_told_have_no_scale():
    scaling = loss_scaling(ADAM)
    by_hand = fl.gradients.given(lambda w, batch: jnp.mean(2 * batch * (w * batch - 1)))
    for method in (
        fl.gradients.autodiff,
        fl.gradients.accumulated(2),
        fl.gradients.finite_difference(),
        by_hand,
    ):
        infos = [
            jax.jit(fl.make_train_step(objective, optimizer, gradient=method))(
                fl.init_state(KEY, 1.5, optimizer), GOOD
            )[1]
            for optimizer in (ADAM, scaling)
        ]
        np.testing.assert_allclose(*infos, rtol=1e-6)


def test_a_finite_loss_stays_finite_whatever_the_scale():
    def flat(w, batch, key):
        return 8.0 + 1e-30 * w  # 8 times the scale is beyond float32

    scaling = loss_scaling(ADAM, initial=2.0**127)
    step = jax.jit(fl.make_train_step(flat, scaling))
    state, info = step(fl.init_state(KEY, jnp.float32(1.5), scaling), GOOD)
    assert info.loss == 8 and state.opt_state.skipped == 0
    np.testing.assert_allclose(info.grads, 1e-30, rtol=1e-6)


def test_what_a_model_notes_in_a_skipped_step_is_dropped():
    def train(params, inputs, key):
        return params.params * inputs, params.notes + 1

    def apply(params, inputs):
        return params.params * inputs

    model = fl.Model(lambda key: Noted(jnp.float32(1), jnp.int32(0)), apply, train)
    optimizer = loss_scaling(ADAM)
    step = fl.make_train_step(fl.make_objective(model, fl.losses.mse), optimizer)
    state = fl.init_state(KEY, model.init(KEY), optimizer)
    same, info = step(state, fl.Dataset(OVERFLOWS, GOOD))
    assert same.params == state.params and not jnp.isfinite(info.grads)
    other, info = step(same, fl.Dataset(GOOD, GOOD + 1))
    assert other.params.notes == 1 and other.params.params != 1
    np.testing.assert_allclose(info.grads, -14 / 3, rtol=1e-6)


def test_what_is_inside_sees_unscaled_gradients_and_keywords():
    clipped = optax.chain(optax.clip_by_global_norm(0.5), optax.sgd(1.0))
    inside = optax.chain(clipped, optax.contrib.reduce_on_plateau(patience=5))
    optimizer = loss_scaling(inside)
    step = fl.make_train_step(objective, optimizer)
    state, _ = step(fl.init_state(KEY, 1.5, optimizer), GOOD)
    assert state.params == 1.0  # by 0.5 and not more
    several = loss_scaling(optax.MultiSteps(optax.sgd(1.0), 2))
    run = fl.fit(
        fl.make_train_step(small, several),
        fl.init_state(KEY, 1.5, several),
        GOOD,
        epochs=4,
    )
    np.testing.assert_allclose(run.state.params, 1.5 - 2e-3 * 7 / 3, rtol=1e-6)


def test_reverse_mode_crosses_a_skipped_step():
    def end(rate, batch):
        optimizer = loss_scaling(optax.sgd(rate))
        step = fl.make_train_step(objective, optimizer)
        state, _ = step(fl.init_state(KEY, 1.5, optimizer), OVERFLOWS)
        return step(state, batch)[0].params

    slope = np.mean(2 * np.asarray(GOOD) * (1.5 * np.asarray(GOOD) - 1))
    np.testing.assert_allclose(jax.grad(end)(0.1, GOOD), -slope, rtol=1e-6)


@pytest.mark.usefixtures("plain_annotations")
def test_settings_are_refused_by_name():
    refused = {
        "initial must be positive": (ValueError, {"initial": 0}),
        "initial must be a number": (TypeError, {"initial": "large"}),
        "growth_factor must be at least 1": (ValueError, {"growth_factor": 0.5}),
        "backoff_factor must be at most 1": (ValueError, {"backoff_factor": 2.0}),
        "growth_interval must be at least 1": (ValueError, {"growth_interval": 0}),
    }
    for message, (error, settings) in refused.items():
        with pytest.raises(error, match=message):
            loss_scaling(ADAM, **cast(Any, settings))
    with pytest.raises(TypeError, match=r"optimizer must be an optax\.Gradient"):
        loss_scaling(cast(Any, 0.1))


def test_a_scale_inside_of_another_optimizer_is_refused():
    nested = optax.chain(optax.clip(1.0), loss_scaling(ADAM))
    step = fl.make_train_step(objective, nested)
    with pytest.raises(ValueError, match="must have loss_scaling around all of it"):
        step(fl.init_state(KEY, 1.5, nested), GOOD)
