"""Runs whose derivatives are known."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

import funclearn as fl

KEY = jax.random.key(0)
CURVATURES = np.array([0.5, 2.0])
READINGS, _ = fl.data.standardise(fl.data.thermometer())
LINE = fl.models.linear
evaluate = fl.make_evaluation(LINE, fl.losses.mse)


def quadratic(params, batch, key):
    """Half of the curvatures times the squares."""
    del key
    return 0.5 * jnp.sum(batch.inputs[0] * params**2)


def descend(rate, start, momentum=None, epochs=40, stop=None):
    """The loss after gradient descent on a quadratic; `rate` may be one a step."""
    schedule = (lambda count: rate[count]) if jnp.ndim(rate) else rate
    optimizer = optax.sgd(schedule, momentum)
    bowl = fl.Dataset(jnp.asarray(CURVATURES, start.dtype)[None], jnp.zeros(1))
    step = fl.make_train_step(quadratic, optimizer)
    state = fl.init_state(KEY, start, optimizer)
    ran = fl.fit(step, state, bowl, epochs=epochs, stop=stop)
    return quadratic(ran.state.params, bowl, KEY)


def train_line(rate, epochs=60, data=READINGS, noise=0.0, penalty=0.0):
    """The loss of a line on the readings, after training on some of them."""
    objective = fl.make_objective(
        LINE,
        fl.losses.mse,
        penalty=lambda params: penalty * params.weight**2,
        input_noise=noise,
    )
    optimizer = optax.sgd(rate)
    state = fl.init_state(KEY, LINE.init(KEY), optimizer)
    step = fl.make_train_step(objective, optimizer)
    return evaluate(fl.fit(step, state, data, epochs=epochs).state.params, READINGS)


def logistic(r, steps=60):
    """The logistic map, chaotic at r = 4."""
    return jax.lax.fori_loop(0, steps, lambda _, x: r * x * (1 - x), 0.3)


def shrink(rate, start, steps=20):
    """Gradient descent on x² / 2, without a training run around it."""
    return jax.lax.fori_loop(0, steps, lambda _, x: x - rate * x, start)
