"""A rule from epoch to epoch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

LOSSES = [9.0, 5.0, 5.5, 4.0, 4.1, 4.2, 3.999, 4.5, 1.0, 2.0, 3.0, 0.5]


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
            options["evaluate"] = evaluate
        options.setdefault("epochs", len(losses))
        return fl.fit(train_step, state, fl.Dataset(losses, losses), **options)

    return run


def test_a_rule_goes_on_where_it_left_off(fl, replay):
    rule = fl.stopping.patience(3, min_delta=0.01) | fl.stopping.max_epochs(11)
    whole = replay(LOSSES, stop=rule)
    part, done = None, 0
    while part is None or not part.reason.code:
        part = replay(LOSSES[done:], stop=rule, epochs=2)
        rule, done = part.stop, done + int(part.epochs)
    assert (done, part.reason.name) == (int(whole.epochs), whole.reason.name)
    assert int(replay(LOSSES, stop=rule).epochs) == 0


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


def test_no_epochs(fl, problem):
    run = problem(0.05, fl.stopping.target(12.0), epochs=0)
    assert (int(run.epochs), run.reason.name) == (0, "epochs")
    assert run.history.loss.shape == (0,)


def test_settings_may_be_mapped_over_without_compiling_again(fl, problem):
    traces = []

    @jax.jit
    def epochs(target):
        traces.append(target)
        return problem(0.05, fl.stopping.target(target)).epochs

    goals = [30.0, 12.0]
    assert [int(epochs(goal)) for goal in goals] == [
        int(problem(0.05, fl.stopping.target(goal)).epochs) for goal in goals
    ]
    assert len(traces) == 1


def test_a_number_of_mistakes_is_a_validation_loss(fl):
    train, validation = fl.data.split(jax.random.key(0), fl.data.thermometer())
    optimizer = optax.sgd(1e-4)
    step = fl.make_train_step(
        fl.make_objective(fl.models.linear, fl.losses.mse), optimizer
    )
    state = fl.init_state(
        jax.random.key(0), fl.models.linear.init(jax.random.key(0)), optimizer
    )

    def mistakes(params, rows):
        errors = fl.models.linear.apply(params, rows.inputs) - rows.targets
        return jnp.sum(jnp.abs(errors) > 10)

    run = fl.fit(
        step,
        state,
        train,
        validation,
        epochs=30,
        evaluate=mistakes,
        stop=fl.stopping.patience(3),
    )
    history = np.asarray(run.history.evaluation)[: int(run.epochs)]
    assert history.dtype == np.int32
    assert float(run.best.loss) == history.min()
    assert int(run.best.epoch) == history.argmin() + 1
