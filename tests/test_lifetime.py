"""What a call compiles goes with the functions that it was compiled for."""

import gc
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import funclearn as fl
from funclearn import diagnosis, sweeps, validation

KEY = jax.random.key(0)
TRAIN, _ = fl.data.standardise(fl.data.thermometer())
LINEAR = fl.models.linear
HELD_OUT = np.eye(len(TRAIN.inputs), dtype=bool)[:4]


class Objective:
    """An objective that can be referred to weakly, and holds an array."""

    def __init__(self):
        self.shift = jnp.zeros(())
        self.loss = fl.make_objective(LINEAR, fl.losses.mse)

    def __call__(self, params, batch, key):
        return self.loss(params, batch, key) + self.shift


def start(optimizer):
    params = fl.models.LinearParams(jnp.ones(()), jnp.zeros(()))
    return fl.init_state(KEY, params, optimizer)


def step_of(objective, rate=0.1):
    optimizer = optax.sgd(rate)
    return fl.make_train_step(objective, optimizer), start(optimizer)


def fit(objective):
    fl.fit(*step_of(objective), TRAIN, epochs=3)


def run(objective):
    fl.running.run(*step_of(objective), TRAIN, epochs=3, progress=False)


def sweep(objective):
    def run(rate):
        return fl.fit(*step_of(objective, rate), TRAIN, epochs=3).final

    sweeps.sweep(run, {"rate": jnp.array([0.1, 0.2])})


def sweep_static(objective):
    def run(rate, kind):
        return rate * len(kind) * objective(start(optax.sgd(rate)).params, TRAIN, KEY)

    grid = {"rate": jnp.array([0.1, 0.2]), "kind": ["a", "b"]}
    sweeps.sweep(run, grid, static_argnames=["kind"])


def cross_validate(objective):
    def run(train, held_out, key):
        return fl.fit(*step_of(objective), train, epochs=3).state.params

    validation.cross_validate(
        KEY, run, TRAIN, HELD_OUT, evaluate=fl.make_evaluation(LINEAR, fl.losses.mse)
    )


def compare(objective):
    params = fl.models.LinearParams(jnp.float32(0.3), jnp.float32(0.2))
    fl.gradients.compare(objective, params, TRAIN, KEY)


def stability(objective):
    params = fl.models.LinearParams(jnp.float32(0.3), jnp.float32(0.2))
    diagnosis.stability(objective, params, TRAIN, KEY)


def explain_divergence(objective):
    step, state = step_of(objective, 10.0)
    run = fl.fit(step, state, TRAIN, epochs=40)
    found = diagnosis.explain_divergence(
        run, objective, step, state, TRAIN, learning_rate=10.0
    )
    assert found is not None


CALLS = [
    fit,
    run,
    sweep,
    sweep_static,
    cross_validate,
    compare,
    stability,
    explain_divergence,
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.slow
def test_nothing_outlives_its_objective(call):
    objective = Objective()
    call(objective)
    seen = weakref.ref(objective)
    del objective
    gc.collect()
    assert seen() is None


@pytest.mark.slow
def test_new_steps_in_a_loop_leave_nothing_behind():
    def alive():
        gc.collect()
        return len([x for x in gc.get_objects() if isinstance(x, Objective)])

    before = alive()
    for _ in range(5):
        fit(Objective())
    assert alive() == before


@pytest.mark.parametrize("transform", ["jit", "vmap", "grad"])
@pytest.mark.slow
def test_no_tracer_leaks(transform):
    def final(rate):
        return fl.fit(*step_of(Objective(), rate), TRAIN, epochs=3).final.loss

    rates = {"jit": 0.1, "grad": 0.1, "vmap": jnp.array([0.1, 0.2])}
    with jax.checking_leaks():
        getattr(jax, transform)(final)(rates[transform])
