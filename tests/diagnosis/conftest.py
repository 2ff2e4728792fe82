"""Runs, made by hand or trained, and what is known of them in closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest


@pytest.fixture(scope="package")
def fl():
    import funclearn
    import funclearn.diagnosis

    return funclearn


@pytest.fixture(scope="package")
def stability(fl):
    return jax.jit(fl.diagnosis.stability, static_argnums=0, static_argnames="products")


@pytest.fixture(scope="package")
def line(fl):
    """The linear model's objective, and where the sources start."""
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    return objective, fl.models.LinearParams(jnp.ones(()), jnp.zeros(()))


@pytest.fixture(scope="package")
def readings(fl):
    raw = fl.data.thermometer()
    return {"raw": raw, "scaled": fl.data.Scaler(input_scale=10.0)(raw)}


@pytest.fixture(scope="package")
def line_hessian():
    """The Hessian of the mean squared error of a line, as a function of its inputs."""

    def hessian(inputs):
        inputs = np.asarray(inputs, np.float64)
        mean = np.mean(inputs)
        return 2 * np.array([[np.mean(inputs**2), mean], [mean, 1]])

    return hessian


@pytest.fixture(
    params=[(0.0, False), (0.5, False), (0.9, False), (0.5, True), (0.9, True)], ids=str
)
def method(request):
    """A momentum, and whether it is Nesterov's."""
    return request.param


@pytest.fixture(scope="package")
def made(fl):
    """Makes a run with given curves."""

    def make(training, validation=None, **changes):
        history = fl.History(
            *(
                x if x is None else jnp.asarray(x, jnp.float32)
                for x in (training, validation)
            )
        )
        reason = fl.stopping.Reason(np.zeros((), np.int32), ("epochs",))
        run = fl.Run(None, history, np.asarray(len(training), np.int32), reason)
        return run._replace(**changes)

    return make


@pytest.fixture(scope="package")
def explain_nothing(fl, line):
    """Makes an `explain_divergence` of a run, whatever the run was made with."""
    state = fl.init_state(jax.random.key(0), line[1], optax.sgd(1.0))

    def make(**settings):
        arguments = {"learning_rate": 1.0} | settings
        return lambda run: fl.diagnosis.explain_divergence(
            run, line[0], lambda state, batch: (state, ()), state, None, **arguments
        )

    return make
