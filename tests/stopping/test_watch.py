"""A rule from epoch to epoch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

LOSSES = [9.0, 5.0, 5.5, 4.0, 4.1, 4.2, 3.999, 4.5, 1.0, 2.0, 3.0, 0.5]


def test_a_rule_goes_on_where_it_left_off(fl, replay):
    rule = fl.stopping.patience(3, min_delta=0.01) | fl.stopping.max_epochs(11)
    whole = replay(LOSSES, stop=rule)
    part, done = None, 0
    while part is None or not part.reason.code:
        part = replay(LOSSES[done:], stop=rule, epochs=2)
        rule, done = part.stop, done + int(part.epochs)
    assert (done, part.reason.name) == (int(whole.epochs), whole.reason.name)
    assert int(replay(LOSSES, stop=rule).epochs) == 0


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
