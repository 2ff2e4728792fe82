"""Runs that stopping rules are tested on."""

import jax
import jax.numpy as jnp
import optax
import pytest


@pytest.fixture(scope="module")
def fl():
    import funclearn

    return funclearn


@pytest.fixture(scope="module")
def replay(fl):
    """Makes `fit` see given losses: `replay(losses, validation=None, **options)`."""

    def train_step(state, batch):
        loss = batch.inputs[state.step]
        grads = jax.tree.map(lambda leaf: leaf * loss, state.params)
        params = jax.tree.map(lambda leaf: leaf - 0.1 * loss, state.params)
        info = fl.StepInfo(loss, grads)
        return state._replace(params=params, step=state.step + 1), info

    def evaluate(params, dataset):
        # The parameters count the losses so far; the batch holds their running sums.
        past = jnp.searchsorted(dataset.inputs, (1.0 - params["p"]) / 0.1 - 1e-3)
        return dataset.targets[past]

    def run(losses, validation=None, **options):
        losses = jnp.asarray(losses)
        state = fl.TrainState(
            {"p": jnp.ones(())}, (), jax.random.key(0), jnp.zeros((), jnp.int32)
        )
        if validation is not None:
            sums = jnp.concatenate([jnp.zeros(1), jnp.cumsum(losses)[:-1]])
            options["validation"] = fl.Dataset(sums, jnp.asarray(validation))
            options.setdefault("evaluate", evaluate)
        options.setdefault("epochs", len(losses))
        return fl.fit(train_step, state, fl.Dataset(losses, losses), **options)

    return run


@pytest.fixture(scope="module")
def problem(fl):
    key = jax.random.key(1)
    train, validation = fl.data.split(key, fl.data.thermometer())
    train, scaler = fl.data.standardise(train)
    objective = fl.make_objective(fl.models.linear, fl.losses.mse)
    evaluate = fl.make_evaluation(fl.models.linear, fl.losses.mse)

    def run(learning_rate, stop, epochs=120, weight=0.5):
        optimizer = optax.sgd(learning_rate)
        params = fl.models.LinearParams(weight, 0.0)
        state = fl.init_state(key, params, optimizer)
        step = fl.make_train_step(objective, optimizer)
        return fl.fit(
            step,
            state,
            train,
            scaler(validation),
            epochs=epochs,
            evaluate=evaluate,
            stop=stop,
        )

    return run
